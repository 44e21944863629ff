"""Edge costs -> partition of the superpixels, and back to label images.

A partition is an int32 array (N,) or (K, N): the object of each superpixel, 0..M-1 in order of first appearance.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.graph import SuperpixelGraph

Solver = Literal["greedy", "kernighan-lin"]


@dataclass
class _Objective:
    """What bioimage-cpp's solvers read and write. Its own MulticutObjective copies the graph: as slow as solving."""

    graph: Any
    edge_costs: NDArray[np.float64]
    labels: NDArray[np.uint64]


def multicut(graph: SuperpixelGraph, costs: NDArray[np.floating], solver: Solver = "greedy") -> NDArray[np.int32]:
    """Solve the multicut problem approximately, for one or K sets of edge costs.

    Parameters
    ----------
    graph : SuperpixelGraph
    costs : (E,) or (K, E) float array
        Positive costs attract (merge), negative ones repel (cut).
    solver : 'greedy' or 'kernighan-lin'
        Greedy additive edge contraction, or Kernighan-Lin started from it: slightly better and several times slower.

    Returns
    -------
    (N,) or (K, N) int32 array
        Object of each superpixel, 0..M-1 in order of first appearance.

    Raises
    ------
    UserError
        If `costs` has the wrong shape or is not finite, or the solver is unknown.
    """
    from bioimage_cpp.graph import multicut as solvers

    if solver not in get_args(Solver):
        raise UserError(f"solver: '{solver}' is unknown; choose 'greedy' or 'kernighan-lin'.")
    costs = np.ascontiguousarray(costs, np.float64)
    if costs.ndim not in (1, 2) or costs.shape[-1] != graph.n_edges:
        raise UserError(f"costs: shape {costs.shape} does not fit; give (E,) or (K, E) with E = {graph.n_edges} edges.")
    if not np.isfinite(costs).all():
        raise UserError("costs: there are NaN or infinite values; give finite edge costs.")
    optimizer = solvers.GreedyAdditiveMulticut() if solver == "greedy" else solvers.KernighanLinMulticut()
    rows = np.atleast_2d(costs)
    labels = np.empty((len(rows), graph.n_nodes), np.int32)
    singletons = np.arange(graph.n_nodes, dtype=np.uint64)
    for k, row in enumerate(rows):
        labels[k] = optimizer.optimize(_Objective(graph.undirected, row, singletons))  # pyright: ignore[reportArgumentType]
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
    """
    from bioimage_cpp.graph import connected_components as components

    labels = components(graph.undirected, edge_mask=np.ascontiguousarray(merged, np.bool_)).astype(np.int32)[None]
    relabel_sequential(labels)
    return labels[0]


@njit(cache=True, nogil=True)
def relabel_sequential(labels):
    """Renumber each row of `labels` (K, N) int32 in place to 0..M-1 in order of first appearance.

    Labels must be in 0..N-1. Returns (K,) int64: the number of objects of each row.
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
