"""One run of the embryo benchmark, each in a process of its own, kept as JSON."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import common
from nuclei_runs import code_digest
from segcritic.rules import Scorer

if TYPE_CHECKING:
    from segcritic.boundary_net import BoundaryNet
    from segcritic.rules import Rules
    from segcritic.stateless.state import State

TEST_SEED = 300_000
METRICS = ("VI", "VI_merge", "VI_split", "mAP", "AP50")
LEVELS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
PATCH = 128  # pixels, the side of the annotated patch
UNET_WIDTHS = (8, 16, 32)
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
        words = [self.method.replace(" ", "_"), *(f"{name}{value}" for name, value in list(asdict(self).items())[1:])]
        return "-".join(words) + ".json"


def measured(run: Run, threads: int) -> dict[str, Any]:
    """Do one run: its row, and for what was trained by rules the row refined by local search."""
    import torch

    from segcritic.datasets.embryo import embryos
    from segcritic.rules import load_builtin
    from segcritic.stateless.state import make_state

    torch.set_num_threads(threads)
    rules, tests = load_builtin("radial"), embryos(run.test, TEST_SEED)
    make_state(tests[0][0], rules)  # not timed: compiles
    if run.method == "still":
        rows = [_still(method, tests, rules) for method in STILL]
    elif run.method == "network":
        rows = _by_network(tests, run.steps)
    else:
        rows = _trained(run, tests, rules)
    cost = {"seed": run.seed, "peak_megabytes": common.peak_megabytes(), "code": code_digest()}
    return {"rows": [row | cost for row in rows]}


def _row(name: str, labels: list[Labels], tests: list, seconds: float, training: float | None, **more: Any) -> dict:
    """One row's scores; `seconds` for all images together."""
    import segcritic

    found = segcritic.evaluate(labels, [truth for _, truth in tests])
    scores = {metric: found[metric] for metric in METRICS}
    return {"name": name, "scores": scores, "seconds": seconds / len(tests), "training": training, **more}


def _still(method: str, tests: list, rules: "Rules") -> dict[str, Any]:
    """What learns nothing; of those with a level the one of `LEVELS` with the best VI."""
    from segcritic.graph.project import achievable_segmentation
    from segcritic.search.refine import refine
    from segcritic.stateless.predict import label_partition
    from segcritic.stateless.state import make_state

    start = time.process_time()
    states = [make_state(image, rules) for image, _ in tests]
    seconds = time.process_time() - start
    if method == STILL[0]:
        best = [
            achievable_segmentation(state.graph.superpixels, truth)
            for state, (_, truth) in zip(states, tests, strict=True)
        ]
        number = float(np.mean([state.graph.n_nodes for state in states]))
        return _row(method, best, tests, seconds, None, superpixels=number)
    if method == STILL[5]:
        start, scorer, labels = time.process_time(), Scorer(rules), []
        for state in states:
            alone = np.arange(state.graph.n_nodes, dtype=np.int32)  # every superpixel an object
            split = np.ones(state.graph.n_edges, np.float32)
            labels.append(refine(state, label_partition(state, alone, split, scorer), scorer).labels)
        return _row(method, labels, tests, seconds + time.process_time() - start, None)
    apply: Callable[[Any, float], Labels] = {
        STILL[1]: components,
        STILL[2]: lambda state, level: cut(state, level, "gradient"),
        STILL[3]: lambda state, level: cut(state, level, "boundary"),
        STILL[4]: lambda state, level: cut(state, level, "boundary", rules),
    }[method]
    return _best(method, tests, lambda level: [apply(state, level) for state in states], seconds)


def _best(
    name: str, tests: list, apply: Callable[[float], list[Labels]], seconds: float, training: float | None = None
) -> dict[str, Any]:
    start = time.process_time()
    rows = [_row(name, apply(level), tests, 0.0, training) for level in LEVELS]
    each = (time.process_time() - start) / len(LEVELS)
    return min(rows, key=lambda row: row["scores"]["VI"]) | {"seconds": (seconds + each) / len(tests)}


def _by_network(tests: list, steps: int | None) -> list[dict[str, Any]]:
    """A U-Net that learned outlines from labels of other cells, as the paper's had."""
    from baselines import unet_components, unet_multicut

    start = time.process_time()
    network = tissue_network(steps)
    training = time.process_time() - start
    start = time.process_time()
    maps = [network.maps(image) for image, _ in tests]
    seconds = time.process_time() - start

    def multicuts(level: float) -> list[Labels]:
        return [_without_border(unet_multicut(each, bias=level)) for each in maps]

    def pieces(level: float) -> list[Labels]:
        return [_without_border(unet_components(each, threshold=level)) for each in maps]

    return [
        _best(BY_NETWORK[0], tests, pieces, seconds, training),
        _best(BY_NETWORK[1], tests, multicuts, seconds, training),
    ]


def tissue_network(steps: int | None) -> "BoundaryNet":
    """The boundary network of `tissue`."""
    from segcritic.boundary_net import BoundaryTraining, train

    pairs = [tissue(TISSUE_SEED + k) for k in range(TISSUE)]
    settings = BoundaryTraining() if steps is None else replace(BoundaryTraining(), steps=steps)
    return train([image for image, _ in pairs], [labels for _, labels in pairs], settings)


def tissue(seed: int, side: int = 192) -> tuple[NDArray[np.float32], Labels]:
    """Other cells with bright membranes, filling the image without order: (H, W) image in [0, 1], and labels 1..n."""
    from scipy import ndimage as ndi
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(seed)
    width = rng.uniform(18, 36)  # pixels, of a cell
    points = rng.uniform(-width, side + width, (round(((side + 2 * width) / width) ** 2), 2))
    places = np.stack(np.mgrid[:side, :side], -1).reshape(-1, 2) + np.stack(
        [ndi.gaussian_filter(rng.standard_normal((side, side)), 6).ravel() * 30 for _ in range(2)], -1
    )  # wavy borders
    distance, nearest = cKDTree(points).query(places, 2)
    to_border = (distance[:, 1] - distance[:, 0]).reshape(side, side) / 2
    patchy = 1 - 0.6 * np.clip(ndi.gaussian_filter(rng.standard_normal((side, side)), 5) * 9, 0, 1)
    state = rng.uniform(0.5, 0.8) * patchy * np.exp(-0.5 * (to_border / 1.2) ** 2)
    state += 0.1 * (1 + ndi.gaussian_filter(rng.standard_normal((side, side)), 2) * 3) + 0.05
    state += rng.uniform(0.03, 0.08) * np.sqrt(np.clip(state, 0, None)) * rng.standard_normal(state.shape)
    labels = np.unique(nearest[:, 0], return_inverse=True)[1].reshape(side, side).astype(np.int32) + 1
    return np.clip(state, 0, 1).astype(np.float32), labels


def _trained(run: Run, tests: list, rules: "Rules") -> list[dict[str, Any]]:
    """Train an actor; label the test images by it, and once more refined."""
    from segcritic.datasets.embryo import embryos
    from segcritic.graph.project import UNLABELLED
    from segcritic.search.refine import refine
    from segcritic.stateless.label_rewards import supervised
    from segcritic.stateless.predict import segment
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.state import make_state
    from segcritic.stateless.train import train

    settings = TrainSettings() if run.steps is None else replace(TrainSettings(), steps=run.steps)
    channels = next((channels for channels, name in LEARNED.items() if name == run.method), 0)
    if channels:
        network = replace(settings.network, pixel_features=channels, unet_widths=UNET_WIDTHS)
        settings = replace(settings, network=network)
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
    actor = train(states, Scorer(rules), settings, seed=run.seed)
    if actor.interrupted:
        raise KeyboardInterrupt
    training = time.process_time() - start
    policy, rows = actor.policy(), []
    scorer = Scorer(rules)
    for name, refined in ((run.method, False), (f"{run.method}, refined", True)):
        start, labels = time.process_time(), []
        for image, _ in tests:
            state = make_state(image, rules)
            found = segment(state, policy, scorer)
            labels.append((refine(state, found, scorer) if refined else found).labels)
        rows.append(_row(name, labels, tests, time.process_time() - start, training))
    return rows


def components(state: "State", level: float) -> Labels:
    """Connected pieces between lines stronger than `level`, grown back over the lines; at the image border: none."""
    from scipy import ndimage as ndi
    from skimage.segmentation import watershed

    from segcritic.superpixels.lines import line_strength

    strength = line_strength(state.image)
    pieces, _ = ndi.label(strength < level)  # pyright: ignore[reportGeneralTypeIssues]
    return _without_border(watershed(strength, pieces))


def cut(state: "State", level: float, boundary: str, rules: "Rules | None" = None) -> Labels:
    """Multicut whose edges repel where the mean of `boundary` exceeds `level` of its 95th percentile.

    Objects at the image border are background; with rules, so is all that these would not keep.
    """
    from segcritic.graph import Edge
    from segcritic.graph.partition import multicut
    from segcritic.stateless.environment import evaluate_partition

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
