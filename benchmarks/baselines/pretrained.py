"""StarDist and Cellpose, where the user has installed them with their weights; nothing is downloaded here."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.pixels.preprocess import normalise


def load_stardist(weights: str | os.PathLike[str]) -> Any:
    """Open a trained StarDist model, for `stardist`.

    Parameters
    ----------
    weights : folder of the model, such as 2D_versatile_fluo, with config.json and weights_best.h5

    Raises
    ------
    UserError
        When StarDist is not installed, or there is no such model; it says what to do.
    """
    folder = Path(weights)
    if not (folder / "config.json").is_file():
        raise UserError(
            f"there is no StarDist model in {folder}: give the unpacked folder of one, such as 2D_versatile_fluo"
            " (from https://github.com/stardist/stardist-models/releases), which holds config.json and weights_best.h5"
        )
    try:
        from stardist.models import StarDist2D  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(f"StarDist is not installed ({error}): pip install stardist tensorflow") from error
    return StarDist2D(None, name=folder.name, basedir=str(folder.parent))


def stardist(image: NDArray[Any], model: Any) -> NDArray[np.int32]:
    """Segment (H, W) pixels by a model from `load_stardist` with its own thresholds: (H, W) int32, 0 = background."""
    labels, _ = model.predict_instances(normalise(image))
    return np.asarray(labels, np.int32)


def load_cellpose(weights: str | os.PathLike[str]) -> Any:
    """Open a trained Cellpose model, for `cellpose`.

    Parameters
    ----------
    weights : file of the model, such as the cyto, nuclei or cpsam that Cellpose keeps in ~/.cellpose/models

    Raises
    ------
    UserError
        When Cellpose is not installed, or there is no such file; it says what to do.
    """
    path = Path(weights)
    if not path.is_file():
        raise UserError(
            f"there is no Cellpose model {path}: give the file of one; Cellpose keeps those that it has downloaded in"
            " ~/.cellpose/models (https://cellpose.readthedocs.io)"
        )
    try:
        from cellpose.models import CellposeModel  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError(f"Cellpose is not installed ({error}): pip install cellpose") from error
    return CellposeModel(pretrained_model=str(path))


def cellpose(image: NDArray[Any], model: Any, diameter: float | None = None) -> NDArray[np.int32]:
    """Segment one image by a model from `load_cellpose`.

    Parameters
    ----------
    image : (H, W)
    model : from `load_cellpose`
    diameter : of the objects, pixels; by default the one that the model was trained for

    Returns
    -------
    (H, W) int32, 0 = background, objects 1..n
    """
    return np.asarray(model.eval(normalise(image), diameter=diameter)[0], np.int32)
