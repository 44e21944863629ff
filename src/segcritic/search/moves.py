"""What the local search tries: merge, split, drop, add, objects of another segmentation, superpixels at outlines."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from segcritic.graph import Edge, Node, SuperpixelGraph
from segcritic.graph.object_sums import MIN_MEAN_INTENSITY
from segcritic.graph.partition import multicut
from segcritic.rules import Rules
from segcritic.search.local_search import Move
from segcritic.search.objective import Nodes, segments_of
from segcritic.stateless.features import node_core, node_mean
from segcritic.stateless.state import State

_BORDER = [Node.BORDER_HORIZONTAL, Node.BORDER_VERTICAL]
_LEVELS = (0.3, 0.42, 0.55)  # of the relief, above which a superpixel belongs to a rough object
_BIASES = (0.35, 0.6)  # quantiles of the boundaries' gradient above which the contrast multicut cuts
_SHARES = (0.15, 0.25, 0.4)  # of a clear boundary, above which the multicut of boundaries cuts
_SMALLEST_PART = 0.12  # of a typical disk: smaller parts of a split are debris
_MOST_PARTS = 8
_MOST_HANDED = 100  # superpixels of the objects on both sides: larger ones gain nothing from one, and cost time
_SPECK = 0.15  # of a typical disk: smaller objects are never dropped
_SMALLEST_NEW = 0.4  # of a typical disk: smaller objects are never added
_ALIKE = 0.2  # largest difference of the mean intensities of two parts of one object, of the brighter one


class Proposer:
    """Moves from any segmentation of one state.

    Parameters
    ----------
    state : State
    others : sequence of (N,) int arrays
        Segmentations of the superpixels whose objects are tried as well (0 = none), such as an actor's.
    thorough_for : Rules, optional
        Also try what these rules alone can judge: single superpixels that change hands along the objects' outlines; and
        if they tell nothing of the background, objects that multicuts of the boundary map make. Unless they judge
        what touches the image's border like the rest, nothing of that goes there: it would be liked for want of rules.
    """

    def __init__(self, state: State, others: Sequence[NDArray[np.integer]] = (), thorough_for: Rules | None = None):
        assert state.prior is not None, "a lean state has no pixels to look at"
        self.graph = state.graph
        self.thorough = thorough_for is not None
        self.background = state.background
        self.area = state.graph.node_sums[:, Node.AREA]
        self.intensity = state.graph.node_sums[:, Node.INTENSITY]
        self.typical = np.pi * state.prior.radius**2
        core = node_core(state.graph, state.prior)
        height = node_mean(state.graph, state.prior.foreground)
        self.whole = [*(np.where(height > level, core, 0) for level in _LEVELS), *others]
        gradient = state.graph.edge_sums[:, Edge.GRADIENT] / np.maximum(state.graph.edge_length, 1)
        biases = np.quantile(gradient, _BIASES) if len(gradient) else []
        self.cuts = [core, *others, *(multicut(state.graph, bias - gradient) + 1 for bias in biases)]
        if thorough_for is None:
            return
        judged_there = thorough_for.border == "keep"
        self.off_limits = np.any(state.graph.node_sums[:, _BORDER] > (np.inf if judged_there else 0), axis=1)
        if not thorough_for.polarity:
            boundary = state.graph.edge_boundary
            clear = np.percentile(boundary, 95) if len(boundary) else 0.0
            costs = [(share * clear - boundary) * state.graph.edge_length for share in _SHARES]
            outlined = [self._without(multicut(state.graph, cost) + 1) for cost in costs]
            self.cuts += outlined
            self.whole += outlined

    def __call__(self, labels: NDArray[np.int32]) -> list[Move]:
        """All moves from a segmentation (N,), 0 = background."""
        members = {int(labels[nodes[0]]): nodes for nodes in segments_of(labels)}
        moves = [*self._merges(labels, members), *self._splits(labels, members), *self._drops(members)]
        if self.thorough:
            moves += self._handovers(labels, members)
        for other in self.whole:
            for nodes in segments_of(other.astype(np.int32)):
                moves += self._additions(labels, nodes)
                moves += self._replacements(labels, members, nodes)
        return moves

    def _merges(self, labels: NDArray[np.int32], members: dict[int, Nodes]) -> list[Move]:
        """Every two neighbours that are about equally bright, as the parts of one object are."""
        ends = labels[self.graph.edges]
        ends = np.unique(np.sort(ends[(ends[:, 0] != ends[:, 1]) & (ends > 0).all(axis=1)], axis=1), axis=0)
        moves = []
        for a, b in ends:
            if self._alike([members[int(a)], members[int(b)]]):
                both = np.concatenate([members[int(a)], members[int(b)]])
                moves.append(Move(both, np.ones(len(both), np.int64)))
        return moves

    def _splits(self, labels: NDArray[np.int32], members: dict[int, Nodes]) -> list[Move]:
        """Every object cut as something else cuts it: into all parts, or one part against the rest."""
        moves = []
        for cut in self.cuts:
            parts = fill_within(self.graph, labels, cut, self.area, _SMALLEST_PART * self.typical)
            for nodes in members.values():
                values, part = np.unique(parts[nodes], return_inverse=True)
                if not 2 <= len(values) <= _MOST_PARTS:
                    continue
                moves.append(Move(nodes, part + 1))
                if len(values) > 2:
                    moves += [Move(nodes, (part == k) + 1) for k in range(len(values))]
        return moves

    def _drops(self, members: dict[int, Nodes]) -> list[Move]:
        """Every object but specks, of which too little is seen to tell what they are."""
        large = [nodes for nodes in members.values() if self.area[nodes].sum() > _SPECK * self.typical]
        return [Move(nodes, np.zeros(len(nodes), np.int64)) for nodes in large]

    def _handovers(self, labels: NDArray[np.int32], members: dict[int, Nodes]) -> list[Move]:
        """Every superpixel at an outline goes over to the object, or the background, on the other side.

        Not if it is all of its object, or holds it together.
        """
        ends = np.concatenate([self.graph.edges, self.graph.edges[:, ::-1]])
        beyond = labels[ends[:, 0]] != labels[ends[:, 1]]
        crossing = np.unique(np.stack([ends[beyond, 0], labels[ends[beyond, 1]]], axis=1), axis=0)
        within: dict[int, set[int]] = {int(node): set() for node in crossing[:, 0]}
        for node, other in ends[~beyond].tolist():
            within.setdefault(node, set()).add(other)
        moves = []
        for node, target in crossing.tolist():
            source = int(labels[node])
            mine = members[source] if source else np.array([node])
            if source and not _stays_whole(node, within):
                continue
            theirs = members[int(target)] if target else mine[:0]
            if self.off_limits[mine].any() or self.off_limits[theirs].any() or len(mine) + len(theirs) > _MOST_HANDED:
                continue
            left = np.where(mine == node, 2 * (target > 0), 1)
            moves.append(Move(np.concatenate([mine, theirs]), np.concatenate([left, np.full(len(theirs), 2)])))
        return moves

    def _without(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Segmentation (N,) without the objects that reach where nothing is tried."""
        return np.where(np.isin(labels, labels[self.off_limits]), 0, labels).astype(np.int32)

    def _additions(self, labels: NDArray[np.int32], nodes: Nodes) -> list[Move]:
        """What of an object lies in the background, if that is most of it."""
        free = nodes[labels[nodes] == 0]
        area = self.area[free].sum()
        if area < max(_SMALLEST_NEW * self.typical, 0.5 * self.area[nodes].sum()):
            return []
        return [Move(free, np.ones(len(free), np.int64))]

    def _replacements(self, labels: NDArray[np.int32], members: dict[int, Nodes], nodes: Nodes) -> list[Move]:
        """What of an object lies in objects that are there becomes one; what is left of those stays, debris joins it.

        The outline of all together does not change.
        """
        smallest = _SMALLEST_PART * self.typical
        nodes = nodes[labels[nodes] > 0]
        there = np.unique(labels[nodes])
        if not len(there) or len(there) > _MOST_PARTS or self.area[nodes].sum() < smallest:
            return []
        region = np.concatenate([members[int(o)] for o in there])
        inside = np.isin(region, nodes)
        parts = inside.astype(np.int64)
        joined = []
        for k, o in enumerate(there):
            mine = labels[region] == o
            if self.area[region[mine & inside]].sum() < smallest:
                parts[mine] = -1  # hardly touched: stays as it is
            elif self.area[region[mine & ~inside]].sum() < smallest:
                parts[mine] = 1
                joined.append(members[int(o)])
            else:
                parts[mine & ~inside] = k + 2
        region, parts = region[parts >= 0], parts[parts >= 0]
        changed = len(np.unique(labels[region])) > 1 or len(np.unique(parts)) > 1
        if not changed or not self._alike(joined):
            return []
        return [Move(region, parts)]

    def _alike(self, objects: list[Nodes]) -> bool:
        means = [self.intensity[nodes].sum() / self.area[nodes].sum() for nodes in objects]
        return not means or max(means) - min(means) <= _ALIKE * max(abs(max(means)), MIN_MEAN_INTENSITY)


def _stays_whole(node: int, within: Mapping[int, set[int]]) -> bool:
    """Whether an object of more than one superpixel is connected without this one; `within` tells the neighbours."""
    beside = set(within[node])
    if not beside:
        return False
    reached, front = {node}, [beside.pop()]
    while front and beside:
        here = front.pop()
        reached.add(here)
        beside.discard(here)
        front += within[here] - reached
    return not beside


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
