"""One check for every kind of array, whether it came from a file or from the user's own code.

Each takes an array and the name that messages call it by, and returns it in the one type that the rest works with.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError

_LARGEST_LABEL = np.iinfo(np.int32).max


def as_image(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """One channel of an image: numbers as stored.

    Returns
    -------
    (H, W) float32

    Raises
    ------
    UserError
        When it is not two-dimensional, holds no numbers, fewer than 2 x 2 of them, or some that are not finite.
    """
    array = np.asarray(array)
    if array.ndim != 2 or array.dtype.kind not in "buif":
        raise UserError(
            f"{name} has the shape {array.shape} and pixels of type {array.dtype}; give numbers of shape (height,"
            " width), one channel at a time"
        )
    return _finite(array, name)


def as_colour(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """A colour image; the one channel of a grey one becomes all three, and a fourth (alpha) is dropped.

    Integers are divided by the greatest number of their type.

    Parameters
    ----------
    array : (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) numbers
    name : str

    Returns
    -------
    (H, W, 3) float32 in [0, 1]

    Raises
    ------
    UserError
        As `as_image`, and when values lie outside of [0, 1] after that.
    """
    array = np.asarray(array)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4) or array.dtype.kind not in "buif":
        raise UserError(
            f"{name} has the shape {array.shape} and pixels of type {array.dtype}; give red, green and blue as numbers"
            " of shape (height, width, 3)"
        )
    pixels = _scaled(_finite(array[..., :3], name), array.dtype)
    _check_unit_interval(pixels, name, "save it as 8 bit, or as floats from 0 to 1")
    return np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)))


def as_probability(array: NDArray[Any], name: str, stored: np.dtype[Any] | None = None) -> NDArray[np.float32]:
    """A boundary map: the probability of outline, and perhaps that of object as a second plane.

    Parameters
    ----------
    array : (H, W) or (2, H, W) numbers
        Integers are divided by the greatest number of their type.
    name : str
    stored : dtype, optional
        The type in which the file held the values, if `array` was computed from them.

    Returns
    -------
    (H, W) or (2, H, W) float32 in [0, 1]

    Raises
    ------
    UserError
        As `as_image`, and when values lie outside of [0, 1] after that.
    """
    array = np.asarray(array)
    pair = array.ndim == 3 and len(array) == 2
    values = np.stack([as_image(plane, name) for plane in array]) if pair else as_image(array, name)
    values = _scaled(values, stored or array.dtype)
    _check_unit_interval(values, name, "a boundary probability lies between 0 and 1")
    return values


def as_labels(array: NDArray[Any], name: str) -> NDArray[np.int32]:
    """Labels or superpixels: one number for each object; of labels, 0 is the background.

    Returns
    -------
    (H, W) int32

    Raises
    ------
    UserError
        When it is not two-dimensional, holds no integers, or some outside of 0 to 2147483647.
    """
    array = np.asarray(array)
    if array.ndim != 2:
        raise UserError(f"{name} has the shape {array.shape}; give integers of shape (height, width)")
    if array.dtype.kind not in "bui":
        raise UserError(f"{name} holds {array.dtype} numbers; give integers, one number for each object")
    if array.size and array.dtype.kind != "b":
        low, high = array.min(), array.max()
        if low < 0 or high > _LARGEST_LABEL:
            wrong = low if low < 0 else high
            raise UserError(f"{name} holds the label {wrong}; labels go from 0 to {_LARGEST_LABEL}")
    return array.astype(np.int32)


def _finite(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Pixels (H, W, ...) as float32, if there are enough of them and all are finite."""
    height, width = array.shape[:2]
    if min(height, width) < 2:
        size = "an image of one pixel" if height == width == 1 else f"an image of {height} x {width} pixels"
        raise UserError(f"{name} is {size}; there is nothing to segment, give one of at least 2 x 2")
    with np.errstate(over="ignore"):
        pixels = np.ascontiguousarray(array, dtype=np.float32)
    finite = np.isfinite(pixels).reshape(height, width, -1).all(axis=-1)
    if not finite.all():
        count = finite.size - int(finite.sum())
        raise UserError(f"{name} has {count} pixels that are NaN or infinite; replace them, for instance by 0")
    return pixels


def _scaled(pixels: NDArray[np.float32], stored: np.dtype[Any]) -> NDArray[np.float32]:
    """Pixels that were stored as integers, divided by the greatest number of that type; floats and bool as they are."""
    return pixels / np.float32(np.iinfo(stored).max) if stored.kind in "ui" else pixels


def _check_unit_interval(values: NDArray[np.float32], name: str, advice: str) -> None:
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise UserError(f"{name} holds values from {low:g} to {high:g}; {advice}")
