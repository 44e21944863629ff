"""Objects arranged about a centre: where it is, where objects are likely, and features that refer to it.

The centre is what the rules name by `center`. The features join the hand-made ones when the rules refer to a centre
(section 4.3: "the normalized polar coordinate of the superpixel center"). No angle of position is among them: a ring
looks alike from all sides, and directions count relative to the radius.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from segcritic.graph import Node, SuperpixelGraph
from segcritic.graph.objects import measure
from segcritic.rules import Rules, place_scores

N_RADIAL_NODE_FEATURES = 5
N_RADIAL_EDGE_FEATURES = 7

_ROWS = 512  # of the image at once: distances take eight bytes a pixel
_SMOOTH = 0.02  # of the image's shorter side: closes the gaps between structures of the foreground
_LEVEL = 0.6  # of the way from the ground to Otsu's threshold


def find_center(image: NDArray[np.float32], rules: Rules) -> tuple[float, float]:
    """Row, col of the centre that the rules name; by default the middle of the image."""
    if isinstance(rules.center, tuple):
        return rules.center
    middle = (image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2
    return foreground_center(image) if rules.center == "foreground" else middle


def foreground_center(image: NDArray[np.float32]) -> tuple[float, float]:
    """Row, col of the middle of what stands out from the ground: of the convex hull of the largest bright piece.

    Bright is what lies a little below Otsu's threshold of the smoothed image, and above. The middle of the image if
    nothing stands out.
    """
    from skimage.filters import threshold_otsu
    from skimage.morphology import convex_hull_image

    smooth = ndi.gaussian_filter(image, max(1.0, _SMOOTH * min(image.shape)))
    ground = float(np.percentile(smooth, 1))
    level = ground + _LEVEL * (threshold_otsu(smooth) - ground) if np.ptp(smooth) > 0 else np.inf
    bright = smooth > level
    pieces, n = ndi.label(ndi.binary_fill_holes(bright))  # pyright: ignore[reportGeneralTypeIssues]
    if not n:
        return (image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2
    largest = np.bincount(pieces.ravel())[1:].argmax() + 1
    rows, cols = np.nonzero(convex_hull_image(pieces == largest))
    return float(rows.mean()), float(cols.mean())


def node_places(graph: SuperpixelGraph, rules: Rules) -> NDArray[np.float64]:
    """Likelihood of each superpixel to be an object's by its place, (N,): the mean over its pixels."""
    if rules.where is None:
        return np.ones(graph.n_nodes)
    total = np.zeros(graph.n_nodes)
    col = np.arange(graph.shape[1]) - graph.center[1]
    for first in range(0, graph.shape[0], _ROWS):
        labels = graph.superpixels[first : first + _ROWS]
        row = np.arange(first, first + len(labels)) - graph.center[0]
        distance = np.hypot(row[:, None], col).ravel()
        total += np.bincount(labels.ravel(), place_scores(rules.where, distance, rules.pixel_size), graph.n_nodes)
    return total / graph.node_sums[:, Node.AREA]


def _offsets(graph: SuperpixelGraph) -> NDArray[np.float64]:
    """Row, col of each superpixel's middle relative to the centre, (N, 2)."""
    columns = [Node.ROW, Node.COL]
    return graph.node_sums[:, columns] / graph.node_sums[:, [Node.AREA]] - graph.center


def radial_node_features(graph: SuperpixelGraph, radius: float, place: NDArray) -> NDArray[np.float64]:
    """Features of every superpixel relative to the centre, (N, 5).

    Parameters
    ----------
    graph : SuperpixelGraph
    radius : float
        Of a typical object in pixels, the unit of lengths.
    place : (N,)
        From `node_places`.
    """
    offset = _offsets(graph)
    distance = np.hypot(*offset.T)
    alone = measure(graph, np.arange(graph.n_nodes, dtype=np.int32), ("radial_angle", "eccentricity"))
    along, across = _radial_extents(graph.node_sums, offset)
    return np.stack(
        [
            distance / max(float(np.quantile(distance, 0.95)), 1.0),
            place,
            alone["eccentricity"] * np.cos(2 * alone["radial_angle"]),
            np.log(along / radius),
            np.log(across / radius),
        ],
        axis=1,
    )


def radial_edge_features(graph: SuperpixelGraph, radius: float, place: NDArray) -> NDArray[np.float64]:
    """Features of every shared boundary relative to the centre, (E, 7): its direction, and the form of both ends.

    Parameters as `radial_node_features`.
    """
    if not graph.n_edges:
        return np.zeros((0, N_RADIAL_EDGE_FEATURES))
    i, j = graph.edges.T
    # The direction of a boundary, by the second moments of its points about their middle.
    start, count = graph.outline_start[:-1], np.diff(graph.outline_start)[:, None]
    points = graph.outline_points.astype(np.float64)
    middle = np.add.reduceat(points, start) / count
    centred = points - np.repeat(middle, count[:, 0], axis=0)
    row2, col2, both = (np.add.reduceat(centred[:, a] * centred[:, b], start) for a, b in ((0, 0), (1, 1), (0, 1)))
    towards = middle - graph.center
    distance = np.hypot(*towards.T)
    towards /= np.maximum(distance, 1e-6)[:, None]
    radial = towards[:, 0] ** 2 * row2 + towards[:, 1] ** 2 * col2 + 2 * towards[:, 0] * towards[:, 1] * both
    # The line between the middles of the two superpixels: along the radius, or around the centre?
    offset = _offsets(graph)
    step = offset[j] - offset[i]
    outward = np.abs((step * towards).sum(1)) / np.maximum(np.hypot(*step.T), 1e-6)
    sums = graph.node_sums[i] + graph.node_sums[j]
    columns = [Node.ROW, Node.COL]
    along, across = _radial_extents(sums, sums[:, columns] / sums[:, [Node.AREA]] - graph.center)
    return np.stack(
        [
            distance / max(float(np.quantile(np.hypot(*offset.T), 0.95)), 1.0),
            radial / np.maximum(row2 + col2, 1e-6),  # 1: the boundary runs along the radius; 0: around the centre
            outward,
            np.log(along / radius),
            np.log(across / radius),
            np.minimum(place[i], place[j]),
            np.maximum(place[i], place[j]),
        ],
        axis=1,
    )


def _radial_extents(sums: NDArray, offset: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Extent of regions along the radius and across it, (M,) each: 4 standard deviations of their pixels' positions.

    Parameters
    ----------
    sums : (M, columns) float64
        As `SuperpixelGraph.node_sums`; only area and sums of coordinates are read.
    offset : (M, 2) float64
        Row, col of their middles relative to the centre.
    """
    area, row, col, row2, col2, both = sums[
        :, [Node.AREA, Node.ROW, Node.COL, Node.ROW_ROW, Node.COL_COL, Node.ROW_COL]
    ].T
    # 1/12 for the extent of a pixel itself
    row2 = row2 / area - (row / area) ** 2 + 1 / 12
    col2 = col2 / area - (col / area) ** 2 + 1 / 12
    both = both / area - row * col / area**2
    u, v = (offset / np.maximum(np.hypot(*offset.T), 1e-6)[:, None]).T
    along = u * u * row2 + v * v * col2 + 2 * u * v * both
    across = v * v * row2 + u * u * col2 - 2 * u * v * both
    return 4 * np.sqrt(np.maximum(along, 1 / 12)), 4 * np.sqrt(np.maximum(across, 1 / 12))
