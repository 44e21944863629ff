"""Partitions + sums of a SuperpixelGraph -> table of objects and their descriptors.

All K partitions of a graph are measured at once: their objects are rows of one flat table, and each kernel runs over
the partitions, then over superpixels or shared boundaries. Nothing touches the pixels. Lengths and areas are in pixels,
coordinates in pixel centres (row, col), intensities in the units of the graph's image.
"""

import difflib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.graph import EDGE_SUMS, NODE_SUMS, SuperpixelGraph, hulls
from segcritic.graph import adjacency as outlines
from segcritic.graph.partition import relabel_sequential

MIN_MEAN_INTENSITY = 1e-3
"""Ratios to an object's mean intensity divide by at least this: the mean of dark objects may be 0 or negative."""

_FROM_SUMS = {
    "area": "number of pixels",
    "equivalent_diameter": "diameter of the disk of the same area",
    "major_axis": "major axis of the ellipse with the same second moments",
    "minor_axis": "minor axis of the ellipse with the same second moments",
    "eccentricity": "eccentricity of that ellipse, 0 (circle) to 1 (line)",
    "orientation": "angle between the row axis and the major axis in radians, counter-clockwise, -pi/2 to pi/2",
    "extent": "area / area of the bounding box",
    "perimeter": "Crofton perimeter from 4 directions; holes and the image border count",
    "circularity": "4 pi area / perimeter^2, at most 1",
    "bbox_min_row": "first row of the bounding box",
    "bbox_min_col": "first column of the bounding box",
    "bbox_max_row": "row after the last of the bounding box",
    "bbox_max_col": "column after the last of the bounding box",
    "centroid_row": "row of the centroid",
    "centroid_col": "column of the centroid",
    "center_distance": "distance from the centroid to the image centre / half the image diagonal",
    "border_distance": "distance from the centroid to the nearest side of the image",
    "touches_border": "fraction of the outline's cracks that lie on the image border; 0 = does not touch",
    "mean_intensity": "mean intensity",
    "min_intensity": "lowest intensity",
    "max_intensity": "highest intensity",
    "sd_intensity": "standard deviation of the intensity",
    "boundary_level": "mean intensity of both sides of the outline / mean intensity; 1 without an outline",
    "boundary_gradient": "mean gradient on the outline / mean intensity; 0 without an outline",
    "boundary_map": "mean of the boundary map on the outline; 0 without an outline",
    "interior_gradient": "mean gradient of all pixels / mean intensity",
    "inner_boundary_map": "mean of the boundary map on shared boundaries inside the object; 0 when there are none",
    "valley": "mean depth of the shared boundaries inside the object below the darker side / mean intensity; 0 without",
    "contrast": "(mean of the outline pixels inside - outside) / mean intensity; 0 without an outline",
    "outside_intensity": "mean intensity just outside the outline; the mean intensity without an outline",
}
_OTHERS = {
    "solidity": "area / area of the convex hull of the pixel corners",
    "radial_distance": "distance from the centroid to the graph's center",
    "radial_angle": "angle between the major axis and the direction to the graph's center in radians, 0 to pi/2",
    "box_length": "length of the box around the object that is turned to its major axis",
    "box_width": "width of that box, across the major axis",
    "box_fill": "area / area of that box",
    "neighbours": "number of different objects that share a boundary with this one",
    "circle_hough": "of 32 angles about the centroid, the fraction with outline near the circle of the same area",
}
DESCRIPTORS: dict[str, str] = _FROM_SUMS | _OTHERS
"""Every descriptor and what it means. The outline excludes the image border unless said otherwise."""


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
    columns: dict[str, NDArray[np.float64]]
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
        If a descriptor is unknown or the labels do not fit the graph.
    """
    wanted = dict.fromkeys(DESCRIPTORS if descriptors is None else descriptors).keys()
    for name in wanted:
        if name not in DESCRIPTORS:
            near = difflib.get_close_matches(name, DESCRIPTORS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(DESCRIPTORS)}."
            raise UserError(f"descriptors: unknown descriptor '{name}'; {hint}")
    labels = np.atleast_2d(node_labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"node labels: expected integers, got {labels.dtype}; give each superpixel an object number.")
    if labels.ndim != 2 or labels.shape[1] != graph.n_nodes:
        raise UserError(f"node labels: shape {labels.shape} does not fit; give (N,) or (K, N), N = {graph.n_nodes}.")
    if labels.size and (labels.min() < 0 or labels.max() >= graph.n_nodes):
        raise UserError(f"node labels: some lie outside 0..{graph.n_nodes - 1}; number objects below that.")
    node_object = np.array(labels, np.int32, order="C")

    counts = relabel_sequential(node_object)
    ends = np.cumsum(counts)
    node_object += (ends - counts).astype(np.int32)[:, None]
    n_objects = int(counts.sum())
    sums = _sum_objects(
        node_object,
        n_objects,
        graph.node_sums,
        graph.edges,
        graph.edge_sums,
        graph.edge_valley,
        graph.corner_pairs,
        graph.corner_sums,
    )
    described = _describe(sums, *graph.shape)
    columns = dict(zip(_FROM_SUMS, described, strict=True))
    if "solidity" in wanted:
        columns["solidity"] = columns["area"] / hulls.union_hull_areas(node_object, n_objects, *graph.hull_chains)
    if not wanted.isdisjoint(("radial_distance", "radial_angle")):
        row, col = columns["centroid_row"] - graph.center[0], columns["centroid_col"] - graph.center[1]
        axis = columns["orientation"]
        along = np.abs(row * np.cos(axis) + col * np.sin(axis))
        across = np.abs(row * np.sin(axis) - col * np.cos(axis))
        columns |= {"radial_distance": np.hypot(row, col), "radial_angle": np.arctan2(across, along)}
    if not wanted.isdisjoint(("box_length", "box_width", "box_fill")):
        length, width = hulls.union_boxes(
            node_object, n_objects, columns["orientation"], graph.hull_points, graph.hull_start
        )
        columns |= {"box_length": length, "box_width": width, "box_fill": columns["area"] / (length * width)}
    if "neighbours" in wanted:
        columns["neighbours"] = outlines.count_neighbours(node_object, n_objects, graph.edges)
    if "circle_hough" in wanted:
        columns["circle_hough"] = outlines.circle_hough(
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
    sample = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    return ObjectTable(sample, node_object, {name: columns[name] for name in wanted}, graph)


_OBJECT_SUMS = (
    *NODE_SUMS[:15],
    "border_length",
    "crofton",
    "outline_length",
    "inside",
    "outside",
    "outline_gradient",
    "outline_boundary",
    "inner_length",
    "inner_boundary",
    "valley",
)
# Positions of columns, as constants for the kernels.
_N_SUMS = len(_OBJECT_SUMS)
_MIN_INTENSITY = NODE_SUMS.index("min_intensity")
_BORDER = NODE_SUMS.index("border_horizontal")
_LEVEL = EDGE_SUMS.index("intensity_i")
_GRADIENT = EDGE_SUMS.index("gradient")
_BOUNDARY = EDGE_SUMS.index("boundary")
_BORDER_LENGTH = _OBJECT_SUMS.index("border_length")
_CROFTON = _OBJECT_SUMS.index("crofton")
_OUTLINE = _OBJECT_SUMS.index("outline_length")
_INNER = _OBJECT_SUMS.index("inner_length")
_N_FROM_SUMS = len(_FROM_SUMS)
_DIAGONAL = 1 / np.sqrt(2)


@njit(cache=True, nogil=True)
def _sum_objects(node_object, n_objects, node_sums, edges, edge_sums, edge_valley, corner_pairs, corner_sums):
    """Add up node sums, outline sums and inner sums of every object: (n_objects, _N_SUMS)."""
    sums = np.zeros((n_objects, _N_SUMS))
    for o in range(n_objects):
        sums[o, 9] = np.inf
        sums[o, 10] = -np.inf
        sums[o, 11] = np.inf
        sums[o, 12] = np.inf
        sums[o, 13] = -np.inf
        sums[o, 14] = -np.inf
    for k in range(len(node_object)):
        objects = node_object[k]
        for node in range(len(node_sums)):
            total = sums[objects[node]]
            part = node_sums[node]
            for s in range(_MIN_INTENSITY):
                total[s] += part[s]
            total[9] = min(total[9], part[9])
            total[10] = max(total[10], part[10])
            total[11] = min(total[11], part[11])
            total[12] = min(total[12], part[12])
            total[13] = max(total[13], part[13])
            total[14] = max(total[14], part[14])
            straight = part[_BORDER] + part[_BORDER + 1]
            total[_BORDER_LENGTH] += straight
            total[_CROFTON] += straight + (part[_BORDER + 2] + part[_BORDER + 3]) * _DIAGONAL
        for edge in range(len(edges)):
            i = objects[edges[edge, 0]]
            j = objects[edges[edge, 1]]
            part = edge_sums[edge]
            length = part[0] + part[1]
            if i == j:
                sums[i, _INNER] += length
                sums[i, _INNER + 1] += part[_BOUNDARY]
                sums[i, _INNER + 2] += length * edge_valley[edge]
            else:
                crofton = length + (part[2] + part[3]) * _DIAGONAL
                for side in range(2):
                    total = sums[j] if side else sums[i]
                    total[_CROFTON] += crofton
                    total[_OUTLINE] += length
                    total[_OUTLINE + 1] += part[_LEVEL + side]
                    total[_OUTLINE + 2] += part[_LEVEL + 1 - side]
                    total[_OUTLINE + 3] += part[_GRADIENT]
                    total[_OUTLINE + 4] += part[_BOUNDARY]
        for corner in range(len(corner_pairs)):
            i = objects[corner_pairs[corner, 0]]
            j = objects[corner_pairs[corner, 1]]
            if i != j:
                crofton = (corner_sums[corner, 0] + corner_sums[corner, 1]) * _DIAGONAL
                sums[i, _CROFTON] += crofton
                sums[j, _CROFTON] += crofton
    return sums


@njit(cache=True, nogil=True, error_model="numpy")
def _describe(sums, height, width):
    """Turn the sums of objects into the descriptors of _FROM_SUMS, in their order: (descriptors, objects)."""
    out = np.empty((_N_FROM_SUMS, len(sums)))
    for o in range(len(sums)):
        total = sums[o]
        area, row_sum, col_sum = total[0], total[1], total[2]
        # Central moments times area^2: exact in float64 as long as the products stay below 2^53.
        var_row = (area * total[3] - row_sum * row_sum) / (area * area)
        var_col = (area * total[4] - col_sum * col_sum) / (area * area)
        covariance = (area * total[5] - row_sum * col_sum) / (area * area)
        root = np.sqrt((var_row - var_col) ** 2 / 4 + covariance**2)
        major = max((var_row + var_col) / 2 + root, 0.0)
        minor = max((var_row + var_col) / 2 - root, 0.0)
        if var_row == var_col:  # the convention of skimage.measure.regionprops
            orientation = np.pi / 4 if covariance > 0 else -np.pi / 4
        else:
            orientation = 0.5 * np.arctan2(2 * covariance, var_row - var_col)
        perimeter = np.pi / 8 * total[_CROFTON]
        min_row, min_col, end_row, end_col = total[11], total[12], total[13] + 1, total[14] + 1
        row, col = row_sum / area, col_sum / area
        mean = total[6] / area
        scale = max(mean, MIN_MEAN_INTENSITY)
        length, inner = max(total[_OUTLINE], 1.0), max(total[_INNER], 1.0)
        inside = total[_OUTLINE + 1] / length
        outside = total[_OUTLINE + 2] / length
        has_outline = total[_OUTLINE] > 0
        values = (
            area,
            np.sqrt(4 * area / np.pi),
            4 * np.sqrt(major),
            4 * np.sqrt(minor),
            np.sqrt(1 - minor / major) if major > 0 else 0.0,
            orientation,
            area / ((end_row - min_row) * (end_col - min_col)),
            perimeter,
            min(4 * np.pi * area / perimeter**2, 1.0),
            min_row,
            min_col,
            end_row,
            end_col,
            row,
            col,
            2 * np.hypot(row - (height - 1) / 2, col - (width - 1) / 2) / np.hypot(height, width),
            min(row + 0.5, height - 0.5 - row, col + 0.5, width - 0.5 - col),
            total[_BORDER_LENGTH] / (total[_BORDER_LENGTH] + total[_OUTLINE]),
            mean,
            total[9],
            total[10],
            np.sqrt(max(total[7] / area - mean * mean, 0.0)),
            0.5 * (inside + outside) / scale if has_outline else 1.0,
            total[_OUTLINE + 3] / length / scale,
            total[_OUTLINE + 4] / length,
            total[8] / area / scale,
            total[_INNER + 1] / inner,
            total[_INNER + 2] / inner / scale,
            (inside - outside) / scale,
            outside if has_outline else mean,
        )
        for d in range(_N_FROM_SUMS):
            out[d, o] = values[d]
    return out
