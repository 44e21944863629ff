"""Rosette plants of the leaf segmentation challenge (CVPPP LSC): colour images and one label a leaf.

The images are the Plant Phenotyping Datasets, Minervini, Fischbach, Scharr & Tsaftaris, Pattern Recognition Letters
2016; terms: academic use, to be cited, not to be passed on.
"""

import os
from pathlib import Path

from segcritic.datasets.folder import Pairs
from segcritic.errors import UserError
from segcritic.io.images import read_rgb
from segcritic.io.samples import pair_files

PAGE = "https://www.plant-phenotyping.org/datasets-home"
PARTS = ("A1", "A2", "A3", "A4")
TERMS = "for academic use, to be cited (Minervini et al. 2016), not to be passed on"


def leaves(path: str | os.PathLike[str], part: str | None = None) -> Pairs:
    """Open the plants in `path`, with colour images and their labels.

    Parameters
    ----------
    path : folder that unpacking the challenge's archive makes, with A1 to A4, or one of these, with files named
        plant001_rgb.png and plant001_label.png; or a folder with images/ and labels/
    part : one of A1 to A4; None takes all of them that `path` holds

    Raises
    ------
    UserError
        When there are no such files, in which case it says where the data are to be had, or an image has no labels.
    """
    path = Path(path)
    if part is not None and part not in PARTS:
        raise UserError(f"there is no part '{part}' of the leaves with labels; choose one of {', '.join(PARTS)}")
    if part is None and (path / "images").is_dir() and (path / "labels").is_dir():
        return Pairs(pair_files(path / "images", path / "labels"), read_rgb)
    folders = [path / name for name in PARTS] if part is None else [path / part]
    if part is None or path.name == part:
        folders.append(path)
    images = [image for folder in folders if folder.is_dir() for image in sorted(folder.glob("*_rgb.png"))]
    if not images:
        wanted = path / (part or "A1") / "plant001_rgb.png"
        raise UserError(
            f"there are no leaves in {path}; download the leaf segmentation challenge from {PAGE} ({TERMS}) "
            f"and unpack it so that files such as {wanted} exist"
        )
    pairs = [(image, image.with_name(image.name.removesuffix("_rgb.png") + "_label.png")) for image in images]
    for image, labels in pairs:
        if not labels.is_file():
            raise UserError(f"{image} has no {labels.name} beside it; the challenge's test images come without labels")
    return Pairs(pairs, read_rgb)
