"""Image -> objects, one after another, by a trained agent."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage.measure import label
from torch import Tensor

from segcritic.errors import UserError
from segcritic.recurrent.context import context_maps
from segcritic.recurrent.episode import cover
from segcritic.recurrent.networks import Networks
from segcritic.recurrent.views import Frame, around, back_to_image, look, to_tensor, whole

Ablation = Literal["lstm", "mask"]

_LIKELY = 0.1
"""Probability at which a pixel of the foreground goes to the mask that is surest of it."""

_PAINTED = 10_000_000
"""Pixels of all masks together that are enlarged at a time: a large image goes in strips, to save memory."""

_SHOWN = 0.2
"""Share of a mask that must be seen beside the others; it was chosen on training images."""

_SPECK = 0.1
"""Parts of an object that are smaller than this share of its largest part are specks."""

_LEAST_AREA = 4
"""Objects of fewer pixels of a mask (at half the size of the view) than this are dropped."""


@dataclass(frozen=True)
class Drawing:
    """What the agent drew.

    Attributes
    ----------
    labels : (H, W) int32
        0 = background, objects 1..n in the order in which they were drawn.
    steps : (n,) int64
        Step at which each object was drawn, from 1; masks of which hardly anything shows are left out.
    confidence : (n,) float32
        Mean over each object's pixels of the probability of the mask that is surest of them.
    view : (3, h, w) float32 in [0, 1]
        What the networks saw.
    context : (9, h / 2, w / 2) float32
        Probability of foreground and of the angles in the view.
    masks : (t, h / 2, w / 2) float32 in [0, 1]
        The masks as drawn, in the view.
    """

    labels: NDArray[np.int32]
    steps: NDArray[np.int64]
    confidence: NDArray[np.float32]
    view: NDArray[np.float32]
    context: NDArray[np.float32]
    masks: NDArray[np.float32]


@torch.inference_mode()
def segment(pixels: NDArray[np.float32], networks: Networks, ablate: Ablation | None = None) -> Drawing:
    """Draw the objects of an image.

    Parameters
    ----------
    pixels : (H, W, 3) float32 in [0, 1], RGB
    networks : a trained agent's
    ablate : the paper's table 2: take away what the actor knows of its earlier masks, as memory ("lstm" stays: the
        covered part is shown as empty) or as covered part ("mask" stays: the LSTM's memory is zero)

    Raises
    ------
    UserError
        When `ablate` is neither "lstm" nor "mask".
    """
    if ablate is not None and ablate not in get_args(Ablation):
        raise UserError(f"there is no state '{ablate}' to keep alone; choose lstm or mask")
    image = to_tensor(pixels)
    size = pixels.shape[0], pixels.shape[1]
    shape = networks.settings.height, networks.settings.width
    frame = whole(size, shape)
    view, pyramid, context = _encode(image, frame, networks)
    if networks.settings.zoom:
        foreground = back_to_image(context[:, 0], frame, size)[0].numpy() > 0
        closer = around(foreground, shape)
        if closer is not None and closer.pixels < frame.pixels:
            frame = closer
            view, pyramid, context = _encode(image, frame, networks)
    logits = _draw(networks, pyramid, ablate)
    labels, steps, confidence = _paint(logits, context[0, 0], frame, size)
    maps = context_maps(context.float())[0].numpy()
    return Drawing(labels, steps, confidence, view[0].numpy(), maps, logits.sigmoid().numpy())


def _encode(image: Tensor, frame: Frame, networks: Networks) -> tuple[Tensor, list[Tensor], Tensor]:
    view = look(image, frame, (networks.settings.height, networks.settings.width))[None]
    on_device = view.to(networks.device, memory_format=torch.channels_last)
    pyramid, context = networks.pyramid(on_device)
    return view, pyramid, context.float().cpu()


def _draw(networks: Networks, pyramid: list[Tensor], ablate: Ablation | None) -> Tensor:
    """Logits of the masks until the actor says stop, (t, h, w)."""
    settings = networks.settings
    seen = networks.see(pyramid)
    owner = torch.zeros(1, dtype=torch.int64, device=networks.device)
    covered = torch.zeros(1, *settings.mask_shape, device=networks.device)
    memory = networks.actor.start(1)
    drawn: list[Tensor] = []
    for _ in range(settings.max_objects):
        shown = torch.zeros_like(covered) if ablate == "lstm" else covered
        step = networks.actor(shown, seen.actor, owner, networks.actor.start(1) if ablate == "mask" else memory)
        if float(step.stop.sigmoid()) > settings.stop_at:
            break
        logits = networks.decoder(step.mean, seen.decoder, owner)
        covered, memory = cover(covered, logits.sigmoid()), step.memory
        drawn.append(logits[0])
    return torch.stack(drawn).cpu() if drawn else torch.zeros(0, *settings.mask_shape)


def _paint(
    logits: Tensor, foreground: Tensor, frame: Frame, size: tuple[int, int]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float32]]:
    """Each pixel to the mask that is surest of it, at the size of the image; tiny objects are dropped.

    A pixel of the foreground is an object's if a mask gives it `_LIKELY`; masks of overlapping objects have such gaps.
    """
    if not len(logits):
        return np.zeros(size, np.int32), np.zeros(0, np.int64), np.zeros(0, np.float32)
    logits = _without_hidden(logits)
    best, which = torch.empty(size), torch.empty(size, dtype=torch.int64)
    step = max(1, _PAINTED // (len(logits) * size[1]))
    for top in range(0, size[0], step):
        rows = slice(top, top + step)
        best[rows], which[rows] = back_to_image(logits, frame, size, rows).max(0)
    shown = back_to_image(foreground[None], frame, size)[0] > 0
    taken = (best > 0) | (shown & (best.sigmoid() > _LIKELY))
    owner = _without_specks(torch.where(taken, which + 1, 0).numpy())
    area = np.bincount(owner.ravel(), minlength=len(logits) + 1)
    kept = area >= max(1.0, _LEAST_AREA * (2 * frame.pixels) ** 2)
    kept[0] = False
    number = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    labels = number[owner]
    sure = np.bincount(owner.ravel(), best.sigmoid().numpy().ravel(), minlength=len(kept))
    return labels, np.flatnonzero(kept), (sure[kept] / area[kept]).astype(np.float32)


def _without_hidden(logits: Tensor) -> Tensor:
    """Wipe out masks (t, h, w) that surer ones hide nearly wholly, the most hidden first: objects drawn twice."""
    logits = logits.clone()
    own = (logits > 0).flatten(1).sum(1)
    while True:
        best, which = logits.max(0)
        shown = torch.bincount(which[best > 0], minlength=len(logits))
        share = torch.where(own > 0, shown / own.clamp(min=1), torch.inf)
        most_hidden = int(share.argmin())
        if share[most_hidden] >= _SHOWN:
            return logits
        logits[most_hidden] = -20.0
        own[most_hidden] = 0


def _without_specks(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give small parts of objects that lie apart from the rest to what surrounds them."""
    parts = np.asarray(label(labels, background=-1, connectivity=1))
    area = np.bincount(parts.ravel())
    owner = np.zeros(len(area), np.int64)
    owner[parts.ravel()] = labels.ravel()
    largest = np.zeros(int(labels.max()) + 1, np.int64)
    np.maximum.at(largest, owner, area)
    specks = ((owner > 0) & (area < _SPECK * largest[owner]))[parts]
    if not specks.any():
        return labels
    nearest = ndi.distance_transform_edt(specks, return_distances=False, return_indices=True)
    return labels[tuple(np.asarray(nearest))]
