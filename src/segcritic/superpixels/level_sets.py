"""Superpixels from the raw image: nested shells of relative intensity, thinned by region merging.

An object's outline runs close to a contour of its own intensity, whatever its absolute brightness. So every pixel is
measured against the peak of its own basin ("relief": 0 = local background, 1 = local peak), the relief is cut into many
thin shells and along the valleys between likely objects, and Ward's criterion merges the pieces until a few per likely
object are left. Where the relief is steep the shells stay, where it is flat they go: fewer superpixels allow better
outlines than shells at fixed levels (docs/superpixels.md).
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage.filters import threshold_otsu

from segcritic.superpixels.joining import join_basins
from segcritic.superpixels.merge import merge_pieces
from segcritic.superpixels.pieces import relabel_connected
from segcritic.superpixels.prior import OUTLINE_LEVEL, Cues, Method, ObjectPrior, split_maps
from segcritic.superpixels.seeds import local_maxima, prominent_basins, watershed

_PLATEAU = 0.25  # of a basin's height: pixels above make its peak, so that a few bright spots do not
_NECK = 0.02  # of the typical radius: how much narrower than both sides a neck must be to look at both as two at all
_DEPTH_LEVELS = (0.2, 0.4, 0.6, 0.8)  # of the relief: summed distance transforms of what lies above show necks
_LOWEST_PEAK = 0.1  # of the image's intensity range: fainter basins are background
_RELIEF_RANGE = (0.05, 0.75)  # outlines lie between these; below is background, above is inner texture
_N_SHELLS = 12
_RADIUS_RANGE = (4.0, 40.0)  # pixels, of the typical object, when estimated


def _smooth(image: NDArray, sigma: float) -> NDArray:
    return bic.filters.gaussian_smoothing(np.ascontiguousarray(image, np.float32), sigma)


def typical_radius(foreground: NDArray[np.bool_]) -> float:
    """Radius in pixels of the object that holds the median pixel of a rough foreground."""
    depth = np.asarray(bic.distance.distance_transform(foreground))
    radii = np.sort(depth[local_maxima(_smooth(depth, 1.0), 3, foreground) > 0])
    if not len(radii):
        return _RADIUS_RANGE[0]
    share = np.cumsum(radii**2)
    return float(np.clip(radii[np.searchsorted(share, share[-1] / 2)], *_RADIUS_RANGE))


def _local_background(image: NDArray, radius: float) -> NDArray:
    return _smooth(ndi.minimum_filter(_smooth(image, 2.0), int(2 * radius) | 1), radius)


def _basins(image: NDArray, lowest_peak: float, radius: float) -> NDArray[np.int32]:
    """Watershed of the coarse image, one basin for each peak above `lowest_peak`."""
    coarse = _smooth(image, max(1.0, 0.5 * radius))
    markers = local_maxima(coarse, 0.5 * radius, coarse > lowest_peak)
    if not markers.any():
        markers = local_maxima(coarse, max(image.shape), np.ones(image.shape, bool))
    return watershed(-coarse, markers)


def relief(image: NDArray[np.float32], radius: float | None = None) -> ObjectPrior:
    """Measure every pixel against its local background and the peak of its basin.

    Parameters
    ----------
    image : (H, W) float32
        Objects brighter than the background.
    radius : float, optional
        Pixels; typical radius of an object. Estimated from an Otsu threshold when not given.
    """
    smoothed = _smooth(image, 1.0)
    background, bright = (float(value) for value in np.percentile(smoothed, (5, 99.5)))
    span = bright - background
    if span <= 0:
        flat = np.zeros(image.shape, np.float32)
        return ObjectPrior(flat, flat.astype(np.int32), smoothed, _RADIUS_RANGE[0])
    threshold = threshold_otsu(smoothed)
    if radius is None:
        radius = typical_radius(smoothed > threshold)
    with ThreadPoolExecutor(1) as pool:  # beside the basins: the filters leave Python's lock to others
        coming_floor = pool.submit(_local_background, image, radius)
        basins = _basins(image, background + _LOWEST_PEAK * span, radius)
        floor = np.minimum(coming_floor.result(), smoothed)
    # The floor is the lowest around; where there is noise or haze, what lies between the objects is a little above it.
    ground = np.minimum(floor + np.median((smoothed - floor)[smoothed < threshold]), smoothed)
    n = int(basins.max()) + 1
    highest = np.full(n, background, np.float32)
    np.maximum.at(highest, basins.ravel(), smoothed.ravel())
    upper = smoothed > background + _PLATEAU * (highest[basins] - background)
    peak = np.bincount(basins.ravel(), (smoothed * upper).ravel(), n) / np.maximum(
        np.bincount(basins.ravel(), upper.ravel(), n), 1
    )
    peak = np.maximum(peak, background + 0.02 * span)
    local_peak = _smooth(peak[basins], 0.35 * radius)
    visible = local_peak > background + _LOWEST_PEAK * span
    height = np.where(visible, (smoothed - ground) / np.maximum(local_peak - ground, 1e-6), 0).astype(np.float32)

    with ThreadPoolExecutor() as pool:  # the transforms leave Python's lock to others
        distances = pool.map(lambda level: np.asarray(bic.distance.distance_transform(height > level)), _DEPTH_LEVELS)
        depth = _smooth(np.mean(list(distances), axis=0), 1.0)
    basins = prominent_basins(depth, _NECK * radius, height > _DEPTH_LEVELS[0])
    brightness = np.maximum(smoothed - floor, 0)
    cores = join_basins(basins, depth, brightness, height > _DEPTH_LEVELS[1], radius)
    return ObjectPrior(height, cores, floor, radius)


def shells(
    image: NDArray[np.float32],
    pieces: float = 12,
    min_size: int = 6,
    radius: float | None = None,
    outline: float = OUTLINE_LEVEL,
    found: ObjectPrior | None = None,
) -> NDArray[np.int32]:
    """Superpixels as merged shells of relative intensity.

    Parameters
    ----------
    image : (H, W) float32
        Objects brighter than the background.
    pieces : float
        Superpixels per likely object (and 30 for the background).
    min_size : int
        Pixels; the smallest superpixel.
    radius : float, optional
        Pixels; typical radius of an object, estimated from the image when not given.
    outline : float
        Height of the relief where outlines are expected: superpixels on both sides of it merge last.
    found : ObjectPrior, optional
        The image's relief, if it is known already.

    Returns
    -------
    (H, W) int32, values 0..N-1, each superpixel 4-connected.
    """
    found = found or relief(image, radius)
    lowest, highest = _RELIEF_RANGE
    height = np.clip(found.foreground, lowest, highest)
    level = np.minimum((height - lowest) / (highest - lowest) * _N_SHELLS, _N_SHELLS - 1).astype(np.int32)
    inside = found.instances > 0
    fine = _smooth(image, max(1.0, 0.2 * found.radius))
    basins = watershed(-fine, local_maxima(fine, 3, inside), inside)
    cuts = np.where(
        inside, (found.instances * np.int64(basins.max() + 1) + basins) * 2 + (found.foreground > outline), 0
    )
    n_target = int(pieces * found.instances.max() + 30)
    small = relabel_connected(level + cuts * _N_SHELLS)
    return relabel_connected(merge_pieces(small, height, n_target, min_size, cuts))


def _look(
    image: NDArray[np.float32], maps: NDArray[np.float32] | None, _polarity: int, settings: dict[str, Any]
) -> Cues:
    return Cues(relief(image, settings.get("radius")), split_maps(maps)[0])


def _cut(
    image: NDArray[np.float32],
    _maps: NDArray[np.float32] | None,
    _polarity: int,
    level: float,
    cues: Cues,
    settings: dict[str, Any],
) -> NDArray[np.int32]:
    return shells(image, **({"outline": level, "found": cues.prior} | settings))


METHOD = Method(_look, _cut, ("pieces", "min_size", "radius", "outline"), with_maps="boundaries")
