"""What the local search tries: merge, split, drop, add, and objects of another segmentation put in place."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segcritic.graph import NODE_SUMS, SuperpixelGraph
from segcritic.local_search import Move, Nodes, objects_of
from segcritic.partition import multicut
from segcritic.stateless.features import _node_mean, node_core
from segcritic.stateless.scene import Scene

_LEVELS = (0.3, 0.42, 0.55)  # of the relief, above which a superpixel belongs to a rough object
_BIASES = (0.35, 0.6)  # quantiles of the boundaries' gradient above which the contrast multicut cuts
_SMALLEST_PART = 0.12  # of a typical disk: smaller parts of a split are debris
_MOST_PARTS = 8
_FAINT = 0.5  # likelihood of background above which leftovers of an object become background


class Proposer:
    """Moves from any segmentation of one scene.

    Parameters
    ----------
    scene : Scene
    others : sequence of (N,) int arrays
        Segmentations of the superpixels whose objects are tried as well (0 = none), such as an actor's.
    """

    def __init__(self, scene: Scene, others: Sequence[NDArray[np.integer]] = ()):
        assert scene.relief is not None, "a lean scene has no pixels to look at"
        self.graph = scene.graph
        self.background = scene.background
        self.area = scene.graph.node_sums[:, NODE_SUMS.index("area")]
        self.smallest = _SMALLEST_PART * np.pi * scene.relief.radius**2
        core = node_core(scene.graph, scene.relief)
        height = _node_mean(scene.graph, scene.relief.height)
        self.rough = [np.where(height > level, core, 0) for level in _LEVELS]
        self.whole = [*self.rough, *others]
        gradient = scene.graph.edge_sums[:, 6] / np.maximum(scene.graph.edge_length, 1)
        contrast = [multicut(scene.graph, np.quantile(gradient, q) - gradient) + 1 for q in _BIASES]
        self.cuts = [core, *others, *contrast]

    def __call__(self, labels: NDArray[np.int32]) -> list[Move]:
        """All moves from a segmentation (N,), 0 = background."""
        members = {int(labels[nodes[0]]): nodes for nodes in objects_of(labels)}
        return [
            *self._merges(labels, members),
            *self._splits(labels, members),
            *self._drops(members),
            *self._placed(labels, members),
        ]

    def _merges(self, labels: NDArray[np.int32], members: dict[int, Nodes]) -> list[Move]:
        ends = labels[self.graph.edges]
        ends = np.unique(np.sort(ends[(ends[:, 0] != ends[:, 1]) & (ends > 0).all(axis=1)], axis=1), axis=0)
        both = [np.concatenate([members[int(a)], members[int(b)]]) for a, b in ends]
        return [Move(nodes, np.ones(len(nodes), np.int64)) for nodes in both]

    def _drops(self, members: dict[int, Nodes]) -> list[Move]:
        return [Move(nodes, np.zeros(len(nodes), np.int64)) for nodes in members.values()]

    def _splits(self, labels: NDArray[np.int32], members: dict[int, Nodes]) -> list[Move]:
        moves = []
        for cut in self.cuts:
            parts = fill_within(self.graph, labels, cut, self.area, self.smallest)
            for nodes in members.values():
                values, part = np.unique(parts[nodes], return_inverse=True)
                if not 2 <= len(values) <= _MOST_PARTS:
                    continue
                moves.append(Move(nodes, part + 1))
                if len(values) > 2:
                    moves += [Move(nodes, (part == k) + 1) for k in range(len(values))]
        return moves

    def _placed(self, labels: NDArray[np.int32], members: dict[int, Nodes]) -> list[Move]:
        """Put an object of another segmentation in place of what is there; in the background, add it."""
        moves = []
        for other in self.whole:
            for nodes in objects_of(other.astype(np.int32)):
                if self.area[nodes].sum() < self.smallest:
                    continue
                there = np.unique(labels[nodes])
                there = there[there > 0]
                if not len(there):
                    moves.append(Move(nodes, np.ones(len(nodes), np.int64)))
                    continue
                if len(there) > _MOST_PARTS:
                    continue
                region = np.unique(np.concatenate([nodes, *(members[int(o)] for o in there)]))
                placed = np.isin(region, nodes)
                parts = placed.astype(np.int64)
                for k, o in enumerate(there):
                    left = ~placed & (labels[region] == o)
                    enough = self.area[region[left]].sum() >= self.smallest
                    parts[left] = k + 2 if enough else self.background[region[left]] < _FAINT
                moves.append(Move(region, parts))
                free = nodes[labels[nodes] == 0]  # or only where nothing is yet
                if self.area[free].sum() >= self.smallest:
                    moves.append(Move(free, np.ones(len(free), np.int64)))
        return moves


def fill_within(
    graph: SuperpixelGraph,
    labels: NDArray[np.int32],
    cut: NDArray[np.integer],
    area: NDArray[np.float64],
    smallest: float,
) -> NDArray[np.int64]:
    """Part every object as a cut says, without debris: small parts, and superpixels of no part, join a neighbour.

    Parameters
    ----------
    labels, cut : (N,) int
        Objects; parts (0 = none).
    area : (N,) float
    smallest : float
        Pixels.

    Returns
    -------
    (N,) int64
        A number for each part of each object; objects without any part of the smallest size are one part, 0.
    """
    part = np.where((cut > 0) & (labels > 0), labels.astype(np.int64) * (int(cut.max()) + 1) + cut, 0)
    values, dense = np.unique(part, return_inverse=True)
    dense = np.where(np.bincount(dense, area, len(values))[dense] < smallest, 0, dense)
    dense[part == 0] = 0
    ends = np.concatenate([graph.edges, graph.edges[:, ::-1]])
    length = np.tile(graph.edge_length, 2)
    same = (labels[ends[:, 0]] == labels[ends[:, 1]]) & (labels[ends[:, 0]] > 0)
    ends, length = ends[same], length[same]
    while True:
        open_ends = (dense[ends[:, 0]] == 0) & (dense[ends[:, 1]] > 0)
        if not open_ends.any():
            return dense
        order = np.argsort(length[open_ends], kind="stable")
        dense[ends[open_ends, 0][order]] = dense[ends[open_ends, 1][order]]
