"""What runs do: train an actor, label images, time it, and score the labels."""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segcritic.rules import Rules
    from segcritic.stateless.policy import Policy
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.state import State
    from segcritic.stateless.train import TrainedActor
    from segcritic.stateless.variants.choose import AnyLearner

LEARNERS = {"samples": {"learner": "samples", "samples": 16}, "critic": {"learner": "critic", "samples": 2}}
"""Partitions per image and step of each learner: a critic judges each of them, at the cost of an actor each."""
UNET_WIDTHS = (8, 16, 32)
"""Of the U-Net that learns features; the paper's has 32 to 256."""


def settings_for(steps: int | None, network: dict[str, Any] | None = None, **changes: Any) -> "TrainSettings":
    """The default settings but for the number of updates (None: the default one) and what is changed."""
    from dataclasses import replace

    from segcritic.stateless.settings import TrainSettings

    default = TrainSettings()
    changes |= {} if steps is None else {"steps": steps}
    return replace(default, network=replace(default.network, **(network or {})), **changes)


def trained(states: "list[State]", rules: "Rules", settings: "TrainSettings", seed: int, **how: Any) -> "TrainedActor":
    """Train an actor. Raises KeyboardInterrupt when it was stopped: half a training is no result."""
    from segcritic.rules import Scorer
    from segcritic.stateless.train import train

    actor = train(states, Scorer(rules), settings, seed=seed, **how)
    if actor.interrupted:
        raise KeyboardInterrupt
    return actor


def untrained(states: "list[State]", settings: "TrainSettings", seed: int) -> "AnyLearner":
    """The learner before its first update."""
    import torch

    from segcritic.stateless.policy import FeatureScale
    from segcritic.stateless.variants.choose import new_learner

    return new_learner(settings, FeatureScale.of(states), seed, torch.device("cpu"))


def label(policy: "Policy", state: "State", rules: "Rules", refined: bool = False) -> Any:
    """Labels of an image by the actor; `refined`: improved by local search."""
    from segcritic.rules import Scorer
    from segcritic.search.refine import refine
    from segcritic.stateless.predict import segment

    scorer = Scorer(rules)
    found = segment(state, policy, scorer)
    return (refine(state, found, scorer) if refined else found).labels


def judged(policy: "Policy", states: "list[State]", rules: "Rules") -> float:
    """Reward of the policy's mean actions by the rules."""
    from segcritic.rules import Scorer
    from segcritic.stateless.adapt import mean_reward

    return mean_reward(policy, states, Scorer(rules))


def bound(superpixels: Iterable[Any], truth: list[Any]) -> list[Any]:
    """The best labels that merging can give: every superpixel belongs to the true object that covers most of it."""
    from segcritic.graph.project import achievable_segmentation

    return [achievable_segmentation(cut, true) for cut, true in zip(superpixels, truth, strict=True)]


def scores(labels: list[Any], truth: list[Any], metrics: Iterable[str]) -> dict[str, float]:
    """Means over the images."""
    from segcritic.metrics import evaluate

    found = evaluate(labels, truth)
    return {metric: found[metric] for metric in metrics}


def timed(work: Callable[..., Any], *inputs: Iterable[Any]) -> tuple[list[Any], list[float]]:
    """What `work` returns for each input, and the processor's seconds."""
    results, seconds = [], []
    for values in zip(*inputs, strict=True):
        start = time.process_time()
        results.append(work(*values))
        seconds.append(time.process_time() - start)
    return results, seconds
