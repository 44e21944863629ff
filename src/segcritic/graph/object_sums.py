"""The compiled kernels behind `objects.measure`: sums of objects, and the descriptors that follow from sums alone.

Columns: `columns.Node` and `columns.Edge` of what is added up, `columns.Object` of the sums.
"""

import numpy as np
from numba import njit

from segcritic.graph.columns import Edge, Node, Object

MIN_MEAN_INTENSITY = 1e-3
"""Ratios to an object's mean intensity divide by at least this: the mean of dark objects may be 0 or negative."""

FROM_SUMS = (
    *("area", "equivalent_diameter", "major_axis", "minor_axis", "eccentricity", "orientation"),
    *("extent", "perimeter", "circularity"),
    *("bbox_min_row", "bbox_min_col", "bbox_max_row", "bbox_max_col", "centroid_row", "centroid_col"),
    *("center_distance", "border_distance", "touches_border"),
    *("mean_intensity", "min_intensity", "max_intensity", "sd_intensity"),
    *("boundary_level", "boundary_gradient", "boundary_map", "interior_gradient", "inner_boundary_map"),
    *("valley", "contrast", "outside_intensity"),
)
"""Rows of `describe`: what `_shape`, `_place` and `_intensities` return, in this order."""

_N_SUMS = len(Object)
_N_FROM_SUMS = len(FROM_SUMS)
_DIAGONAL = 1 / np.sqrt(2)  # distance of the lines of diagonal pixel pairs, in pixels


@njit(cache=True, nogil=True)
def sum_objects(node_object, n_objects, node_sums, edges, edge_sums, edge_valley, corner_pairs, corner_sums):
    """Add up node sums, outline sums and inner sums of every object: (n_objects, len(Object)).

    Parameters
    ----------
    node_object : (K, N) int32 array
        Object of each superpixel: partition k has the numbers that follow those of partition k - 1, without gaps.
    n_objects : int
    node_sums, edges, edge_sums, edge_valley, corner_pairs, corner_sums : arrays
        Of a `SuperpixelGraph`.
    """
    sums = np.zeros((n_objects, _N_SUMS))
    for column in (Object.MIN_INTENSITY, Object.MIN_ROW, Object.MIN_COL):
        sums[:, column] = np.inf
    for column in (Object.MAX_INTENSITY, Object.MAX_ROW, Object.MAX_COL):
        sums[:, column] = -np.inf
    for k in range(len(node_object)):
        objects = node_object[k]
        for node in range(len(node_sums)):
            _add_node(sums[objects[node]], node_sums[node])
        for edge in range(len(edges)):
            i = objects[edges[edge, 0]]
            j = objects[edges[edge, 1]]
            if i == j:
                _add_inner(sums[i], edge_sums[edge], edge_valley[edge])
            else:
                _add_outline(sums[i], edge_sums[edge], Edge.INTENSITY_I, Edge.INTENSITY_J)
                _add_outline(sums[j], edge_sums[edge], Edge.INTENSITY_J, Edge.INTENSITY_I)
        for corner in range(len(corner_pairs)):
            i = objects[corner_pairs[corner, 0]]
            j = objects[corner_pairs[corner, 1]]
            if i != j:
                crofton = (corner_sums[corner, 0] + corner_sums[corner, 1]) * _DIAGONAL
                sums[i, Object.CROFTON] += crofton
                sums[j, Object.CROFTON] += crofton
    return sums


@njit(cache=True, nogil=True)
def _add_node(total, part):
    """Add a superpixel to the sums of its object."""
    for column in range(Node.MIN_INTENSITY):
        total[column] += part[column]
    for column in (Node.MIN_INTENSITY, Node.MIN_ROW, Node.MIN_COL):
        total[column] = min(total[column], part[column])
    for column in (Node.MAX_INTENSITY, Node.MAX_ROW, Node.MAX_COL):
        total[column] = max(total[column], part[column])
    straight = part[Node.BORDER_HORIZONTAL] + part[Node.BORDER_VERTICAL]
    total[Object.BORDER_LENGTH] += straight
    total[Object.CROFTON] += straight + (part[Node.BORDER_DIAGONAL_DOWN] + part[Node.BORDER_DIAGONAL_UP]) * _DIAGONAL


@njit(cache=True, nogil=True)
def _add_inner(total, part, valley):
    """Add a shared boundary inside an object."""
    length = part[Edge.HORIZONTAL] + part[Edge.VERTICAL]
    total[Object.INNER_LENGTH] += length
    total[Object.INNER_BOUNDARY] += part[Edge.BOUNDARY]
    total[Object.INNER_VALLEY] += length * valley


@njit(cache=True, nogil=True)
def _add_outline(total, part, inside, outside):
    """Add a shared boundary on an object's outline; `inside` and `outside` are the columns of its two sides."""
    length = part[Edge.HORIZONTAL] + part[Edge.VERTICAL]
    total[Object.CROFTON] += length + (part[Edge.DIAGONAL_DOWN] + part[Edge.DIAGONAL_UP]) * _DIAGONAL
    total[Object.OUTLINE_LENGTH] += length
    total[Object.INSIDE] += part[inside]
    total[Object.OUTSIDE] += part[outside]
    total[Object.OUTLINE_GRADIENT] += part[Edge.GRADIENT]
    total[Object.OUTLINE_BOUNDARY] += part[Edge.BOUNDARY]


@njit(cache=True, nogil=True, error_model="numpy")
def describe(sums, height, width):
    """Turn the sums of M objects in an image of this size (pixels) into the descriptors `FROM_SUMS`: (30, M)."""
    out = np.empty((_N_FROM_SUMS, len(sums)))
    for o in range(len(sums)):
        values = _shape(sums[o]) + _place(sums[o], height, width) + _intensities(sums[o])
        for d in range(len(values)):
            out[d, o] = values[d]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _shape(total):
    """From area to circularity."""
    area, row_sum, col_sum = total[Object.AREA], total[Object.ROW], total[Object.COL]
    # Central moments times area^2: exact in float64 as long as the products stay below 2^53.
    var_row = (area * total[Object.ROW_ROW] - row_sum * row_sum) / (area * area)
    var_col = (area * total[Object.COL_COL] - col_sum * col_sum) / (area * area)
    covariance = (area * total[Object.ROW_COL] - row_sum * col_sum) / (area * area)
    root = np.sqrt((var_row - var_col) ** 2 / 4 + covariance**2)
    major = max((var_row + var_col) / 2 + root, 0.0)
    minor = max((var_row + var_col) / 2 - root, 0.0)
    if var_row == var_col:  # the convention of skimage.measure.regionprops
        orientation = np.pi / 4 if covariance > 0 else -np.pi / 4
    else:
        orientation = 0.5 * np.arctan2(2 * covariance, var_row - var_col)
    perimeter = np.pi / 8 * total[Object.CROFTON]
    rows = total[Object.MAX_ROW] + 1 - total[Object.MIN_ROW]
    cols = total[Object.MAX_COL] + 1 - total[Object.MIN_COL]
    return (
        area,
        np.sqrt(4 * area / np.pi),
        4 * np.sqrt(major),
        4 * np.sqrt(minor),
        np.sqrt(1 - minor / major) if major > 0 else 0.0,
        orientation,
        area / (rows * cols),
        perimeter,
        min(4 * np.pi * area / perimeter**2, 1.0),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _place(total, height, width):
    """From the bounding box to touches_border."""
    row, col = total[Object.ROW] / total[Object.AREA], total[Object.COL] / total[Object.AREA]
    return (
        total[Object.MIN_ROW],
        total[Object.MIN_COL],
        total[Object.MAX_ROW] + 1,
        total[Object.MAX_COL] + 1,
        row,
        col,
        2 * np.hypot(row - (height - 1) / 2, col - (width - 1) / 2) / np.hypot(height, width),
        min(row + 0.5, height - 0.5 - row, col + 0.5, width - 0.5 - col),
        total[Object.BORDER_LENGTH] / (total[Object.BORDER_LENGTH] + total[Object.OUTLINE_LENGTH]),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _intensities(total):
    """From mean_intensity to outside_intensity."""
    area = total[Object.AREA]
    mean = total[Object.INTENSITY] / area
    scale = max(mean, MIN_MEAN_INTENSITY)
    length, inner = max(total[Object.OUTLINE_LENGTH], 1.0), max(total[Object.INNER_LENGTH], 1.0)
    inside = total[Object.INSIDE] / length
    outside = total[Object.OUTSIDE] / length
    has_outline = total[Object.OUTLINE_LENGTH] > 0
    return (
        mean,
        total[Object.MIN_INTENSITY],
        total[Object.MAX_INTENSITY],
        np.sqrt(max(total[Object.INTENSITY2] / area - mean * mean, 0.0)),
        0.5 * (inside + outside) / scale if has_outline else 1.0,
        total[Object.OUTLINE_GRADIENT] / length / scale,
        total[Object.OUTLINE_BOUNDARY] / length,
        total[Object.GRADIENT] / area / scale,
        total[Object.INNER_BOUNDARY] / inner,
        total[Object.INNER_VALLEY] / inner / scale,
        (inside - outside) / scale,
        outside if has_outline else mean,
    )
