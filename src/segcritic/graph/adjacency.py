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
def _add_moments(sums, points, row, col):
    """Add up what the least-squares circle through points needs (Kasa 1976), relative to (row, col)."""
    for p in range(len(points)):
        y = points[p, 0] - row
        x = points[p, 1] - col
        z = x * x + y * y
        sums[0] += 1
        sums[1] += y
        sums[2] += x
        sums[3] += y * y
        sums[4] += x * x
        sums[5] += x * y
        sums[6] += y * z
        sums[7] += x * z


@njit(cache=True, nogil=True)
def _fit_circle(sums):
    """Centre (relative to where the sums are) and radius of the least-squares circle; radius 0 if there is none."""
    n = sums[0]
    if n < 3:
        return 0.0, 0.0, 0.0
    y, x = sums[1] / n, sums[2] / n
    yy, xx, xy = sums[3] / n - y * y, sums[4] / n - x * x, sums[5] / n - x * y
    z = (sums[3] + sums[4]) / n
    yz, xz = sums[6] / n - y * z, sums[7] / n - x * z
    determinant = yy * xx - xy * xy
    if determinant < 1e-6 * (yy + xx) ** 2:  # on a line
        return 0.0, 0.0, 0.0
    row = 0.5 * (yz * xx - xz * xy) / determinant
    col = 0.5 * (xz * yy - yz * xy) / determinant
    return row, col, np.sqrt(max(z - 2 * (row * y + col * x) + row * row + col * col, 0.0))


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
    """Fraction of the angle bins of a circle in which the outline lies near it, (M,) in [0, 1].

    The circle is that of equal area about the centroid; for an object cut by the image border, the one that fits its
    outline within the image best, of which only the angles within the image count, and the result is multiplied by the
    share of the cut that lies inside the circle. Near is within max(1.5 px, 10 % of the radius). Below 5 px of radius
    a disk has too few cracks to fill every bin and scores less than 1 (about .95 at 4 px, .75 at 3 px).
    """
    n_objects = len(area)
    cut = np.zeros(n_objects)
    for objects in node_object:
        for node in range(len(objects)):
            cut[objects[node]] += border_start[node + 1] - border_start[node]
    row, col, radius = center_row.copy(), center_col.copy(), np.sqrt(area / np.pi)
    moments = _moments_of_cut(node_object, cut, row, col, edges, points, points_start)
    for o in range(n_objects):
        if cut[o] > 0:
            down, right, radius[o] = _fit_circle(moments[o])
            row[o] += down
            col[o] += right

    bits = np.zeros(n_objects, np.uint32)
    for objects in node_object:
        for edge in range(len(edges)):
            i = objects[edges[edge, 0]]
            j = objects[edges[edge, 1]]
            if i != j:
                cracks = points[points_start[edge] : points_start[edge + 1]]
                for o in (i, j):
                    bits[o] |= _mark_angles(cracks, radius[o], row[o], col[o])
    cut_inside = _count_cut_inside(node_object, radius, row, col, border_points, border_start)
    # The last row and column of the image: cracks of its border lie half a pixel beyond them.
    height = width = 0.0
    for p in range(len(border_points)):
        height = max(height, border_points[p, 0])
        width = max(width, border_points[p, 1])
    fraction = np.zeros(n_objects)
    for o in range(n_objects):
        fraction[o] = _marked_fraction(bits[o], radius[o], row[o], col[o], cut[o] > 0, height, width)
        if cut[o] > 0:
            fraction[o] *= cut_inside[o] / cut[o]
    return fraction


@njit(cache=True, nogil=True)
def _moments_of_cut(node_object, cut, row, col, edges, points, points_start):
    """What `_fit_circle` needs of the outlines of all objects that the image border cuts, relative to (row, col)."""
    moments = np.zeros((len(cut), 8))
    for objects in node_object:
        for edge in range(len(edges)):
            i = objects[edges[edge, 0]]
            j = objects[edges[edge, 1]]
            if i != j:
                cracks = points[points_start[edge] : points_start[edge + 1]]
                for o in (i, j):
                    if cut[o] > 0:
                        _add_moments(moments[o], cracks, row[o], col[o])
    return moments


@njit(cache=True, nogil=True)
def _count_cut_inside(node_object, radius, row, col, border_points, border_start):
    """Number of each object's cracks on the image border that lie inside or near its circle."""
    inside = np.zeros(len(radius))
    for objects in node_object:
        for node in range(len(objects)):
            o = objects[node]
            farthest = (radius[o] + max(1.5, 0.1 * radius[o])) ** 2
            for p in range(border_start[node], border_start[node + 1]):
                y, x = border_points[p, 0] - row[o], border_points[p, 1] - col[o]
                inside[o] += y * y + x * x <= farthest
    return inside


@njit(cache=True, nogil=True)
def _marked_fraction(bits, radius, row, col, cut, height, width):
    """Share of the angle bins that are marked; of a cut object, of those within the image."""
    if radius <= 0:
        return 0.0
    expected = marked = 0
    for angle_bin in range(HOUGH_BINS):
        angle = 2 * np.pi * (angle_bin + 0.5) / HOUGH_BINS
        y, x = row + radius * np.sin(angle), col + radius * np.cos(angle)
        if not cut or (0 <= y <= height and 0 <= x <= width):
            expected += 1
            marked += (bits >> np.uint32(angle_bin)) & np.uint32(1)
    return marked / expected if expected else 0.0
