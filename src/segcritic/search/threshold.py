"""Do the outlines of given labels follow one threshold for the whole image?

Then bright objects are too large and faint ones too small, and outlines may be drawn anew. Outlines by hand or by a
network lie at a level relative to each object; whether that level is the best one is a matter of convention, so they
are left alone.
"""

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray

_SAME_LEVEL = 0.3  # spread of the level at the outlines / spread of the objects' brightness, of one threshold
_LEAST_OBJECTS = 5
_LEAST_OUTLINE = 8  # pixel pairs of an object's outline towards the background


def follow_one_threshold(labels: NDArray[np.integer], image: NDArray[np.float32]) -> bool:
    """Tell whether the intensity at the outlines varies far less between the objects than their brightness does.

    Parameters
    ----------
    labels : (H, W) integer
        0 = background.
    image : (H, W) float32
        Objects bright.

    Returns
    -------
    bool
        Spread is the median absolute deviation of the logarithm, above the median of the background. False where fewer
        than 5 objects can be compared.
    """
    if not (labels == 0).any() or not (labels > 0).any():
        return False
    dense = np.unique(np.append(labels.ravel(), 0), return_inverse=True)[1][:-1].reshape(labels.shape)
    n = int(dense.max()) + 1
    height = bic.filters.gaussian_smoothing(np.ascontiguousarray(image, np.float32), 1.0)
    height = height - np.median(height[dense == 0])
    level, length = np.zeros(n), np.zeros(n)
    for axis in (0, 1):
        label, values = np.moveaxis(dense, axis, 0), np.moveaxis(height, axis, 0)
        for here, there in ((slice(None, -1), slice(1, None)), (slice(1, None), slice(None, -1))):
            outline = (label[here] > 0) & (label[there] == 0)
            owner = label[here][outline]
            level += np.bincount(owner, 0.5 * (values[here] + values[there])[outline], n)
            length += np.bincount(owner, minlength=n)
    mean = np.bincount(dense.ravel(), height.ravel(), n) / np.maximum(np.bincount(dense.ravel(), minlength=n), 1)
    level /= np.maximum(length, 1)
    compared = (length >= _LEAST_OUTLINE) & (mean > 0) & (level > 0)
    compared[0] = False
    if compared.sum() < _LEAST_OBJECTS:
        return False
    return _spread(np.log(level[compared])) < _SAME_LEVEL * _spread(np.log(mean[compared]))


def _spread(values: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(values - np.median(values))))
