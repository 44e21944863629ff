"""Ward's region merging: many small pieces -> few superpixels, losing as little of the image as possible."""

import heapq

import numpy as np
from numba import njit
from numpy.typing import NDArray

# Two pieces on different sides of a cut join only after everything on one side has: the penalty exceeds any cost of
# merging within a side of an image whose values lie in [0, 1] and whose objects cover a few hundred pixels.
_ACROSS_FACTOR = 3.0
_ACROSS_PENALTY = 2.0


@njit(cache=True)
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True)
def _cost(size, mean, cut, a, b, min_size):
    difference = mean[a] - mean[b]
    cost = size[a] * size[b] / (size[a] + size[b]) * difference * difference
    if cut[a] > 0 and cut[b] > 0 and cut[a] != cut[b]:
        if size[a] >= min_size and size[b] >= min_size:
            cost = _ACROSS_FACTOR * cost + _ACROSS_PENALTY
    return cost


@njit(cache=True)
def _merge(edges, size, mean, cut, n_target, min_size):
    """Merge in order of cost until `n_target` pieces are left and none is smaller than `min_size`.

    A merge changes the costs of all edges around the new piece. They are looked at only when their old cost comes up:
    an edge that has become dearer goes back into the queue. (Ward's costs hardly ever fall when pieces grow.)
    """
    n = len(size)
    parent = np.arange(n)
    heap = [(0.0, 0, 0)]
    heap.pop()
    for e in range(len(edges)):
        a, b = np.int64(edges[e, 0]), np.int64(edges[e, 1])
        heap.append((_cost(size, mean, cut, a, b, min_size), a, b))
    heapq.heapify(heap)
    n_left = n
    n_small = 0
    for i in range(n):
        n_small += size[i] < min_size
    while len(heap) > 0 and (n_left > n_target or n_small > 0):
        cost, a, b = heapq.heappop(heap)
        a, b = _root(parent, a), _root(parent, b)
        if a == b:
            continue
        now = _cost(size, mean, cut, a, b, min_size)
        if now > cost * 1.001 + 1e-12:
            heapq.heappush(heap, (now, a, b))
            continue
        small = (size[a] < min_size) + (size[b] < min_size)
        if n_left <= n_target and small == 0:
            continue
        if size[a] < size[b]:
            a, b = b, a
        mean[a] = (mean[a] * size[a] + mean[b] * size[b]) / (size[a] + size[b])
        size[a] += size[b]
        if cut[a] == 0:
            cut[a] = cut[b]
        n_small += (size[a] < min_size) - small
        parent[b] = a
        n_left -= 1
    for i in range(n):
        parent[i] = _root(parent, i)
    return parent


@njit(cache=True)
def _pixel_pairs(pieces):
    height, width = pieces.shape
    pairs = np.empty((2 * height * width, 2), np.int32)
    n = 0
    for y in range(height):
        for x in range(width):
            here = pieces[y, x]
            if x + 1 < width and pieces[y, x + 1] != here:
                pairs[n, 0] = min(here, pieces[y, x + 1])
                pairs[n, 1] = max(here, pieces[y, x + 1])
                n += 1
            if y + 1 < height and pieces[y + 1, x] != here:
                pairs[n, 0] = min(here, pieces[y + 1, x])
                pairs[n, 1] = max(here, pieces[y + 1, x])
                n += 1
    return pairs[:n]


def adjacent_pieces(pieces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Pairs of pieces that share a pixel side, (E, 2), each pair once, smaller id first."""
    pairs = _pixel_pairs(np.ascontiguousarray(pieces, np.int32))
    keys = np.unique(pairs[:, 0].astype(np.int64) * (int(pieces.max()) + 1) + pairs[:, 1])
    return np.stack(np.divmod(keys, int(pieces.max()) + 1), axis=1).astype(np.int32)


def merge_pieces(
    pieces: NDArray[np.int32],
    values: NDArray[np.float32],
    n_target: int,
    min_size: int = 6,
    cuts: NDArray[np.integer] | None = None,
) -> NDArray[np.int32]:
    """Merge neighbouring pieces until `n_target` are left (Ward 1963: each merge adds least to the squared error).

    Parameters
    ----------
    pieces : (H, W) int32
        Over-segmentation, values 0..N-1.
    values : (H, W) float32
        What the superpixels shall keep, in [0, 1].
    n_target : int
        Number of superpixels wanted.
    min_size : int
        Pixels; smaller pieces are merged even below `n_target`.
    cuts : (H, W) integer, optional
        Likely objects, 0 = none. Pieces of different likely objects merge last.

    Returns
    -------
    (H, W) int32, values 0..M-1, each superpixel 4-connected if the pieces were.
    """
    pieces = np.ascontiguousarray(pieces, np.int32)
    size = np.bincount(pieces.ravel()).astype(np.float64)
    mean = np.bincount(pieces.ravel(), values.ravel()) / size
    cut = np.zeros(len(size), np.int64)
    if cuts is not None:
        cut[pieces.ravel()] = cuts.ravel()
    parent = _merge(adjacent_pieces(pieces), size, mean, cut, n_target, min_size)
    return np.unique(parent, return_inverse=True)[1].astype(np.int32)[pieces]
