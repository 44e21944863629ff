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
def _cost(size, mean, cut, a, b):
    difference = mean[a] - mean[b]
    cost = size[a] * size[b] / (size[a] + size[b]) * difference * difference
    if cut[a] > 0 and cut[b] > 0 and cut[a] != cut[b]:
        cost = _ACROSS_FACTOR * cost + _ACROSS_PENALTY
    return cost


@njit(cache=True)
def _merge(edges, size, mean, cut, n_target, min_size):
    """Merge in order of cost until `n_target` pieces are left and none is smaller than `min_size`.

    The neighbours of a piece are a linked list of half-edges (edge e is half-edges 2e and 2e+1, pointing to its two
    ends); joining two pieces joins their lists, and half-edges that became loops or duplicates are dropped when met.
    """
    n = len(size)
    n_edges = len(edges)
    parent = np.arange(n)
    version = np.zeros(n, np.int64)
    head = np.full(n, -1, np.int64)
    tail = np.full(n, -1, np.int64)
    following = np.full(2 * n_edges, -1, np.int64)
    seen = np.full(n, -1, np.int64)
    heap = [(0.0, 0, 0, 0, 0)]
    heap.pop()
    for e in range(n_edges):
        for side in range(2):
            node = edges[e, 1 - side]
            half = 2 * e + side
            following[half] = head[node]
            if head[node] < 0:
                tail[node] = half
            head[node] = half
        a, b = edges[e, 0], edges[e, 1]
        heap.append((_cost(size, mean, cut, a, b), a, b, 0, 0))
    heapq.heapify(heap)
    n_left = n
    n_small = 0
    for i in range(n):
        n_small += size[i] < min_size
    while len(heap) > 0 and (n_left > n_target or n_small > 0):
        _, a, b, version_a, version_b = heapq.heappop(heap)
        if parent[a] != a or parent[b] != b or version[a] != version_a or version[b] != version_b:
            continue
        if n_left <= n_target and size[a] >= min_size and size[b] >= min_size:
            continue
        if size[a] < size[b]:
            a, b = b, a
        n_small -= (size[a] < min_size) + (size[b] < min_size)
        mean[a] = (mean[a] * size[a] + mean[b] * size[b]) / (size[a] + size[b])
        size[a] += size[b]
        if cut[a] == 0:
            cut[a] = cut[b]
        n_small += size[a] < min_size
        parent[b] = a
        version[a] += 1
        n_left -= 1
        if head[b] >= 0:
            if head[a] < 0:
                head[a] = head[b]
            else:
                following[tail[a]] = head[b]
            tail[a] = tail[b]
        previous = -1
        half = head[a]
        mark = n_left
        while half >= 0:
            other = _root(parent, edges[half // 2, half % 2])
            after = following[half]
            if other == a or seen[other] == mark:
                if previous < 0:
                    head[a] = after
                else:
                    following[previous] = after
                if after < 0:
                    tail[a] = previous
            else:
                seen[other] = mark
                previous = half
                heapq.heappush(heap, (_cost(size, mean, cut, a, other), a, other, version[a], version[other]))
            half = after
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
    cuts: NDArray[np.int32] | None = None,
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
    cuts : (H, W) int32, optional
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
