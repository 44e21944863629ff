"""The golden cases: name -> function that runs the package and returns what must not change.

A case returns a dict of arrays, texts, numbers, and of weights (name -> tensor) under keys that start with 'weights'.
"""

import contextlib
import csv
import io
import re
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import reach
import tifffile
from reach import NetworkSettings, RecurrentSettings, TrainSettings
from scipy import ndimage as ndi
from skimage import data
from skimage.io import imread

import segcritic
from segcritic.cli import main
from segcritic.datasets.circles import circles
from segcritic.datasets.embryo import embryos
from segcritic.datasets.rosettes import rosettes

CASES: dict[str, Callable[[], dict[str, Any]]] = {}

DISKS = """\
name: disks
area: {expect: rough, tolerance: 60%, scale: log}
solidity: {at_least: 0.9, tolerance: 0.05}
circularity: {at_least: 0.8, tolerance: 0.1}
intensity: {brighter_than: background}
"""
CLASSES = """\
name: small and large
pixel_size: 0.5
center: [40, 60]
where: {at_most: 70, tolerance: 20}
solidity: {at_least: 0.9, tolerance: 0.05, weight: 2}
orientation: {expect: 30, tolerance: 60}
intensity: {brighter_than: background, by: 0.05}
background: {level: 0.4, softness: 0.05}
count: {at_least: 5, at_most: 9, weight: 0.5}
border: drop
shaping: 2.0
distance: joint
keep_above: 0.05
python: cases:near_the_middle
classes:
  small:
    area: {at_most: 60, tolerance: 30%, scale: log, unit: um2}
  large:
    area: {expect: 90, tolerance: 30%, scale: log, unit: um2}
    intensity: {at_least: 0.3, tolerance: 0.2}
"""
COUNTED = DISKS + "count: {expect: 9, tolerance: 20%}\n"


def case(function: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Keep a case by its function's name."""
    CASES[function.__name__] = function
    return function


def blobs(seed: int = 0, shape: tuple[int, int] = (96, 112), n: int = 9) -> tuple[np.ndarray, np.ndarray]:
    """(H, W) uint16 picture of bright discs, some of which touch, on a dim noisy ground; and the true labels."""
    rng = np.random.default_rng(seed)
    row, column = np.indices(shape)
    truth, bright = np.zeros(shape, np.int32), np.zeros(shape)
    for number in range(1, n + 1):
        r, c = rng.uniform(6, shape[0] - 6), rng.uniform(6, shape[1] - 6)
        inside = np.hypot(row - r, column - c) < rng.uniform(7, 12)
        truth[inside & (truth == 0)] = number
        bright[inside] = rng.uniform(0.5, 1.0)
    values = 300 + 2500 * bright + rng.normal(0, 60, shape)
    return np.clip(values, 0, 65535).astype(np.uint16), truth


def coins() -> np.ndarray:
    """A part of the photograph that comes with scikit-image, (H, W) uint8."""
    return data.coins()[150:290, 80:280]


def membranes() -> np.ndarray:
    """A generated embryo: bright lines between dark cells."""
    return embryos(1, seed=4)[0][0][40:220, 40:220]


def outline_map() -> tuple[np.ndarray, np.ndarray]:
    """Probability of outline and of object, as from a network, of `blobs`."""
    truth = blobs()[1]
    outline = np.zeros(truth.shape, np.float32)
    for axis in (0, 1):
        changes = np.diff(truth, axis=axis) != 0
        pad = [(0, 1), (0, 0)] if axis == 0 else [(0, 0), (0, 1)]
        outline = np.maximum(outline, np.pad(changes, pad))
    noise = np.random.default_rng(1).uniform(0, 0.2, truth.shape).astype(np.float32)
    return np.clip(0.8 * outline + noise, 0, 1), np.clip(0.8 * (truth > 0) + noise, 0, 1)


def segmented(found: Any) -> dict[str, Any]:
    """Labels and table of a segmentation."""
    return {"labels": found.labels} | {f"table_{name}": column for name, column in found.table.items()}


def trained(rules: str = DISKS, **options: Any) -> segcritic.Model:
    """A model after a few steps on two pictures."""
    return segcritic.train(
        [blobs(0)[0], blobs(1)[0]], segcritic.Rules.loads(rules), **({"steps": 6, "seed": 3} | options)
    )


# ---------------------------------------------------------------- superpixels, features


@case
def superpixels_shells() -> dict[str, Any]:
    return reach.cut(blobs()[0].astype(np.float32), DISKS)


@case
def superpixels_dark_shells() -> dict[str, Any]:
    dark = 65535 - blobs()[0].astype(np.float32)
    return reach.cut(dark, DISKS.replace("brighter", "darker") + "superpixels: {method: shells, pieces: 6}\n")


@case
def superpixels_watershed() -> dict[str, Any]:
    return reach.cut(
        coins().astype(np.float32), "area: {expect: 900}\nsuperpixels: {method: watershed, mean_size: 60}\n"
    )


@case
def superpixels_circles() -> dict[str, Any]:
    image = circles(1, seed=2, shape=(128, 128))[0][0]
    text = "circle_hough: {at_least: 0.9}\nsuperpixels: {method: watershed, circles: [5, 40], mean_size: 150}\n"
    return reach.cut(image, text)


@case
def superpixels_lines() -> dict[str, Any]:
    text = "solidity: {at_least: 0.9}\nsuperpixels: {method: watershed, lines: bright, mean_size: 80}\n"
    return reach.cut(membranes(), text)


@case
def superpixels_mutex() -> dict[str, Any]:
    return reach.cut(
        coins().astype(np.float32), "area: {expect: 900}\nsuperpixels: {method: mutex, n_superpixels: 300}\n"
    )


@case
def superpixels_boundaries() -> dict[str, Any]:
    outline, inside = outline_map()
    text = DISKS + "superpixels: boundaries\n"
    one = reach.cut(blobs()[0].astype(np.float32), text, outline)
    two = reach.cut(blobs()[0].astype(np.float32), text, np.stack([outline, inside]))
    return one | {f"two_{name}": value for name, value in two.items()}


@case
def radial_features() -> dict[str, Any]:
    image = embryos(1, seed=5)[0][0]
    text = """\
radial_distance: {expect: 69, tolerance: 12}
center: foreground
where: {at_least: 52, at_most: 96, tolerance: 7}
superpixels: {method: watershed, lines: bright, mean_size: 150}
"""
    return reach.cut(image, text)


# ---------------------------------------------------------------- the stateless method, by the public functions


@case
def train_segment() -> dict[str, Any]:
    model = trained()
    found = model.analyse(blobs(2)[0])
    # Reading the split probabilities and rewards of superpixels pins the whole way, not the labels alone.
    return segmented(found) | {
        "weights": model.actor.weights,
        "split": found.split,
        "node_reward": found.node_reward,
        "reward": [point["reward"] for point in model.actor.curve],
    }


@case
def train_with_labels() -> dict[str, Any]:
    labels = blobs(1)[1].copy()
    labels[:, :30] = 65535
    model = trained(labels=[None, labels])
    return segmented(model.analyse(blobs(2)[0])) | {"weights": model.actor.weights}


@case
def train_with_boundary_maps() -> dict[str, Any]:
    model = segcritic.train(
        [blobs()[0]], segcritic.Rules.loads(DISKS), boundaries=[np.stack(outline_map())], steps=3, seed=1
    )
    found = model.analyse(blobs()[0], boundaries=np.stack(outline_map()))
    return segmented(found) | {"weights": model.actor.weights}


@case
def saved_and_loaded() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        trained(COUNTED).save(Path(folder) / "model")
        card = (Path(folder) / "model" / "card.md").read_text(encoding="utf-8")
        model = segcritic.load(Path(folder) / "model")
    # How many seconds training took, and which version wrote the card, may change.
    card = re.sub(r" in \d+ s |segcritic \| [^,]+", " ", card)
    return segmented(model.analyse(blobs(2)[0])) | {"card": card, "rules": model.rules.to_yaml()}


@case
def own_superpixels() -> dict[str, Any]:
    row, column = np.indices(blobs()[1].shape)
    given = 1000 * blobs()[1] + 7 * (row // 8) + 300 * (column // 8)
    model = segcritic.train([blobs()[0]], segcritic.Rules.loads(DISKS), superpixels=[given], steps=3, seed=1)
    return {"labels": model.segment(blobs()[0], superpixels=given)}


@case
def rules_of_every_kind() -> dict[str, Any]:
    found = trained(CLASSES, steps=2).analyse(blobs(2)[0])
    values = segmented(found) | {"node_reward": found.node_reward}
    for distance in ("cosine", "product"):
        other = trained(CLASSES.replace("joint", distance), steps=2).analyse(blobs(2)[0])
        values |= {f"{distance}_score": other.table["score"], f"{distance}_node_reward": other.node_reward}
    return values


def near_the_middle(objects: Any, graph: Any) -> np.ndarray:
    """A rule of the user's own, named in `CLASSES`: (M,) scores of M objects."""
    return 1 / (1 + objects["center_distance"])


@case
def shipped_nuclei() -> dict[str, Any]:
    return segmented(segcritic.load("nuclei").analyse(blobs(3, (160, 160), 20)[0]))


@case
def shipped_circles() -> dict[str, Any]:
    return segmented(segcritic.load("circles").analyse(circles(1, seed=9, shape=(128, 128))[0][0]))


@case
def refine() -> dict[str, Any]:
    lines = segcritic.train(membranes(), "radial", steps=2)
    return segmented(reach.refined(trained(), blobs(2)[0])) | {"membranes": reach.refined(lines, membranes()).labels}


@case
def ensemble() -> dict[str, Any]:
    return segmented(reach.together([trained(), trained(seed=8)], blobs(2)[0]))


@case
def adapt() -> dict[str, Any]:
    return {"weights": reach.adapted(trained(), blobs(2)[0], 3)}


@case
def adapt_stopped() -> dict[str, Any]:
    model, before, after = reach.adapted_until_stopped(trained(steps=2), blobs(2)[0], 20)
    return {"rewards": [before, after], "weights": model.actor.weights, "split": model.analyse(blobs(2)[0]).split}


@case
def audit() -> dict[str, Any]:
    images, result = segcritic.check_rules(segcritic.Rules.loads(DISKS), [blobs()[0], blobs(1)[0]])
    values: dict[str, Any] = {"names": " ".join(image.name for image in images)}
    for number, candidates in enumerate(result.candidates):
        values[f"reward_{number}"] = np.array([candidate.reward for candidate in candidates])
        values[f"objects_{number}"] = np.array([candidate.n_objects for candidate in candidates])
    return values | {"warnings": "\n".join(result.warnings)}


@case
def audit_search() -> dict[str, Any]:
    _, result = segcritic.check_rules(segcritic.Rules.loads(DISKS), [blobs()[0]])
    candidates = result.candidates[0]
    return {
        "starts": " ".join(candidate.start for candidate in candidates),
        "searched_reward": [candidate.searched_reward for candidate in candidates],
        "degenerate": [candidate.degenerate for candidate in candidates],
        "labels": np.stack([candidate.labels for candidate in candidates]),
    }


@case
def measured_rules() -> dict[str, Any]:
    image, truth = blobs()
    return {"rules": segcritic.measure_rules([image], [truth], name="measured").to_yaml()}


@case
def repair() -> dict[str, Any]:
    image, truth = blobs(5)
    wrong = truth.copy()
    wrong[truth == 2] = 1
    wrong[truth == 3] = 0
    wrong[:50][truth[:50] == 5] = 40
    found = segcritic.repair(wrong, image, segcritic.Rules.loads(DISKS))
    otsu = segcritic.repair((image > 1200).astype(np.int32) * (1 + truth), image, segcritic.Rules.loads(DISKS))
    return {
        "labels": found.labels,
        "changes": "\n".join(map(str, found.changes)),
        "rewards": [found.reward_before, found.reward_after],
        "threshold": otsu.labels,
        "threshold_changes": "\n".join(map(str, otsu.changes)),
    }


UNEVEN = """\
name: uneven
area: {expect: 300, tolerance: 90%, scale: log}
solidity: {at_least: 0.95, tolerance: 0.08}
circularity: {at_least: 0.9, tolerance: 0.3}
eccentricity: {at_most: 0.5, tolerance: 0.4}
intensity: {brighter_than: background, by: 0.3}
valley: {at_most: 0.02, tolerance: 0.06}
background: {level: 0.4, softness: 0.15}
keep_above: 0.02
"""


def uneven(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(128, 144) uint16 picture of faint and bright ellipses of many sizes, and labels with faults of every kind.

    Many of the faults are neither clear nor none, so that what repair takes for clear shows in its labels.
    """
    rng = np.random.default_rng(seed)
    shape = (128, 144)
    row, column = np.indices(shape)
    labels, bright = np.zeros(shape, np.int32), np.zeros(shape)
    for number in range(1, 23):
        y, x, turn = row - rng.uniform(4, 124), column - rng.uniform(4, 140), rng.uniform(0, np.pi)
        along, across = y * np.sin(turn) + x * np.cos(turn), y * np.cos(turn) - x * np.sin(turn)
        inside = np.hypot(along / rng.uniform(5, 16), across / rng.uniform(5, 11)) < 1
        labels[inside & (labels == 0)] = number
        bright[inside] = rng.uniform(0.25, 1)
    image = 300 + 2500 * ndi.gaussian_filter(bright, 1) + rng.normal(0, 70, shape)
    for number in rng.choice(np.arange(1, 23), 10 if seed % 2 else 3, replace=False):
        where = labels == number
        near = np.setdiff1d(labels[ndi.binary_dilation(where, iterations=3)], [0, number])
        fault = rng.integers(4)
        if fault == 0:
            labels[where] = 0
        elif fault == 1:
            labels[where & (row > row[where].mean())] = 100 + number
        elif fault == 2:
            labels[ndi.binary_dilation(where, iterations=2)] = number
        elif len(near):
            labels[labels == near[0]] = number
    r, c = rng.integers(10, 108, 2)
    labels[r : r + 9, c : c + 14] = 99
    return np.clip(image, 0, 65535).astype(np.uint16), labels


@case
def repair_of_doubtful_faults() -> dict[str, Any]:
    rules = segcritic.Rules.loads(UNEVEN)
    values: dict[str, Any] = {}
    for seed in range(10):
        image, labels = uneven(seed)
        for name, wrong in (("faulty", labels), ("threshold", ndi.label(image > 1100)[0].astype(np.int32))):
            found = segcritic.repair(wrong, image, rules)
            values |= {
                f"{name}_{seed}": found.labels,
                f"{name}_{seed}_changes": "\n".join(map(str, found.changes)),
                f"{name}_{seed}_rewards": [found.reward_before, found.reward_after],
            }
    return values


@case
def repair_with_a_model() -> dict[str, Any]:
    image, truth = blobs(5)
    wrong = np.where(np.isin(truth, (2, 4)), 1, truth)
    found = segcritic.repair(wrong, image, model=trained())
    return {"labels": found.labels, "changes": "\n".join(map(str, found.changes))}


@case
def evaluate() -> dict[str, Any]:
    truth = blobs(6)[1]
    found = np.where(truth == 2, 1, np.roll(truth, 2, axis=0))
    scores = segcritic.evaluate(found, truth).as_dict()
    return {"scores": "\n".join(f"{name} {value!r}" for name, value in sorted(scores.items()) if name != "images")}


# ---------------------------------------------------------------- the paper's learner, and variants

SMALL = NetworkSettings(width=16, depth=2, subgraph_sizes=(6, 12))
CRITIC = TrainSettings(learner="critic", steps=3, images_per_step=1, samples=4, network=SMALL)


def learned(settings: TrainSettings, rules: str = COUNTED, **options: Any) -> dict[str, Any]:
    """Weights after a few steps with settings of one's own."""
    images = [blobs(0)[0].astype(np.float32), blobs(1)[0].astype(np.float32)]
    actor = reach.train_actor(images, rules, settings, seed=2, **options)
    return {"weights": actor.weights, "reward": [point["reward"] for point in actor.curve]}


def small(**options: Any) -> TrainSettings:
    """The default learner, small."""
    network = NetworkSettings(**({"width": 16, "depth": 2, "fixed_std": 0.5} | options.pop("network", {})))
    return TrainSettings(**({"steps": 3, "images_per_step": 1, "samples": 4, "network": network} | options))


@case
def critic() -> dict[str, Any]:
    return learned(CRITIC)


@case
def critic_on_pixels() -> dict[str, Any]:
    network = NetworkSettings(
        width=16,
        depth=2,
        subgraph_sizes=(6, 12),
        pixel_features=4,
        unet_widths=(4, 8),
        hand_made=False,
        pooling="concatenate",
        global_head=True,
    )
    return learned(TrainSettings(learner="critic", steps=2, images_per_step=1, samples=1, network=network))


@case
def learned_std() -> dict[str, Any]:
    return learned(small(network={"fixed_std": None}, credit="maximum", solver="kernighan-lin"))


@case
def variant_global_reward() -> dict[str, Any]:
    network = NetworkSettings(width=16, depth=2, subgraph_sizes=(6,), global_head=True)
    return learned(
        TrainSettings(learner="critic", steps=2, images_per_step=1, samples=2, global_reward="critic", network=network)
    )


@case
def variant_object_credit() -> dict[str, Any]:
    return learned(small(credit_by="object", network={"subgraph_sizes": (1,)}))


@case
def variant_object_credit_of_critic() -> dict[str, Any]:
    network = NetworkSettings(width=16, depth=2, subgraph_sizes=(1,))
    return learned(
        TrainSettings(learner="critic", steps=2, images_per_step=1, samples=2, credit_by="object", network=network)
    )


@case
def variant_several_steps() -> dict[str, Any]:
    return learned(small(network={"episode_steps": 3}))


@case
def variant_contrast() -> dict[str, Any]:
    return learned(small(contrast_weight=0.4))


@case
def variant_pretraining() -> dict[str, Any]:
    return learned(small(pretraining_steps=2, network={"pixel_features": 4, "unet_widths": (4, 8)}))


@case
def labels_by_object() -> dict[str, Any]:
    return learned(small(label_reward="objects"), labels=[blobs(0)[1], None])


@case
def critic_with_labels() -> dict[str, Any]:
    return learned(CRITIC, labels=[blobs(0)[1], None])


@case
def variants_predict() -> dict[str, Any]:
    pixels = {"pixel_features": 4, "unet_widths": (4, 8), "hand_made": False}
    settings = {
        "several_steps": small(network={"episode_steps": 3}),
        "kernighan_lin": small(solver="kernighan-lin"),
        "unet": small(network=pixels),
    }
    images = [blobs(0)[0].astype(np.float32)]
    values: dict[str, Any] = {}
    for name, chosen in settings.items():
        actor = reach.train_actor(images, COUNTED, chosen, seed=2)
        found = replace(trained(COUNTED, steps=1), actor=actor).analyse(blobs(2)[0])
        values |= {f"{name}_labels": found.labels, f"{name}_split": found.split}
    return values


# ---------------------------------------------------------------- the command line


def ran(*arguments: str | Path) -> str:
    """What a command writes to the standard output, after its exit code 0."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = main([str(argument) for argument in arguments])
    assert code == 0, arguments
    return output.getvalue()


def columns(path: Path) -> dict[str, Any]:
    """Columns of a CSV file, each a text."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    return {f"{path.name}_{name}": " ".join(cells) for name, *cells in zip(*rows, strict=True)}


@case
def command_line() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.yaml").write_text(DISKS, encoding="utf-8")
        for part, which in (("images", 0), ("truth", 1)):
            (folder / part).mkdir()
            for stem, seed in (("a", 0), ("b", 1)):
                tifffile.imwrite(folder / part / f"{stem}.tif", blobs(seed)[which].astype(np.uint16))
        rules, images, truth = folder / "rules.yaml", folder / "images", folder / "truth"
        ran("rules", "measure", images, truth, "--out", folder / "measured.yaml")
        ran("boundaries", images, "--out", folder / "maps")
        for seed in (0, 1):
            training = ("--rules", rules, "--steps", "2", "--seed", seed, "--boundaries", folder / "maps")
            ran("train", images, *training, "--out", folder / f"model{seed}")
        models = ("--model", folder / "model0", "--model", folder / "model1")
        ran("segment", images, *models, "--boundaries", folder / "maps", "--overlay", "--out", folder / "labels")
        ran("evaluate", folder / "labels", truth, "--json", folder / "scores.json")
        ran("repair", folder / "labels", images, "--rules", rules, "--out", folder / "repaired")
        values: dict[str, Any] = {
            "scores": (folder / "scores.json").read_text(encoding="utf-8"),
            "measured": (folder / "measured.yaml").read_text(encoding="utf-8"),
            "check": ran("rules", "check", rules, images, "--at-most", "1"),
            "maps": tifffile.imread(folder / "maps" / "a.tif"),
            "overlay": imread(folder / "labels" / "overlays" / "a.png"),
        }
        for part in ("labels", "repaired"):
            values |= {f"{part}_{stem}": tifffile.imread(folder / part / f"{stem}.tif") for stem in "ab"}
        return values | columns(folder / "labels" / "measurements.csv") | columns(folder / "repaired" / "changes.csv")


# ---------------------------------------------------------------- the recurrent method, the boundary network

TINY = RecurrentSettings(
    height=64,
    width=64,
    max_objects=6,
    channels=(8, 8, 8, 8, 8),
    mask_channels=(8, 8, 8, 8, 8),
    latent=4,
    hidden=16,
    context_steps=2,
    masks_steps=2,
    first_steps=2,
    episodes_steps=2,
    critic_steps=1,
    batch=2,
    states=2,
)


def drawn(**options: Any) -> dict[str, Any]:
    """Weights and labels of a recurrent model after a few updates."""
    pairs = list(rosettes(3, 48, seed=5, count=(2, 4)))
    images = [(image * 255).astype(np.uint8) for image, _ in pairs]
    model = reach.train_recurrent(images, [labels for _, labels in pairs], replace(TINY, **options), seed=1)
    return {"weights": model.agent.weights, "labels": model.segment(images[0])}


@case
def recurrent() -> dict[str, Any]:
    return drawn()


@case
def recurrent_through_time() -> dict[str, Any]:
    return drawn(objective="bce", matching_noise=0.1, state_pyramid=False, end_to_end=False)


@case
def recurrent_critic() -> dict[str, Any]:
    return drawn(objective="actor-critic", critic_steps=0)


@case
def recurrent_q() -> dict[str, Any]:
    return drawn(objective="actor-critic", critic="q", reward="iou", exploration=0.0, pooling="flatten")


@case
def shipped_leaves() -> dict[str, Any]:
    image = (next(iter(rosettes(1, 160, seed=7)))[0] * 255).astype(np.uint8)
    found = segcritic.load("leaves").analyse(image)
    return segmented(found)


@case
def boundary_maps() -> dict[str, Any]:
    maps = reach.boundary_maps(blobs(4)[0])
    return {"maps": maps.astype(np.float32)}


@case
def boundary_training() -> dict[str, Any]:
    pairs = [blobs(seed) for seed in range(2)]
    return {"weights": reach.train_boundary_net([image for image, _ in pairs], [truth for _, truth in pairs])}
