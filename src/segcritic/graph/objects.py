"""Partitions + sums of a SuperpixelGraph -> table of objects and their descriptors.

All K partitions of a graph are measured at once: their objects are rows of one flat table, and each kernel runs over
the partitions, then over superpixels or shared boundaries. Nothing touches the pixels. Lengths and areas are in pixels,
angles in radians, coordinates in pixel centres (row, col), intensities in the units of the graph's image.
"""

import difflib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.graph import adjacency, hulls
from segcritic.graph.descriptors import DESCRIPTORS
from segcritic.graph.graph import SuperpixelGraph
from segcritic.graph.object_sums import FROM_SUMS, describe, sum_objects
from segcritic.graph.partition import relabel_sequential

Columns = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """The objects of K partitions of one graph of N superpixels, in one flat table of M rows.

    Attributes
    ----------
    sample : (M,) int32 array
        The partition k that each object belongs to; ascending.
    node_object : (K, N) int32 array
        Row of this table for every superpixel of every partition.
    columns : dict of str to (M,) float64 array
        Descriptor -> values.
    graph : SuperpixelGraph
        What was measured.
    """

    sample: NDArray[np.int32]
    node_object: NDArray[np.int32]
    columns: Columns
    graph: SuperpixelGraph

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.sample)


def measure(
    graph: SuperpixelGraph, node_labels: NDArray[np.integer], descriptors: Collection[str] | None = None
) -> ObjectTable:
    """Measure every object of one or K partitions.

    Parameters
    ----------
    graph : SuperpixelGraph
    node_labels : (N,) or (K, N) integer array
        Object of each superpixel, any numbers in 0..N-1. Rows of the table follow the order of first appearance.
    descriptors : collection of str, optional
        Names from `DESCRIPTORS`; all by default.

    Returns
    -------
    ObjectTable

    Raises
    ------
    UserError
        If a descriptor is unknown, cannot be measured in images of that many axes, or the labels do not fit the graph.

    Examples
    --------
    >>> import numpy as np
    >>> from segcritic.graph import build_graph
    >>> superpixels = np.array([[0, 0, 1], [0, 0, 1], [2, 2, 2]])
    >>> graph = build_graph(np.ones((3, 3)), superpixels)
    >>> table = measure(graph, np.array([[0, 1, 2], [0, 1, 1]]), ["area", "neighbours"])
    >>> table["area"]
    array([4., 2., 3., 4., 5.])
    >>> table.sample
    array([0, 0, 0, 1, 1], dtype=int32)
    """
    wanted = dict.fromkeys(DESCRIPTORS if descriptors is None else descriptors).keys()
    _check_descriptors(wanted, graph.superpixels.ndim)
    node_object = _checked_labels(node_labels, graph.n_nodes)
    counts = relabel_sequential(node_object)
    ends = np.cumsum(counts)
    node_object += (ends - counts).astype(np.int32)[:, None]
    sums = sum_objects(
        node_object,
        int(counts.sum()),
        graph.node_sums,
        graph.edges,
        graph.edge_sums,
        graph.edge_valley,
        graph.corner_pairs,
        graph.corner_sums,
    )
    columns: Columns = dict(zip(FROM_SUMS, describe(sums, *graph.shape), strict=True))
    for names, function in _NOT_FROM_SUMS.items():
        if not wanted.isdisjoint(names):
            columns |= zip(names, function(graph, node_object, columns), strict=True)
    sample = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return ObjectTable(sample, node_object, {name: columns[name] for name in wanted}, graph)


def _check_descriptors(names: Iterable[str], n_axes: int) -> None:
    for name in names:
        if name not in DESCRIPTORS:
            near = difflib.get_close_matches(name, DESCRIPTORS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(DESCRIPTORS)}."
            raise UserError(f"descriptors: unknown descriptor '{name}'; {hint}")
        if n_axes not in DESCRIPTORS[name].dims:
            raise UserError(f"descriptors: '{name}' cannot be measured in images of {n_axes} axes; leave it out.")


def _checked_labels(node_labels: NDArray[np.integer], n_nodes: int) -> NDArray[np.int32]:
    """The labels as a new (K, N) int32 array."""
    labels = np.atleast_2d(node_labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"node labels: expected integers, got {labels.dtype}; give each superpixel an object number.")
    if labels.ndim != 2 or labels.shape[1] != n_nodes:
        raise UserError(f"node labels: shape {labels.shape} does not fit; give (N,) or (K, N), N = {n_nodes}.")
    if labels.size and (labels.min() < 0 or labels.max() >= n_nodes):
        raise UserError(f"node labels: some lie outside 0..{n_nodes - 1}; number objects below that.")
    return np.array(labels, np.int32, order="C")


def _solidity(graph: SuperpixelGraph, node_object: NDArray[np.int32], columns: Columns) -> tuple[NDArray, ...]:
    area = columns["area"]
    return (area / hulls.union_hull_areas(node_object, len(area), *graph.hull_chains),)


def _radial(graph: SuperpixelGraph, node_object: NDArray[np.int32], columns: Columns) -> tuple[NDArray, ...]:
    row, col = columns["centroid_row"] - graph.center[0], columns["centroid_col"] - graph.center[1]
    axis = columns["orientation"]
    along = np.abs(row * np.cos(axis) + col * np.sin(axis))
    across = np.abs(row * np.sin(axis) - col * np.cos(axis))
    return np.hypot(row, col), np.arctan2(across, along)


def _box(graph: SuperpixelGraph, node_object: NDArray[np.int32], columns: Columns) -> tuple[NDArray, ...]:
    area, axis = columns["area"], columns["orientation"]
    length, width = hulls.union_boxes(node_object, len(area), axis, graph.hull_points, graph.hull_start)
    return length, width, area / (length * width)


def _neighbours(graph: SuperpixelGraph, node_object: NDArray[np.int32], columns: Columns) -> tuple[NDArray, ...]:
    return (adjacency.count_neighbours(node_object, len(columns["area"]), graph.edges),)


def _circle_hough(graph: SuperpixelGraph, node_object: NDArray[np.int32], columns: Columns) -> tuple[NDArray, ...]:
    hough = adjacency.circle_hough(
        node_object,
        columns["area"],
        columns["centroid_row"],
        columns["centroid_col"],
        graph.edges,
        graph.outline_points,
        graph.outline_start,
        graph.border_points,
        graph.border_start,
    )
    return (hough,)


_NOT_FROM_SUMS: dict[tuple[str, ...], Callable[[SuperpixelGraph, NDArray[np.int32], Columns], tuple[NDArray, ...]]] = {
    ("solidity",): _solidity,
    ("radial_distance", "radial_angle"): _radial,
    ("box_length", "box_width", "box_fill"): _box,
    ("neighbours",): _neighbours,
    ("circle_hough",): _circle_hough,
}
"""Descriptors that are no functions of an object's sums alone -> the function that measures them, in this order, from
the graph, the objects of the superpixels (K, N), and the columns measured before."""
