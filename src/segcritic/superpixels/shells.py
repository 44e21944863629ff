"""Superpixels from the raw image: nested shells of relative intensity, thinned by region merging.

An object's outline runs close to a contour of its own intensity, whatever its absolute brightness. So every pixel is
measured against the peak of its own basin ("relief": 0 = local background, 1 = local peak), the relief is cut into many
thin shells and along the valleys between likely objects, and Ward's criterion merges the pieces until a few per likely
object are left. Where the relief is steep the shells stay, where it is flat they go: fewer superpixels allow better
outlines than shells at fixed levels (docs/superpixels.md).
"""

from dataclasses import dataclass

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage.filters import threshold_otsu

from segcritic.superpixels.merging import merge_pieces
from segcritic.superpixels.pieces import connected_pieces

_LOWEST_PEAK = 0.06  # of the image's intensity range: fainter basins are background
_RELIEF_RANGE = (0.05, 0.75)  # outlines lie between these; below is background, above is inner texture
_N_SHELLS = 20
_RADIUS_RANGE = (4.0, 40.0)  # pixels, of the typical object, when estimated


@dataclass(frozen=True)
class Relief:
    """What an image looks like relative to its own likely objects.

    Attributes
    ----------
    height : (H, W) float32
        0 = local background, 1 = peak of the basin.
    cores : (H, W) int32
        Likely objects: watershed regions of the summed distance transforms of the relief; 0 = background.
    radius : float
        Pixels; radius of the typical object in a first rough segmentation.
    """

    height: NDArray[np.float32]
    cores: NDArray[np.int32]
    radius: float


def _smooth(image: NDArray, sigma: float) -> NDArray:
    return bic.filters.gaussian_smoothing(np.ascontiguousarray(image, np.float32), sigma)


def local_maxima(image: NDArray, distance: float, mask: NDArray) -> NDArray[np.int32]:
    """Markers, (H, W) int32: the pixels of `mask` that are the highest within `distance` pixels, numbered from 1."""
    size = 2 * max(1, int(distance)) + 1
    peaks = (ndi.maximum_filter(image, size) == image) & mask
    return ndi.label(peaks, structure=np.ones((3, 3)))[0].astype(np.int32)


def _watershed(height: NDArray, markers: NDArray[np.int32], mask: NDArray | None = None) -> NDArray[np.int32]:
    return bic.segmentation.watershed(np.ascontiguousarray(height, np.float32), markers, mask=mask)


def typical_radius(smoothed: NDArray) -> float:
    """Radius in pixels of the object that holds the median foreground pixel of an Otsu threshold."""
    foreground = smoothed > threshold_otsu(smoothed)
    depth = bic.distance.distance_transform(foreground)
    radii = np.sort(depth[local_maxima(_smooth(depth, 1.0), 3, foreground) > 0])
    if not len(radii):
        return _RADIUS_RANGE[0]
    share = np.cumsum(radii**2)
    return float(np.clip(radii[np.searchsorted(share, share[-1] / 2)], *_RADIUS_RANGE))


def relief(image: NDArray[np.float32], radius: float | None = None) -> Relief:
    """Measure every pixel against its local background and the peak of its basin.

    Parameters
    ----------
    image : (H, W) float32
        Objects brighter than the background.
    radius : float, optional
        Pixels; typical radius of an object. Estimated from an Otsu threshold when not given.
    """
    smoothed = _smooth(image, 1.0)
    background = float(np.percentile(smoothed, 5))
    span = float(np.percentile(smoothed, 99.5)) - background
    if span <= 0:
        flat = np.zeros(image.shape)
        return Relief(flat.astype(np.float32), flat.astype(np.int32), _RADIUS_RANGE[0])
    if radius is None:
        radius = typical_radius(smoothed)
    coarse = _smooth(image, max(1.0, 0.5 * radius))
    markers = local_maxima(coarse, 0.5 * radius, coarse > background + _LOWEST_PEAK * span)
    if not markers.any():
        markers = local_maxima(coarse, max(image.shape), np.ones(image.shape, bool))
    basins = _watershed(-coarse, markers)
    n = int(markers.max()) + 1
    highest = np.asarray(ndi.maximum(smoothed, basins, np.arange(n)))
    upper = smoothed > background + 0.5 * (highest[basins] - background)
    peak = np.bincount(basins.ravel(), (smoothed * upper).ravel(), n) / np.maximum(
        np.bincount(basins.ravel(), upper.ravel(), n), 1
    )
    peak = np.maximum(peak, background + 0.02 * span)
    local_peak = _smooth(peak[basins], 0.35 * radius)
    floor = _smooth(ndi.minimum_filter(_smooth(image, 2.0), int(2 * radius) | 1), radius)
    floor = np.minimum(floor, smoothed)
    visible = local_peak > background + _LOWEST_PEAK * span
    height = np.where(visible, (smoothed - floor) / np.maximum(local_peak - floor, 1e-6), 0).astype(np.float32)

    low, high = 0.2, 0.6
    depth = sum(bic.distance.distance_transform(height > level) for level in (low, 0.5 * (low + high), high))
    depth = _smooth(depth / 3, 1.0)  # type: ignore[operator]
    above = height > low
    cores = _watershed(-depth, local_maxima(depth, max(2.0, 0.35 * radius), above), above)
    return Relief(height, cores, radius)


def shells(
    image: NDArray[np.float32],
    pieces: float = 12,
    min_size: int = 6,
    radius: float | None = None,
    found: Relief | None = None,
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
    found : Relief, optional
        The image's relief, if it is known already.

    Returns
    -------
    (H, W) int32, values 0..N-1, each superpixel 4-connected.
    """
    found = found or relief(image, radius)
    lowest, highest = _RELIEF_RANGE
    height = np.clip(found.height, lowest, highest)
    level = np.minimum((height - lowest) / (highest - lowest) * _N_SHELLS, _N_SHELLS - 1).astype(np.int32)
    inside = found.cores > 0
    fine = _smooth(image, max(1.0, 0.2 * found.radius))
    basins = _watershed(-fine, local_maxima(fine, 3, inside), inside)
    cuts = np.where(inside, found.cores * np.int64(basins.max() + 1) + basins, 0)
    cuts = np.unique(cuts, return_inverse=True)[1].reshape(image.shape).astype(np.int32)
    n_target = int(pieces * found.cores.max() + 30)
    small = connected_pieces(level + cuts * _N_SHELLS)
    return connected_pieces(merge_pieces(small, height, n_target, min_size, cuts))
