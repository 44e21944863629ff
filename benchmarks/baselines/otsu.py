"""The simplest thing a user would try: Otsu's threshold and connected components."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def foreground(image: NDArray[Any], sigma: float = 1.0, factor: float = 1.0) -> NDArray[np.bool_]:
    """Pixels of the smoothed image above Otsu's threshold: (H, W) bool; none in an image of one value.

    `factor` scales the threshold's height above the darkest pixel: below 1 takes in dimmer objects.
    """
    from scipy.ndimage import gaussian_filter
    from skimage.filters import threshold_otsu

    smooth = gaussian_filter(np.asarray(image, np.float32), sigma)
    if smooth.min() == smooth.max():
        return np.zeros(smooth.shape, bool)
    low = smooth.min()
    return smooth > low + factor * (threshold_otsu(smooth) - low)


def otsu(image: NDArray[Any], sigma: float = 1.0, min_area: int = 16) -> NDArray[np.int32]:
    """Label the connected components above Otsu's threshold.

    Parameters
    ----------
    image : (H, W), objects brighter than the background
    sigma : of the Gaussian that smooths the image first, pixels
    min_area : smaller components are removed, pixels

    Returns
    -------
    (H, W) int32, 0 = background, objects 1..n
    """
    from scipy.ndimage import label

    components, _ = label(foreground(image, sigma))  # pyright: ignore[reportGeneralTypeIssues]
    return drop_small(components, min_area)


def keep_bright(segments: NDArray[np.integer], image: NDArray[Any], factor: float = 1.0) -> NDArray[np.int32]:
    """Number those of the segments 0..N-1 that lie mostly in the `foreground` 1..n; the others become 0."""
    size = np.maximum(np.bincount(segments.ravel()), 1)
    share = np.bincount(segments.ravel(), foreground(image, 1.0, factor).ravel()) / size
    keep = share > 0.5
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[segments]


def largest_is_ground(segments: NDArray[np.integer]) -> NDArray[np.int32]:
    """Number the segments 0..N-1 from 1 on, but the largest becomes 0."""
    return np.where(segments == np.bincount(segments.ravel()).argmax(), 0, segments + 1).astype(np.int32)


def drop_small(labels: NDArray[Any], min_area: int) -> NDArray[np.int32]:
    """Remove the objects of fewer than `min_area` pixels and number the others 1..n: (H, W) int32."""
    areas = np.bincount(labels.ravel())
    keep = areas >= min_area
    keep[0] = False
    keep &= areas > 0
    return np.where(keep, np.cumsum(keep), 0).astype(np.int32)[labels]
