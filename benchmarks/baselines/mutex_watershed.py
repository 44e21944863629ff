"""Mutex watershed (Wolf et al. 2020) of the raw image: boundary-based segmentation without seeds or training."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.otsu import drop_small, keep_bright
from segcritic.pixels.preprocess import normalise
from segcritic.superpixels.mutex import mutex


def mutex_watershed(
    image: NDArray[Any], sigma: float = 0.7, repulsion: float = 1.6, factor: float = 0.85, min_area: int = 16
) -> NDArray[np.int32]:
    """Segment by attraction of alike neighbours and repulsion of pixels 3 and 6 apart; keep what is bright.

    The defaults are good ones found on fluorescent nuclei (training images of DSB2018).

    Parameters
    ----------
    image : (H, W), objects brighter than the background
    sigma : of the Gaussian that smooths the image before differences are taken, pixels
    repulsion : weight of repulsion against attraction; more = smaller objects
    factor : of Otsu's threshold; segments that lie mostly above it are objects
    min_area : smaller objects are removed, pixels

    Returns
    -------
    (H, W) int32, 0 = background, objects 1..n
    """
    scaled = normalise(image)
    segments = mutex(scaled, sigma, repulsion, min_area)
    return drop_small(keep_bright(segments, scaled, factor), min_area)
