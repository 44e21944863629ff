"""The audit of a rules file: which partitions do the rules like, before any training is spent on them?

A rule can be cheated ("merge everything and leave two round splinters"). The audit searches from several starts for
partitions that score well, puts them side by side, and says in plain words when a degenerate one beats the sensible
ones or when a rule never makes a difference.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segcritic.graph import Edge, Node
from segcritic.graph.objects import measure
from segcritic.graph.partition import connected_components, multicut, relabel_sequential
from segcritic.rules import Scorer
from segcritic.search.local_search import search
from segcritic.search.margins import AUDIT
from segcritic.search.moves import Proposer
from segcritic.search.objective import Objective
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.features import rough_partition
from segcritic.stateless.rewards import Rewards, total_reward
from segcritic.stateless.state import State

_MAX_NODES_TO_SEARCH = 1500  # a sweep of the search judges several moves for each superpixel
_ONE_OBJECT_SHARE = 0.5  # of the image, in one foreground object: degenerate
_SPLINTER_SHARE = 0.5  # of the foreground objects being splinters: degenerate
_SPLINTER_AREA = 0.25  # of a typical object: a single superpixel that is smaller is a splinter, a larger one an object
_TIE = 1e-6  # of reward: rounding
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
) -> AuditResult:
    """Search for partitions that the rules like, from several starts, on every state.

    Parameters
    ----------
    scorer : Scorer
    states : list of State
    names : list of str, optional
        Of the images, for the warnings.
    seed : int
        Of the random start.
    """
    names = names or [f"image {i + 1}" for i in range(len(states))]
    results, warnings = [], []
    for name, state in zip(names, states, strict=True):
        propose = Proposer(state, thorough_for=scorer.rules)
        candidates = [
            _candidate(start, labels, state, scorer, propose) for start, labels in _starts(state, seed).items()
        ]
        results.append(candidates)
        warnings += _degenerate_wins(name, candidates)
    return AuditResult(results, warnings + _idle_rules(scorer, states, seed))


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


def _candidate(
    start: str, node_labels: NDArray[np.int32], state: State, scorer: Scorer, propose: Proposer
) -> Candidate:
    outcome = evaluate_partition(state, node_labels, scorer)
    first = reward = float(total_reward(outcome, state.weight)[0])
    if state.graph.n_nodes <= _MAX_NODES_TO_SEARCH:
        kept = outcome.foreground[outcome.objects.node_object[0]]
        objects = np.where(kept, node_labels + 1, 0).astype(np.int32)
        found = search(Objective(state, scorer), objects, propose, AUDIT)
        i, j = state.graph.edges.T
        better = evaluate_partition(state, connected_components(state.graph, found[i] == found[j]), scorer)
        after = float(total_reward(better, state.weight)[0])
        if after > first:
            outcome, reward = better, after
    number = np.where(outcome.foreground, np.cumsum(outcome.foreground), 0).astype(np.int32)
    labels = number[outcome.objects.node_object[0]][state.graph.superpixels]
    n_objects = int(outcome.foreground.sum())
    return Candidate(start, first, reward, n_objects, labels, _is_degenerate(state, outcome))


def _is_degenerate(state: State, rewards: Rewards) -> bool:
    if not rewards.foreground.any():
        return True
    area = state.graph.node_sums[:, Node.AREA]
    row = rewards.objects.node_object[0]
    pixels = np.bincount(row, area)[rewards.foreground]
    alone = np.bincount(row)[rewards.foreground] == 1
    assert state.prior is not None
    splinters = alone & (pixels < _SPLINTER_AREA * np.pi * state.prior.radius**2)
    return bool(pixels.max() > _ONE_OBJECT_SHARE * area.sum() or splinters.mean() > _SPLINTER_SHARE)


def _degenerate_wins(name: str, candidates: list[Candidate]) -> list[str]:
    warnings = []
    sensible = [c for c in candidates if not c.degenerate]
    best = max(sensible, key=lambda c: c.searched_reward, default=None)
    for candidate in candidates:
        if not candidate.degenerate:
            continue
        ahead = 1.0 if best is None else candidate.searched_reward - best.searched_reward
        if ahead < -_TIE:
            continue
        against = f"than the best sensible one ({best.searched_reward:.2f})" if best else "and no sensible one exists"
        if best and ahead <= _TIE:
            against = "as the best sensible one"
        warnings.append(
            f"{name}: a degenerate segmentation, found from '{candidate.start}', scores"
            f" {'higher' if ahead > _TIE else 'as high'} ({candidate.searched_reward:.2f}, {candidate.n_objects}"
            f" objects) {against}: training may end there. Add a rule that it breaks, such as an area or a count."
        )
    rough = next(c for c in candidates if c.start == "rough segmentation")
    for candidate in candidates:
        if candidate.start in ("all merged", "random") and candidate.reward >= rough.reward:
            warnings.append(
                f"{name}: '{candidate.start}' scores {candidate.reward:.2f} as it is, no less than a rough "
                f"segmentation ({rough.reward:.2f}): the rules hardly tell them apart."
            )
    return warnings


def _idle_rules(scorer: Scorer, states: list[State], seed: int) -> list[str]:
    """Rules that never lower a score on any of the starts, and rules that no object of a sensible start fits.

    Of a rule for all objects a tenth must fit; of one class there may be few objects.
    """
    loss: dict[str, list[NDArray[np.float64]]] = {}
    fit: dict[str, list[NDArray[np.float64]]] = {}
    of_class: dict[str, bool] = {}
    for state in states:
        starts = _starts(state, seed)
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
