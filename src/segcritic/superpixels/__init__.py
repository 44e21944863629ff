"""Image -> over-segmentation: the superpixels that the actor merges, by one of four methods or from a label file."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.superpixels.boundaries import boundary_basins
from segcritic.superpixels.level_sets import shells
from segcritic.superpixels.mutex import mutex
from segcritic.superpixels.pieces import relabel_connected
from segcritic.superpixels.watershed import watershed

METHODS: dict[str, Callable[..., NDArray[np.int32]]] = {
    "shells": shells,
    "watershed": watershed,
    "mutex": mutex,
    "boundaries": boundary_basins,
}

__all__ = ["METHODS", "relabel_connected", "superpixels"]


def superpixels(
    image: NDArray[np.float32],
    method: str = "shells",
    boundaries: NDArray[np.float32] | None = None,
    **settings: Any,
) -> NDArray[np.int32]:
    """Cut an image into superpixels.

    Parameters
    ----------
    image : (H, W) float32
        Objects brighter than the background, as from `segcritic.io.images.normalise`.
    method : {"shells", "watershed", "mutex", "boundaries"}
        Nested shells of relative intensity (compact bright objects); watershed of the gradient or of `boundaries`
        (objects told by their outlines); mutex watershed of affinities derived from the image (textured objects);
        watershed of `boundaries` with fewer seeds outside of objects (maps from a network).
    boundaries : (H, W) float32, optional
        Boundary probability in [0, 1] from any network; only for "watershed" and "boundaries", for the latter also
        (2, H, W) with the probability of object.
    **settings
        Of the method; see the function of its name.

    Returns
    -------
    (H, W) int32, values 0..N-1, each superpixel 4-connected.

    Raises
    ------
    UserError
        For an unknown method or setting.
    """
    if method not in METHODS:
        raise UserError(f"unknown superpixel method '{method}'; choose one of {', '.join(METHODS)}")
    if boundaries is not None:
        settings["boundaries"] = boundaries
    known = list(inspect.signature(METHODS[method]).parameters)[1:]
    for name in settings:
        if name not in known:
            raise UserError(f"superpixel method '{method}' has no setting '{name}'; it has {', '.join(known)}")
    return METHODS[method](image, **settings)
