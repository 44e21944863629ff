"""The runs of each page on nuclei."""

from argparse import Namespace
from typing import Any

from benchmarks.lib.runs import LEARNERS
from benchmarks.nuclei.methods import BOUND, BY_NETWORK, CONTRASTIVE, FEW, LIMITS, RULES, STILL, Run


def _base(arguments: Namespace) -> dict[str, Any]:
    return {"data": str(arguments.data), "images": arguments.images, "rules": arguments.rules}


def _folds(arguments: Namespace) -> list[dict[str, Any]]:
    """The folds that are run: all, unless one was asked for."""
    chosen = range(arguments.folds) if arguments.fold is None else [arguments.fold]
    return [{"fold": fold, "folds": arguments.folds} for fold in chosen]


def rules_alone(arguments: Namespace) -> list[Run]:
    """The runs of docs/nuclei.md. Methods that learn nothing label all images in one run."""
    base, folds = _base(arguments), _folds(arguments)
    still = [Run(method, **base) for method in (*STILL[:2], BOUND)]
    return still + [
        Run(RULES, **base, **fold, seed=seed, steps=arguments.steps) for seed in arguments.seeds for fold in folds
    ]


def learners(arguments: Namespace) -> list[Run]:
    """The runs of docs/learners.md: every learner for as many steps, and for as long; the first fold is held out."""
    base = {**_base(arguments), "fold": 0, "folds": arguments.folds}
    budgets: list[dict[str, Any]] = [{"steps": arguments.steps}, {"seconds": arguments.seconds}]
    return [
        Run(RULES, **base, seed=seed, learner=learner, **budget)
        for seed in arguments.seeds
        for learner in LEARNERS
        for budget in budgets
    ]


def peers(arguments: Namespace) -> list[Run]:
    """The runs of docs/peers.md."""
    base, folds = _base(arguments), _folds(arguments)
    runs = [Run(method, **base) for method in STILL]
    for method, path in (("StarDist", arguments.stardist), ("Cellpose", arguments.cellpose)):
        if path is not None:
            runs.append(Run(method, **base, weights=str(path)))
    runs += [Run(CONTRASTIVE, **base, **fold) for fold in folds]
    one, *_ = arguments.seeds  # the controlled studies are for orientation: one seed will do
    by_labels: dict[str, Any] = {"seed": one, "labelled": -1}
    for cut, methods, rows in (
        ("network", BY_NETWORK, [{"seed": seed} for seed in arguments.seeds]),
        ("truth-cut", BY_NETWORK[1:], [{"seed": one}, by_labels, {**by_labels, "label_reward": "edges"}]),
    ):
        runs += [Run(method, **base, **fold, superpixels=cut) for method in (*methods, BOUND) for fold in folds]
        trained = {**base, "steps": arguments.steps, "superpixels": cut}
        runs += [Run(RULES, **trained, **fold, **row) for row in rows for fold in folds]
    return runs


def few_labels(arguments: Namespace) -> list[Run]:
    """The runs of docs/few_labels.md: rules alone, with a few labelled images, labels alone; raw superpixels."""
    base, folds = {**_base(arguments), "steps": arguments.steps}, _folds(arguments)
    rows: list[dict[str, Any]] = [{}]
    rows += [{"labelled": labelled, "label_reward": by} for labelled in (FEW, -1) for by in ("objects", "edges")]
    runs = []
    for row in rows:
        # labels of all images are for orientation: one seed will do
        seeds = arguments.seeds[:1] if row.get("labelled") == -1 else arguments.seeds
        runs += [Run(RULES, **base, **fold, seed=seed, **row) for seed in seeds for fold in folds]
    return runs + [Run(LIMITS, **base, **fold, seed=arguments.seeds[0]) for fold in folds]
