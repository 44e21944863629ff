"""How noisy an image is, and smoothing by as much as that asks for."""

from typing import Any

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray

TOLERATED = 0.015
"""Standard deviation of noise, of an image's range, that does no harm. Chosen by scores on images of nuclei with noise
added (docs/robustness.md)."""

_MEDIAN = 0.6745  # of the absolute value of a standard normal variable
_GAUSSIAN = 1 / (2 * np.sqrt(np.pi))  # white noise after a Gaussian of one pixel, of what it was before
_LEAST, _MOST = 0.3, 6.0  # pixels; less changes nothing, more would smear small objects
_MANY = 200_000  # pixels are enough for an estimate
_FEW = 400  # pixels are not
_WHITE = -0.6  # correlation of neighbours in the difference of Laplacians: -2/3 of white noise, above -0.5 of texture


def noise_level(image: NDArray[np.floating]) -> float:
    """Standard deviation of the white noise of an image, in its own units; 0 where what is fine is no noise.

    Immerkaer, "Fast noise variance estimation", 1996: the difference of two Laplacians is blind to ramps and to
    straight edges along the axes. The median keeps the outlines of objects out of it, where these are few. Pixels at
    the image's extremes, which may have been cut off there, are left out. Fine texture and small objects differ from
    noise in how neighbours go together. Noise that is smooth itself (compression, enlarged images) is not seen.

    Parameters
    ----------
    image : (H, W) float
    """
    if min(image.shape) < 3:
        return 0.0
    step = max(1, round(image.size / _MANY))
    rows = np.arange(1, image.shape[0] - 1, step)
    along = image[:, :-2] - 2 * image[:, 1:-1] + image[:, 2:]
    both = along[rows - 1] - 2 * along[rows] + along[rows + 1]
    middle = image[rows, 1:-1]
    inner = (middle > image.min()) & (middle < image.max())
    pairs = inner[:, 1:] & inner[:, :-1]
    if np.count_nonzero(pairs) < _FEW:
        return 0.0
    spread = float(np.median(np.abs(both[inner]))) / _MEDIAN
    limited = np.clip(both, -3 * spread, 3 * spread)
    product = float((limited[:, 1:] * limited[:, :-1])[pairs].mean())
    return spread / 6 if product < _WHITE * float((limited[inner] ** 2).mean()) else 0.0


def denoise(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """`normalise` an image, smoothed by the Gaussian that leaves `TOLERATED` noise; with less noise, as it is.

    Parameters
    ----------
    pixels : (H, W) finite numbers

    Returns
    -------
    (H, W) float32
    """
    image = normalise(pixels)
    sigma = min(_MOST, _GAUSSIAN * noise_level(image) / TOLERATED)
    return image if sigma < _LEAST else normalise(bic.filters.gaussian_smoothing(image, sigma))


def normalise(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Scale an image so that 0 is its background level (percentile 1) and 1 its bright level (percentile 99.8).

    Where these two are equal (a few bright pixels on an even ground) the extremes take their place; an image of one
    value becomes zeros. Nothing is clipped.

    Parameters
    ----------
    pixels : (H, W) finite numbers

    Returns
    -------
    (H, W) float32
    """
    pixels = np.asarray(pixels, dtype=np.float32)
    low, high = (float(level) for level in np.percentile(pixels, (1, 99.8)))
    if high <= low:
        low, high = float(pixels.min()), float(pixels.max())
    if high <= low:
        return np.zeros(pixels.shape, np.float32)
    # in float64: the difference of two float32 extremes may exceed float32
    return ((pixels.astype(np.float64) - low) / (high - low)).astype(np.float32)
