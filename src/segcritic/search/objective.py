"""R, the reward of a segmentation of an image's superpixels, as a sum over its objects.

Here, unlike in training, the class of every superpixel is part of the segmentation: number 0 is background, any other
an object. Then

    R = (sum_o s_o F_o + sum_{i in background} w_i beta_i) / sum_i w_i,   F_o = sum_{i in o} w_i (1 - beta_i)

(s the score, w the weight, beta the likelihood of background; without a rule on brightness F_o = sum w_i), so a change
of a few objects changes it by what these earn.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from segcritic.graph.objects import measure
from segcritic.rules import Scorer
from segcritic.stateless.state import State

Nodes = NDArray[np.intp]
"""Superpixels of one object, ascending."""

_ROWS = 64  # partitions that are measured at once: bounds the memory, 64 numbers a superpixel


class Objective:
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
        while unknown:
            rows, placed = _packed(unknown, self.state.graph.n_nodes)
            table = measure(self.state.graph, rows, self.scorer.needed)
            scores = self.scorer.object_scores(table, self.state.context)
            for key, row in placed.items():
                self._known[key] = float(scores[table.node_object[row, unknown.pop(key)[0]]])
        return np.array([self._known[key] for key in keys])

    def reward(self, labels: NDArray[np.int32]) -> float:
        """R of a segmentation of the superpixels (N,), times its count score; in [0, 1]."""
        objects = segments_of(labels)
        earned = self.scores(objects) @ np.array([self.foreground[nodes].sum() for nodes in objects])
        earned += self.background[labels == 0].sum()
        return float(earned / self.state.weight.sum() * self.scorer.count_score(np.array([len(objects)]))[0])


def segments_of(labels: NDArray[np.int32]) -> list[Nodes]:
    """Superpixels of the objects of a segmentation (N,), by ascending number; the background, 0, left out."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    return [nodes for nodes in np.split(order, starts) if labels[nodes[0]] > 0]


def _packed(objects: Mapping[bytes, Nodes], n_nodes: int) -> tuple[NDArray[np.int32], dict[bytes, int]]:
    """Partitions (K, N), K at most 64, that hold objects which do not overlap in one; and the row of each that fits."""
    taken = np.zeros((_ROWS, n_nodes), bool)
    number = np.zeros(_ROWS, np.int64)
    rows = np.zeros((_ROWS, n_nodes), np.int32)
    placed: dict[bytes, int] = {}
    used = 0
    for key, nodes in objects.items():
        fits = np.logical_not(taken[: used + 1, nodes].any(axis=1))
        row = int(np.argmax(fits))
        if not fits[row]:
            continue  # with the next partitions
        used = min(max(used, row + 1), _ROWS - 1)
        taken[row, nodes] = True
        rows[row, nodes] = number[row]
        number[row] += 1
        placed[key] = row
    used = max(placed.values()) + 1
    rest = np.where(taken[:used], rows[:used], number[:used, None])  # what is left of a row is an object of its own
    return rest.astype(np.int32), placed
