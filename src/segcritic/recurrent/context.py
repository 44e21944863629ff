"""What the image encoder learns about each pixel: foreground, and the angle at which it lies in its object.

The paper's context (section 5.4): pixels of one object that lie on different sides of its centre get different classes,
so that neighbours which touch are told apart.
"""

import torch
from torch import Tensor
from torch.nn import functional

N_ANGLES = 8


def angle_bins(masks: Tensor) -> Tensor:
    """Bin of the angle of every pixel about the centroid of its object.

    Parameters
    ----------
    masks : (..., n, H, W) float
        Masks of n objects, 0 or 1; empty masks are allowed.

    Returns
    -------
    (..., H, W) int64
        Left 0, up 2, right 4, down 6, and the diagonals between them; -1 where there is no object.
    """
    height, width = masks.shape[-2:]
    rows = torch.arange(height, dtype=masks.dtype, device=masks.device)
    columns = torch.arange(width, dtype=masks.dtype, device=masks.device)
    area = masks.sum((-2, -1)).clamp(min=1)
    center_row = (masks.sum(-1) * rows).sum(-1) / area
    center_column = (masks.sum(-2) * columns).sum(-1) / area
    # The centroid of each pixel's own object, and from there the angle: no map per object is needed.
    owner = masks.sum(-3)
    down = rows[:, None] - torch.einsum("...nhw,...n->...hw", masks, center_row)
    right = columns - torch.einsum("...nhw,...n->...hw", masks, center_column)
    turn = (torch.atan2(down, right) / (2 * torch.pi) + 0.5) * N_ANGLES + 0.5
    return torch.where(owner > 0.5, turn.floor().long() % N_ANGLES, -1)


def context_loss(logits: Tensor, masks: Tensor) -> Tensor:
    """Cross-entropy of foreground and of angle; angles count inside objects only.

    (The published release trains background pixels as angle 0.)

    Parameters
    ----------
    logits : (B, 1 + 8, H, W) float
    masks : (B, n, H, W) float
        Soft masks of the objects; they do not overlap.

    Returns
    -------
    () float
    """
    foreground = masks.sum(1).clamp(max=1)
    is_object = functional.binary_cross_entropy_with_logits(logits[:, 0], foreground)
    bins = angle_bins((masks > 0.5).to(masks.dtype))
    angle = functional.cross_entropy(logits[:, 1:], bins.clamp(min=0), reduction="none")
    inside = (bins >= 0).to(angle.dtype)
    return is_object + (angle * inside).sum() / inside.sum().clamp(min=1)


def context_maps(logits: Tensor) -> Tensor:
    """Probabilities of foreground and, inside it, of the angles: (B, 1 + 8, H, W), from logits of that shape."""
    foreground = logits[:, :1].sigmoid()
    return torch.cat([foreground, logits[:, 1:].softmax(1) * foreground], 1)
