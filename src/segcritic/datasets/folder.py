"""A folder of images and their true labels, paired by name: how every data set here is kept on disk."""

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.io.atomic import atomic_path
from segcritic.io.images import Image, read_image, read_labels, write_labels
from segcritic.io.samples import Sample, pair_files


class Pairs:
    """Images with their true labels, read when asked for.

    Parameters
    ----------
    pairs : paths of an image and of its labels
    read_image, read_labels : how the two kinds of files are read

    Raises
    ------
    UserError
        Reading a pair raises it when a file is unreadable, or image and labels differ in shape.
    """

    def __init__(
        self,
        pairs: Sequence[tuple[Path, Path]],
        read_image: Callable[[Path], Image] = read_image,
        read_labels: Callable[[Path], NDArray[np.int32]] = read_labels,
    ) -> None:
        self.pairs = list(pairs)
        self._read_image, self._read_labels = read_image, read_labels

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> Sample:
        image_path, labels_path = self.pairs[index]
        image, labels = self._read_image(image_path), self._read_labels(labels_path)
        shape = image.pixels.shape[:2]
        if shape != labels.shape:
            raise UserError(
                f"{labels_path} has the shape {labels.shape} but its image {image_path} {shape}; they must be equal"
            )
        return Sample(image.stem, image.pixels, pixel_size=image.pixel_size, labels=labels)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))


class Folder(Pairs):
    """The pairs of path/images and path/labels of equal stem ('a.tif' with 'a.png'), read when asked for.

    Parameters
    ----------
    path : folder that holds the two
    channel : which channel of the images to read, as in `images.read_image`
    images, labels : names of the two sub-folders

    Raises
    ------
    UserError
        When a folder is missing or empty, a file has no partner, or two share a stem; later as `Pairs`.

    Examples
    --------
    >>> for sample in Folder("data/nuclei"):  # doctest: +SKIP
    ...     print(sample.name, sample.labels.max())
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        channel: int | str | None = None,
        images: str = "images",
        labels: str = "labels",
    ) -> None:
        self.path = Path(path)
        self.channel = channel
        for name in (images, labels):
            if not (self.path / name).is_dir():
                raise UserError(f"{self.path} has no sub-folder '{name}'; it needs '{images}' and '{labels}'")
        pairs = pair_files(self.path / images, self.path / labels)
        super().__init__(pairs, partial(read_image, channel=channel))


def write_folder(
    folder: str | os.PathLike[str],
    names: Sequence[str],
    draw: Callable[[int], tuple[NDArray[np.float32], NDArray[np.int32]]],
) -> tuple[Path, Path]:
    """Write generated images as 8-bit TIFF to folder/images, and their labels under the same names to folder/labels.

    Parameters
    ----------
    names : file names, ending in .tif
    draw : of the number of a name, the image, (H, W) or (H, W, 3) in [0, 1], and its labels, (H, W)

    Returns
    -------
    The two folders

    Raises
    ------
    UserError
        When a folder holds other files already, which would mix two data sets, or cannot be written.
    """
    import tifffile

    folders = Path(folder) / "images", Path(folder) / "labels"
    for path in folders:
        others = [p.name for p in path.iterdir() if p.name not in names] if path.is_dir() else []
        if others:
            raise UserError(f"{path} holds other files already ({min(others)}); choose an empty folder")
    for k, name in enumerate(names):
        image, labels = draw(k)
        stored = np.round(image * 255).astype(np.uint8)
        with atomic_path(folders[0] / name) as temporary:
            tifffile.imwrite(
                temporary, stored, compression="zlib", photometric="rgb" if image.ndim == 3 else "minisblack"
            )
        write_labels(folders[1] / name, labels)
    return folders
