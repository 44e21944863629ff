"""Read images and label images, write label images: TIFF, OME-TIFF, ImageJ TIFF, PNG, JPEG, BMP.

Everything here is two-dimensional. Pixel values are kept as they are stored (`normalise` scales them), and the pixel
size goes from the image through to the label image.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.io.atomic import atomic_path
from segcritic.io.check import as_colour, as_image, as_labels, as_probability
from segcritic.io.formats import SUFFIXES, Planes, read_planes, tiff

RGB_CHANNELS = ("red", "green", "blue", "gray", "hue", "saturation", "value")


@dataclass(frozen=True)
class Image:
    """One image that was read.

    Attributes
    ----------
    pixels : (H, W) float32 or (H, W, 3) float32 in [0, 1]
        One channel's stored values (hue, saturation, value: in [0, 1]); or red, green and blue.
    stem : str
        File name without folder and suffix ('a' for 'a.tif' and 'a.ome.tif').
    pixel_size : float or None
        Micrometres a pixel; None where the file does not say.
    path : Path
        Where it was read from.
    """

    pixels: NDArray[np.float32]
    stem: str
    pixel_size: float | None
    path: Path


def stem(path: str | os.PathLike[str]) -> str:
    """File name without folder and suffix, and without the '.ome' of '.ome.tif': by this, images meet their labels."""
    name = Path(path).stem
    return name[:-4] if name.lower().endswith(".ome") else name


def list_images(path: str | os.PathLike[str]) -> list[Path]:
    """List the image files at `path`: the file itself, or those directly inside the folder, sorted by name.

    Hidden files, other suffixes and sub-folders are passed over.

    Raises
    ------
    UserError
        When `path` does not exist, or is a folder without images.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path} does not exist; give an image file or a folder of images")
    try:
        entries = sorted(path.iterdir())
    except OSError as error:
        raise UserError(f"cannot list the folder {path}: {error.strerror}; check its permissions") from error
    found = [p for p in entries if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file()]
    if not found:
        raise UserError(f"the folder {path} holds no images; it needs files ending in {', '.join(SUFFIXES)}")
    return found


def read_image(path: str | os.PathLike[str], channel: int | str | None = None) -> Image:
    """Read one channel of an image file.

    Parameters
    ----------
    path : file; 8, 16, 32 bit integers, floats or 1 bit; alpha channels are dropped, palettes applied
    channel : None takes the only channel, or the luminance of an RGB image; a number counts channels from 0;
        a name is one of red, green, blue, gray, hue, saturation, value for an RGB image, or a channel's name as the
        OME or ImageJ metadata give it (capitals do not matter).

    Raises
    ------
    UserError
        When the file is missing or unreadable, is a stack, has several channels of which none is chosen, lacks the
        chosen one, has fewer than 2 x 2 pixels, or pixels that are not finite.
    """
    path = Path(path)
    file = read_planes(path)
    return Image(as_image(_choose(file, channel, path), str(path)), stem(path), file.pixel_size, path)


def read_rgb(path: str | os.PathLike[str]) -> Image:
    """Read an image file in colour, scaled to [0, 1] by what its type can hold: 8 bit by 255, 16 bit by 65535.

    The only channel of a grey image becomes red, green and blue alike; alpha channels are dropped, palettes applied.

    Raises
    ------
    UserError
        As `read_image`, and when the image has several channels that are not red, green and blue, or values below 0
        or, as floats, above 1.
    """
    path = Path(path)
    file = read_planes(path)
    if not file.is_rgb and len(file.planes) > 1:
        raise UserError(f"{path} has {len(file.planes)} channels that are not red, green and blue; save it as RGB")
    return Image(as_colour(np.moveaxis(file.planes, 0, -1), str(path)), stem(path), file.pixel_size, path)


def read_probability(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read a boundary map: (H, W) float32 in [0, 1]; of a file of two channels (2, H, W), see `check.as_probability`.

    Raises
    ------
    UserError
        As `read_image`, and when values lie outside of [0, 1].
    """
    path = Path(path)
    file = read_planes(path)
    pair = len(file.planes) == 2 and not file.is_rgb
    values = file.planes if pair else _choose(file, None, path)
    return as_probability(values, str(path), file.planes.dtype)


def read_labels(path: str | os.PathLike[str]) -> NDArray[np.int32]:
    """Read a label image: (H, W) int32, 0 = background, every other value one object.

    Takes TIFF, PNG and BMP with integers (floats without fractions too); of a palette PNG the indices are the labels.

    Raises
    ------
    UserError
        When the file is missing or unreadable, a JPEG, in colour, of several channels or a stack, or holds fractions,
        negative numbers or numbers above 2^31 - 1.
    """
    path = Path(path)
    if path.suffix.lower() in (".jpg", ".jpeg"):
        raise UserError(f"{path} is a JPEG, which changes label numbers; save the labels as TIFF or PNG")
    file = read_planes(path, keep_palette=True)
    if file.is_rgb or len(file.planes) > 1:
        what = "in colour" if file.is_rgb else f"of {len(file.planes)} channels"
        raise UserError(f"{path} is {what}; a label image holds one number a pixel: save it as 16-bit TIFF or PNG")
    labels = file.planes[0]
    if labels.dtype.kind == "f":
        if not (np.isfinite(labels).all() and (labels == np.floor(labels)).all()):
            raise UserError(f"{path} holds fractions; a label image holds whole numbers: is this the image itself?")
        labels = labels.clip(-1, 2.0**62).astype(np.int64)  # whole numbers that a program saved as floats
    return as_labels(labels, str(path))


def write_labels(path: str | os.PathLike[str], labels: NDArray[Any], pixel_size: float | None = None) -> None:
    """Write a label image as TIFF, zlib-compressed, uint16 (uint32 when a label is above 65535).

    Parameters
    ----------
    labels : (H, W) integers >= 0
    pixel_size : micrometres a pixel, written the way ImageJ does and reads it; None writes none

    Raises
    ------
    ValueError
        When `labels` is not a two-dimensional array of integers >= 0, or the suffix is not .tif or .tiff.
    UserError
        When the file cannot be written.
    """
    import tifffile

    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "bui" or (labels.size and labels.min() < 0):
        raise ValueError(f"labels must be (H, W) integers >= 0, not {labels.dtype} of shape {labels.shape}")
    if Path(path).suffix.lower() not in tiff.SUFFIXES:
        raise ValueError(f"label images are written as TIFF: {path} must end in .tif")
    dtype = np.uint32 if labels.size and labels.max() > np.iinfo(np.uint16).max else np.uint16
    # tifffile's own imagej mode takes neither compression nor uint32, so the header that ImageJ looks for is spelt out.
    resolution: dict[str, Any] = {}
    if pixel_size is not None:
        resolution = {"resolution": (1 / pixel_size, 1 / pixel_size), "resolutionunit": "NONE"}
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary, labels.astype(dtype), compression="zlib", metadata=None, photometric="minisblack",
            description="ImageJ=1.11a\nimages=1\n" + ("unit=um\n" if pixel_size is not None else ""), **resolution,
        )  # fmt: skip


def _choose(file: Planes, channel: int | str | None, path: Path) -> NDArray[Any]:
    """Take the channel that `read_image` was asked for: (H, W)."""
    planes, names = file.planes, file.names
    if isinstance(channel, str):
        wanted = channel.strip().lower()
        matching = [k for k, name in enumerate(names) if name.lower() == wanted]
        if matching:
            return planes[matching[0]]
        if file.is_rgb and wanted in RGB_CHANNELS:
            return _from_rgb(planes, wanted)
        if not wanted.isdecimal():
            known = RGB_CHANNELS if file.is_rgb else names
            raise UserError(f"{path} has no channel '{channel}'; choose one of {', '.join(known)}")
        channel = int(wanted)
    if channel is not None:
        if not 0 <= channel < len(planes):
            raise UserError(f"{path} has no channel {channel}; its channels are numbered 0 to {len(planes) - 1}")
        return planes[channel]
    if file.is_rgb:
        return _from_rgb(planes, "gray")
    if len(planes) > 1:
        listed = ", ".join(name if name == str(k) else f"{k} = {name}" for k, name in enumerate(names))
        raise UserError(f"{path} has {len(planes)} channels ({listed}); choose one by setting 'channel'")
    return planes[0]


def _from_rgb(planes: NDArray[Any], name: str) -> NDArray[Any]:
    """Luminance (Rec. 709), hue, saturation or value of red, green and blue planes (3, H, W)."""
    if name == "gray":
        return np.tensordot(np.array([0.2126, 0.7152, 0.0722]), planes.astype(np.float64), axes=1)
    from skimage.color import rgb2hsv

    scale = np.iinfo(planes.dtype).max if planes.dtype.kind in "ui" else 1
    hsv = rgb2hsv(np.moveaxis(planes, 0, -1) / scale)
    return hsv[..., ("hue", "saturation", "value").index(name)]
