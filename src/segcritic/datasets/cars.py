"""Cars in street scenes of KITTI: colour images and one label a car.

The images are KITTI 2015 with instance labels, Alhaija et al., International Journal of Computer Vision 2018; terms:
CC BY-NC-SA 3.0.
"""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segcritic.datasets.folder import Pairs
from segcritic.errors import UserError
from segcritic.io.images import read_labels, read_rgb
from segcritic.io.samples import pair_files

PAGE = "https://www.cvlibs.net/datasets/kitti/eval_instance_seg.php?benchmark=instanceSegmentation2015"
TERMS = "CC BY-NC-SA 3.0"
CAR = 26  # the class numbers are those of Cityscapes


def cars(path: str | os.PathLike[str]) -> Pairs:
    """Open the street scenes in `path`, with colour images and labels of the cars alone.

    Parameters
    ----------
    path : folder that unpacking the archive makes, with training/, or that one, with image_2/ and instance/; or a
        folder with images/ and labels/

    Raises
    ------
    UserError
        When there are no such folders, in which case it says where the data are to be had, or an image has no labels.
    """
    path = Path(path)
    for folder in (path, path / "training"):
        if (folder / "image_2").is_dir() and (folder / "instance").is_dir():
            return Pairs(pair_files(folder / "image_2", folder / "instance"), read_rgb, read_instances)
    if (path / "images").is_dir() and (path / "labels").is_dir():
        return Pairs(pair_files(path / "images", path / "labels"), read_rgb)
    raise UserError(
        f"there are no street scenes in {path}; download data_semantics.zip from {PAGE} ({TERMS}) and unpack it "
        f"so that {path / 'training' / 'image_2'} and {path / 'training' / 'instance'} exist"
    )


def read_instances(path: str | os.PathLike[str], wanted: int = CAR) -> NDArray[np.int32]:
    """Read the objects of one class from an instance image, whose pixels are 256 * class + number of the object.

    Pixels of the class with the number 0, which are of no object in particular, become background.

    Returns
    -------
    (H, W) int32: 0 = background, 1..n = objects in order of their number

    Raises
    ------
    UserError
        When the file is no label image.
    """
    stored = read_labels(path)
    objects = np.where((stored // 256 == wanted) & (stored % 256 > 0), stored, 0)
    values, numbers = np.unique(objects, return_inverse=True)
    first = int(values[0] > 0)  # there is no background
    return (numbers.reshape(stored.shape) + first).astype(np.int32)
