"""Images of any size -> views of the networks' size: where to look, augmentation, and masks back to the image."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segcritic.recurrent.settings import RecurrentSettings

_MARGIN = 1.15
"""Side of the box that is looked at, relative to the foreground's."""
_WHOLE = 0.2
"""Share of training views that show the whole image: the first look, from which the box is taken."""
_LEAST_AREA = 6.0
"""Objects with less than so many pixels of a mask (at stride 2) in a view are left out of its truth."""


@dataclass(frozen=True)
class Example:
    """An annotated image.

    Attributes
    ----------
    pixels : (3, H, W) uint8
    labels : (H, W) int16, 0 = background, objects 1..n
    """

    pixels: Tensor
    labels: Tensor

    @classmethod
    def of(cls, pixels: NDArray[np.float32], labels: NDArray[np.integer]) -> "Example":
        """Example of RGB pixels (H, W, 3) in [0, 1] and labels (H, W)."""
        dense = np.unique(labels, return_inverse=True)[1].reshape(labels.shape)
        dense = dense + (0 not in labels)
        return cls(to_tensor(pixels), torch.from_numpy(dense.astype(np.int16)))

    @property
    def n_objects(self) -> int:
        """Number of objects."""
        return int(self.labels.max())


@dataclass
class Batch:
    """Views and their truth.

    Attributes
    ----------
    views : (b, 3, height, width) float32 in [0, 1]
    masks : (b, n, height / 2, width / 2) float32, the objects' share of each pixel; objects 0..n_objects-1 are there
    n_objects : (b,) int64
    """

    views: Tensor
    masks: Tensor
    n_objects: NDArray[np.int64]

    def to(self, device: torch.device) -> "Batch":
        """The batch with its tensors on a device."""
        return Batch(self.views.to(device), self.masks.to(device), self.n_objects)


@dataclass(frozen=True)
class Frame:
    """What part of an image a view shows: a turned, perhaps mirrored rectangle.

    Attributes
    ----------
    center : row and column in the image, pixels
    pixels : image pixels per pixel of the view
    turn : radians
    mirrored : whether left and right are exchanged
    """

    center: tuple[float, float]
    pixels: float
    turn: float = 0.0
    mirrored: bool = False

    def grid(self, shape: tuple[int, int], image: tuple[int, int]) -> Tensor:
        """Where the pixels of a view of `shape` lie in the image, (h, w, 2) float32, as `grid_sample` wants it."""
        rows = (torch.arange(shape[0]) + 0.5 - shape[0] / 2) * self.pixels
        columns = (torch.arange(shape[1]) + 0.5 - shape[1] / 2) * self.pixels
        columns = -columns if self.mirrored else columns
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        row = self.center[0] + cos * rows[:, None] + sin * columns
        column = self.center[1] - sin * rows[:, None] + cos * columns
        return torch.stack([column / image[1] * 2 - 1, row / image[0] * 2 - 1], -1).float()


def to_tensor(pixels: NDArray[np.float32]) -> Tensor:
    """RGB (H, W, 3) in [0, 1] -> (3, H, W) uint8."""
    return torch.from_numpy((pixels * 255 + 0.5).astype(np.uint8).transpose(2, 0, 1).copy())


def whole(image: tuple[int, int], shape: tuple[int, int]) -> Frame:
    """The frame in which a view of `shape` shows all of an image of size `image`."""
    return Frame((image[0] / 2, image[1] / 2), max(image[0] / shape[0], image[1] / shape[1]))


def around(foreground: NDArray[np.bool_], shape: tuple[int, int]) -> Frame | None:
    """The frame in which a view of `shape` shows a mask of foreground (H, W) and a margin; None without foreground."""
    rows, columns = np.flatnonzero(foreground.any(1)), np.flatnonzero(foreground.any(0))
    if not len(rows):
        return None
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    pixels = _MARGIN * max((bottom - top) / shape[0], (right - left) / shape[1], 4 / min(shape))
    return Frame(((top + bottom) / 2, (left + right) / 2), float(pixels))


def look(pixels: Tensor, frame: Frame, shape: tuple[int, int]) -> Tensor:
    """View of an image (3, H, W) uint8: (3, h, w) float32 in [0, 1]; beyond the image its border goes on."""
    image = pixels[None].float() / 255
    scale = 1
    while frame.pixels / scale >= 1.5 and min(image.shape[-2:]) > 1:  # no aliasing
        odd = (0, image.shape[-1] % 2, 0, image.shape[-2] % 2)
        image = functional.avg_pool2d(functional.pad(image, odd, mode="replicate"), 2)
        scale *= 2
    grid = frame.grid(shape, (image.shape[-2] * scale, image.shape[-1] * scale))[None]
    return functional.grid_sample(image, grid, padding_mode="border", align_corners=False)[0]


def masks_of(labels: Tensor, frame: Frame, shape: tuple[int, int]) -> Tensor:
    """Masks at half the size of a view of the objects that it shows: (n, h / 2, w / 2) float32 in [0, 1]."""
    grid = frame.grid(shape, (labels.shape[0], labels.shape[1]))[None]
    seen = functional.grid_sample(labels[None, None].float(), grid, mode="nearest", align_corners=False)[0, 0].long()
    numbers = torch.unique(seen)
    numbers = numbers[numbers > 0]
    masks = functional.avg_pool2d((seen == numbers[:, None, None]).float()[:, None], 2)[:, 0]
    return masks[masks.sum((1, 2)) >= _LEAST_AREA]


def n_too_small(example: Example, settings: RecurrentSettings) -> int:
    """Number of an image's objects that are too small to be seen, and so to be learned, in the view that counts."""
    shape = settings.height, settings.width
    frame = around((example.labels > 0).numpy(), shape) if settings.zoom else None
    size = example.labels.shape[0], example.labels.shape[1]
    return example.n_objects - len(masks_of(example.labels, frame or whole(size, shape), shape))


def draw_batch(examples: list[Example], settings: RecurrentSettings, rng: np.random.Generator) -> Batch:
    """Random views of random images: boxes about the foreground or whole images, turned, mirrored, scaled, recoloured.

    Images of upright scenes (`settings.upright`) are mirrored and scaled only.
    """
    chosen = rng.choice(len(examples), settings.batch, replace=len(examples) < settings.batch)
    shape = settings.height, settings.width
    views, masks = [], []
    for index in chosen:
        example = examples[index]
        size = example.labels.shape[0], example.labels.shape[1]
        frame = None
        if settings.zoom and rng.random() > _WHOLE:
            frame = around((example.labels > 0).numpy(), shape)
        frame = frame or whole(size, shape)
        turn = rng.normal(0, 0.03) if settings.upright else rng.uniform(0, 2 * np.pi)
        scale = frame.pixels * rng.uniform(0.87, 1.2)
        shift = rng.uniform(-0.07, 0.07, 2) * scale * np.array(shape)
        center = frame.center[0] + shift[0], frame.center[1] + shift[1]
        frame = Frame(center, scale, float(turn), bool(rng.random() < 0.5))
        views.append(_recolour(look(example.pixels, frame, shape), rng))
        masks.append(masks_of(example.labels, frame, shape))
    n_objects = np.array([len(m) for m in masks])
    padded = torch.zeros(len(masks), max(1, int(n_objects.max())), *settings.mask_shape)
    for row, mask in zip(padded, masks, strict=True):
        row[: len(mask)] = mask
    return Batch(torch.stack(views), padded, n_objects)


def _recolour(view: Tensor, rng: np.random.Generator) -> Tensor:
    """Change brightness, contrast, saturation and white balance a little, and add noise."""
    gray = view.mean(0, keepdim=True)
    view = gray + (view - gray) * rng.uniform(0.7, 1.3)
    balance = torch.from_numpy(rng.uniform(0.92, 1.08, (3, 1, 1))).float()
    view = view * balance * rng.uniform(0.75, 1.3)
    mean = view.mean()
    view = (view - mean) * rng.uniform(0.8, 1.25) + mean
    noise = torch.from_numpy(rng.standard_normal(view.shape, np.float32)) * rng.uniform(0, 0.02)
    return (view + noise).clamp(0, 1)


def back_to_image(logits: Tensor, frame: Frame, image: tuple[int, int], rows: slice = slice(None)) -> Tensor:
    """Masks of an upright view, (t, h, w) logits, at the size of the image: (t, H, W) logits; -20 outside the view.

    With `rows`, only these rows of the image.
    """
    height, width = logits.shape[-2:]
    per_cell = 2 * frame.pixels  # a mask's pixel is two of the view's
    down = (torch.arange(image[0])[rows] + 0.5 - frame.center[0]) / per_cell
    right = (torch.arange(image[1]) + 0.5 - frame.center[1]) / per_cell
    at = torch.stack(torch.broadcast_tensors(right / width * 2, down[:, None] / height * 2), -1).float()[None]
    found = functional.grid_sample(logits[None], at, align_corners=False, padding_mode="border")[0]
    return torch.where((at[0].abs() <= 1).all(-1), found, -20.0)
