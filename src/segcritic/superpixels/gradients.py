"""Superpixels as basins of a height map: the image's gradient, or a boundary map from any network."""

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from segcritic.superpixels.merging import merge_pieces
from segcritic.superpixels.pieces import connected_pieces


def watershed(
    image: NDArray[np.float32],
    boundaries: NDArray[np.float32] | None = None,
    sigma: float = 1.0,
    min_size: int = 12,
    n_superpixels: int | None = None,
) -> NDArray[np.int32]:
    """Watershed seeded at the minima of the height map (paper, A.12, "RAW" and "UNET").

    Parameters
    ----------
    image : (H, W) float32
    boundaries : (H, W) float32, optional
        Boundary probability in [0, 1]; the Gaussian gradient of the image when not given.
    sigma : float
        Pixels; scale of the gradient, or smoothing of the boundary map before seeds are sought.
    min_size : int
        Pixels; smaller basins join the neighbour of most similar intensity.
    n_superpixels : int, optional
        Merge on, by intensity, until this many are left.
    """
    image = np.ascontiguousarray(image, np.float32)
    if boundaries is None:
        height = bic.filters.gaussian_gradient_magnitude(image, sigma)
    else:
        height = bic.filters.gaussian_smoothing(np.ascontiguousarray(boundaries, np.float32), sigma)
    minima = ndi.minimum_filter(height, 3) == height
    markers = ndi.label(minima, structure=np.ones((3, 3)))[0].astype(np.int32)
    basins = connected_pieces(bic.segmentation.watershed(height, markers))
    return connected_pieces(merge_pieces(basins, image, n_superpixels or int(basins.max()) + 1, min_size))
