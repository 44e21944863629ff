"""What every reader of a file format returns."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class Planes:
    """What an image file holds.

    Attributes
    ----------
    planes : (C, H, W) array
        As stored.
    names : list of str
        One a plane.
    is_rgb : bool
        Whether they are red, green and blue.
    pixel_size : float or None
        Micrometres a pixel.
    """

    planes: NDArray[Any]
    names: list[str]
    is_rgb: bool
    pixel_size: float | None
