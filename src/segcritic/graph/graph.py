"""Over-segmentation -> SuperpixelGraph: everything that the measurements of any partition need, as sums.

Every quantity is additive over superpixels (or a minimum or maximum), or additive over pairs of neighbouring pixels, so
that an object made of any superpixels is measured without going back to the pixels.
"""

import atexit
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.graph import hulls, pixel_sums
from segcritic.graph.columns import Edge, Node

_GRADIENT_SIGMA = 1.0


# Kept beside the graphs and not in them: what still holds a graph when Python ends (a global, a cache) would else hold
# the C++ object beyond the end of its library, which reports that as a leak, at length.
_UNDIRECTED: "WeakKeyDictionary[SuperpixelGraph, Any]" = WeakKeyDictionary()
atexit.register(_UNDIRECTED.clear)


@dataclass(frozen=True, eq=False)
class SuperpixelGraph:
    """Region adjacency graph of an over-segmented image, with the sufficient statistics of its superpixels.

    N superpixels, E pairs that share a boundary, C pairs that touch at pixel corners only. A *crack* is the unit line
    between two 4-neighbouring pixels of different superpixels, or between a pixel and the outside of the image.

    Attributes
    ----------
    superpixels : (H, W) int32 array
        Values 0..N-1, all present.
    edges : (E, 2) int32 array
        i < j, sorted: superpixels with 4-neighbouring pixels.
    node_sums : (N, len(Node)) float64 array
        Columns: `columns.Node`.
    edge_sums : (E, len(Edge)) float64 array
        Columns: `columns.Edge`.
    corner_pairs : (C, 2) int32 array
        i < j, sorted.
    corner_sums : (C, 2) float64 array
        Numbers of diagonal pixel pairs: down-right and up-right.
    hull_points : (V, 2) float64 array
        x, y of the hull vertices of each superpixel's pixel corners, counter-clockwise (see `hulls.node_hulls`).
    hull_start : (N + 1,) int64 array
        The vertices of superpixel n are ``hull_points[hull_start[n]:hull_start[n + 1]]``.
    outline_points, outline_start : (P, 2) float32 and (E + 1,) int64 arrays
        Row, col of the midpoints of the cracks of each edge.
    border_points, border_start : (B, 2) float32 and (N + 1,) int64 arrays
        Row, col of the midpoints of each superpixel's cracks on the image border.
    center : (float, float)
        Row, col of the point that objects are arranged about, if they are: what radial descriptors refer to.
    """

    superpixels: NDArray[np.int32]
    edges: NDArray[np.int32]
    node_sums: NDArray[np.float64]
    edge_sums: NDArray[np.float64]
    corner_pairs: NDArray[np.int32]
    corner_sums: NDArray[np.float64]
    hull_points: NDArray[np.float64]
    hull_start: NDArray[np.int64]
    outline_points: NDArray[np.float32]
    outline_start: NDArray[np.int64]
    border_points: NDArray[np.float32]
    border_start: NDArray[np.int64]
    center: tuple[float, float]

    @property
    def n_nodes(self) -> int:
        """Number of superpixels N."""
        return len(self.node_sums)

    @property
    def n_edges(self) -> int:
        """Number of pairs of superpixels that share a boundary E."""
        return len(self.edges)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.superpixels.shape  # pyright: ignore[reportReturnType]

    @cached_property
    def node_mean(self) -> NDArray[np.float64]:
        """(N,) mean intensity of each superpixel."""
        return self.node_sums[:, Node.INTENSITY] / self.node_sums[:, Node.AREA]

    @cached_property
    def edge_length(self) -> NDArray[np.float64]:
        """(E,) number of cracks of each shared boundary."""
        return self.edge_sums[:, Edge.HORIZONTAL] + self.edge_sums[:, Edge.VERTICAL]

    @cached_property
    def edge_level(self) -> NDArray[np.float64]:
        """(E,) mean intensity on both sides of each shared boundary."""
        both = self.edge_sums[:, Edge.INTENSITY_I] + self.edge_sums[:, Edge.INTENSITY_J]
        return both / (2 * self.edge_length)

    @cached_property
    def edge_boundary(self) -> NDArray[np.float64]:
        """(E,) mean of the boundary map on both sides of each shared boundary."""
        return self.edge_sums[:, Edge.BOUNDARY] / self.edge_length

    @cached_property
    def edge_valley(self) -> NDArray[np.float64]:
        """(E,) how far the level on the boundary lies below the darker of the two superpixels' means; at least 0."""
        return np.maximum(self.node_mean[self.edges].min(axis=1) - self.edge_level, 0)

    @cached_property
    def hull_chains(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Lower and upper hull chains of all superpixels, sorted (see `hulls.sorted_chains`)."""
        return hulls.sorted_chains(self.hull_points, self.hull_start)

    @property
    def undirected(self) -> Any:
        """The same graph as a ``bioimage_cpp.graph.UndirectedGraph``, for its solvers; edge ids are the same."""
        graph = _UNDIRECTED.get(self)
        if graph is None:
            from bioimage_cpp.graph import UndirectedGraph

            graph = UndirectedGraph.from_unique_edges(self.n_nodes, self.edges.astype(np.uint64))
            graph.freeze()  # builds the adjacency now, so that threads may share the graph
            _UNDIRECTED[self] = graph
        return graph

    def __getstate__(self) -> dict[str, Any]:
        # The cached properties are cheap to make again, and the C++ graph among them cannot be pickled.
        return {field.name: getattr(self, field.name) for field in fields(self)}


def build_graph(
    image: NDArray[np.floating],
    superpixels: NDArray[np.integer],
    boundaries: NDArray[np.floating] | None = None,
    center: tuple[float, float] | None = None,
) -> SuperpixelGraph:
    """Build the region adjacency graph of an over-segmentation, with all sums.

    Parameters
    ----------
    image : (H, W) float array
        Intensities, usually normalised (`segcritic.pixels.preprocess.normalise`).
    superpixels : (H, W) integer array
        Values 0..N-1, every value present.
    boundaries : (H, W) float array, optional
        Boundary map (1 = boundary). By default the Gaussian gradient magnitude (sigma 1 px) of `image`, divided by its
        99.8 percentile and clipped to [0, 1].
    center : (float, float), optional
        Row, col that radial descriptors refer to; by default the middle of the image.

    Returns
    -------
    SuperpixelGraph

    Raises
    ------
    UserError
        If shapes differ, the image or the boundary map is not finite, or superpixel values are missing.

    Examples
    --------
    >>> graph = build_graph(np.ones((2, 6)), np.array([[0, 0, 1, 1, 2, 2]] * 2))
    >>> graph.edges.tolist(), graph.node_sums[:, Node.AREA], graph.edge_length
    ([[0, 1], [1, 2]], array([4., 4., 4.]), array([2., 2.]))
    """
    image, labels = _checked(image, superpixels)
    n_cracks, n_nodes = pixel_sums.count_cracks(labels)
    node_sums, pairs, pair_sums, cracks, crack_pair = _sum_pixels(image, labels, boundaries, n_nodes, n_cracks)
    edge_order, corner_order = _sorted_pairs(pairs, pair_sums)
    edge_of_pair = np.zeros(len(pairs), np.int64)
    edge_of_pair[edge_order] = np.arange(len(edge_order))
    outline_points, outline_start = _grouped(cracks, edge_of_pair[crack_pair], len(edge_order))
    border_points, border_start = _grouped(*pixel_sums.sum_image_border(labels, node_sums), n_nodes)
    rows = (node_sums[:, column].astype(np.int64) for column in (Node.MIN_ROW, Node.MAX_ROW))
    hull_points, hull_start = hulls.node_hulls(labels, *rows)
    return SuperpixelGraph(
        superpixels=labels,
        edges=pairs[edge_order],
        node_sums=node_sums,
        edge_sums=pair_sums[edge_order],
        corner_pairs=pairs[corner_order],
        corner_sums=np.ascontiguousarray(pair_sums[corner_order][:, [Edge.DIAGONAL_DOWN, Edge.DIAGONAL_UP]]),
        hull_points=hull_points,
        hull_start=hull_start,
        outline_points=outline_points,
        outline_start=outline_start,
        border_points=border_points,
        border_start=border_start,
        center=center or ((labels.shape[0] - 1) / 2, (labels.shape[1] - 1) / 2),
    )


def _sum_pixels(
    image: NDArray[np.float32], labels: NDArray[np.int32], boundaries: NDArray | None, n_nodes: int, n_cracks: int
) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray]:
    """As `pixel_sums.sum_pixels`, with as much room as the pairs need."""
    from bioimage_cpp.filters import gaussian_gradient_magnitude

    gradient = np.ascontiguousarray(gaussian_gradient_magnitude(image, _GRADIENT_SIGMA), np.float32)
    if boundaries is None:
        # Below the floor there is nothing but rounding: a constant image has no boundaries.
        floor = max(1e-5 * float(np.abs(image).max()), 1e-12)
        boundary_map = np.clip(gradient / max(float(np.percentile(gradient, 99.8)), floor), 0, 1)
    else:
        boundary_map = _finite(boundaries, "boundary map", labels.shape)
    capacity = 8 * n_nodes + 64  # connected superpixels form a planar graph, for which this is enough
    while True:
        sums = pixel_sums.sum_pixels(image, gradient, boundary_map, labels, n_nodes, n_cracks, capacity)
        if len(sums[1]) < capacity:
            break
        capacity *= 4
    area = sums[0][:, Node.AREA]
    if not area.all():
        missing = int(np.flatnonzero(area == 0)[0])
        raise UserError(f"superpixels: value {missing} is missing; number them 0..N-1 without gaps.")
    return sums


def _sorted_pairs(pairs: NDArray, pair_sums: NDArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the pairs that share a crack, and of those that touch at corners only, both sorted by superpixels."""
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    is_edge = pair_sums[order, Edge.HORIZONTAL] + pair_sums[order, Edge.VERTICAL] > 0
    return order[is_edge], order[~is_edge]


def _finite(array: NDArray, what: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    array = np.ascontiguousarray(array, np.float32)
    if array.shape != shape:
        raise UserError(f"{what}: its shape is {array.shape}, the superpixels' is {shape}; give both the same shape.")
    if not np.isfinite(array).all():
        raise UserError(f"{what}: it holds NaN or infinite values; replace them by finite ones.")
    return array


def _checked(image: NDArray, superpixels: NDArray) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    superpixels = np.asarray(superpixels)
    if superpixels.ndim != 2 or not np.issubdtype(superpixels.dtype, np.integer):
        raise UserError(
            f"superpixels: expected integers of shape (H, W), got {superpixels.dtype} of shape {superpixels.shape}."
        )
    if superpixels.size == 0 or superpixels.min() < 0 or superpixels.max() >= superpixels.size:
        raise UserError("superpixels: values must be 0..N-1 without gaps; number the superpixels anew.")
    labels = np.ascontiguousarray(superpixels, np.int32)
    return _finite(image, "image", labels.shape), labels


def _grouped(points: NDArray, group: NDArray, n_groups: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Sort points by group, keeping their order within a group; return them and the start of every group."""
    start = np.zeros(n_groups + 1, np.int64)
    np.cumsum(np.bincount(group, minlength=n_groups), out=start[1:])
    return pixel_sums.scatter(points, group, start[:-1].copy()), start
