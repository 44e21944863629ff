"""Measurements of the objects of K partitions that sums cannot give: distinct neighbours, and outlines on circles.

In all functions, `node_object` (K, N) int32 holds the object of each superpixel of each partition, numbered through
over all partitions, and `edges` (E, 2) int32 the pairs of superpixels that share a boundary.
"""

import numpy as np
from numba import njit

HOUGH_BINS = 32
"""Angle bins of `circle_hough`."""


@njit(cache=True, nogil=True)
def count_neighbours(node_object, n_objects, edges):
    """Count the different objects that share a boundary with each object, with a hash set of pairs per partition."""
    counts = np.zeros(n_objects)
    size = 1
    while size < 2 * len(edges) + 1:
        size *= 2
    seen = np.empty(size, np.int64)
    for objects in node_object:
        seen[:] = -1
        for edge in range(len(edges)):
            i = np.int64(objects[edges[edge, 0]])
            j = np.int64(objects[edges[edge, 1]])
            if i == j:
                continue
            pair = min(i, j) * n_objects + max(i, j)
            slot = np.int64((np.uint64(pair) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & (size - 1)
            while seen[slot] != -1 and seen[slot] != pair:
                slot = (slot + 1) & (size - 1)
            if seen[slot] == -1:
                seen[slot] = pair
                counts[i] += 1
                counts[j] += 1
    return counts


@njit(cache=True, nogil=True)
def _mark_angles(points, radius, row, col):
    """Bits of the angle bins about (row, col) in which one of the points lies near the circle of this radius."""
    tolerance = max(1.5, 0.1 * radius)
    nearest = max(radius - tolerance, 0.0) ** 2
    farthest = (radius + tolerance) ** 2
    bits = np.uint32(0)
    for p in range(len(points)):
        y = points[p, 0] - row
        x = points[p, 1] - col
        distance2 = x * x + y * y
        if nearest <= distance2 <= farthest:
            angle_bin = int(np.floor((np.arctan2(y, x) / (2 * np.pi)) * HOUGH_BINS)) % HOUGH_BINS
            bits |= np.uint32(1) << np.uint32(angle_bin)
    return bits


@njit(cache=True, nogil=True)
def circle_hough(node_object, area, center_row, center_col, edges, points, points_start, border_points, border_start):
    """Fraction of the angle bins in which the outline, image border included, lies near the circle of equal area.

    Near is within max(1.5 px, 10 % of the radius). Below 5 px of radius a disk has too few cracks to fill every bin and
    scores less than 1 (about .95 at 4 px, .75 at 3 px).
    """
    bits = np.zeros(len(area), np.uint32)
    for objects in node_object:
        for edge in range(len(edges)):
            i = objects[edges[edge, 0]]
            j = objects[edges[edge, 1]]
            if i != j:
                cracks = points[points_start[edge] : points_start[edge + 1]]
                for o in (i, j):
                    bits[o] |= _mark_angles(cracks, np.sqrt(area[o] / np.pi), center_row[o], center_col[o])
        for node in range(len(objects)):
            cracks = border_points[border_start[node] : border_start[node + 1]]
            o = objects[node]
            bits[o] |= _mark_angles(cracks, np.sqrt(area[o] / np.pi), center_row[o], center_col[o])
    fraction = np.zeros(len(area))
    for o in range(len(area)):
        left = bits[o]
        while left:
            fraction[o] += 1.0 / HOUGH_BINS
            left &= left - np.uint32(1)
    return fraction
