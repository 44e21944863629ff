"""The audit of a rules file: which partitions do the rules like, before any training is spent on them?

A rule can be cheated ("merge everything and leave two round splinters"). The audit searches from several starts for
partitions that score well, puts them side by side, and says in plain words when a degenerate one beats the sensible
ones or when a rule never makes a difference.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segcritic.graph import Edge, Node
from segcritic.graph.objects import measure
from segcritic.graph.partition import multicut, relabel_sequential
from segcritic.rules import Scorer
from segcritic.search.climb import climb
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.features import rough_partition
from segcritic.stateless.rewards import Rewards, total_reward
from segcritic.stateless.state import State

_MAX_NODES_TO_SEARCH = 1500  # a sweep of the search judges several moves for each superpixel
_ONE_OBJECT_SHARE = 0.5  # of the image, in one foreground object: degenerate
_SPLINTER_SHARE = 0.5  # of the foreground objects being a single superpixel: degenerate
_FIRES = 0.02  # mean loss of score below which a rule makes no difference
_FITS = 0.1  # a rule that scores lower even on the best objects fits none


@dataclass(frozen=True)
class Candidate:
    """One partition of one image, and what the rules think of it.

    Attributes
    ----------
    start : str
        Where it comes from.
    reward, searched_reward : float
        Of the start itself, and of the best partition found from it; in [0, 1].
    n_objects : int
        Foreground objects of the best partition.
    labels : (H, W) int32
        Foreground objects of the best partition.
    degenerate : bool
        Whether the best partition is one that nobody wants: (almost) nothing, one huge object, or splinters.
    """

    start: str
    reward: float
    searched_reward: float
    n_objects: int
    labels: NDArray[np.int32]
    degenerate: bool


@dataclass(frozen=True)
class AuditResult:
    """Candidates per image, and the warnings that they give rise to (empty: nothing to complain about)."""

    candidates: list[list[Candidate]]
    warnings: list[str]


def audit(
    scorer: Scorer,
    states: list[State],
    names: list[str] | None = None,
    seed: int = 0,
    on_image: Callable[[int], None] | None = None,
) -> AuditResult:
    """Search for partitions that the rules like, from several starts, on every state.

    Parameters
    ----------
    rules : Rules
    states : list of State
    names : list of str, optional
        Of the images, for the warnings.
    seed : int
        Of the random start.
    on_image : callable, optional
        Called with the number of images done.
    """
    names = names or [f"image {i + 1}" for i in range(len(states))]
    results, warnings = [], []
    for index, (name, state) in enumerate(zip(names, states, strict=True)):
        candidates = [_candidate(start, labels, state, scorer) for start, labels in _starts(state, seed).items()]
        results.append(candidates)
        warnings += _degenerate_wins(name, candidates)
        if on_image is not None:
            on_image(index + 1)
    return AuditResult(results, warnings + _idle_rules(scorer, states))


def _starts(state: State, seed: int) -> dict[str, NDArray[np.int32]]:
    assert state.prior is not None, "a lean state has no pixels to look at"
    graph = state.graph
    random = np.random.default_rng(seed).normal(size=graph.n_edges)
    gradient = graph.edge_sums[:, Edge.GRADIENT] / np.maximum(graph.edge_length, 1)
    contrast = np.median(gradient) - gradient if graph.n_edges else gradient
    return {
        "all merged": np.zeros(graph.n_nodes, np.int32),
        "all split": np.arange(graph.n_nodes, dtype=np.int32),
        "contrast multicut": multicut(graph, contrast),
        "rough segmentation": rough_partition(graph, state.prior),
        "random": multicut(graph, random),
    }


def _candidate(start: str, node_labels: NDArray[np.int32], state: State, scorer: Scorer) -> Candidate:
    def value(partitions: NDArray[np.int32]) -> NDArray[np.float64]:
        return total_reward(evaluate_partition(state, partitions, scorer), state.weight)

    first = float(value(node_labels[None])[0])
    best, reward = node_labels, first
    if state.graph.n_nodes <= _MAX_NODES_TO_SEARCH:
        best, reward = climb(state.graph, node_labels, value)
    rewards = evaluate_partition(state, best, scorer)
    number = np.where(rewards.foreground, np.cumsum(rewards.foreground), 0).astype(np.int32)
    labels = number[rewards.objects.node_object[0]]
    return Candidate(
        start,
        first,
        reward,
        int(rewards.foreground.sum()),
        labels[state.graph.superpixels],
        _is_degenerate(state, rewards),
    )


def _is_degenerate(state: State, rewards: Rewards) -> bool:
    if not rewards.foreground.any():
        return True
    area = state.graph.node_sums[:, Node.AREA]
    row = rewards.objects.node_object[0]
    pixels = np.bincount(row, area)[rewards.foreground]
    pieces = np.bincount(row)[rewards.foreground]
    return bool(pixels.max() > _ONE_OBJECT_SHARE * area.sum() or (pieces == 1).mean() > _SPLINTER_SHARE)


def _degenerate_wins(name: str, candidates: list[Candidate]) -> list[str]:
    warnings = []
    sensible = [c for c in candidates if not c.degenerate]
    best = max(sensible, key=lambda c: c.searched_reward, default=None)
    for candidate in candidates:
        if candidate.degenerate and (best is None or candidate.searched_reward >= best.searched_reward):
            than = f"than the best sensible one ({best.searched_reward:.2f})" if best else "and no sensible one exists"
            warnings.append(
                f"{name}: a degenerate segmentation, found from '{candidate.start}', scores higher "
                f"({candidate.searched_reward:.2f}, {candidate.n_objects} objects) {than}: training may end there. "
                "Add a rule that it breaks, such as an area or a count."
            )
    rough = next(c for c in candidates if c.start == "rough segmentation")
    for candidate in candidates:
        if candidate.start in ("all merged", "random") and candidate.reward >= rough.reward:
            warnings.append(
                f"{name}: '{candidate.start}' scores {candidate.reward:.2f} as it is, no less than a rough "
                f"segmentation ({rough.reward:.2f}): the rules hardly tell them apart."
            )
    return warnings


def _idle_rules(scorer: Scorer, states: list[State]) -> list[str]:
    """Rules that never lower a score on any of the starts, and rules that no object of a sensible start fits.

    Of a rule for all objects a tenth must fit; of one class there may be few objects.
    """
    loss: dict[str, list[NDArray[np.float64]]] = {}
    fit: dict[str, list[NDArray[np.float64]]] = {}
    of_class: dict[str, bool] = {}
    for state in states:
        starts = _starts(state, 0)
        partitions = np.stack(list(starts.values())).astype(np.int32)
        relabel_sequential(partitions)
        objects = measure(state.graph, partitions, scorer.needed)
        sensible = (objects.sample == list(starts).index("rough segmentation")) & (objects["touches_border"] == 0)
        for rule, judgement in scorer.deviations(objects, state.context).items():
            loss.setdefault(rule, []).append(1 - judgement.score)
            fit.setdefault(rule, []).append(judgement.score[sensible])
            of_class[rule] = judgement.of is not None
    warnings = []
    for rule in loss:
        if np.concatenate(loss[rule]).mean() < _FIRES:
            warnings.append(
                f"rule '{rule}' never fires: almost every object fits it, even of senseless segmentations of these "
                "images. It does no harm; to make a difference it would have to be stricter."
            )
        elif len(fits := np.concatenate(fit[rule])) and np.quantile(fits, 1 if of_class[rule] else 0.9) < _FITS:
            warnings.append(
                f"rule '{rule}' fits no object of a rough segmentation: check its numbers and its unit "
                "(`segcritic rules measure` takes them from a few annotated objects)."
            )
    return warnings
