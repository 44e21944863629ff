"""One run of the nuclei benchmark, each in a process of its own, kept as JSON."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import common
from segcritic.rules import Scorer

LIMITS = "what labels could tell"
"""A run of rules alone, and how much better its labels would be if the truth told this or that."""

SHIFTS = range(-2, 4)
"""Pixels by which outlines are moved, outwards above 0."""

LEARNERS = ("samples", "critic")

SAMPLES = {"samples": 16, "critic": 2}
"""Partitions per image and step of each learner: a critic judges each of them, at the cost of an actor each."""


@dataclass(frozen=True)
class Run:
    """What determines a result.

    Attributes
    ----------
    method : 'rules only' (whatever is trained), 'bound', or one of `nuclei_peers.STILL`, `BY_NETWORK`, `CONTRASTIVE`,
        `PRETRAINED`
    data : folder
    images : only so many of them; None = all
    rules : rules file, or the name of a built-in one
    fold, folds : which part of the images is held out; fold None = all images are labelled, none trained on
    seed : of the training
    steps : updates; None = the default number
    seconds : wall time of the updates, instead of a number of steps
    learner : None = the default one
    superpixels : None = the rules' own; 'network' = of the fold's boundary network; 'truth-cut' = those, cut along the
        true outlines
    labelled : number of training images whose labels are used; None = none, -1 = all
    weights : file or folder of a network that the user has
    label_reward : what labels reward
    """

    method: str
    data: str
    images: int | None
    rules: str
    fold: int | None = None
    folds: int = 1
    seed: int | None = None
    steps: int | None = None
    seconds: float | None = None
    learner: str | None = None
    superpixels: str | None = None
    labelled: int | None = None
    weights: str | None = None
    label_reward: Literal["objects", "edges"] = "objects"

    def file_name(self) -> str:
        """A name to recognise, and a digest of all that determines the result (but code, and where the data lie)."""
        from segcritic.rules import load_rules

        settings = asdict(self) | {"rules": load_rules(self.rules).to_yaml(), "data": None}
        # results from before there were these keep their names
        for later in ("superpixels", "labelled", "weights", "label_reward"):
            if settings[later] in (None, "objects"):
                del settings[later]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
        labels = None if self.labelled is None else f"labelled{self.labelled}"
        by = "edges" if self.label_reward == "edges" else None
        parts = [self.method, self.learner, self.superpixels, labels, by, f"fold{self.fold}", f"seed{self.seed}"]
        named = [part.replace(" ", "_") for part in parts if part and not part.endswith("None")]
        return "-".join([*named, digest]) + ".json"


def code_digest() -> str:
    """A digest of the source that labels depend on, to tell results of different states of it apart."""
    import segcritic

    folder = Path(segcritic.__file__).parent
    parts = ("superpixels", "rules", "stateless", "metrics", "baselines", "boundary_net")
    files = [path for part in parts for path in folder.joinpath(part).glob("*.py")]
    names = ("images", "graph", "pixel_sums", "hulls", "outlines", "partition", "objects", "rewards", "contours")
    names = (*names, "noise", "supervision", "local_search", "proposals")
    files += [folder / f"{name}.py" for name in names]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def measured(run: Run, threads: int) -> dict[str, Any]:
    """Do one run; return its scores and costs, JSON-able."""
    import torch

    torch.set_num_threads(threads)
    result = {"rules only": train_and_label, LIMITS: limits}.get(run.method, label)(run)
    return result | {"seed": run.seed, "peak_megabytes": common.peak_megabytes(), "code": code_digest()}


def _read(pairs: list[tuple[Path, Path]]) -> tuple[list[Any], list[Any]]:
    from segcritic.io.images import read_image, read_labels

    return [read_image(image).pixels for image, _ in pairs], [read_labels(labels) for _, labels in pairs]


def _scores(labels: list[Any], truth: list[Any], pairs: list[tuple[Path, Path]]) -> list[dict[str, Any]]:
    from segcritic.metrics import evaluate

    found = evaluate(labels, truth, [image.stem for image, _ in pairs])
    return [
        {"name": name, "mAP": row["mAP"], "AP50": row["AP50"], "AP75": row["AP75"]}
        for name, row in zip(found.names, found.rows, strict=True)
    ]


def label(run: Run) -> dict[str, Any]:
    """Label all images by a method that learns nothing (for the bound: by the truth on superpixels)."""
    import numpy as np

    from nuclei_peers import network_of, worker
    from segcritic.graph.project import achievable_segmentation

    pairs = common.nuclei_pairs(Path(run.data), run.images)
    pairs = pairs if run.fold is None else pairs[run.fold :: run.folds]
    images, truth = _read(pairs)
    work = worker(run, network_of(run))
    work(images[0], truth[0])  # not timed: imports and compiles
    labels, seconds, numbers = [], [], []
    for pixels, true in zip(images, truth, strict=True):
        start = time.process_time()
        found = work(pixels, true)
        seconds.append(time.process_time() - start)
        numbers.append(int(found.max()) + 1)
        labels.append(achievable_segmentation(found, true) if run.method == "bound" else found)
    return {
        "scores": _scores(labels, truth, pairs),
        "superpixels": float(np.median(numbers)) if run.method == "bound" else None,
        "training_seconds": None,
        "image_seconds": seconds,
    }


@dataclass(frozen=True)
class Trained:
    """A policy, and what it labels images with.

    Attributes
    ----------
    label : function of an image's pixels and its truth, which only truth-cut superpixels look at; labels
    training, held_out : pairs of files
    facts : costs of the training, and how it was done
    """

    label: Callable[[Any, Any], Any]
    training: list[tuple[Path, Path]]
    held_out: list[tuple[Path, Path]]
    facts: dict[str, Any]


def trained(run: Run) -> Trained:
    """Train on the images of the other folds, without their labels or with those of some."""
    from dataclasses import replace

    import numpy as np

    from nuclei_peers import inputs_of, network_of, rules_of
    from segcritic.stateless.label_rewards import supervised
    from segcritic.stateless.predict import segment
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.state import make_state
    from segcritic.stateless.train import train

    pairs = common.nuclei_pairs(Path(run.data), run.images)
    held_out = pairs[run.fold :: run.folds]
    training = [pair for pair in pairs if pair not in held_out]
    rules, network = rules_of(run), network_of(run)
    settings = TrainSettings(label_reward=run.label_reward)
    assert run.fold is not None
    if run.learner is not None:
        settings = replace(settings, learner=run.learner, samples=SAMPLES[run.learner])
    if run.steps is not None:
        settings = replace(settings, steps=run.steps)
    if run.seconds is not None:
        settings = replace(settings, steps=10**9)  # the time ends it

    images, truth = _read(training)
    make_state(images[0], rules, *inputs_of(run, network, images[0], truth[0]))  # not timed: compiles
    start, wall = time.process_time(), time.monotonic()
    n_labelled = len(images) if run.labelled == -1 else run.labelled or 0
    labelled = set(np.random.default_rng(run.seed or 0).choice(len(images), n_labelled, replace=False))
    states = []
    for number, (pixels, true) in enumerate(zip(images, truth, strict=True)):
        state = make_state(pixels, rules, *inputs_of(run, network, pixels, true))
        known = true if number in labelled else None
        states.append(supervised(state, known, training[number][0].stem).lean(keep_pixels=False))
    steps = []
    minutes = None if run.seconds is None else run.seconds / 60
    actor = train(
        states,
        Scorer(rules),
        settings,
        seed=run.seed or 0,
        minutes=minutes,
        on_progress=lambda now: steps.append(now.reward),
    )
    if actor.interrupted:
        raise KeyboardInterrupt
    training_seconds, training_wall = time.process_time() - start, time.monotonic() - wall

    policy = actor.policy()

    def apply(pixels: Any, true: Any) -> Any:
        state = make_state(pixels, rules, *inputs_of(run, network, pixels, true))
        return segment(state, policy, Scorer(rules)).labels

    facts = {
        "training_seconds": training_seconds,
        "training_wall_seconds": training_wall,
        "steps": len(steps),
        "reward": steps[-1] if steps else None,
        "settings": settings.to_dict(),
    }
    return Trained(apply, training, held_out, facts)


def train_and_label(run: Run) -> dict[str, Any]:
    """Train, and label the held-out images."""
    model = trained(run)
    images, truth = _read(model.held_out)
    model.label(images[0], truth[0])  # not timed: compiles
    labels, seconds = [], []
    for pixels, true in zip(images, truth, strict=True):
        start = time.process_time()
        labels.append(model.label(pixels, true))
        seconds.append(time.process_time() - start)
    return {"scores": _scores(labels, truth, model.held_out), "image_seconds": seconds, **model.facts}


def limits(run: Run) -> dict[str, Any]:
    """Train without labels; score the labels of held-out images, and the same as the truth would change them."""
    import numpy as np

    from nuclei_peers import FEW

    model = trained(run)
    n = len(model.training)
    few = [model.training[k] for k in np.random.default_rng(run.seed or 0).choice(n, FEW, replace=False)]
    scores: dict[str, list[dict[str, Any]]] = {}
    their_labels, their_truth = _labelled(model, few)
    chosen = max(SHIFTS, key=lambda shift: _mean_scores(their_labels, their_truth, shift)["mAP"])
    labels, truth = _labelled(model, model.held_out)
    for found, true in zip(labels, truth, strict=True):
        shifted = {shift: _mean_scores([found], [true], shift) for shift in SHIFTS}
        rows = {
            "as they are": shifted[0],
            f"all outlines moved as is best for {FEW} labelled images": shifted[chosen],
            "outlines moved as is best for each image": max(shifted.values(), key=lambda score: score["mAP"]),
            "objects dropped that no true one overlaps by 0.3": _mean_scores([without_false(found, true)], [true], 0),
        }
        for name, score in rows.items():
            scores.setdefault(name, []).append(score)
    return {"limits": scores, "shift": chosen, **model.facts}


def _labelled(model: Trained, pairs: list[tuple[Path, Path]]) -> tuple[list[Any], list[Any]]:
    images, truth = _read(pairs)
    return [model.label(pixels, true) for pixels, true in zip(images, truth, strict=True)], truth


def _mean_scores(labels: list[Any], truth: list[Any], shift: int) -> dict[str, float]:
    from segcritic.metrics import evaluate

    found = evaluate([moved(each, shift) for each in labels], truth)
    return {metric: found[metric] for metric in ("mAP", "AP50", "AP75")}


def moved(labels: Any, shift: int) -> Any:
    """Labels with outlines moved outwards (below 0: inwards) by so many pixels."""
    import numpy as np
    from scipy import ndimage as ndi

    if shift >= 0:
        distance, nearest = ndi.distance_transform_edt(labels == 0, return_indices=True)
        return np.where(distance <= shift, labels[tuple(nearest)], 0)
    edge = ndi.maximum_filter(labels, 3) != ndi.minimum_filter(labels, 3)
    return np.where(ndi.distance_transform_edt(~edge) >= -shift, labels, 0)


def without_false(labels: Any, truth: Any, least: float = 0.3) -> Any:
    """Labels without the objects whose best intersection over union with a true one is below `least`."""
    import numpy as np

    n = int(truth.max()) + 1
    pairs = labels.astype(np.int64) * n + truth
    shared = np.bincount(pairs.ravel(), minlength=(int(labels.max()) + 1) * n).reshape(-1, n)
    union = shared.sum(1)[:, None] + shared.sum(0) - shared
    kept = (shared / np.maximum(union, 1))[:, 1:].max(axis=1, initial=0) >= least
    return np.where(kept[labels], labels, 0)
