"""Image -> over-segmentation: the superpixels that the actor merges, and where objects are likely.

A method is a file with a `Method`, and an entry of `METHODS`; nothing else names one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.superpixels import boundaries, level_sets, mutex, watershed
from segcritic.superpixels.pieces import relabel_connected
from segcritic.superpixels.prior import OUTLINE_LEVEL, Cues, Method

METHODS: dict[str, Method] = {
    "shells": level_sets.METHOD,
    "watershed": watershed.METHOD,
    "mutex": mutex.METHOD,
    "boundaries": boundaries.METHOD,
}
DEFAULT = "shells"
"""Method where rules say nothing."""

__all__ = [
    "DEFAULT",
    "METHODS",
    "OUTLINE_LEVEL",
    "Cues",
    "Method",
    "cut",
    "relabel_connected",
    "superpixels",
]


def cut(
    image: NDArray[np.float32],
    maps: NDArray[np.float32] | None,
    method: str,
    settings: dict[str, Any],
    polarity: int = 0,
    level: float = OUTLINE_LEVEL,
    given: NDArray[np.integer] | None = None,
) -> tuple[NDArray[np.int32], Cues]:
    """Superpixels of an image, and what the method saw in it: the one way, for training and prediction alike.

    Parameters
    ----------
    image : (H, W) float32
        Objects brighter than the background, as from `pixels.preprocess.normalise`.
    maps : (H, W) or (2, H, W) float32, optional
        Probability in [0, 1] of outline from any network; and as a second plane, of object.
    method, settings
        A name of `METHODS`, and what it is to be told.
    polarity : int
        As `Rules.polarity`; -1 means that the image was inverted.
    level : float
        Height between background and peak at which outlines are expected.
    given : (H, W) integer, optional
        The user's own superpixels, any numbers, instead.
    """
    chosen = METHODS[method]
    cues = chosen.look(image, maps, polarity, settings)
    level = level if cues.level is None else cues.level
    found = chosen.cut(image, maps, polarity, level, cues, settings) if given is None else relabel_connected(given)
    return found, cues


def superpixels(
    image: NDArray[np.float32],
    method: str = DEFAULT,
    boundaries: NDArray[np.float32] | None = None,
    **settings: Any,
) -> NDArray[np.int32]:
    """Cut an image into superpixels.

    Parameters
    ----------
    image : (H, W) float32
        Objects brighter than the background, as from `segcritic.pixels.preprocess.normalise`.
    method : {"shells", "watershed", "mutex", "boundaries"}
        Nested shells of relative intensity (compact bright objects); watershed of the gradient or of `boundaries`
        (objects told by their outlines); mutex watershed of affinities derived from the image (textured objects);
        watershed of `boundaries` with fewer seeds outside of objects (maps from a network).
    boundaries : (H, W) or (2, H, W) float32, optional
        Boundary probability in [0, 1] from any network; and, as a second plane, the probability of object.
    **settings
        Of the method; see its `Method.settings`.

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
    if boundaries is not None and not METHODS[method].cuts_maps:
        able = ", ".join(name for name in METHODS if METHODS[name].cuts_maps)
        raise UserError(
            f"superpixel method '{method}' does not cut boundary maps; leave them out, or choose from {able}"
        )
    for name in settings:
        known = METHODS[method].settings
        if name not in known:
            raise UserError(f"superpixel method '{method}' has no setting '{name}'; it has {', '.join(known)}")
    return cut(image, boundaries, method, settings)[0]
