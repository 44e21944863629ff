"""Superpixels merge pair by pair until one is left: a tree of every object that ever existed on the way.

Agglomeration in libraries returns the last partition, or a tree only through Python's own heap (scikit-image); here the
whole tree is wanted, within moments for tens of thousands of superpixels.
"""

import heapq
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segcritic.graph.columns import Edge, Node
from segcritic.graph.graph import SuperpixelGraph

CUES = ("boundary", "difference")
"""What a tree follows: the boundary map, or the gradient, on shared boundaries; the step of mean intensity (Ward)."""


@dataclass(frozen=True)
class MergeTree:
    """Binary merges of N superpixels: T candidates beyond the superpixels themselves.

    Attributes
    ----------
    children : (T, 2) int64
        Of candidate N + t; numbers below N are superpixels. Children come before their parents.
    level : (N + T,) int64
        0 for superpixels, else one above the higher child: candidates of one level never overlap.
    """

    children: NDArray[np.int64]
    level: NDArray[np.int64]

    @property
    def n_leaves(self) -> int:
        """Number of superpixels N."""
        return len(self.level) - len(self.children)

    def leaf_ranges(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Superpixels in an order in which each candidate's stand together.

        Returns
        -------
        order : (N,) int64
        start, end : (N + T,) int64
            The superpixels of candidate c are ``order[start[c]:end[c]]``.
        """
        n, n_all = self.n_leaves, len(self.level)
        size = np.ones(n_all, np.int64)
        for number, (left, right) in enumerate(self.children, n):
            size[number] = size[left] + size[right]
        start = np.full(n_all, -1)
        next_root = 0
        for number in range(n_all - 1, -1, -1):
            if start[number] < 0:  # nothing holds it
                start[number] = next_root
                next_root += size[number]
            if number >= n:
                left, right = self.children[number - n]
                start[left], start[right] = start[number], start[number] + size[left]
        return np.argsort(start[:n]), start, start + size


def merge_tree(graph: SuperpixelGraph, cue: str = "boundary", largest: float = np.inf) -> MergeTree:
    """Merge neighbours until no pair is left, weakest boundary first.

    Parameters
    ----------
    graph : SuperpixelGraph
    cue : {"boundary", "difference"}
        Of `CUES`: mean of the boundary map along the shared boundary; or the cost of Ward's merge, the growth of the
        squared differences from the mean intensity.
    largest : float
        Pixels; nothing larger is made.

    Examples
    --------
    >>> import numpy as np
    >>> from segcritic.graph import build_graph
    >>> image = np.repeat([[0.0, 0.1, 0.9, 1.0]], 4, axis=0).astype(np.float32)
    >>> graph = build_graph(image, np.repeat([[0, 1, 2, 3]], 4, axis=0))
    >>> merge_tree(graph, "difference").children.tolist()
    [[0, 1], [2, 3], [4, 5]]
    """
    length = graph.edge_sums[:, Edge.HORIZONTAL] + graph.edge_sums[:, Edge.VERTICAL]
    children = _merge(
        graph.edges.astype(np.int64),
        graph.edge_sums[:, Edge.BOUNDARY],
        length,
        graph.node_sums[:, Node.AREA],
        graph.node_sums[:, Node.INTENSITY],
        cue == "difference",
        largest,
    )
    level = np.zeros(graph.n_nodes + len(children), np.int64)
    for number, (left, right) in enumerate(children, graph.n_nodes):
        level[number] = 1 + max(level[left], level[right])
    return MergeTree(children, level)


@njit(cache=True)
def _merge(edges, boundary, length, area, intensity, by_difference, largest):
    n = len(area)
    total = 2 * n
    size, bright = np.zeros(total), np.zeros(total)
    size[:n], bright[:n] = area, intensity
    alive = np.ones(total, np.bool_)
    around = [{np.int64(-1): np.int64(-1)} for _ in range(n)]  # neighbour -> edge; -1 tells numba the type
    for e in range(len(edges)):
        i, j = edges[e]
        around[i][j] = e
        around[j][i] = e
    along, shared = boundary.copy(), length.copy()
    heap = [(0.0, np.int64(0), np.int64(0))]  # height, and the two; those that no longer stand are passed over
    heap.pop()  # the entry told numba the types
    for e in range(len(edges)):
        i, j = edges[e]
        heap.append((_height(along[e], shared[e], size, bright, i, j, by_difference), i, j))
    heapq.heapify(heap)
    children = np.empty((n, 2), np.int64)
    made = 0
    while heap:
        _, i, j = heapq.heappop(heap)
        if not (alive[i] and alive[j]) or size[i] + size[j] > largest:
            continue
        new = n + made
        children[made] = (min(i, j), max(i, j))
        made += 1
        size[new], bright[new] = size[i] + size[j], bright[i] + bright[j]
        alive[i] = alive[j] = False
        if len(around[i]) < len(around[j]):
            i, j = j, i
        joined = around[i]
        for other, e in around[j].items():
            if other < 0 or other == i:
                continue
            if other in joined:
                kept = joined[other]
                along[kept] += along[e]
                shared[kept] += shared[e]
            else:
                joined[other] = e
        if j in joined:
            del joined[j]
        around.append(joined)
        for other, e in joined.items():
            if other < 0:
                continue
            mine = around[other]
            if i in mine:
                del mine[i]
            if j in mine:
                del mine[j]
            mine[np.int64(new)] = e
            height = _height(along[e], shared[e], size, bright, new, other, by_difference)
            heapq.heappush(heap, (height, np.int64(new), other))
    return children[:made]


@njit(cache=True)
def _height(along, shared, size, bright, i, j, by_difference):
    if not by_difference:
        return along / max(shared, 1.0)
    step = bright[i] / size[i] - bright[j] / size[j]
    return size[i] * size[j] / (size[i] + size[j]) * step * step
