"""One run of the nuclei benchmark."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import ndimage as ndi

from benchmarks.lib.images import FilePairs, nuclei_pairs, read
from benchmarks.lib.runs import LEARNERS, bound, scores, settings_for, timed
from benchmarks.lib.runs import label as label_by
from benchmarks.lib.runs import trained as trained_actor
from benchmarks.nuclei.methods import BOUND, FEW, LIMITS, RULES, Run, inputs_of, network_of, rules_of, worker
from segcritic.stateless.label_rewards import supervised
from segcritic.stateless.state import make_state

METRICS = ("mAP", "AP50", "AP75")
SHIFTS = range(-2, 4)
"""Pixels by which outlines are moved, outwards above 0."""


def measured(run: Run) -> dict[str, Any]:
    """Do one run; return its scores and costs, JSON-able."""
    return {RULES: train_and_label, LIMITS: limits}.get(run.method, label)(run) | {"seed": run.seed}


def ready_network(run: Run) -> dict[str, Any]:
    """Train the network that a run needs, so that it does not count as the run's cost."""
    network_of(run)
    return {}


def split(run: Run) -> tuple[FilePairs, FilePairs]:
    """Files to train on, and held-out ones."""
    pairs = nuclei_pairs(run.data, run.images)
    held_out = pairs if run.fold is None else pairs[run.fold :: run.folds]
    return [pair for pair in pairs if pair not in held_out], held_out


def label(run: Run) -> dict[str, Any]:
    """Label all images by a method that learns nothing (for the bound: by the truth on superpixels)."""
    pairs = split(run)[1]
    images, truth = read(pairs)
    work = worker(run, network_of(run))
    work(images[0], truth[0])  # not timed: imports and compiles
    labels, seconds = timed(work, images, truth)
    result = {"training_seconds": None, "image_seconds": seconds}
    if run.method == BOUND:
        result["superpixels"] = float(np.median([found.max() + 1 for found in labels]))
        labels = bound(labels, truth)
    return result | {"scores": by_image(labels, truth, pairs)}


def by_image(labels: list[Any], truth: list[Any], pairs: FilePairs) -> list[dict[str, Any]]:
    return [
        {"name": image.stem, **scores([found], [true], METRICS)}
        for found, true, (image, _) in zip(labels, truth, pairs, strict=True)
    ]


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
    training: FilePairs
    held_out: FilePairs
    facts: dict[str, Any]


def trained(run: Run) -> Trained:
    """Train on the images of the other folds, without their labels or with those of some."""
    training, held_out = split(run)
    rules, network = rules_of(run), network_of(run)
    steps = run.steps if run.seconds is None else 10**9  # the time ends it
    learner = {} if run.learner is None else LEARNERS[run.learner]
    settings = settings_for(steps, label_reward=run.label_reward, **learner)

    def state_of(pixels: Any, true: Any) -> Any:
        return make_state(pixels, rules, *inputs_of(run, network, pixels, true))

    images, truth = read(training)
    state_of(images[0], truth[0])  # not timed: compiles
    start, wall = time.process_time(), time.monotonic()
    n_labelled = len(images) if run.labelled == -1 else run.labelled or 0
    labelled = set(np.random.default_rng(run.seed or 0).choice(len(images), n_labelled, replace=False))
    states = []
    for number, (pixels, true) in enumerate(zip(images, truth, strict=True)):
        known = true if number in labelled else None
        state = supervised(state_of(pixels, true), known, training[number][0].stem)
        states.append(state.lean(keep_pixels=False))
    rewards = []
    how = {"minutes": run.seconds and run.seconds / 60, "on_progress": lambda now: rewards.append(now.reward)}
    actor = trained_actor(states, rules, settings, run.seed or 0, **how)
    facts = {
        "training_seconds": time.process_time() - start,
        "training_wall_seconds": time.monotonic() - wall,
        "steps": len(rewards),
        "reward": rewards[-1] if rewards else None,
        "settings": settings.to_dict(),
    }
    policy = actor.policy()
    return Trained(lambda pixels, true: label_by(policy, state_of(pixels, true), rules), training, held_out, facts)


def train_and_label(run: Run) -> dict[str, Any]:
    """Train, and label the held-out images."""
    model = trained(run)
    images, truth = read(model.held_out)
    model.label(images[0], truth[0])  # not timed: compiles
    labels, seconds = timed(model.label, images, truth)
    return {"scores": by_image(labels, truth, model.held_out), "image_seconds": seconds, **model.facts}


def limits(run: Run) -> dict[str, Any]:
    """Train without labels; score the labels of held-out images, and the same as the truth would change them."""
    model = trained(run)
    chosen = np.random.default_rng(run.seed or 0).choice(len(model.training), FEW, replace=False)
    few, their_truth = read([model.training[k] for k in chosen])
    few = timed(model.label, few, their_truth)[0]
    by_shift = {shift: scores([moved(each, shift) for each in few], their_truth, METRICS) for shift in SHIFTS}
    best = max(SHIFTS, key=lambda shift: by_shift[shift]["mAP"])
    images, truth = read(model.held_out)
    rows: dict[str, list[dict[str, float]]] = {}
    for found, true in zip(timed(model.label, images, truth)[0], truth, strict=True):
        shifted = {shift: scores([moved(found, shift)], [true], METRICS) for shift in SHIFTS}
        for name, score in {
            "as they are": shifted[0],
            f"all outlines moved as is best for {FEW} labelled images": shifted[best],
            "outlines moved as is best for each image": max(shifted.values(), key=lambda score: score["mAP"]),
            "objects dropped that no true one overlaps by 0.3": scores([without_false(found, true)], [true], METRICS),
        }.items():
            rows.setdefault(name, []).append(score)
    return {"limits": rows, "shift": best, **model.facts}


def moved(labels: Any, shift: int) -> Any:
    """Labels with outlines moved outwards (below 0: inwards) by so many pixels."""
    if shift >= 0:
        distance, nearest = ndi.distance_transform_edt(labels == 0, return_indices=True)  # pyright: ignore
        return np.where(distance <= shift, labels[tuple(nearest)], 0)
    edge = ndi.maximum_filter(labels, 3) != ndi.minimum_filter(labels, 3)
    return np.where(np.asarray(ndi.distance_transform_edt(~edge)) >= -shift, labels, 0)


def without_false(labels: Any, truth: Any, least: float = 0.3) -> Any:
    """Labels without the objects whose best intersection over union with a true one is below `least`."""
    n = int(truth.max()) + 1
    pairs = labels.astype(np.int64) * n + truth
    shared = np.bincount(pairs.ravel(), minlength=(int(labels.max()) + 1) * n).reshape(-1, n)
    union = shared.sum(1)[:, None] + shared.sum(0) - shared
    kept = (shared / np.maximum(union, 1))[:, 1:].max(axis=1, initial=0) >= least
    return np.where(kept[labels], labels, 0)
