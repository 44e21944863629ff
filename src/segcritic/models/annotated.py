"""Training from annotated images: the mask-by-mask method, with settings chosen from the data. `api.train` calls it."""

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from segcritic.errors import InputWarning, UserError
from segcritic.io.images import read_labels
from segcritic.io.samples import Images, find_annotated
from segcritic.models.cards import labels_card
from segcritic.models.recurrent import RecurrentModel

if TYPE_CHECKING:
    from segcritic.recurrent.settings import RecurrentSettings
    from segcritic.recurrent.train import Progress
    from segcritic.recurrent.views import Example

_SMALLEST, _LARGEST, _LARGEST_ON_CPU = 64, 224, 160
"""Side of a view in pixels, or of the square of equal area."""
_SPARE = 1.1  # more objects than in any training image may come
_SMALL = 96
"""Views up to this size are learned by narrower networks: on two cores in a quarter of an hour."""


def train_on_labels(
    images: Images,
    labels: Images,
    *,
    upright: bool = False,
    settings: "RecurrentSettings | None" = None,
    batch: int | None = None,
    seed: int = 0,
    minutes: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    on_image: Callable[[int, int], None] | None = None,
    on_progress: "Callable[[Progress], None] | None" = None,
) -> RecurrentModel:
    """Train a model that draws one object after another, from annotated images.

    Parameters
    ----------
    images : a file, a folder, an (H, W, 3) or (H, W) array, or a list of files and arrays
    labels : likewise, of integers, 0 = background; files are paired with the images by stem
    upright : the images have an up (street states): do not turn them in training
    settings : instead of those that `choose_settings` takes from the data
    batch : images in an update, instead of the settings'
    seed : the same seed, images and labels give the same model
    minutes : stop training after so much time
    checkpoint : a folder in which to keep the state of training; the same call goes on from there
    on_image : called before an image is read, with its number from 0 and the number of images
    on_progress : called after every step

    Raises
    ------
    UserError
        When a file cannot be used (it names it), image and labels differ in shape, or no image holds an object.
    """
    from segcritic.recurrent.train import train

    if seed < 0:
        raise UserError(f"the seed is {seed}; give 0 or a whole number above it")
    if minutes is not None and not minutes > 0:
        raise UserError(f"minutes is {minutes:g}; give a number above 0")
    if batch is not None and batch < 1:
        raise UserError(f"the batch is {batch}; give at least 1")
    examples = _read(images, labels, on_image)
    settings = settings or choose_settings(examples, upright)
    settings = settings if batch is None else replace(settings, batch=batch)
    _warn_of_small_objects(examples, settings)
    where = None if checkpoint is None else Path(checkpoint)
    agent = train(examples, settings, seed=seed, minutes=minutes, checkpoint=where, on_progress=on_progress)
    return RecurrentModel(agent, labels_card(agent, len(examples), seed))


def _warn_of_small_objects(examples: "list[Example]", settings: "RecurrentSettings") -> None:
    from segcritic.recurrent.views import n_too_small

    small = sum(n_too_small(example, settings) for example in examples)
    everything = sum(example.n_objects for example in examples)
    if small and small == everything:
        raise UserError(
            f"all {small} annotated objects are too small to be seen in a view of {settings.height} x {settings.width}"
            " pixels; cut the images and their labels into parts"
        )
    if small:
        warnings.warn(
            f"{small} of {everything} annotated objects are too small to be seen in a view of {settings.height} x"
            f" {settings.width} pixels, and are not learned; cut the images into parts if they matter",
            InputWarning,
            stacklevel=3,
        )


def choose_settings(examples: "list[Example]", upright: bool = False) -> "RecurrentSettings":
    """Settings for annotated images: size of the view, most objects, and networks that suit the size.

    The view has the size of what it shows of a middling image, but at most the area of 224 x 224 pixels (160 x 160
    without a graphics card). It follows the foreground if that takes up less than two thirds of the images.
    """
    import torch

    from segcritic.recurrent.settings import STRIDE, RecurrentSettings

    most = max((example.n_objects for example in examples), default=0)
    sides, shares = [], []
    for example in examples:
        rows, columns = np.nonzero(example.labels.numpy() > 0)
        if len(rows):
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            sides.append((height, width, *example.labels.shape))
            shares.append(height * width / example.labels.numel())
    zoom = bool(sides) and not upright and float(np.median(shares)) < 2 / 3
    if not sides:
        return RecurrentSettings(upright=upright)
    height, width = np.median(np.array(sides)[:, :2] if zoom else np.array(sides)[:, 2:], axis=0)
    if zoom or max(height, width) < 1.5 * min(height, width):
        height = width = max(height, width)
    largest = _LARGEST if torch.cuda.is_available() else _LARGEST_ON_CPU
    scale = min(1.0, largest / np.sqrt(height * width))
    size = [max(_SMALLEST, round(float(side * scale) / STRIDE) * STRIDE) for side in (height, width)]
    size = [min(side, largest**2 // min(size) // STRIDE * STRIDE) for side in size]
    chosen = RecurrentSettings(
        height=size[0], width=size[1], zoom=zoom, upright=upright, max_objects=max(2, round(most * _SPARE))
    )
    if max(size) > _SMALL:
        return chosen
    return replace(
        chosen, channels=(16, 24, 32, 48, 64), mask_channels=(8, 16, 24, 32, 32), latent=24, hidden=128, batch=8
    )


def _read(images: Images, labels: Images, on_image: Callable[[int, int], None] | None) -> "list[Example]":
    from segcritic.recurrent.views import Example

    pairs = find_annotated(images, labels)
    examples = []
    for number, (source, annotation) in enumerate(pairs):
        if on_image is not None:
            on_image(number, len(pairs))
        pixels = source.read().pixels
        truth: Any = read_labels(annotation) if isinstance(annotation, Path) else np.asarray(annotation)
        named = str(annotation) if isinstance(annotation, Path) else f"the labels of {source.name}"
        if truth.dtype.kind not in "ui" or truth.ndim != 2:
            raise UserError(
                f"{named} have the shape {truth.shape} and type {truth.dtype}; give integers, (height, width)"
            )
        if truth.min() < 0:
            raise UserError(
                f"{named}: there are negative numbers; give 0 for the background, and 1, 2, ... for objects"
            )
        if truth.shape != pixels.shape[:2]:
            raise UserError(
                f"{named} has the shape {truth.shape}, but its image {source.described} {pixels.shape[:2]}; make them"
                " equal"
            )
        examples.append(Example.of(pixels, truth))
    return examples
