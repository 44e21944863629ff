"""Algorithm 1 of the paper: overlapping dense subgraphs of equal size that together cover every edge of a graph.

A subgraph is the unit of reward and of criticism: the critic predicts one value for each, and the actor's joint
log-probability is taken over its edges (eq. 2 and 4).
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray


@dataclass(frozen=True)
class Subgraphs:
    """The S subgraphs of one size of one graph.

    Attributes
    ----------
    edge_index : (S, l) int32
        The edges of each subgraph, as rows of the graph's edge table. The first is the edge from which it grew. Only a
        subgraph that holds a whole connected component of fewer than l edges is shorter; its row ends in -1.
    weights : (S, l) float32
        One over the number of subgraphs that use the edge, 0 where `edge_index` is -1. Each edge's weights sum to one,
        so that an edge of a hub (the background touches hundreds of superpixels) counts no more than any other.
    """

    edge_index: NDArray[np.int32]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.edge_index)

    @property
    def size(self) -> int:
        """l, the number of edges of a full subgraph."""
        return self.edge_index.shape[1]


def dense_subgraphs(edges: NDArray[np.integer], n_nodes: int, size: int, seed: int) -> Subgraphs:
    """Cover a graph with connected, dense subgraphs of `size` edges each (Algorithm 1).

    While an edge is uncovered, a random one of them starts a subgraph. The subgraph grows node by node, always by
    the outside node that shares the most edges with it (the one that came within reach first, among equals), and takes
    those edges, until it has `size` of them. This is the paper's greedy idea; its priority queue draws and re-queues
    the inner nodes instead of ranking the outer ones, which is slower and leaves sparser subgraphs.

    The time is linear in the adjacency of the nodes that the subgraphs visit.

    Parameters
    ----------
    edges : (E, 2) int
        Undirected edges, no self-loops, none twice. The graph may be disconnected, and nodes may be isolated.
    n_nodes : int
    size : int
        l >= 1. A connected component of fewer than l edges gives one subgraph that holds all its edges (see
        `Subgraphs.edge_index`).
    seed : int
        The same seed gives the same subgraphs.

    Returns
    -------
    Subgraphs
        With S = 0 when there are no edges.

    Raises
    ------
    ValueError
        If `size` is less than one.
    """
    if size < 1:
        raise ValueError(f"a subgraph needs at least one edge, but size is {size}")
    edges = np.ascontiguousarray(edges, dtype=np.int32).reshape(-1, 2)
    # Shuffled here rather than in the kernel: numba's random state is global, and seeding it would disturb others.
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(edges))
    turns = rng.random(max(len(edges), 1))
    edge_index, use = _grow(edges, n_nodes, size, order, turns)
    weights = np.where(edge_index >= 0, 1.0 / np.maximum(use, 1)[edge_index], 0.0)  # -1 reads some edge: dropped
    return Subgraphs(edge_index, weights.astype(np.float32))


@njit(cache=True)
def _adjacency(edges, n_nodes, order):
    """Neighbours and edge numbers of each node as CSR rows, each row in the given order of the edges."""
    start = np.zeros(n_nodes + 1, np.int64)
    for i, j in edges:
        start[i + 1] += 1
        start[j + 1] += 1
    for node in range(n_nodes):
        start[node + 1] += start[node]
    fill = start[:-1].copy()
    neighbour = np.empty(start[-1], np.int32)
    edge_of = np.empty(start[-1], np.int32)
    for edge in order:
        i, j = edges[edge]
        neighbour[fill[i]], edge_of[fill[i]] = j, edge
        neighbour[fill[j]], edge_of[fill[j]] = i, edge
        fill[i] += 1
        fill[j] += 1
    return start, neighbour, edge_of


@njit(cache=True)
def _enter(node, level, entry, head, tail, entry_node, entry_next):
    """Let a node wait as the last of its level."""
    entry_node[entry] = node
    entry_next[entry] = -1
    if head[level] < 0:
        head[level] = entry
    else:
        entry_next[tail[level]] = entry
    tail[level] = entry


@njit(cache=True)
def _leave(best, mark, inside, shared, head, entry_node, entry_next):
    """Return the node that waited longest at the highest level (or -1), and that level; stale entries are dropped."""
    while best > 0:
        entry = head[best]
        if entry < 0:
            best -= 1
            continue
        head[best] = entry_next[entry]
        node = entry_node[entry]
        if inside[node] != mark and shared[node] == best:
            return node, best
    return -1, best


@njit(cache=True)
def _grow(edges, n_nodes, size, order, turns):
    """Return the subgraphs, (S, l) int32, and how many of them use each edge, (E,) int64."""
    start, neighbour, edge_of = _adjacency(edges, n_nodes, order)
    n_edges = len(edges)
    use = np.zeros(n_edges, np.int64)
    subgraphs = np.empty((n_edges, size), np.int32)  # at most one for each edge; untouched rows cost no memory
    n_subgraphs = 0
    # A node's mark equals the subgraph's number when the node is in it (or has `shared` edges with it).
    inside = np.full(n_nodes, -1, np.int64)
    reached = np.full(n_nodes, -1, np.int64)
    shared = np.zeros(n_nodes, np.int64)
    # Outside nodes wait in first-in-first-out lists by their number of shared edges. A node whose number has grown
    # enters the next list and leaves a stale entry behind, so there is at most one entry for each adjacency visited.
    max_degree = 0
    for node in range(n_nodes):
        max_degree = max(max_degree, start[node + 1] - start[node])
    head, tail = np.full(max_degree + 2, -1, np.int64), np.full(max_degree + 2, -1, np.int64)
    entry_node, entry_next = np.empty(2 * n_edges, np.int32), np.empty(2 * n_edges, np.int64)

    for first in order:
        if use[first]:
            continue
        mark = n_subgraphs
        row = subgraphs[mark]
        row[:] = -1
        n_chosen = n_entries = best = highest = 0
        node = edges[first, 0]
        second = edges[first, 1]
        while node >= 0:
            inside[node] = mark
            begin = start[node]
            degree = start[node + 1] - begin
            # Each visit starts elsewhere in the row, or every subgraph of a hub would take the same of its edges.
            turn = int(turns[(mark + node) % n_edges] * degree)
            for step in range(degree):
                at = begin + (step + turn) % degree
                other = neighbour[at]
                if inside[other] == mark:
                    if n_chosen < size:
                        row[n_chosen] = edge_of[at]
                        use[edge_of[at]] += 1
                        n_chosen += 1
                    continue
                if reached[other] != mark:
                    reached[other] = mark
                    shared[other] = 0
                shared[other] += 1
                level = shared[other]
                _enter(other, level, n_entries, head, tail, entry_node, entry_next)
                n_entries += 1
                best = max(best, level)
                highest = max(highest, level)
            if n_chosen == size:
                break
            node, second = second, -1  # the far end of the first edge, whatever else is in reach
            if node < 0:
                node, best = _leave(best, mark, inside, shared, head, entry_node, entry_next)
        head[: highest + 1] = -1
        n_subgraphs += 1
    return subgraphs[:n_subgraphs].copy(), use
