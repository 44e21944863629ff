"""Annotated images -> settings of the recurrent method: size of the view, most objects, and networks that suit it."""

from dataclasses import replace

import numpy as np

from segcritic.recurrent.settings import STRIDE, RecurrentSettings
from segcritic.recurrent.views import Example
from segcritic.training.device import choose_device

_SMALLEST, _LARGEST, _LARGEST_ON_CPU = 64, 224, 160
"""Side of a view in pixels, or of the square of equal area."""
_SPARE = 1.1  # more objects than in any training image may come
_SMALL = 96
"""Views up to this size are learned by narrower networks: on two cores in a quarter of an hour."""


def choose_settings(examples: list[Example], upright: bool = False, device: str = "auto") -> RecurrentSettings:
    """Settings for annotated images: size of the view, most objects, and networks that suit the size.

    The view has the size of what it shows of a middling image, but at most the area of 224 x 224 pixels (160 x 160
    where `device` is no CUDA card). It follows the foreground if that takes up less than two thirds of the images.
    """
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
    largest = _LARGEST if choose_device(device).type == "cuda" else _LARGEST_ON_CPU
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
