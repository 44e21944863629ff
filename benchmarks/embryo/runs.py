"""One run of the embryo benchmark."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from scipy.spatial import KDTree
from skimage.segmentation import watershed

from benchmarks.baselines import unet_components, unet_multicut
from benchmarks.lib.digest import file_name
from benchmarks.lib.images import TEST_SEED
from benchmarks.lib.runs import UNET_WIDTHS, bound, label, scores, settings_for, timed, trained
from segcritic.boundary_net import BoundaryNet, BoundaryTraining, train
from segcritic.datasets.embryo import embryos
from segcritic.graph import Edge
from segcritic.graph.partition import multicut
from segcritic.graph.project import UNLABELLED
from segcritic.rules import Rules, Scorer, load_builtin
from segcritic.search.refine import refine
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.label_rewards import supervised
from segcritic.stateless.predict import label_partition
from segcritic.stateless.state import State, make_state
from segcritic.superpixels.lines import line_strength

METRICS = ("VI", "VI_merge", "VI_split", "mAP", "AP50")
LEVELS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
PATCH = 128  # pixels, the side of the annotated patch
TISSUE, TISSUE_SEED = 60, 400_000
Labels = NDArray[np.int32]

RULES, PATCHED = "rules only", "rules and one annotated patch"
SUPERVISED = "labels of all training images"
LEARNED = {channels: f"rules only, hand-made features and {channels} learned" for channels in (4, 12, 16)}
STILL = (
    "superpixels' bound",
    "connected components between membranes",
    "multicut of gradients",
    "multicut of membranes",
    "multicut of membranes, objects that fit the rules",
    "nothing learned, refined",
)
BY_NETWORK = ("U-Net of other cells + components", "U-Net of other cells + multicut")


@dataclass(frozen=True)
class Run:
    """What determines a result.

    Attributes
    ----------
    method : 'still' (all that learns nothing), 'network' (a U-Net of other cells), or the name of a trained row
    train, test : number of images
    seed : of training and its images; None of what learns nothing
    steps : updates of what is trained; None = the default number
    """

    method: str
    train: int
    test: int
    seed: int | None = None
    steps: int | None = None

    def file_name(self) -> str:
        """A name to recognise, and a digest of all that determines the result but code."""
        told = [self.method, self.seed is not None and f"seed{self.seed}"]
        return file_name(told, [asdict(self), load_builtin("radial").to_yaml()])


def measured(run: Run) -> dict[str, Any]:
    """Do one run: its row, and for what was trained by rules the row refined by local search."""
    rules, tests = load_builtin("radial"), embryos(run.test, TEST_SEED["embryos"])
    make_state(tests[0][0], rules)  # not timed: compiles
    if run.method == "still":
        states, spent = timed(lambda pair: make_state(pair[0], rules), tests)
        rows = [_still(method, states, sum(spent), tests, rules) for method in STILL]
    elif run.method == "network":
        rows = _by_network(tests, run.steps)
    else:
        rows = _trained(run, tests, rules)
    return {"rows": rows, "seed": run.seed}


def _row(name: str, labels: list[Labels], tests: list, seconds: float, training: float | None, **more: Any) -> dict:
    """One row's scores; `seconds` for all images together."""
    found = scores(labels, [truth for _, truth in tests], METRICS)
    costs = {"image_seconds": [seconds / len(tests)], "training_seconds": training}
    return {"name": name, "scores": found, **costs, **more}


def _still(method: str, states: list[State], seconds: float, tests: list, rules: Rules) -> dict[str, Any]:
    """What learns nothing; of those with a level the one of `LEVELS` with the best VI. `seconds` made the states."""
    if method == STILL[0]:
        best = bound([state.graph.superpixels for state in states], [truth for _, truth in tests])
        number = float(np.mean([state.graph.n_nodes for state in states]))
        return _row(method, best, tests, seconds, None, superpixels=number)
    if method == STILL[5]:
        labels, spent = timed(lambda state: refined_alone(state, rules), states)
        return _row(method, labels, tests, seconds + sum(spent), None)
    apply: Callable[[Any, float], Labels] = {
        STILL[1]: components,
        STILL[2]: lambda state, level: cut(state, level, "gradient"),
        STILL[3]: lambda state, level: cut(state, level, "boundary"),
        STILL[4]: lambda state, level: cut(state, level, "boundary", rules),
    }[method]
    return _best(method, tests, lambda level: [apply(state, level) for state in states], seconds)


def refined_alone(state: State, rules: Rules) -> Labels:
    """The local search from single superpixels, each an object."""
    alone, split = np.arange(state.graph.n_nodes, dtype=np.int32), np.ones(state.graph.n_edges, np.float32)
    scorer = Scorer(rules)
    return refine(state, label_partition(state, alone, split, scorer), scorer).labels


def _best(
    name: str, tests: list, apply: Callable[[float], list[Labels]], seconds: float, training: float | None = None
) -> dict[str, Any]:
    start = time.process_time()
    rows = [_row(name, apply(level), tests, 0.0, training) for level in LEVELS]
    each = (time.process_time() - start) / len(LEVELS)
    return min(rows, key=lambda row: row["scores"]["VI"]) | {"image_seconds": [(seconds + each) / len(tests)]}


def _by_network(tests: list, steps: int | None) -> list[dict[str, Any]]:
    """A U-Net that learned outlines from labels of other cells, as the paper's had."""
    start = time.process_time()
    network = tissue_network(steps)
    training = time.process_time() - start
    maps, spent = timed(lambda pair: network.maps(pair[0]), tests)

    ways = (
        lambda each, level: _without_border(unet_components(each, threshold=level)),
        lambda each, level: _without_border(unet_multicut(each, bias=level)),
    )
    rows = []
    for name, way in zip(BY_NETWORK, ways, strict=True):
        rows.append(
            _best(name, tests, lambda level, way=way: [way(each, level) for each in maps], sum(spent), training)
        )
    return rows


def tissue_network(steps: int | None) -> BoundaryNet:
    """The boundary network of `tissue`."""
    pairs = [tissue(TISSUE_SEED + k) for k in range(TISSUE)]
    settings = BoundaryTraining() if steps is None else replace(BoundaryTraining(), steps=steps)
    return train([image for image, _ in pairs], [labels for _, labels in pairs], settings)


def tissue(seed: int, side: int = 192) -> tuple[NDArray[np.float32], Labels]:
    """Other cells with bright membranes, filling the image without order: (H, W) image in [0, 1], and labels 1..n."""
    rng = np.random.default_rng(seed)
    width = rng.uniform(18, 36)  # pixels, of a cell
    points = rng.uniform(-width, side + width, (round(((side + 2 * width) / width) ** 2), 2))
    places = np.stack(tuple(np.mgrid[:side, :side]), -1).reshape(-1, 2) + np.stack(
        [ndi.gaussian_filter(rng.standard_normal((side, side)), 6).ravel() * 30 for _ in range(2)], -1
    )  # wavy borders
    distance, nearest = KDTree(points).query(places, 2)
    to_border = (distance[:, 1] - distance[:, 0]).reshape(side, side) / 2
    patchy = 1 - 0.6 * np.clip(ndi.gaussian_filter(rng.standard_normal((side, side)), 5) * 9, 0, 1)
    scene = rng.uniform(0.5, 0.8) * patchy * np.exp(-0.5 * (to_border / 1.2) ** 2)
    scene += 0.1 * (1 + ndi.gaussian_filter(rng.standard_normal((side, side)), 2) * 3) + 0.05
    scene += rng.uniform(0.03, 0.08) * np.sqrt(np.clip(scene, 0, None)) * rng.standard_normal(scene.shape)
    labels = np.unique(np.asarray(nearest)[:, 0], return_inverse=True)[1].reshape(side, side).astype(np.int32) + 1
    return np.clip(scene, 0, 1).astype(np.float32), labels


def _trained(run: Run, tests: list, rules: Rules) -> list[dict[str, Any]]:
    """Train an actor; label the test images by it, and once more refined."""
    channels = next((channels for channels, name in LEARNED.items() if name == run.method), 0)
    network = {"pixel_features": channels, "unet_widths": UNET_WIDTHS} if channels else {}
    assert run.seed is not None
    start = time.process_time()
    states = []
    for number, (image, truth) in enumerate(embryos(run.train, run.seed)):
        known = None
        if run.method == SUPERVISED:
            known = truth
        elif run.method == PATCHED and number == 0:
            known = np.full(truth.shape, UNLABELLED, np.int32)
            known[:PATCH, :PATCH] = truth[:PATCH, :PATCH]
        states.append(supervised(make_state(image, rules), known, f"image {number}").lean(keep_pixels=channels > 0))
    policy = trained(states, rules, settings_for(run.steps, network), run.seed).policy()
    training, rows = time.process_time() - start, []
    for refined in (False, True):
        labels, spent = timed(
            lambda pair, refined=refined: label(policy, make_state(pair[0], rules), rules, refined), tests
        )
        rows.append(_row(f"{run.method}{', refined' * refined}", labels, tests, sum(spent), training))
    return rows


def components(state: State, level: float) -> Labels:
    """Connected pieces between lines stronger than `level`, grown back over the lines; at the image border: none."""
    strength = line_strength(state.image)
    pieces, _ = ndi.label(strength < level)  # pyright: ignore[reportGeneralTypeIssues]
    return _without_border(watershed(strength, pieces))


def cut(state: State, level: float, boundary: str, rules: Rules | None = None) -> Labels:
    """Multicut whose edges repel where the mean of `boundary` exceeds `level` of its 95th percentile.

    Objects at the image border are background; with rules, so is all that these would not keep.
    """
    graph = state.graph
    strength = graph.edge_sums[:, Edge[boundary.upper()]] / graph.edge_length
    node_labels = multicut(graph, (level * np.percentile(strength, 95) - strength) * graph.edge_length)
    if rules is None:
        return _without_border(node_labels[graph.superpixels] + 1)
    rewards = evaluate_partition(state, node_labels, Scorer(rules))
    number = np.where(rewards.foreground, np.arange(1, len(rewards.foreground) + 1), 0).astype(np.int32)
    return number[rewards.objects.node_object[0]][graph.superpixels]


def _without_border(labels: NDArray) -> Labels:
    at_border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.where(np.isin(labels, at_border), 0, labels).astype(np.int32)
