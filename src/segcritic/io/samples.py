"""What the user hands over (files, folders or arrays), paired image by image and checked."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import InputWarning, UserError
from segcritic.io.formats import read_planes
from segcritic.io.images import by_range, list_images, read_image, read_labels, read_rgb, stem
from segcritic.rules import Rules, SuperpixelRule

PathLike: TypeAlias = str | os.PathLike[str]
Images: TypeAlias = PathLike | NDArray[Any] | Sequence[PathLike | NDArray[Any]]


SUPERPIXEL_METHODS: tuple[str, ...] = get_args(SuperpixelRule.model_fields["method"].annotation)


@dataclass(frozen=True, eq=False)
class Ready:
    """One image, read and checked, with what goes with it.

    Attributes
    ----------
    name : stem of the file; 'image 0' for an array
    pixels : (H, W) float32, as stored; (H, W, 3) float32 in [0, 1] if it was read in colour
    boundaries : (H, W) float32 in [0, 1], or (2, H, W) with the probability of object as second plane, or None
    superpixels : (H, W) integers, or None
    pixel_size : micrometres a pixel, or None
    """

    name: str
    pixels: NDArray[np.float32]
    boundaries: NDArray[np.float32] | None
    superpixels: NDArray[np.integer] | None
    pixel_size: float | None

    @property
    def is_constant(self) -> bool:
        """Whether all pixels are equal: nothing can be seen in such an image."""
        return bool(self.pixels.min() == self.pixels.max())


@dataclass(frozen=True, eq=False)
class Source:
    """One image that can be read, and the boundary map and the superpixels that go with it, if any."""

    name: str
    image: Path | NDArray[Any]
    boundaries: Path | NDArray[Any] | None = None
    superpixels: Path | NDArray[Any] | None = None
    channel: int | str | None = None
    colour: bool = False

    def read(self) -> Ready:
        """Read the files. Raises UserError, naming the file, when one cannot be used or the shapes differ."""
        if isinstance(self.image, Path):
            image = read_rgb(self.image) if self.colour else read_image(self.image, self.channel)
            pixels, pixel_size = image.pixels, image.pixel_size
        elif self.colour:
            pixels, pixel_size = _coloured(self.image, self.name), None
        else:
            pixels, pixel_size = _checked(self.image, self.name).astype(np.float32), None
        boundaries, pieces = self.boundaries, self.superpixels
        if boundaries is not None:
            name = str(boundaries) if isinstance(boundaries, Path) else f"the boundary map of {self.name}"
            boundaries = _read_boundaries(boundaries, name)
            _same_shape(boundaries, pixels, name, self.described)
        if pieces is not None:
            name = str(pieces) if isinstance(pieces, Path) else f"the superpixel image of {self.name}"
            pieces = read_labels(pieces) if isinstance(pieces, Path) else np.asarray(pieces)
            if not np.issubdtype(pieces.dtype, np.integer):
                raise UserError(f"{name} holds {pieces.dtype} numbers; give integers, one number a superpixel")
            _same_shape(pieces, pixels, name, self.described)
        return Ready(self.name, pixels, boundaries, pieces, pixel_size)

    @property
    def described(self) -> str:
        """The image's path, or its name if it is an array."""
        return str(self.image) if isinstance(self.image, Path) else self.name


def find_sources(
    images: Images,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
    colour: bool = False,
) -> list[Source]:
    """List the images and pair each with its boundary map and superpixels, by stem for files, by order for arrays.

    Parameters
    ----------
    images : a file, a folder, an (H, W) array, or a list of files and arrays
    boundaries, superpixels : likewise; files and folders go with files, arrays with arrays
    channel : which channel of image files to read, as in `images.read_image`
    colour : read red, green and blue instead; arrays may be (H, W, 3)

    Raises
    ------
    UserError
        When a path is missing or empty, two images share a stem, or an image has no partner.
    """
    found = _listed(images)
    names = [stem(item) if isinstance(item, Path) else f"image {k}" for k, item in enumerate(found)]
    first: dict[str, Path | NDArray[Any]] = {}
    for name, item in zip(names, found, strict=True):
        other = first.setdefault(name, item)
        if other is not item:
            raise UserError(f"{other} and {item} have the same stem; remove or rename one of them")
    maps = _companions(found, names, boundaries, "boundary map")
    pieces = _companions(found, names, superpixels, "superpixels")
    return [Source(*row, channel, colour) for row in zip(names, found, maps, pieces, strict=True)]


def find_annotated(images: Images, labels: Images) -> list[tuple[Source, Path | NDArray[Any]]]:
    """List images, to be read in colour, each with its labels, paired as in `find_sources`; errors likewise."""
    sources = find_sources(images, colour=True)
    found = _companions([source.image for source in sources], [source.name for source in sources], labels, "labels")
    return [(source, item) for source, item in zip(sources, found, strict=True) if item is not None]


def choose_superpixels(
    rules: Rules, superpixels: Images | None, has_boundaries: bool = False
) -> tuple[Rules, Images | None]:
    """Tell a method's name from files of superpixels: the rules that ask for the method, and None; or as given.

    With boundary maps, superpixels come from the maps where the rules would take shells of the image.

    Raises
    ------
    UserError
        When `superpixels` is neither a method nor a path that exists.
    """
    if has_boundaries and superpixels is None and (rules.superpixels is None or rules.superpixels.method == "shells"):
        superpixels = "boundaries"
    if superpixels is None or not isinstance(superpixels, str):
        return rules, superpixels
    if superpixels in SUPERPIXEL_METHODS:
        if rules.superpixels is None or rules.superpixels.method != superpixels:
            chosen = SuperpixelRule.model_validate({"method": superpixels})
            rules = rules.model_copy(update={"superpixels": chosen})
        return rules, None
    if not Path(superpixels).exists():
        methods = ", ".join(SUPERPIXEL_METHODS)
        raise UserError(f"superpixels: '{superpixels}' is neither a method ({methods}) nor a folder that exists")
    return rules, superpixels


def warn_of_scale(rules: Rules, image: Ready) -> None:
    """Warn when an image's pixels are not of the size on which rules in micrometres count."""
    stated, real = rules.pixel_size, image.pixel_size
    if stated is not None and real is not None and not 0.95 < stated / real < 1.05:
        message = f"{image.name}: the file says {real:.3g} micrometres a pixel, the rules {stated:.3g}; rules in um go"
        warnings.warn(f"{message} by the latter", InputWarning, stacklevel=3)


def _listed(images: Images) -> list[Path | NDArray[Any]]:
    if isinstance(images, str | os.PathLike):
        return list(list_images(images))
    if isinstance(images, np.ndarray):  # of any shape: one of (H, W, 3) is not H images, and is refused when read
        return [images]
    items = [Path(item) if isinstance(item, str | os.PathLike) else np.asarray(item) for item in images]
    for item in items:
        if isinstance(item, Path):
            list_images(item)  # says so when it does not exist
    if not items:
        raise UserError("there are no images; give at least one")
    return items


def _companions(
    images: list[Path | NDArray[Any]], names: list[str], others: Images | None, what: str
) -> list[Path | NDArray[Any] | None]:
    if others is None:
        return [None] * len(images)
    found = _listed(others)
    if len(found) == len(images) == 1 or all(isinstance(item, np.ndarray) for item in found):
        if len(found) != len(images):
            raise UserError(f"there are {len(images)} images, but {len(found)} {what} arrays; give one for each image")
        return list(found)
    by_stem: dict[str, Path] = {}
    for item in found:
        if isinstance(item, Path) and by_stem.setdefault(stem(item), item) is not item:
            raise UserError(f"{by_stem[stem(item)]} and {item} have the same stem; remove or rename one of them")
    for image, name in zip(images, names, strict=True):
        if name not in by_stem:
            raise UserError(f"{others} has no {what} for {image}; it needs a file named {name}.tif or {name}.png")
    return [by_stem[name] for name in names]


def _checked(array: NDArray[Any], name: str) -> NDArray[Any]:
    array = np.asarray(array)
    if array.ndim != 2 or array.dtype.kind not in "buif":
        raise UserError(
            f"{name} has the shape {array.shape} and type {array.dtype}; give numbers of shape (height, width),"
            " one channel at a time"
        )
    if min(array.shape) < 2:
        size = "an image of one pixel" if array.size == 1 else f"an image of {array.shape[0]} x {array.shape[1]} pixels"
        raise UserError(f"{name} is {size}; there is nothing to segment, give one of at least 2 x 2")
    with np.errstate(over="ignore"):
        not_finite = 0 if array.dtype.kind in "bui" else array.size - int(np.isfinite(array.astype(np.float32)).sum())
    if not_finite:
        raise UserError(f"{name} has {not_finite} pixels that are NaN or infinite; replace them, for instance by 0")
    return array


def _coloured(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Give an array (H, W) or (H, W, 3) as RGB in [0, 1]: integers are divided by the largest number of their type."""
    array = np.asarray(array)
    channels = [array] if array.ndim == 2 else list(np.moveaxis(array, -1, 0)) if array.ndim == 3 else []
    if len(channels) not in (1, 3, 4):
        raise UserError(f"{name} has the shape {array.shape}; give red, green and blue as (height, width, 3)")
    planes = [by_range(_checked(plane, name).astype(np.float32), array.dtype) for plane in channels[:3]]
    pixels = np.stack(planes if len(planes) == 3 else planes * 3, -1)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        raise UserError(f"{name} holds values from {low:g} to {high:g}; give 8-bit colours, or floats from 0 to 1")
    return pixels


def _read_boundaries(source: Path | NDArray[Any], name: str) -> NDArray[np.float32]:
    """Read a boundary map, (H, W) or (2, H, W): integers are divided by the largest of their type, floats in [0, 1]."""
    if isinstance(source, Path):
        file = read_planes(source, keep_palette=False)
        stored = file.planes.dtype
        pair = len(file.planes) == 2 and not file.is_rgb
        planes = [read_image(source, k if pair else None).pixels for k in range(1 + pair)]
    else:
        array = np.asarray(source)
        stored = array.dtype
        pair = array.ndim == 3 and len(array) == 2
        planes = [_checked(plane, name) for plane in (array if pair else [array])]
    values = np.stack(planes) if pair else planes[0]
    values = by_range(np.asarray(values, np.float32), stored)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise UserError(f"{name} holds values from {low:g} to {high:g}; a boundary probability lies between 0 and 1")
    return values


def _same_shape(array: NDArray[Any], pixels: NDArray[Any], name: str, image: str) -> None:
    if array.shape[-2:] != pixels.shape:
        raise UserError(f"{name} has the shape {array.shape}, but its image {image} {pixels.shape}; make them equal")


Labels: TypeAlias = Images | Sequence[NDArray[Any] | None]


def pair_labels(sources: Sequence[Source], labels: Labels) -> dict[int, NDArray[np.int32]]:
    """Read the labels of those images that have any.

    Parameters
    ----------
    sources : the images
    labels : files or a folder, paired with the images by stem; or arrays, one for each image, None for those without

    Returns
    -------
    Of the numbers of images with labels, the labels, (H, W) int32.

    Raises
    ------
    UserError
        When labels have no image, cannot be read, or look like a mask of one value.
    """
    if isinstance(labels, np.ndarray):
        arrays: list[Any] = [labels]
    elif isinstance(labels, Sequence) and any(item is None or isinstance(item, np.ndarray) for item in labels):
        arrays = list(labels)
    else:
        return _labels_by_stem(sources, labels)  # pyright: ignore[reportArgumentType]
    if len(arrays) != len(sources):
        raise UserError(
            f"there are {len(sources)} images, but {len(arrays)} label arrays; give one for each image, None for none"
        )
    found = {}
    for number, item in enumerate(arrays):
        if item is not None:
            found[number] = _checked_labels(np.asarray(item), f"the label array of {sources[number].name}")
    if not found:
        raise UserError("no image has labels; give some, or leave the labels away")
    return found


def _labels_by_stem(sources: Sequence[Source], labels: Images) -> dict[int, NDArray[np.int32]]:
    number = {source.name: k for k, source in enumerate(sources)}
    others = find_sources(labels)
    if len(sources) == len(others) == 1:
        number = {others[0].name: 0}
    found = {}
    for other in others:
        assert isinstance(other.image, Path)
        if other.name not in number:
            raise UserError(f"there is no image for the labels {other.image}; the stems must be equal")
        found[number[other.name]] = _checked_labels(read_labels(other.image), str(other.image))
    return found


def _checked_labels(labels: NDArray[Any], name: str) -> NDArray[np.int32]:
    if not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"{name} holds {labels.dtype} numbers; give integers, one number an object")
    values = np.unique(labels)
    if len(values) == 2 and values[0] == 0 and values[1] == 255:
        raise UserError(f"{name} holds 0 and 255 only: a mask, which does not tell objects apart; number the objects")
    return labels.astype(np.int32)
