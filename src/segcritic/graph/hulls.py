"""Convex hulls: of every superpixel, once per image; of every union of superpixels, from their hull vertices.

The hull of a union is the hull of the parts' hull vertices. Once the vertices of a whole graph are sorted, Andrew's
monotone chain finds the hulls of all objects of a partition in one linear pass, whatever the partition.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def node_hulls(
    superpixels: NDArray[np.int32], first_row: NDArray[np.int64], last_row: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Find the convex hull of the pixel corners of every superpixel.

    Parameters
    ----------
    superpixels : (H, W) int32 array
        Values 0..N-1.
    first_row, last_row : (N,) int64 arrays
        First and last image row of each superpixel, both inclusive.

    Returns
    -------
    points : (V, 2) float64 array
        Hull vertices as x, y in pixel-centre coordinates: pixel (row, col) covers x in [col - .5, col + .5]. The
        vertices of one superpixel are in counter-clockwise order for a y axis that points up (positive shoelace area),
        without three on a line.
    start : (N + 1,) int64 array
        The vertices of superpixel n are ``points[start[n]:start[n + 1]]``.
    """
    row_start = np.zeros(len(first_row) + 1, np.int64)
    np.cumsum(last_row - first_row + 1, out=row_start[1:])
    points, start = _node_hulls(superpixels, first_row, row_start)
    return points, start


@njit(cache=True, nogil=True)
def _push_convex(points, base, end, x, y):
    """Add (x, y) to the chain points[base:end], dropping vertices that no longer turn left; return the new end."""
    while end - base >= 2:
        x1, y1 = points[end - 2]
        x2, y2 = points[end - 1]
        if (x2 - x1) * (y - y1) - (y2 - y1) * (x - x1) > 0:
            break
        end -= 1
    points[end, 0] = x
    points[end, 1] = y
    return end + 1


@njit(cache=True, nogil=True)
def _node_hulls(superpixels, first_row, row_start):
    height, width = superpixels.shape
    n_nodes = len(first_row)
    left = np.full(row_start[-1], width, np.int64)
    right = np.full(row_start[-1], -1, np.int64)
    for row in range(height):
        for col in range(width):
            node = superpixels[row, col]
            slot = row_start[node] + row - first_row[node]
            if col < left[slot]:
                left[slot] = col
            if col > right[slot]:
                right[slot] = col

    points = np.empty((2 * (row_start[-1] + n_nodes), 2), np.float64)
    start = np.zeros(n_nodes + 1, np.int64)
    end = 0
    for node in range(n_nodes):
        top = row_start[node]
        n_rows = row_start[node + 1] - top
        # Along the right side with y growing, then back along the left side. The line of pixel corners number y touches
        # the pixel rows y - 1 and y; where neither has a pixel (a superpixel in pieces), nothing is added.
        base = end
        for y in range(n_rows + 1):
            x = max(right[top + max(y - 1, 0)], right[top + min(y, n_rows - 1)])
            if x >= 0:
                end = _push_convex(points, base, end, x + 0.5, first_row[node] + y - 0.5)
        base = end
        for y in range(n_rows, -1, -1):
            x = min(left[top + max(y - 1, 0)], left[top + min(y, n_rows - 1)])
            if x < width:
                end = _push_convex(points, base, end, x - 0.5, first_row[node] + y - 0.5)
        start[node + 1] = end
    return points[:end].copy(), start


def sorted_chains(points: NDArray[np.float64], start: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Split the superpixels' hulls into lower and upper chains, each sorted by x, then y, over the whole graph.

    A vertex on the lower chain of a union is on the lower chain of its superpixel, so each chain can be built apart.

    Parameters
    ----------
    points, start : as returned by `node_hulls`

    Returns
    -------
    lower, upper : (L, 3) and (U, 3) int32 arrays
        Rows of x + .5, y + .5 and superpixel. In `upper`, x and y are negated and the order is reversed accordingly,
        which turns the upper chain into a lower one.
    """
    node = np.repeat(np.arange(len(start) - 1), np.diff(start))
    vertices = np.column_stack([points + 0.5, node]).astype(np.int32)
    order = np.lexsort((vertices[:, 1], vertices[:, 0], node))
    first, last = order[start[:-1]], order[start[1:] - 1]  # leftmost and rightmost vertex of each superpixel
    index = np.arange(len(points))
    # The counter-clockwise order runs along the lower chain from `first` to `last`, cyclically.
    size = np.diff(start)
    from_first = (index - first[node]) % size[node]
    is_lower = from_first <= ((last - first) % size)[node]
    is_upper = ~is_lower
    is_upper[first] = True
    is_upper[last] = True
    chains = []
    for chosen, sign in ((is_lower, 1), (is_upper, -1)):
        chain = vertices[chosen] * np.array([sign, sign, 1], np.int32)
        chains.append(np.ascontiguousarray(chain[np.lexsort((chain[:, 1], chain[:, 0]))]))
    return chains[0], chains[1]


@njit(cache=True, nogil=True)
def union_hull_areas(node_object, n_objects, lower, upper):
    """Area of the convex hull of every object of K partitions.

    Parameters
    ----------
    node_object : (K, N) int32 array
        Object of each superpixel: partition k has the numbers that follow those of partition k - 1, without gaps.
    n_objects : int
    lower, upper : (L, 3) and (U, 3) int32 arrays
        From `sorted_chains`.

    Returns
    -------
    (n_objects,) float64 array
        Hull areas in pixels.
    """
    doubled = np.zeros(n_objects, np.int64)
    size = np.zeros(n_objects, np.int64)
    base = np.zeros(n_objects, np.int64)
    for chain in (lower, upper):
        stack_x = np.empty(len(chain), np.int64)
        stack_y = np.empty(len(chain), np.int64)
        size[:] = 0
        first = 0
        for objects in node_object:
            last = first
            for p in range(len(chain)):
                o = objects[chain[p, 2]]
                size[o] += 1
                last = max(last, o)
            total = 0
            for o in range(first, last + 1):  # every object gets its own part of the stack
                base[o] = total
                total += size[o]
                size[o] = 0
            for p in range(len(chain)):
                x = np.int64(chain[p, 0])
                y = np.int64(chain[p, 1])
                o = objects[chain[p, 2]]
                top = base[o] + size[o] - 1
                while top > base[o]:
                    x1 = stack_x[top - 1]
                    y1 = stack_y[top - 1]
                    if (stack_x[top] - x1) * (y - y1) - (stack_y[top] - y1) * (x - x1) > 0:
                        break
                    top -= 1
                stack_x[top + 1] = x
                stack_y[top + 1] = y
                size[o] = top + 2 - base[o]
            for o in range(first, last + 1):
                for p in range(base[o], base[o] + size[o] - 1):
                    doubled[o] += stack_x[p] * stack_y[p + 1] - stack_x[p + 1] * stack_y[p]
            first = last + 1
    return doubled / 2.0


@njit(cache=True, nogil=True)
def union_boxes(node_object, n_objects, orientation, points, start):
    """Sides of the box around every object of K partitions that is turned to the object's own axis.

    Parameters
    ----------
    node_object, n_objects : as in `union_hull_areas`
    orientation : (n_objects,) float64 array
        Angle between the row axis and the axis, as in `segcritic.graph.objects`.
    points, start : as returned by `node_hulls`

    Returns
    -------
    length, width : (n_objects,) float64 arrays
        Along and across the axis, in pixels.
    """
    cosine, sine = np.cos(orientation), np.sin(orientation)
    ends = np.empty((n_objects, 4))  # lowest and highest along, lowest and highest across
    ends[:, 0::2] = np.inf
    ends[:, 1::2] = -np.inf
    for objects in node_object:
        for node in range(len(start) - 1):
            o = objects[node]
            for v in range(start[node], start[node + 1]):
                x, y = points[v, 0], points[v, 1]
                along = y * cosine[o] + x * sine[o]
                across = x * cosine[o] - y * sine[o]
                ends[o, 0] = min(ends[o, 0], along)
                ends[o, 1] = max(ends[o, 1], along)
                ends[o, 2] = min(ends[o, 2], across)
                ends[o, 3] = max(ends[o, 3], across)
    return ends[:, 1] - ends[:, 0], ends[:, 3] - ends[:, 2]


@njit(cache=True, nogil=True)
def pair_hull_areas(points, start, pairs):
    """Area of the convex hull of the two superpixels of each pair.

    Parameters
    ----------
    points, start : as returned by `node_hulls`
    pairs : (E, 2) int32 array

    Returns
    -------
    (E,) float64 array
    """
    areas = np.empty(len(pairs))
    for p in range(len(pairs)):
        i, j = pairs[p, 0], pairs[p, 1]
        n_i = start[i + 1] - start[i]
        n = n_i + start[j + 1] - start[j]
        key = np.empty(n)
        for v in range(n):
            vertex = start[i] + v if v < n_i else start[j] + v - n_i
            key[v] = points[vertex, 0] * 1e6 + points[vertex, 1]  # sorts by x, then y: images are below 1e6 pixels
        order = np.argsort(key)
        chain = np.empty((n + 1, 2))
        doubled = 0.0
        for direction in range(2):
            end = 0
            for v in range(n):
                at = order[v] if direction == 0 else order[n - 1 - v]
                vertex = start[i] + at if at < n_i else start[j] + at - n_i
                end = _push_convex(chain, 0, end, points[vertex, 0], points[vertex, 1])
            for v in range(end - 1):
                doubled += chain[v, 0] * chain[v + 1, 1] - chain[v + 1, 0] * chain[v, 1]
        areas[p] = doubled / 2
    return areas
