"""Local search among segmentations of a state: moves that replace a few objects by others, judged by the rules.

A move changes the reward (see `objective`) only by the objects that it takes away and those that it makes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segcritic.search.margins import Kind, Margins
from segcritic.search.objective import Nodes, Objective, segments_of


@dataclass(frozen=True, eq=False)
class Move:
    """A change of some superpixels' objects.

    Attributes
    ----------
    nodes : (n,) int array
        All superpixels of every object that the move touches, and those of the background that it takes.
    parts : (n,) int array
        What becomes of them: 0 = background, 1, 2, ... = the objects that the move makes.
    """

    nodes: Nodes
    parts: NDArray[np.int64]


def search(
    objective: Objective,
    start: NDArray[np.int32],
    propose: Callable[[NDArray[np.int32]], list[Move]],
    margins: Margins,
    max_rounds: int = 8,
) -> NDArray[np.int32]:
    """Make the moves that the rules clearly reward, until there are none.

    In each round all moves are judged from the same segmentation; the best one is made, then the best of those that
    touch none of its superpixels, and so on. A move that lowers the reward of the image, its count score included, is
    not made.

    Parameters
    ----------
    objective : Objective
    start : (N,) int32
        0 = background, objects any numbers above.
    propose : callable
        Segmentation -> moves to try from there.
    margins : Margins
    max_rounds : int

    Returns
    -------
    (N,) int32
        Objects that no move touched keep their number; those that moves make have numbers above all others.
    """
    labels = start.astype(np.int32).copy()
    for _ in range(max_rounds):
        moves = propose(labels)
        gains, earned = _gains(objective, labels, moves, margins)
        objects = segments_of(labels)
        plain = objective.scores(objects) @ np.array([objective.foreground[nodes].sum() for nodes in objects])
        plain += objective.background[labels == 0].sum()
        count, taken = len(objects), np.zeros(len(labels), bool)
        for m in np.argsort(-gains, kind="stable"):
            if not np.isfinite(gains[m]):
                break
            nodes, parts = moves[m].nodes, moves[m].parts
            if taken[nodes].any():
                continue
            becomes = count + _number(parts) - _number(labels[nodes])
            before, after = objective.scorer.count_score(np.array([count, becomes]))
            if (plain + earned[m]) * after <= plain * before:
                continue
            plain, count = plain + earned[m], becomes
            taken[nodes] = True
            labels[nodes] = np.where(parts > 0, parts + labels.max(), 0)
        if not taken.any():
            break
    return labels


def kind_of(move: Move, labels: NDArray[np.int32]) -> Kind:
    """What a move does to a segmentation, by the number of objects before and after."""
    before, after = _number(labels[move.nodes]), _number(move.parts)
    if not before:
        return "add"
    if not after:
        return "drop"
    return "rearrange" if before == after else "merge" if after < before else "split"


def _gains(
    objective: Objective, labels: NDArray[np.int32], moves: list[Move], margins: Margins
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gain of every move per weight, -inf where margins forbids it; and what it adds to the sum of rewards."""
    old = [_parts(move.nodes, labels[move.nodes]) for move in moves]
    new = [_parts(move.nodes, move.parts) for move in moves]
    objective.scores([nodes for sets in (*old, *new) for nodes in sets])  # all at once
    gains, earned = np.full(len(moves), -np.inf), np.zeros(len(moves))
    for m, move in enumerate(moves):
        before, after = objective.scores(old[m]), objective.scores(new[m])
        lowest = after.min(initial=1.0)
        highest = before.max(initial=0.0)
        if lowest < margins.least_score or (highest >= margins.protect_above and lowest < highest):
            continue
        if highest >= margins.protect_above and not len(after):
            continue
        freed = (move.parts == 0).astype(float) - (labels[move.nodes] == 0)
        earned[m] = freed @ objective.background[move.nodes]
        earned[m] += sum(s * objective.foreground[nodes].sum() for s, nodes in zip(after, new[m], strict=True))
        earned[m] -= sum(s * objective.foreground[nodes].sum() for s, nodes in zip(before, old[m], strict=True))
        gain = earned[m] / objective.state.weight[move.nodes].sum()
        if gain > margins.margins[kind_of(move, labels)]:
            gains[m] = gain
    return gains, earned


def _number(labels: NDArray[np.integer]) -> int:
    return len(np.unique(labels[labels > 0]))


def _parts(nodes: Nodes, parts: NDArray[np.integer]) -> list[Nodes]:
    return [np.sort(nodes[parts == number]) for number in np.unique(parts[parts > 0])]
