"""What the user hands over (files, folders or arrays), paired image by image, and read one at a time.

`find_samples` pairs and reads nothing, so that a folder may be larger than the memory; `Source.read` reads and checks
one image with all that belongs to it.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.io.check import as_colour, as_image, as_labels, as_probability
from segcritic.io.images import list_images, read_image, read_labels, read_probability, read_rgb, stem

PathLike: TypeAlias = str | os.PathLike[str]
Images: TypeAlias = PathLike | NDArray[Any] | Sequence[PathLike | NDArray[Any]]
Labels: TypeAlias = Images | Sequence[NDArray[Any] | None]
Item: TypeAlias = Path | NDArray[Any]


@dataclass(frozen=True, eq=False)
class Sample:
    """One image, read and checked, with what belongs to it.

    Attributes
    ----------
    name : str
        Stem of the file; 'image 0' for an array.
    pixels : (H, W) float32 or (H, W, 3) float32
        As stored; in colour in [0, 1].
    boundaries : (H, W) or (2, H, W) float32 in [0, 1], optional
        Probability of outline; the second plane is the probability of object.
    superpixels : (H, W) int32, optional
        The user's own.
    pixel_size : float, optional
        Micrometres a pixel.
    labels : (H, W) int32, optional
        0 = background, every other number one object.
    other_labels : tuple of (H, W) int32
        Of other tools, alike.
    """

    name: str
    pixels: NDArray[np.float32]
    boundaries: NDArray[np.float32] | None = None
    superpixels: NDArray[np.integer] | None = None
    pixel_size: float | None = None
    labels: NDArray[np.int32] | None = None
    other_labels: tuple[NDArray[np.int32], ...] = ()

    @property
    def is_constant(self) -> bool:
        """Whether all pixels are equal: nothing can be seen in such an image."""
        return bool(self.pixels.min() == self.pixels.max())


@dataclass(frozen=True, eq=False)
class Source:
    """A sample that was not read yet: for each part of it a file or an array, or None. Attributes as of `Sample`."""

    name: str
    image: Item
    labels: Item | None = None
    boundaries: Item | None = None
    superpixels: Item | None = None
    channel: int | str | None = None
    colour: bool = False
    other_labels: tuple[Item, ...] = ()

    def read(self) -> Sample:
        """Read the files. Raises UserError, naming the file, when one cannot be used or the shapes differ."""
        pixels, pixel_size = self._read_image()
        shape = pixels.shape[:2]
        return Sample(
            self.name,
            pixels,
            self._read(self.boundaries, "boundary map", read_probability, as_probability, shape),
            self._read(self.superpixels, "superpixel image", read_labels, as_labels, shape),
            pixel_size,
            self._read(self.labels, "label image", read_labels, as_labels, shape),
            tuple(self._read_present(item, "label image", read_labels, as_labels, shape) for item in self.other_labels),
        )

    def _read_image(self) -> tuple[NDArray[np.float32], float | None]:
        if isinstance(self.image, Path):
            image = read_rgb(self.image) if self.colour else read_image(self.image, self.channel)
            return image.pixels, image.pixel_size
        return (as_colour if self.colour else as_image)(self.image, self.name), None

    def _read(
        self,
        item: Item | None,
        what: str,
        read: Callable[[Path], NDArray[Any]],
        check: Callable[[NDArray[Any], str], NDArray[Any]],
        shape: tuple[int, ...],
    ) -> NDArray[Any] | None:
        return None if item is None else self._read_present(item, what, read, check, shape)

    def _read_present(
        self,
        item: Item,
        what: str,
        read: Callable[[Path], NDArray[Any]],
        check: Callable[[NDArray[Any], str], NDArray[Any]],
        shape: tuple[int, ...],
    ) -> NDArray[Any]:
        name = str(item) if isinstance(item, Path) else f"the {what} of {self.name}"
        array = read(item) if isinstance(item, Path) else check(item, name)
        if array.shape[-2:] != shape:
            image = f"its image {self.image}" if isinstance(self.image, Path) else "its image"
            raise UserError(f"{name} has the shape {array.shape}, but {image} {shape}; make them equal")
        return array

    @property
    def described(self) -> str:
        """The image's path, or its name if it is an array."""
        return str(self.image) if isinstance(self.image, Path) else self.name

    @property
    def files(self) -> list[Path]:
        """The files that it is read from."""
        parts = (self.image, self.labels, self.boundaries, self.superpixels, *self.other_labels)
        return [part for part in parts if isinstance(part, Path)]


def is_one(given: Images) -> bool:
    """Whether it is one image or label image, rather than a folder or list of them."""
    return isinstance(given, np.ndarray) or (isinstance(given, str | os.PathLike) and not Path(given).is_dir())


def find_samples(
    images: Images,
    labels: Labels | None = None,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    *,
    labelled: Literal["all", "some", "only"] = "all",
    channel: int | str | None = None,
    colour: bool = False,
) -> list[Source]:
    """List the images, each with what belongs to it: files are paired by stem, arrays by order.

    Parameters
    ----------
    images : path, (H, W) array, or list of these
        A file, a folder, an array, or several.
    labels, boundaries, superpixels : likewise, optional
        Folders may hold more of them than images. Of arrays there must be as many as images; labels may be None.
    labelled : {"all", "some", "only"}
        Every image needs labels; or some have them; or images without are passed over, and the order is the labels'.
        Of "some" and "only", every label image needs its image.
    channel : int or str, optional
        Of the image files, as in `images.read_image`.
    colour : bool
        Read red, green and blue instead; arrays may be (H, W, 3).

    Raises
    ------
    UserError
        When a path is missing or empty, two files share a stem, or one has no partner.
    """
    pictures = _list_given(images, "image")
    truth: list[Item | None] = [None] * len(pictures.items)
    if labels is not None and labelled == "all":
        truth = _partners(pictures, _list_given(labels, "label image"))
    elif labels is not None:
        annotated = _list_given(labels, "label image")
        numbers = _pair(annotated, pictures)
        for number, item in zip(numbers, annotated.items, strict=True):
            truth[number] = item
        if all(item is None for item in truth):
            raise UserError("no image has labels; give some, or leave the labels away")
        if labelled == "only":
            pictures, truth = pictures.only(numbers), annotated.items
    maps = _partners(pictures, None if boundaries is None else _list_given(boundaries, "boundary map"))
    pieces = _partners(pictures, None if superpixels is None else _list_given(superpixels, "superpixel image"))
    rows = zip(pictures.names, pictures.items, truth, maps, pieces, strict=True)
    return [Source(*row, channel, colour) for row in rows]  # type: ignore[arg-type]  # an image None is told when read


def pair_files(
    first: PathLike, second: PathLike, what: tuple[str, str] = ("image", "label image")
) -> list[tuple[Path, Path]]:
    """Pair the image files of two folders by stem, none left over, sorted by stem; or two files, as they are named.

    Parameters
    ----------
    first, second : path
    what : two str
        What they hold, for messages.

    Raises
    ------
    UserError
        When a path is missing or empty, a file has no partner, or two files of one folder share a stem.
    """
    one, other = _list_given(first, what[0]), _list_given(second, what[1])
    numbers = _pair(one, other)
    _pair(other, one)
    pairs = zip(one.items, other.only(numbers).items, strict=True)
    return sorted(pairs, key=lambda pair: stem(pair[0]))  # type: ignore[arg-type,return-value]  # paths, being listed


@dataclass(frozen=True, eq=False)
class _Listing:
    """Files and arrays of one kind, as the user gave them; None stands for an image that has none."""

    what: str
    place: str
    items: list[Item | None]
    names: list[str]
    is_folder: bool

    def described(self, number: int) -> str:
        item = self.items[number]
        return str(item) if isinstance(item, Path) else self.names[number]

    def only(self, numbers: Iterable[int]) -> "_Listing":
        numbers = list(numbers)
        items, names = [self.items[n] for n in numbers], [self.names[n] for n in numbers]
        return _Listing(self.what, self.place, items, names, self.is_folder)


def _list_given(given: Labels, what: str) -> _Listing:
    """List what the user gave as `what`, and read nothing."""
    items: list[Item | None]
    if isinstance(given, str | os.PathLike):
        items = list(list_images(given))
    elif isinstance(given, np.ndarray):  # of any shape: one of (H, W, 3) is not H images, and is refused when read
        items = [given]
    else:
        items = [_item(item) for item in given]
    if not items:
        raise UserError(f"there are no {what}s; give at least one")
    names = [stem(item) if isinstance(item, Path) else f"image {k}" for k, item in enumerate(items)]
    first: dict[str, Item | None] = {}
    for name, item in zip(names, items, strict=True):
        if first.setdefault(name, item) is not item:
            raise UserError(f"{first[name]} and {item} have the same stem; remove or rename one of them")
    is_path = isinstance(given, str | os.PathLike)
    place = str(given) if is_path else f"the list of {what}s"
    return _Listing(what, place, items, names, is_path and Path(given).is_dir())


def _item(given: PathLike | NDArray[Any] | None) -> Item | None:
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        list_images(path)  # says so when it does not exist
        return path
    return None if given is None else np.asarray(given)


def _partners(first: _Listing, second: _Listing | None) -> list[Item | None]:
    return [None] * len(first.items) if second is None else [second.items[number] for number in _pair(first, second)]


def _pair(first: _Listing, second: _Listing) -> list[int]:
    """THE pairing: of each of the first, the number of its partner among the second, which may hold more.

    Files meet by their stems. Where there are arrays, or a file was named that meets one other, it goes by order.
    """
    by_order = any(not isinstance(item, Path) for item in (*first.items, *second.items))
    alone = len(first.items) == len(second.items) == 1 and not (first.is_folder and second.is_folder)
    if by_order and len(first.items) != len(second.items):
        raise UserError(
            f"there are {len(first.items)} {first.what}s, but {len(second.items)} {second.what}s; give one for each"
            f"{' (None for an image without labels)' * any(item is None for item in first.items)}"
        )
    if by_order or alone:
        return list(range(len(first.items)))
    number = {name: k for k, name in enumerate(second.names)}
    lacking = [k for k, name in enumerate(first.names) if name not in number]
    if lacking:
        name, n_more = first.names[lacking[0]], len(lacking) - 1
        more = f" (nor for {n_more} other{'s' * (n_more > 1)})" if n_more else ""
        raise UserError(
            f"{second.place} has no {second.what} for {first.described(lacking[0])}{more}; it needs a file named"
            f" {name}.tif or {name}.png"
        )
    return [number[name] for name in first.names]
