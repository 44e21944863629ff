"""View of an image -> features at five scales, foreground and angles: once per image, however many objects it holds."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from segcritic.recurrent.context import N_ANGLES, context_maps


def norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with groups of 8 channels: independent of the batch, which is small."""
    return nn.GroupNorm(max(1, channels // 8), channels)


class Block(nn.Module):
    """Residual block of two 3×3 convolutions; (B, c, H, W) -> the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            norm(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.body(x))


class ImageEncoder(nn.Module):
    """A feature pyramid, with foreground and angles as heads of it.

    Parameters
    ----------
    channels : sequence of 5 ints
        At strides 2, 4, 8, 16, 32.
    """

    def __init__(self, channels: Sequence[int]):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels[0], 5, stride=2, padding=2, bias=False), norm(channels[0]), nn.ReLU(inplace=True)
        )
        self.blocks = nn.ModuleList(Block(c) for c in channels)
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in itertools.pairwise(channels)
        )
        self.up = nn.ModuleList(nn.Conv2d(coarse, fine, 1) for fine, coarse in itertools.pairwise(channels))
        self.join = nn.ModuleList(Block(c) for c in channels[:-1])
        self.head = nn.Conv2d(channels[0], 1 + N_ANGLES, 1)

    def forward(self, view: Tensor) -> tuple[list[Tensor], Tensor]:
        """Encode views.

        Parameters
        ----------
        view : (B, 3, H, W) float
            RGB in [0, 1].

        Returns
        -------
        features : list of 5 tensors (B, c, H/2^i, W/2^i), i = 1..5
        context : (B, 9, H/2, W/2) logits of foreground and of 8 angles
        """
        x = self.blocks[0](self.stem((view - 0.5) / 0.25))
        features = [x]
        for down, block in zip(self.down, self.blocks[1:], strict=True):
            x = block(down(x))
            features.append(x)
        for level in range(len(self.up) - 1, -1, -1):
            fine = features[level]
            coarse = functional.interpolate(self.up[level](features[level + 1]), size=fine.shape[-2:], mode="nearest")
            features[level] = self.join[level](fine + coarse)
        return features, self.head(features[0])


def state_pyramid(features: list[Tensor], context: Tensor, with_context: bool) -> list[Tensor]:
    """What decoder and actor see of the image at each scale: its features, and foreground and angles beside them.

    Parameters
    ----------
    features, context : from `ImageEncoder`
    with_context : whether foreground and angles are seen; zeros instead if not

    Returns
    -------
    list of 5 tensors (B, c + 9, H/2^i, W/2^i)
    """
    maps = context_maps(context)
    maps = maps if with_context else torch.zeros_like(maps)
    pyramid = []
    for level, feature in enumerate(features):
        pyramid.append(torch.cat([feature, maps], 1))
        if level + 1 < len(features):
            maps = functional.avg_pool2d(maps, 2)
    return pyramid
