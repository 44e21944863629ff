"""The passes over the pixels behind `graph.build_graph`: sums per superpixel and per pair of touching superpixels.

Columns: `graph.columns.Node` and `graph.columns.Edge`.
"""

import numpy as np
from numba import njit

from segcritic.graph.columns import Edge, Node


@njit(cache=True, nogil=True)
def scatter(points, group, position):
    """Copy points (P, 2) so that the points of group g follow each other from position[g] on; moves `position`."""
    grouped = np.empty_like(points)
    for p in range(len(points)):
        slot = position[group[p]]
        grouped[slot, 0] = points[p, 0]  # assigning a whole row takes seconds to compile
        grouped[slot, 1] = points[p, 1]
        position[group[p]] += 1
    return grouped


@njit(cache=True, nogil=True)
def count_cracks(labels):
    """Return the number of cracks between superpixels and the highest label + 1."""
    height, width = labels.shape
    n_cracks = 0
    largest = 0
    for row in range(height):
        for col in range(width):
            label = labels[row, col]
            largest = max(largest, label)
            if col + 1 < width:
                n_cracks += label != labels[row, col + 1]
            if row + 1 < height:
                n_cracks += label != labels[row + 1, col]
    return n_cracks, largest + 1


@njit(cache=True, nogil=True)
def find_pair(i, j, n_nodes, table, pairs, n_pairs):
    """Return the number of the pair {i, j} in `pairs`, or n_pairs if it is new (open addressing)."""
    low, high = min(i, j), max(i, j)
    key = np.uint64(low) * np.uint64(n_nodes) + np.uint64(high)
    slot = np.int64((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & (len(table) - 1)
    while table[slot] >= 0:
        pair = table[slot]
        if pairs[pair, 0] == low and pairs[pair, 1] == high:
            return pair
        slot = (slot + 1) & (len(table) - 1)
    table[slot] = n_pairs
    pairs[n_pairs, 0] = low
    pairs[n_pairs, 1] = high
    return n_pairs


_N_NODE_SUMS = len(Node)
_N_EDGE_SUMS = len(Edge)
_DOWN = (0, 1, 1, 1)
_RIGHT = (1, 0, 1, -1)
"""Steps to half of the neighbours, by the columns of `Edge`: HORIZONTAL, VERTICAL, DIAGONAL_DOWN, DIAGONAL_UP."""


@njit(cache=True, nogil=True)
def _add_crack(sums, image, gradient, boundaries, labels, row, col, row2, col2):
    """Add what lies on both sides of a crack, pixels (row, col) and (row2, col2), to the sums of its pair."""
    value, value2 = np.float64(image[row, col]), np.float64(image[row2, col2])
    in_order = labels[row, col] < labels[row2, col2]
    sums[Edge.INTENSITY_I] += value if in_order else value2
    sums[Edge.INTENSITY_J] += value2 if in_order else value
    sums[Edge.GRADIENT] += 0.5 * (gradient[row, col] + gradient[row2, col2])
    sums[Edge.DIFFERENCE] += abs(value - value2)
    sums[Edge.BOUNDARY] += 0.5 * (boundaries[row, col] + boundaries[row2, col2])


@njit(cache=True, nogil=True)
def _empty_sums(n_nodes):
    """Node sums before the first pixel."""
    sums = np.zeros((n_nodes, _N_NODE_SUMS))
    for column in (Node.MIN_INTENSITY, Node.MIN_ROW, Node.MIN_COL):
        sums[:, column] = np.inf
    for column in (Node.MAX_INTENSITY, Node.MAX_ROW, Node.MAX_COL):
        sums[:, column] = -np.inf
    return sums


@njit(cache=True, nogil=True)
def _add_pixel(sums, row, col, value, gradient):
    """Add a pixel to the sums of its superpixel."""
    sums[Node.AREA] += 1
    sums[Node.ROW] += row
    sums[Node.COL] += col
    sums[Node.ROW_ROW] += row * row
    sums[Node.COL_COL] += col * col
    sums[Node.ROW_COL] += row * col
    sums[Node.INTENSITY] += value
    sums[Node.INTENSITY2] += value * value
    sums[Node.GRADIENT] += gradient
    sums[Node.MIN_INTENSITY] = min(sums[Node.MIN_INTENSITY], value)
    sums[Node.MAX_INTENSITY] = max(sums[Node.MAX_INTENSITY], value)
    sums[Node.MIN_ROW] = min(sums[Node.MIN_ROW], row)
    sums[Node.MIN_COL] = min(sums[Node.MIN_COL], col)
    sums[Node.MAX_ROW] = row
    sums[Node.MAX_COL] = max(sums[Node.MAX_COL], col)


@njit(cache=True, nogil=True)
def sum_pixels(image, gradient, boundaries, labels, n_nodes, n_cracks, capacity):
    """Add up everything within the image in one pass over the pixels.

    Parameters
    ----------
    image, gradient, boundaries : (H, W) float32 arrays
    labels : (H, W) int32 array
        Superpixels, 0..N-1.
    n_nodes, n_cracks : int
        From `count_cracks`.
    capacity : int
        Room for pairs. If it does not suffice, the pass stops and returns `capacity` pairs and unfinished sums.

    Returns
    -------
    node_sums : (N, len(Node)) float64 array
        The last four columns, pixel pairs across the image border, are still 0.
    pairs : (Q, 2) int32 array
        i < j, in order of discovery: superpixels that share a crack or a pixel corner.
    pair_sums : (Q, len(Edge)) float64 array
    cracks : (n_cracks, 2) float32 array
        Row, col of the cracks' midpoints.
    crack_pair : (n_cracks,) int64 array
        The pair that each crack separates.
    """
    height, width = labels.shape
    node_sums = _empty_sums(n_nodes)
    table_size = 1
    while table_size < 2 * capacity:
        table_size *= 2
    table = np.full(table_size, -1, np.int32)
    pairs = np.empty((capacity, 2), np.int32)
    pair_sums = np.zeros((capacity, _N_EDGE_SUMS))
    cracks = np.empty((n_cracks, 2), np.float32)
    crack_pair = np.empty(n_cracks, np.int64)
    n_pairs = 0
    crack = 0
    for row in range(height):
        for col in range(width):
            label = labels[row, col]
            _add_pixel(node_sums[label], row, col, np.float64(image[row, col]), gradient[row, col])
            for direction in range(Edge.INTENSITY_I):
                row2, col2 = row + _DOWN[direction], col + _RIGHT[direction]
                if row2 >= height or col2 >= width or col2 < 0 or labels[row2, col2] == label:
                    continue
                if n_pairs == capacity:
                    return node_sums, pairs, pair_sums, cracks, crack_pair
                pair = find_pair(label, labels[row2, col2], n_nodes, table, pairs, n_pairs)
                n_pairs = max(n_pairs, pair + 1)
                pair_sums[pair, direction] += 1
                if _DOWN[direction] + _RIGHT[direction] == 1:
                    _add_crack(pair_sums[pair], image, gradient, boundaries, labels, row, col, row2, col2)
                    cracks[crack, 0] = 0.5 * (row + row2)
                    cracks[crack, 1] = 0.5 * (col + col2)
                    crack_pair[crack] = pair
                    crack += 1
    return node_sums, pairs[:n_pairs], pair_sums[:n_pairs], cracks, crack_pair


@njit(cache=True, nogil=True)
def sum_image_border(labels, node_sums):
    """Add the pixel pairs that cross the image border to `node_sums`; return the cracks there and their superpixels."""
    height, width = labels.shape
    points = np.empty((2 * (height + width), 2), np.float32)
    nodes = np.empty(2 * (height + width), np.int64)
    n = 0
    for row in range(height):
        step = 1 if row in (0, height - 1) else max(width - 1, 1)
        for col in range(0, width, step):
            node = labels[row, col]
            for d_row in range(-1, 2):
                for d_col in range(-1, 2):
                    if 0 <= row + d_row < height and 0 <= col + d_col < width:
                        continue
                    if d_row != 0 and d_col != 0:
                        node_sums[node, Node.BORDER_DIAGONAL_DOWN if d_row == d_col else Node.BORDER_DIAGONAL_UP] += 1
                    else:
                        node_sums[node, Node.BORDER_HORIZONTAL if d_row == 0 else Node.BORDER_VERTICAL] += 1
                        points[n, 0] = row + 0.5 * d_row
                        points[n, 1] = col + 0.5 * d_col
                        nodes[n] = node
                        n += 1
    return points, nodes
