"""Edge costs -> partition of the superpixels, and back to label images.

A partition is an int32 array (N,) or (K, N): the object of each superpixel, 0..M-1 in order of first appearance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.graph.graph import SuperpixelGraph


@dataclass
class _Objective:
    """What bioimage-cpp's solvers read and write. Its own MulticutObjective copies the graph: as slow as solving."""

    graph: Any
    edge_costs: NDArray[np.float64]
    labels: NDArray[np.uint64]


def _optimize(solver: Any, graph: SuperpixelGraph, costs: NDArray[np.float64]) -> NDArray[np.integer]:
    singletons = np.arange(graph.n_nodes, dtype=np.uint64)
    return solver.optimize(_Objective(graph.undirected, costs, singletons))


def greedy(graph: SuperpixelGraph, costs: NDArray[np.float64]) -> NDArray[np.integer]:
    """Greedy additive edge contraction: (E,) costs -> (N,) labels."""
    from bioimage_cpp.graph.multicut import GreedyAdditiveMulticut

    return _optimize(GreedyAdditiveMulticut(), graph, costs)


def kernighan_lin(graph: SuperpixelGraph, costs: NDArray[np.float64]) -> NDArray[np.integer]:
    """Kernighan-Lin started from the greedy solution: slightly better and several times slower."""
    from bioimage_cpp.graph.multicut import KernighanLinMulticut

    return _optimize(KernighanLinMulticut(), graph, costs)


SOLVERS: dict[str, Callable[[SuperpixelGraph, NDArray[np.float64]], NDArray[np.integer]]] = {
    "greedy": greedy,
    "kernighan-lin": kernighan_lin,
}
"""Solvers of the multicut: from (E,) costs to the (N,) object of each superpixel, numbers in 0..N-1 in any order."""

if TYPE_CHECKING:
    Solver = str
else:
    Solver = Literal[tuple(SOLVERS)]  # what settings accept follows from SOLVERS alone


def multicut(graph: SuperpixelGraph, costs: NDArray[np.floating], solver: Solver = "greedy") -> NDArray[np.int32]:
    """Solve the multicut problem approximately, for one or K sets of edge costs.

    Parameters
    ----------
    graph : SuperpixelGraph
    costs : (E,) or (K, E) float array
        Positive costs attract (merge), negative ones repel (cut).
    solver : str
        A key of `SOLVERS`.

    Returns
    -------
    (N,) or (K, N) int32 array
        Object of each superpixel, 0..M-1 in order of first appearance.

    Raises
    ------
    UserError
        If `costs` has the wrong shape or is not finite, or the solver is unknown.

    Examples
    --------
    >>> from segcritic.graph import build_graph
    >>> graph = build_graph(np.ones((1, 6)), np.array([[0, 0, 1, 1, 2, 2]]))
    >>> multicut(graph, np.array([[2.0, -1.0], [1.0, 1.0]]))
    array([[0, 0, 1],
           [0, 0, 0]], dtype=int32)
    """
    if solver not in SOLVERS:
        raise UserError(f"solver: '{solver}' is unknown; choose {' or '.join(map(repr, SOLVERS))}.")
    costs = np.ascontiguousarray(costs, np.float64)
    if costs.ndim not in (1, 2) or costs.shape[-1] != graph.n_edges:
        raise UserError(f"costs: shape {costs.shape} does not fit; give (E,) or (K, E) with E = {graph.n_edges} edges.")
    if not np.isfinite(costs).all():
        raise UserError("costs: there are NaN or infinite values; give finite edge costs.")
    rows = np.atleast_2d(costs)
    labels = np.empty((len(rows), graph.n_nodes), np.int32)
    for k, row in enumerate(rows):
        labels[k] = SOLVERS[solver](graph, row)
    relabel_sequential(labels)
    return labels.reshape((*costs.shape[:-1], graph.n_nodes))


def connected_components(graph: SuperpixelGraph, merged: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Join all superpixels that are connected through merged edges.

    Parameters
    ----------
    graph : SuperpixelGraph
    merged : (E,) bool array

    Returns
    -------
    (N,) int32 array
        Object of each superpixel, 0..M-1 in order of first appearance.

    Examples
    --------
    >>> from segcritic.graph import build_graph
    >>> graph = build_graph(np.ones((1, 6)), np.array([[0, 0, 1, 1, 2, 2]]))
    >>> connected_components(graph, np.array([False, True]))
    array([0, 1, 1], dtype=int32)
    """
    from bioimage_cpp.graph import connected_components as components

    labels = components(graph.undirected, edge_mask=np.ascontiguousarray(merged, np.bool_)).astype(np.int32)[None]
    relabel_sequential(labels)
    return labels[0]


@njit(cache=True, nogil=True)
def relabel_sequential(labels):
    """Renumber each row of `labels` (K, N) int32 in place to 0..M-1 in order of first appearance.

    Labels must be in 0..N-1. Returns (K,) int64: the number of objects of each row.

    >>> labels = np.array([[2, 0, 2]], np.int32)
    >>> relabel_sequential(labels), labels
    (array([2]), array([[0, 1, 0]], dtype=int32))
    """
    n_samples, n_nodes = labels.shape
    counts = np.zeros(n_samples, np.int64)
    renumbered = np.empty(n_nodes, np.int32)
    for k in range(n_samples):
        renumbered[:] = -1
        for node in range(n_nodes):
            label = labels[k, node]
            if renumbered[label] < 0:
                renumbered[label] = counts[k]
                counts[k] += 1
            labels[k, node] = renumbered[label]
    return counts
