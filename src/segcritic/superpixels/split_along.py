"""Superpixels cut along given labels, so that the given partition, and good ways to part its objects, are among theirs.

Superpixels are made from the image alone; labels from another tool run across them. Cut along the labels' outlines,
every given object is exactly a set of superpixels.
"""

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray

from segcritic.superpixels import relabel_connected
from segcritic.superpixels.seeds import prominent_basins

_NECK = 0.05  # of the typical radius: how much narrower than both sides a neck must be to part an object there


def split_along(
    superpixels: NDArray[np.int32], labels: NDArray[np.integer], radius: float, min_size: int = 6
) -> NDArray[np.int32]:
    """Cut superpixels along the outlines and the necks of given objects; tiny bits join a neighbour of the same part.

    Parameters
    ----------
    superpixels : (H, W) int32
    labels : (H, W) integer
        0 = background.
    radius : float
        Pixels; typical radius of an object.
    min_size : int
        Pixels; smaller pieces join the neighbour of the same part with which they share the longest boundary.

    Returns
    -------
    (H, W) int32, values 0..N-1, each 4-connected and of one label and part.
    """
    parts = necks(labels, radius)
    both = labels.astype(np.int64) * (int(parts.max()) + 1) + parts
    dense = np.unique(both, return_inverse=True)[1].reshape(labels.shape)
    pieces = relabel_connected(dense.astype(np.int64) * (int(superpixels.max()) + 1) + superpixels)
    label = np.zeros(int(pieces.max()) + 1, np.int64)
    label[pieces.ravel()] = dense.ravel()
    one = np.concatenate([pieces[1:].ravel(), pieces[:, 1:].ravel()]).astype(np.int64)
    other = np.concatenate([pieces[:-1].ravel(), pieces[:, :-1].ravel()]).astype(np.int64)
    joinable = (one != other) & (label[one] == label[other])
    one, other = one[joinable], other[joinable]
    number = np.arange(len(label))
    while True:
        size = np.bincount(number[pieces.ravel()], minlength=len(label))
        ends = np.concatenate([number[np.stack([one, other], 1)], number[np.stack([other, one], 1)]])
        ends = ends[(ends[:, 0] != ends[:, 1]) & (size[ends[:, 0]] < min_size)]
        if not len(ends):
            break
        pairs, length = np.unique(ends, axis=0, return_counts=True)
        order = np.argsort(length, kind="stable")
        target = np.arange(len(label))
        target[pairs[order, 0]] = pairs[order, 1]  # the longest comes last and stays
        # Of two small pieces that choose each other, the one with the lower number moves.
        mutual = (target[target] == np.arange(len(label))) & (target < np.arange(len(label)))
        target[mutual] = np.flatnonzero(mutual)
        number = target[number]
    return np.unique(number, return_inverse=True)[1].astype(np.int32)[pieces]


def necks(labels: NDArray[np.integer], radius: float) -> NDArray[np.int32]:
    """Part every object at its necks, by its shape alone: basins of the distance to the objects' outlines.

    Parameters
    ----------
    labels : (H, W) integer
        0 = background.
    radius : float
        Pixels; typical radius of an object.

    Returns
    -------
    (H, W) int32, 0 = background. Basins of one number lie in one object or in touching ones.
    """
    inside = labels > 0
    for axis in (0, 1):
        here, there = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        edge = np.zeros(np.moveaxis(labels, axis, 0).shape, bool)
        edge[:-1] |= here != there
        edge[1:] |= here != there
        inside = inside & ~np.moveaxis(edge, 0, axis)
    depth = np.asarray(bic.distance.distance_transform(np.ascontiguousarray(inside)), np.float32)
    depth = bic.filters.gaussian_smoothing(depth, 1.0)
    return prominent_basins(depth, _NECK * radius, labels > 0)
