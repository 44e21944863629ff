"""What a user would try next: Otsu's threshold, and touching objects cut apart by their shape."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.otsu import drop_small, foreground


def distance_watershed(
    image: NDArray[Any],
    sigma: float = 1.0,
    factor: float = 0.85,
    distance_sigma: float = 2.0,
    depth: float = 0.75,
    min_area: int = 16,
) -> NDArray[np.int32]:
    """Split the foreground by a watershed of its distance transform.

    The defaults are the best found on fluorescent nuclei (training images of DSB2018).

    Parameters
    ----------
    image : (H, W), objects brighter than the background
    sigma : of the Gaussian that smooths the image before Otsu's threshold, pixels
    factor : threshold as a multiple of Otsu's, both measured from the darkest pixel; less = larger foreground
    distance_sigma : of the Gaussian that smooths the distance to the background, pixels; more = fewer splits
    depth : how far a peak of that distance must rise above the saddle to the next to be an object of its own,
        pixels; more = fewer splits
    min_area : smaller objects are removed, pixels

    Returns
    -------
    (H, W) int32, 0 = background, objects 1..n
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter, label
    from skimage.morphology import h_maxima
    from skimage.segmentation import watershed

    mask = foreground(image, sigma, factor)
    distance = gaussian_filter(np.asarray(distance_transform_edt(mask), np.float32), distance_sigma)
    seeds, _ = label(h_maxima(distance, depth) > 0, np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    labels = watershed(-distance, seeds, mask=mask)
    # a component with no peak that high is one object: number it after the others
    components, _ = label(mask)  # pyright: ignore[reportGeneralTypeIssues]
    labels = np.where(mask & (labels == 0), labels.max() + components, labels)
    return drop_small(labels, min_area)
