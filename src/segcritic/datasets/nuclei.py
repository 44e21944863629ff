"""Fluorescent nuclei of the Data Science Bowl 2018, in the selection that StarDist published.

The images are BBBC038 of the Broad Bioimage Benchmark Collection, Caicedo et al., Nature Methods 2019; terms: CC0.
"""

import os
from pathlib import Path

from segcritic.datasets.folder import Folder
from segcritic.errors import UserError

PAGE = "https://bbbc.broadinstitute.org/BBBC038"
ARCHIVE = "https://github.com/stardist/stardist/releases/download/0.1.0/dsb2018.zip"


def nuclei(path: str | os.PathLike[str], part: str = "train") -> Folder:
    """Open the nuclei in `path`, the folder that unpacking the archive makes.

    Parameters
    ----------
    path : folder with train/ and test/, each with images/ and masks/ (the archive's names) or labels/
    part : 'train' or 'test'

    Raises
    ------
    UserError
        When the folder is missing; it says where the data are to be had.
    """
    folder = Path(path) / part
    if not (folder / "images").is_dir():
        raise UserError(
            f"there are no nuclei in {folder}; download {ARCHIVE} (from the Data Science Bowl 2018, {PAGE}, CC0) "
            f"and unpack it so that {folder / 'images'} exists"
        )
    return Folder(folder, labels="masks" if (folder / "masks").is_dir() else "labels")
