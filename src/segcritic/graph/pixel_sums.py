"""The passes over the pixels behind `graph.build_graph`: sums per superpixel and per pair of touching superpixels.

Columns are numbered as in `graph.NODE_SUMS` and `graph.EDGE_SUMS`.
"""

import numpy as np
from numba import njit


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
    node_sums : (N, 19) float64 array
        The last four columns, pixel pairs across the image border, are still 0.
    pairs : (Q, 2) int32 array
        i < j, in order of discovery: superpixels that share a crack or a pixel corner.
    pair_sums : (Q, 9) float64 array
    cracks : (n_cracks, 2) float32 array
        Row, col of the cracks' midpoints.
    crack_pair : (n_cracks,) int64 array
        The pair that each crack separates.
    """
    height, width = labels.shape
    node_sums = np.zeros((n_nodes, 19))
    node_sums[:, 9] = np.inf
    node_sums[:, 10] = -np.inf
    node_sums[:, 11:13] = np.inf
    node_sums[:, 13:15] = -np.inf
    table_size = 1
    while table_size < 2 * capacity:
        table_size *= 2
    table = np.full(table_size, -1, np.int32)
    pairs = np.empty((capacity, 2), np.int32)
    pair_sums = np.zeros((capacity, 9))
    cracks = np.empty((n_cracks, 2), np.float32)
    crack_pair = np.empty(n_cracks, np.int64)
    n_pairs = 0
    crack = 0
    for row in range(height):
        for col in range(width):
            label = labels[row, col]
            value = np.float64(image[row, col])
            sums = node_sums[label]
            sums[0] += 1
            sums[1] += row
            sums[2] += col
            sums[3] += row * row
            sums[4] += col * col
            sums[5] += row * col
            sums[6] += value
            sums[7] += value * value
            sums[8] += gradient[row, col]
            sums[9] = min(sums[9], value)
            sums[10] = max(sums[10], value)
            sums[11] = min(sums[11], row)
            sums[12] = min(sums[12], col)
            sums[13] = row
            sums[14] = max(sums[14], col)
            for direction in range(4):  # right, down, down-right, down-left
                row2 = row + (direction > 0)
                col2 = col + (1, 0, 1, -1)[direction]
                if row2 >= height or col2 >= width or col2 < 0:
                    continue
                label2 = labels[row2, col2]
                if label2 == label:
                    continue
                if n_pairs == capacity:
                    return node_sums, pairs, pair_sums, cracks, crack_pair
                pair = find_pair(label, label2, n_nodes, table, pairs, n_pairs)
                n_pairs = max(n_pairs, pair + 1)
                pair_sums[pair, direction] += 1
                if direction < 2:
                    value2 = np.float64(image[row2, col2])
                    pair_sums[pair, 4] += value if label < label2 else value2
                    pair_sums[pair, 5] += value2 if label < label2 else value
                    pair_sums[pair, 6] += 0.5 * (gradient[row, col] + gradient[row2, col2])
                    pair_sums[pair, 7] += abs(value - value2)
                    pair_sums[pair, 8] += 0.5 * (boundaries[row, col] + boundaries[row2, col2])
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
                        node_sums[node, 17 if d_row == d_col else 18] += 1
                    else:
                        node_sums[node, 15 if d_row == 0 else 16] += 1
                        points[n, 0] = row + 0.5 * d_row
                        points[n, 1] = col + 0.5 * d_col
                        nodes[n] = node
                        n += 1
    return points, nodes
