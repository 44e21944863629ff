"""Likely objects: basins of an over-segmentation, joined unless enough speaks for two objects.

Touching objects show in several ways, none of which is reliable alone: a neck, a dark line between them, an outline
with dents, unlike brightness. So the evidence is added up, like in a linear classifier with weights typed by hand.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segcritic.superpixels.seeds import passes

# Evidence for two objects of: the neck (rise of the lower peak of the distance map above the pass, in typical radii),
# the valley (how far the mean brightness along the boundary falls below the fainter plateau), the dent (how much worse
# an ellipse fits both together), the step (|log| of the ratio of plateaus, up to 1), the size of both (log, in typical
# disks). The weights were typed while looking at labelled nuclei (docs/method.md).
_NECK, _VALLEY, _DENT, _STEP, _SIZE = 2.0, 6.0, 6.0, 3.0, 1.0
_ENOUGH = 3.3
_PLATEAU_QUANTILE = 0.85  # of a basin's pixels
_GREY_LEVELS = 512  # of brightness, from 0 to the brightest pixel: fine enough for a quantile


def join_basins(
    basins: NDArray[np.int32],
    depth: NDArray[np.float32],
    brightness: NDArray[np.float32],
    body: NDArray[np.bool_],
    radius: float,
) -> NDArray[np.int32]:
    """Join neighbouring basins, the least parted pairs first, until what is left is parted by enough evidence.

    Parameters
    ----------
    basins : (H, W) int32
        Over-segmentation of likely objects, 1..n; 0 = background.
    depth : (H, W) float32
        Distance map whose peaks made the basins, pixels.
    brightness : (H, W) float32
        Above the local background.
    body : (H, W) bool
        Pixels by which the shape of a basin is judged.
    radius : float
        Pixels; of the typical object.

    Returns
    -------
    (H, W) int32, 1..m, 0 as in `basins`.
    """
    n = int(basins.max()) + 1
    pixel_pairs, pixel_pass = passes(basins, depth)
    if not len(pixel_pairs):
        return basins
    pairs, owner = _unique_pairs(pixel_pairs, n)
    length = np.bincount(owner).astype(np.float64)
    level = np.bincount(owner, passes(basins, brightness)[1])
    pass_height = np.zeros(len(pairs))
    np.maximum.at(pass_height, owner, pixel_pass)
    highest = np.zeros(n, depth.dtype)  # of the same type as what goes in, or it takes ten times as long
    np.maximum.at(highest, basins.ravel(), depth.ravel())
    peak = highest.astype(np.float64)
    step = max(float(brightness.max()), 1e-6) / _GREY_LEVELS
    moments, histogram = _measure(basins, brightness, body, n, step)
    reached = np.cumsum(histogram, axis=1) >= _PLATEAU_QUANTILE * histogram.sum(axis=1, keepdims=True)
    plateau = (np.argmax(reached, axis=1) + 0.5) * step

    parent = np.arange(n)
    while len(pairs):
        i, j = pairs.T
        evidence = _evidence(i, j, length, level, pass_height, peak, plateau, moments, radius)
        joined = _mutual_lowest(pairs, evidence, n) & (evidence < _ENOUGH)
        if not joined.any():
            break
        # a pair is each other's lowest: no basin is in two of them
        kept, gone = i[joined], j[joined]
        areas = moments[:, 0] + 1
        plateau[kept] = (plateau[kept] * areas[kept] + plateau[gone] * areas[gone]) / (areas[kept] + areas[gone])
        moments[kept] += moments[gone]
        peak[kept] = np.maximum(peak[kept], peak[gone])
        target = np.arange(n)
        target[gone] = kept
        parent = target[parent]
        pairs = target[pairs]
        apart = pairs[:, 0] != pairs[:, 1]
        pairs, owner = _unique_pairs(pairs[apart], n)
        length = np.bincount(owner, length[apart], len(pairs))
        level = np.bincount(owner, level[apart], len(pairs))
        lower, pass_height = pass_height[apart], np.zeros(len(pairs))
        np.maximum.at(pass_height, owner, lower)
    return np.unique(parent, return_inverse=True)[1].astype(np.int32)[basins]


def _unique_pairs(pairs: NDArray, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each pair once, (P, 2), smaller basin first, and which of them each of the given pairs is."""
    keys, owner = np.unique(pairs.min(axis=1).astype(np.int64) * n + pairs.max(axis=1), return_inverse=True)
    return np.stack([keys // n, keys % n], axis=1), owner


@njit(cache=True)
def _measure(basins, brightness, body, n, step):
    """Moments of each basin's body (area, sums of y, x, y^2, x^2, xy), (n, 6), and histogram of its pixels, (n, G)."""
    moments = np.zeros((n, 6))
    histogram = np.zeros((n, _GREY_LEVELS), np.int32)
    for row in range(basins.shape[0]):
        for col in range(basins.shape[1]):
            basin = basins[row, col]
            if basin == 0:
                continue
            histogram[basin, min(int(brightness[row, col] / step), _GREY_LEVELS - 1)] += 1
            if body[row, col]:
                moment = moments[basin]
                moment[0] += 1
                moment[1] += row
                moment[2] += col
                moment[3] += row * row
                moment[4] += col * col
                moment[5] += row * col
    return moments, histogram


def _ellipse_fit(moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area / area of the ellipse of equal second moments: 1 for an ellipse, less for outlines with dents."""
    area = np.maximum(moments[:, 0], 1)
    y, x, yy, xx, yx = (moments[:, k] / area for k in range(1, 6))
    determinant = (yy - y * y + 1 / 12) * (xx - x * x + 1 / 12) - (yx - y * x) ** 2
    return area / (4 * np.pi * np.sqrt(np.maximum(determinant, 1e-6)))


def _evidence(i, j, length, level, pass_height, peak, plateau, moments, radius) -> NDArray[np.float64]:
    """Evidence that basins i and j are two objects, (P,).

    `length`, `level` (summed brightness) and `pass_height` are of the pairs' boundaries, the others of the basins.
    """
    area_i, area_j = moments[i, 0], moments[j, 0]
    both = area_i + area_j
    neck = (np.minimum(peak[i], peak[j]) - pass_height) / radius
    valley = 1 - level / length / np.minimum(plateau[i], plateau[j])
    fit = _ellipse_fit(moments)
    dent = (area_i * fit[i] + area_j * fit[j]) / np.maximum(both, 1) - _ellipse_fit(moments[i] + moments[j])
    step = np.minimum(np.abs(np.log(plateau[i] / plateau[j])), 1)
    size = np.log((both + 1) / (np.pi * radius**2))
    return _NECK * neck + _VALLEY * valley + _DENT * dent + _STEP * step + _SIZE * np.maximum(size, -3)


def _mutual_lowest(pairs: NDArray, values: NDArray[np.float64], n: int) -> NDArray[np.bool_]:
    """Which pairs are the lowest of both of their members, (P,)."""
    order = np.repeat(np.argsort(-values, kind="stable"), 2)
    sides = pairs.ravel()[2 * order + np.tile((0, 1), len(pairs))]
    lowest = np.zeros(n, np.int64)
    lowest[sides] = order  # the last written, lowest pair stays
    here = np.arange(len(pairs))
    return (lowest[pairs[:, 0]] == here) & (lowest[pairs[:, 1]] == here)
