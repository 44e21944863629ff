"""Outlines that move: labels made of superpixels, settled on the contour of each object's own intensity.

Superpixels are cut before anything is known about the objects; their shells are relative to the peak of a basin. Once
the objects are known, each has a level of its own: the outline goes where the intensity has fallen to a given share of
the way from the object's own plateau to the local background.
"""

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

_REACH = 3  # pixels an outline may move outwards
_RIM = 2  # pixels from the outline that do not belong to the plateau


def settle_outlines(
    labels: NDArray[np.int32], image: NDArray[np.float32], floor: NDArray[np.float32], level: float
) -> NDArray[np.int32]:
    """Move each object's outline to the contour at `level` between the local background and its own plateau.

    Parameters
    ----------
    labels : (H, W) int32
        0 = background, objects 1..M.
    image : (H, W) float32
        Objects bright.
    floor : (H, W) float32
        Local background (`Relief.floor`).
    level : float
        0 = local background, 1 = plateau.

    Returns
    -------
    (H, W) int32
        The same objects, each in one piece and without holes; an object may be gone where it nowhere reaches the level.
    """
    n = int(labels.max()) + 1
    if n == 1:
        return labels
    smoothed = bic.filters.gaussian_smoothing(np.ascontiguousarray(image, np.float32), 1.0)
    distance, nearest = bic.distance.distance_transform(labels == 0, return_distances=True, return_indices=True)
    near = np.where(distance <= _REACH, labels[tuple(nearest)], 0)
    core = bic.distance.distance_transform(labels > 0) > _RIM
    everywhere = labels > 0
    plateau = np.zeros(n)
    for where in (everywhere, core):  # the whole object, or its core where it has one
        count = np.bincount(labels[where], minlength=n)
        total = np.bincount(labels[where], smoothed[where], n)
        plateau = np.where(count > 0, total / np.maximum(count, 1), plateau)
    height = smoothed - floor
    above = height > level * (plateau[near] - floor)
    return fill_holes(largest_pieces(np.where((near > 0) & above, near, 0).astype(np.int32), n))


def largest_pieces(labels: NDArray[np.int32], n: int) -> NDArray[np.int32]:
    """Keep the largest 4-connected piece of each of the objects 1..n-1."""
    pieces = bic.segmentation.label(labels, connectivity=1).astype(np.int64)
    size = np.bincount(pieces.ravel())
    owner = np.zeros(len(size), np.int64)
    owner[pieces.ravel()] = labels.ravel()
    order = np.argsort(size, kind="stable")
    largest = np.zeros(n, np.int64)
    largest[owner[order]] = order  # the last, largest one stays
    keep = np.zeros(len(size), bool)
    keep[largest] = True
    keep[owner == 0] = False
    return np.where(keep[pieces], labels, 0)


def fill_holes(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give background that lies wholly within one object to that object."""
    pockets, n = ndi.label(labels == 0)
    if n == 0:
        return labels
    lowest = np.full(n + 1, np.iinfo(np.int32).max, np.int32)
    highest = np.zeros(n + 1, np.int32)
    for axis in (0, 1):
        label, pocket = np.moveaxis(labels, axis, 0), np.moveaxis(pockets, axis, 0)
        for here, there in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
            beside = (pocket[here] > 0) & (label[there] > 0)
            np.minimum.at(lowest, pocket[here][beside], label[there][beside])
            np.maximum.at(highest, pocket[here][beside], label[there][beside])
    enclosed = lowest == highest
    enclosed[np.concatenate([pockets[0], pockets[-1], pockets[:, 0], pockets[:, -1]])] = False
    return np.where(enclosed[pockets], highest[pockets], labels)
