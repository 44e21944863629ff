"""Ward's region merging: many small pieces -> few superpixels, losing as little of the image as possible."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segcritic.graph.pixel_sums import find_pair

# Two pieces on different sides of a cut join only after everything on one side has: the penalty exceeds any cost of
# merging within a side of an image whose values lie in [0, 1] and whose objects cover a few hundred pixels.
_ACROSS_FACTOR = 3.0
_ACROSS_PENALTY = 2.0

_LEAST = 1e-12  # costs below are all the same
_PER_OCTAVE = 64  # buckets from a cost to its double
_N_BUCKETS = 64 * _PER_OCTAVE  # up to 2e7: more than pieces of 10 megapixels that differ by 1


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
    if cut[a] > 0 and cut[b] > 0 and cut[a] != cut[b] and size[a] >= min_size and size[b] >= min_size:
        cost = _ACROSS_FACTOR * cost + _ACROSS_PENALTY
    return cost


@njit(cache=True)
def _bucket(cost):
    """Number of the bucket of a cost: a hundredth wide, relative to it."""
    return min(max(int((math.log2(cost + _LEAST) - math.log2(_LEAST)) * _PER_OCTAVE), 0), _N_BUCKETS - 1)


@njit(cache=True)
def _merge(edges, size, mean, cut, n_target, min_size):
    """Merge in order of cost until `n_target` pieces are left and none is smaller than `min_size`.

    Costs that differ by less than a hundredth are taken as equal: edges wait in buckets, which is several times faster
    than a heap. A merge changes the costs of all edges around the new piece. They are looked at only when their bucket
    comes up: an edge that has become dearer waits again. (Ward's costs hardly ever fall when pieces grow.)
    """
    n = len(size)
    parent = np.arange(n)
    first = np.full(_N_BUCKETS, -1, np.int64)  # edge in each bucket, and the edge that waits behind each edge
    behind = np.empty(len(edges), np.int64)
    for e in range(len(edges) - 1, -1, -1):
        bucket = _bucket(_cost(size, mean, cut, edges[e, 0], edges[e, 1], min_size))
        behind[e] = first[bucket]
        first[bucket] = e
    n_left = n
    n_small = 0
    for i in range(n):
        n_small += size[i] < min_size
    now = 0
    while n_left > n_target or n_small > 0:
        while now < _N_BUCKETS and first[now] < 0:
            now += 1
        if now == _N_BUCKETS:
            break
        e = first[now]
        first[now] = behind[e]
        a, b = _root(parent, edges[e, 0]), _root(parent, edges[e, 1])
        if a == b:
            continue
        bucket = _bucket(_cost(size, mean, cut, a, b, min_size))
        if bucket > now:
            behind[e] = first[bucket]
            first[bucket] = e
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
def adjacent_pieces(pieces, n_pieces):
    """Pairs of pieces that share a pixel side, (E, 2) int32, each pair once, smaller id first."""
    height, width = pieces.shape
    capacity = 4 * n_pieces + 16  # connected pieces form a planar graph of fewer than 3 n edges
    size = 1
    while size < 2 * capacity:
        size *= 2
    table = np.full(size, -1, np.int32)
    pairs = np.empty((capacity, 2), np.int32)
    n_pairs = 0
    for row in range(height):
        for col in range(width):
            here = pieces[row, col]
            for down in range(2):
                row2, col2 = row + down, col + 1 - down
                if row2 < height and col2 < width and pieces[row2, col2] != here:
                    if n_pairs == capacity:
                        raise ValueError("the pieces are not connected")
                    pair = find_pair(here, pieces[row2, col2], n_pieces, table, pairs, n_pairs)
                    n_pairs = max(n_pairs, pair + 1)
    return pairs[:n_pairs]


def merge_pieces(
    pieces: NDArray[np.int32],
    values: NDArray[np.float32],
    n_target: int,
    min_size: int = 6,
    cuts: NDArray[np.integer] | None = None,
) -> NDArray[np.int32]:
    """Merge neighbouring pieces until `n_target` or less are left (Ward 1963: each merge adds least to squared error).

    Small pieces are not merged beforehand: in a fine over-segmentation nearly all are small, and Ward's order is what
    makes good superpixels of them. Those still small when `n_target` is reached are merged then, so that a little less
    than `n_target` may be left (on fluorescent nuclei 0 to 11 %).

    Parameters
    ----------
    pieces : (H, W) int32
        Over-segmentation into connected pieces, values 0..N-1.
    values : (H, W) float32
        What the superpixels shall keep, in [0, 1].
    n_target : int
        Number of superpixels wanted, at most.
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
    parent = _merge(adjacent_pieces(pieces, len(size)), size, mean, cut, n_target, min_size)
    return np.unique(parent, return_inverse=True)[1].astype(np.int32)[pieces]
