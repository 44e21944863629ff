"""The partition that rules like best among all cuts of a merge tree: exact, by dynamic programming, nothing learned.

Superpixels merge pair by pair, those with the weakest boundary between them first. Every object that ever existed on
the way is a candidate, measured from the graph's sums and scored by the rules. Of a candidate and the best choice
within it, the one that earns more stays; one pass from the leaves to the roots finds the best of all cuts (the idea of
hierarchical segmentation by selection: Bragantini et al., Ultrack, 2024; here with the method's reward as the value).
"""

import heapq
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segcritic.graph import Edge, Node, SuperpixelGraph
from segcritic.graph.partition import connected_components
from segcritic.rules import Scorer
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.predict import Segmentation, label_partition
from segcritic.stateless.rewards import total_reward
from segcritic.stateless.state import State

CUES = ("boundary", "difference")
"""What the trees follow: the map, or the gradient, on shared boundaries; the step of mean intensity across them (Ward).
"""
_ROWS = 32  # partitions measured at once


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
    around = [{np.int64(-1): np.int64(-1)} for _ in range(n)]  # neighbour -> number of the edge
    for e in range(len(edges)):
        i, j = edges[e]
        around[i][j] = e
        around[j][i] = e
    along, shared = boundary.copy(), length.copy()
    heap = [(0.0, np.int64(0), np.int64(0))]
    heap.pop()
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


def best_cut(state: State, scorer: Scorer, tree: MergeTree) -> NDArray[np.int32]:
    """Return the cut of a merge tree that earns most, as objects of the superpixels, (N,); 0 = background.

    An object earns its score, and what is no object its likelihood to be background, as in `rewards.node_rewards`. A
    rule on the number of objects is left out: no choice between a candidate and its parts can follow it.
    """
    n = tree.n_leaves
    own, is_object = _values(state, scorer, tree)
    best, is_whole = own.copy(), np.ones(len(own), bool)
    for level in range(1, int(tree.level.max(initial=0)) + 1):
        rows = np.flatnonzero(tree.level[n:] == level)
        within = best[tree.children[rows]].sum(1)
        is_whole[n + rows] = own[n + rows] > within
        best[n + rows] = np.maximum(own[n + rows], within)
    owner = np.full(len(own), -1)  # the candidate that was chosen and holds this one
    for number in range(len(own) - 1, -1, -1):
        if owner[number] < 0 and is_whole[number]:
            owner[number] = number
        if number >= n and owner[number] >= 0:
            owner[tree.children[number - n]] = owner[number]
    found = np.where(is_object[owner[:n]], owner[:n], -1)
    return (np.unique(np.append(found, -1), return_inverse=True)[1][:-1]).astype(np.int32)


def _values(state: State, scorer: Scorer, tree: MergeTree) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What each candidate earns as one piece, (N + T,), and whether it does so as an object.

    Candidates of one level are disjoint, so they are the objects of one partition; its other superpixels are one more.
    """
    order, start, end = _leaf_ranges(tree)
    value, is_object = np.zeros(len(tree.level)), np.zeros(len(tree.level), bool)
    by_level = np.argsort(tree.level, kind="stable")
    levels = np.split(by_level, np.flatnonzero(np.diff(tree.level[by_level])) + 1)
    for first in range(0, len(levels), _ROWS):
        part = levels[first : first + _ROWS]
        labels = np.empty((len(part), tree.n_leaves), np.int32)
        for row, numbers in zip(labels, part, strict=True):
            sizes = end[numbers] - start[numbers]
            members = order[np.repeat(start[numbers] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())]
            outside = np.ones(tree.n_leaves, bool)
            outside[members] = False
            row[:] = np.argmax(outside)
            row[members] = np.repeat(order[start[numbers]], sizes)
        judged = evaluate_partition(state, labels, scorer)
        owner = judged.objects.node_object
        earned = np.bincount(owner.ravel(), (judged.node * state.weight).ravel(), len(judged.objects))
        for row, numbers in zip(owner, part, strict=True):
            objects = row[order[start[numbers]]]
            value[numbers], is_object[numbers] = earned[objects], judged.foreground[objects]
    return value, is_object


def _leaf_ranges(tree: MergeTree) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Superpixels in an order in which each candidate's stand together, and where they start and end."""
    n, n_all = tree.n_leaves, len(tree.level)
    size = np.ones(n_all, np.int64)
    for number, (left, right) in enumerate(tree.children, n):
        size[number] = size[left] + size[right]
    start = np.full(n_all, -1)
    next_root = 0
    for number in range(n_all - 1, -1, -1):
        if start[number] < 0:  # nothing holds it
            start[number] = next_root
            next_root += size[number]
        if number >= n:
            left, right = tree.children[number - n]
            start[left], start[right] = start[number], start[number] + size[left]
    return np.argsort(start[:n]), start, start + size


def segment_by_rules(state: State, scorer: Scorer, largest: float = np.inf) -> tuple[Segmentation, float]:
    """Label an image by the best cut of the best tree, nothing learned; and the reward of that partition, in [0, 1].

    Parameters
    ----------
    state : State
        With pixels (not lean).
    scorer : Scorer
    largest : float
        Pixels; no object is larger. Without a bound, one that fills the image is cut by its border and judged by hardly
        any rule.
    """
    i, j = state.graph.edges.T
    results = []
    for cue in CUES:
        found = best_cut(state, scorer, merge_tree(state.graph, cue, largest))
        node_labels = connected_components(state.graph, found[i] == found[j])
        judged = evaluate_partition(state, node_labels, scorer)
        results.append((float(total_reward(judged, state.weight)[0]), node_labels, found))
    reward, node_labels, found = max(results, key=lambda each: each[0])
    split = (node_labels[i] != node_labels[j]).astype(np.float32)
    return label_partition(state, node_labels, split, scorer, found > 0), reward
