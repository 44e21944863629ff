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
_PLATEAU_QUANTILE = 0.85  # of an object's pixels: its plateau, but for bright spots
_RIM = (0.3, 0.6)  # of the plateau: where the steepness of a rim is measured
_SHARP = 1.7  # radius / width of the rim, of the sharpest quarter of objects; below this, objects fade all the way
_FADING = 5  # power with which the level falls below it
_HAZE = 0.04  # of the plateau: what lies between objects is so far above the floor that no rim shows below half
_SPREAD = 0.15  # of log plateau: differences below this are texture rather than objects of their own brightness


def settle_outlines(
    labels: NDArray[np.int32], image: NDArray[np.float32], floor: NDArray[np.float32], level: float
) -> NDArray[np.int32]:
    """Move each object's outline to a contour between the floor and the object's own plateau.

    Objects with a plateau and a rim end where the rim has fallen to about half of its height. Objects that fade from
    their middle all the way out, such as small round nuclei seen in projection, have no rim and end where they can no
    longer be seen: lower, and at about the same intensity whatever their own. Which of both an image shows is told by
    its sharpness S, the upper quartile over its objects of radius / rim width, where the width is plateau / gradient
    within the rim: the contour is taken at level * q of the reference height, q = min(1, S / 1.7)^5. In a haze,
    or among neighbours so close that what lies between is lit by them, nothing can be followed so far down: where the
    median of the image without its objects is h of the plateau above the floor, q is at least h / 0.04.

    The reference height of an object is its plateau, drawn towards the median of the image's plateaus p: by the share
    0.15 / (0.15 + |log(plateau / p)|), since small differences come from texture, and by at least 1 - q^2.

    Parameters
    ----------
    labels : (H, W) int32
        0 = background, objects 1..M, each with at least one pixel.
    image : (H, W) float32
        Objects bright.
    floor : (H, W) float32
        Lowest intensity around (`ObjectPrior.floor`).
    level : float
        Of objects with a rim: 0 = floor, 1 = plateau.

    Returns
    -------
    (H, W) int32
        The same objects, each in one piece and without holes; an object may be gone where it nowhere reaches the level.
    """
    n = int(labels.max()) + 1
    if n == 1:
        return labels
    image = np.ascontiguousarray(image, np.float32)
    height = np.maximum(bic.filters.gaussian_smoothing(image, 1.0) - floor, 0)
    owner, values = labels[labels > 0], height[labels > 0]
    scale = float(values.max()) + 1
    ranked = np.sort(owner + values / scale)  # by object, and in each by value
    size = np.bincount(owner, minlength=n)
    last = np.cumsum(size) - 1
    first = last - size + 1
    plateau = np.ones(n)  # and of the background, that nothing is measured against
    chosen = ranked[first[1:] + (_PLATEAU_QUANTILE * (size[1:] - 1)).astype(np.int64)]
    plateau[1:] = np.maximum((chosen - np.arange(1, n)) * scale, 1e-6)

    transform = bic.distance.distance_transform(labels == 0, return_distances=True, return_indices=True)
    distance, nearest = transform  # pyright: ignore[reportGeneralTypeIssues]
    near = np.where(distance <= _REACH, labels[tuple(nearest)], 0)
    relative = height / plateau[near]
    sharpness = _sharpness(image, near, relative, np.sqrt(size / np.pi) / plateau)
    median = np.median(plateau[1:])
    between = height[labels == 0]
    haze = float(np.median(between)) / median if len(between) else 0.0
    fade = min(1.0, max((sharpness / _SHARP) ** _FADING, haze / _HAZE))
    contrast = np.log(plateau / median)
    drawn = np.maximum(_SPREAD / (_SPREAD + np.abs(contrast)), 1 - fade**2)
    above = relative > (level * fade * np.exp(-drawn * contrast))[near]
    return fill_holes(largest_pieces(np.where((near > 0) & above, near, 0).astype(np.int32), n))


def _sharpness(image: NDArray[np.float32], near: NDArray[np.int32], relative: NDArray, scale: NDArray) -> float:
    """Upper quartile over the objects of `scale` times the mean gradient within the rim; infinite without any rim."""
    rim = (near > 0) & (relative > _RIM[0]) & (relative < _RIM[1])
    owner = near[rim]
    count = np.bincount(owner, minlength=len(scale))
    gradient = bic.filters.gaussian_gradient_magnitude(image, 1.0)[rim]
    steepness = np.bincount(owner, gradient, len(scale)) / np.maximum(count, 1) * scale
    return float(np.percentile(steepness[count > 5], 75)) if (count > 5).any() else np.inf


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
    pockets = np.asarray(ndi.label(labels == 0)[0], np.int32)  # pyright: ignore[reportIndexIssue]
    n = int(pockets.max())
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
