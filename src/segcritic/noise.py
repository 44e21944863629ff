"""How noisy an image is, and smoothing by as much as that asks for."""

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray

from segcritic.images import normalise

TOLERATED = 0.015
"""Standard deviation of noise, of an image's range, that does no harm. Chosen by scores on images of nuclei with noise
added (benchmarks/robustness.py); few images of theirs have more by themselves."""

_MEDIAN = 0.6745  # of the absolute value of a standard normal variable
_GAUSSIAN = 1 / (2 * np.sqrt(np.pi))  # white noise after a Gaussian of one pixel, of what it was before
_LEAST, _MOST = 0.3, 6.0  # pixels; less changes nothing, more would smear small objects
_ENOUGH = 200_000  # pixels that the estimate looks at


def noise_level(image: NDArray[np.floating]) -> float:
    """Standard deviation of the noise of an image, in its own units.

    Immerkaer, "Fast noise variance estimation", 1996: the difference of two Laplacians is blind to ramps and to
    straight edges along the axes. The median keeps the outlines of objects out of it, where these are few.

    Parameters
    ----------
    image : (H, W) float
    """
    if min(image.shape) < 3:
        return 0.0
    step = max(1, round(image.shape[0] * image.shape[1] / _ENOUGH))
    rows = np.arange(1, image.shape[0] - 1, step)
    along = image[:, :-2] - 2 * image[:, 1:-1] + image[:, 2:]
    both = along[rows - 1] - 2 * along[rows] + along[rows + 1]
    return float(np.median(np.abs(both))) / (6 * _MEDIAN)


def smooth_noise(pixels: NDArray[np.floating]) -> NDArray[np.float32]:
    """Smooth an image by a Gaussian that leaves `TOLERATED` noise of its range; less noise leaves it as it is.

    Parameters
    ----------
    pixels : (H, W) float, as stored

    Returns
    -------
    (H, W) float32
    """
    pixels = np.ascontiguousarray(pixels, np.float32)
    sigma = min(_MOST, _GAUSSIAN * noise_level(normalise(pixels)) / TOLERATED)
    return pixels if sigma < _LEAST else np.asarray(bic.filters.gaussian_smoothing(pixels, sigma), np.float32)
