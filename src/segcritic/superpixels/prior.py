"""What a superpixel method hands on: superpixels, and where it thinks that objects are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

OUTLINE_LEVEL = 0.3
"""Height between local background (0) and an object's peak (1) at which outlines are expected, if rules say nothing."""


@dataclass(frozen=True)
class ObjectPrior:
    """What an image looks like relative to its own likely objects.

    Attributes
    ----------
    foreground : (H, W) float32
        0 = local background, the typical one, 1 = peak of the basin.
    instances : (H, W) int32
        Likely objects: watershed regions of the summed distance transforms of the relief, joined where little parts
        them (`join_basins`); 0 = background.
    floor : (H, W) float32
        The lowest intensity around.
    radius : float
        Pixels; radius of the typical object in a first rough segmentation.
    """

    foreground: NDArray[np.float32]
    instances: NDArray[np.int32]
    floor: NDArray[np.float32]
    radius: float


@dataclass(frozen=True)
class Cues:
    """What is seen in an image before it is cut.

    Attributes
    ----------
    prior : ObjectPrior
    boundaries : (H, W) float32, optional
        Boundary map on which edges between superpixels are measured; None = the image's gradient.
    level : float, optional
        Of the prior's foreground at which outlines run, where the method knows it better than the rules.
    kept : optional
        What the method found on the way and needs again when it cuts.
    """

    prior: ObjectPrior
    boundaries: NDArray[np.float32] | None = None
    level: float | None = None
    kept: Any = None


@dataclass(frozen=True)
class Method:
    """A way of cutting an image into superpixels.

    Attributes
    ----------
    look : function of image (H, W), maps (H, W) or (2, H, W) or None, polarity (as `Rules.polarity`) and settings
        Returns the `Cues`.
    cut : function of image, maps, polarity, outline level, cues and settings
        Returns superpixels, (H, W) int32, values 0..N-1, each 4-connected.
    settings : tuple of str
        What a rules file may say about it; what the numbers mean is told by the method's own docstring.
    cuts_maps : bool
        Superpixels are cut from boundary maps where there are any; other methods only measure edges on them.
    follows_maps : bool
        Outlines of objects stay where the boundary maps put them: what annotators saw is not where a level lies.
    with_maps : str, optional
        The method that takes its place when boundary maps are given.
    """

    look: Callable[[NDArray[np.float32], NDArray[np.float32] | None, int, dict[str, Any]], Cues]
    cut: Callable[
        [NDArray[np.float32], NDArray[np.float32] | None, int, float, Cues, dict[str, Any]], NDArray[np.int32]
    ]
    settings: tuple[str, ...]
    cuts_maps: bool = False
    follows_maps: bool = False
    with_maps: str | None = None


def split_maps(
    maps: NDArray[np.floating] | None,
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Probability of outline and of object, (H, W) each or None, from (H, W), (2, H, W) or nothing."""
    if maps is None:
        return None, None
    maps = np.ascontiguousarray(maps, np.float32)
    return (maps, None) if maps.ndim == 2 else (maps[0], maps[1])
