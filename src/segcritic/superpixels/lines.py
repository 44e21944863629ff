"""Outlines that are lines of their own, such as stained membranes: how much each pixel looks like part of one."""

from typing import Literal

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from segcritic.superpixels.prior import ObjectPrior
from segcritic.superpixels.seeds import prominent_basins

Lines = Literal["bright", "dark"]

_SCALES = (1.0, 1.7)  # of the line's standard width parameter, times sigma
_ON_A_LINE = 0.3  # strength above which a pixel is part of a line
_NECK = 0.5  # pixels; how much narrower than both sides a passage must be to part two likely objects
_FAINT = 0.35  # of the image's typical line: how strong lines must be not to be lifted by their surroundings


def line_strength(image: NDArray[np.float32], lines: Lines = "bright", sigma: float = 1.0) -> NDArray[np.float32]:
    """Strength of the lines of an image, (H, W) float32 in [0, 1]: 0 away from lines, 1 on the clearest.

    The curvature across the line (the largest eigenvalue of the Hessian, of lines made dark), the greater of two
    scales. It is held against that of its surroundings, so that lines that fade do not vanish beside bright ones.

    Parameters
    ----------
    image : (H, W) float32
    lines : {"bright", "dark"}
        Than both sides.
    sigma : float
        Pixels; half the width of the lines, about.
    """
    signed = np.ascontiguousarray(-image if lines == "bright" else image, np.float32)
    curvature = np.zeros(image.shape, np.float32)
    for scale in _SCALES:
        values = bic.filters.hessian_of_gaussian_eigenvalues(signed, scale * sigma)
        curvature = np.maximum(curvature, scale**2 * np.asarray(values).max(axis=-1))
    curvature = np.maximum(curvature, 0)
    typical = float(np.percentile(curvature, 95))
    if typical <= 1e-6:
        return np.zeros(image.shape, np.float32)
    around = ndi.maximum_filter(curvature, 2 * round(6 * sigma) + 1)
    around = bic.filters.gaussian_smoothing(np.ascontiguousarray(around), 4 * sigma)
    return np.clip(curvature / np.maximum(around, _FAINT * typical), 0, 1).astype(np.float32)


def line_relief(image: NDArray[np.float32], strength: NDArray[np.float32]) -> ObjectPrior:
    """Likely objects as the wide places between lines, for features and rough values, (H, W) as `image`.

    Height is 1 away from lines and 0 on the clearest; cores are basins of the distance to the lines, parted where the
    passage between two of them narrows; the radius is that of a disk as large as the median core.
    """
    free = strength < _ON_A_LINE
    depth = np.asarray(bic.distance.distance_transform(free), np.float32)
    cores = prominent_basins(bic.filters.gaussian_smoothing(depth, 1.0), _NECK, free)
    areas = np.bincount(cores.ravel())[1:]
    radius = float(np.sqrt(np.median(areas) / np.pi)) if len(areas) else 1.0
    return ObjectPrior(1 - strength, cores, image, max(radius, 1.0))
