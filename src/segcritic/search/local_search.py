"""Local search among segmentations of a state: moves that replace a few objects by others, judged by the rules.

Here, unlike in training, the class of every superpixel is part of the segmentation: number 0 is background, any other
an object. The reward of an image is then a sum over objects,

    R = (sum_o s_o F_o + sum_{i in background} w_i beta_i) / sum_i w_i,   F_o = sum_{i in o} w_i (1 - beta_i)

(s the score, w the weight, beta the likelihood of background; without a rule on brightness F_o = sum w_i), so a move
changes it only by the objects that it takes away and those that it makes. Many candidate objects are measured at once:
such that do not overlap share one partition.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segcritic.graph.objects import measure
from segcritic.rules import Scorer
from segcritic.stateless.state import State

Nodes = NDArray[np.intp]
Kind = Literal["merge", "split", "drop", "add", "rearrange"]


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


class Judge:
    """Scores of objects of one state, each measured once.

    Rules that count neighbours, and rules in Python that look beyond the object, see candidates beside each other that
    may not be there together.
    """

    def __init__(self, state: State, scorer: Scorer):
        self.state = state
        self.scorer = scorer
        self.foreground = state.weight * (1 - state.background if scorer.rules.polarity else 1.0)
        self.background = state.weight * state.background
        self._known: dict[bytes, float] = {}

    def scores(self, objects: Sequence[Nodes]) -> NDArray[np.float64]:
        """Score of each object, given by its superpixels in ascending order, (M,) in [0, 1]."""
        keys = [nodes.tobytes() for nodes in objects]
        unknown = {key: nodes for key, nodes in zip(keys, objects, strict=True) if key not in self._known}
        if unknown:
            rows, where = _packed(list(unknown.values()), self.state.graph.n_nodes)
            table = measure(self.state.graph, rows, self.scorer.needed)
            scores = self.scorer.object_scores(table, self.state.context)
            found = [
                scores[table.node_object[row, nodes[0]]] for row, nodes in zip(where, unknown.values(), strict=True)
            ]
            self._known.update(zip(unknown, map(float, found), strict=True))
        return np.array([self._known[key] for key in keys])

    def reward(self, labels: NDArray[np.int32]) -> float:
        """R of a segmentation of the superpixels (N,), times its count score; in [0, 1]."""
        objects = objects_of(labels)
        earned = self.scores(objects) @ np.array([self.foreground[nodes].sum() for nodes in objects])
        earned += self.background[labels == 0].sum()
        return float(earned / self.state.weight.sum() * self.scorer.count_score(np.array([len(objects)]))[0])


def objects_of(labels: NDArray[np.int32]) -> list[Nodes]:
    """Superpixels of the objects of a segmentation (N,), by ascending number; the background, 0, left out."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    return [nodes for nodes in np.split(order, starts) if labels[nodes[0]] > 0]


@dataclass(frozen=True)
class Caution:
    """How clear a gain must be.

    Attributes
    ----------
    margins : least gain of a move of each kind, per weight of the superpixels that it touches: 0 to 1
    least_score : of every object that a move makes
    liked : objects of at least this score are touched only by a move whose every object scores no less than theirs
    """

    margins: Mapping[Kind, float]
    least_score: float = 0.5
    liked: float = 0.9


def search(
    judge: Judge,
    start: NDArray[np.int32],
    propose: Callable[[NDArray[np.int32]], list[Move]],
    caution: Caution,
    max_rounds: int = 8,
) -> NDArray[np.int32]:
    """Make the moves that the rules clearly reward, until there are none.

    In each round all moves are judged from the same segmentation; the best one is made, then the best of those that
    touch none of its superpixels, and so on. A move that lowers the reward of the image, its count score included, is
    not made.

    Parameters
    ----------
    judge : Judge
    start : (N,) int32
        0 = background, objects any numbers above.
    propose : callable
        Segmentation -> moves to try from there.
    caution : Caution
    max_rounds : int

    Returns
    -------
    (N,) int32
        Objects that no move touched keep their number; those that moves make have numbers above all others.
    """
    labels = start.astype(np.int32).copy()
    for _ in range(max_rounds):
        moves = propose(labels)
        gains, earned = _gains(judge, labels, moves, caution)
        objects = objects_of(labels)
        plain = judge.scores(objects) @ np.array([judge.foreground[nodes].sum() for nodes in objects])
        plain += judge.background[labels == 0].sum()
        count, taken = len(objects), np.zeros(len(labels), bool)
        for m in np.argsort(-gains, kind="stable"):
            if not np.isfinite(gains[m]):
                break
            nodes, parts = moves[m].nodes, moves[m].parts
            if taken[nodes].any():
                continue
            becomes = count + _number(parts) - _number(labels[nodes])
            before, after = judge.scorer.count_score(np.array([count, becomes]))
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
    judge: Judge, labels: NDArray[np.int32], moves: list[Move], caution: Caution
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gain of every move per weight, -inf where caution forbids it; and what it adds to the sum of rewards."""
    old = [_parts(move.nodes, labels[move.nodes]) for move in moves]
    new = [_parts(move.nodes, move.parts) for move in moves]
    judge.scores([nodes for sets in (*old, *new) for nodes in sets])  # all at once
    gains, earned = np.full(len(moves), -np.inf), np.zeros(len(moves))
    for m, move in enumerate(moves):
        before, after = judge.scores(old[m]), judge.scores(new[m])
        lowest = after.min(initial=1.0)
        highest = before.max(initial=0.0)
        if lowest < caution.least_score or (highest >= caution.liked and lowest < highest):
            continue
        if highest >= caution.liked and not len(after):
            continue
        freed = (move.parts == 0).astype(float) - (labels[move.nodes] == 0)
        earned[m] = freed @ judge.background[move.nodes]
        earned[m] += sum(s * judge.foreground[nodes].sum() for s, nodes in zip(after, new[m], strict=True))
        earned[m] -= sum(s * judge.foreground[nodes].sum() for s, nodes in zip(before, old[m], strict=True))
        gain = earned[m] / judge.state.weight[move.nodes].sum()
        if gain > caution.margins[kind_of(move, labels)]:
            gains[m] = gain
    return gains, earned


def _number(labels: NDArray[np.integer]) -> int:
    return len(np.unique(labels[labels > 0]))


def _parts(nodes: Nodes, parts: NDArray[np.integer]) -> list[Nodes]:
    return [np.sort(nodes[parts == number]) for number in np.unique(parts[parts > 0])]


def _packed(objects: list[Nodes], n_nodes: int) -> tuple[NDArray[np.int32], list[int]]:
    """Partitions that hold every object, such that do not overlap in one: (K, N), and the row of each object."""
    free = np.ones((len(objects), n_nodes), bool)
    number = np.zeros(len(objects), np.int64)
    used = 0
    rows = np.zeros((len(objects), n_nodes), np.int32)
    where = []
    for nodes in objects:
        fits = free[: used + 1, nodes].all(axis=1)
        row = int(np.argmax(fits))
        used = max(used, row + 1)
        free[row, nodes] = False
        rows[row, nodes] = number[row]
        number[row] += 1
        where.append(row)
    rest = np.where(free[:used].any(axis=1), number[:used], 0)
    return np.where(free[:used], rest[:, None], rows[:used]).astype(np.int32), where
