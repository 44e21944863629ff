"""Learned features per superpixel: a U-Net's pixel features (App. A.9), averaged over each superpixel."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segcritic.errors import UserError


def conv_block(n_in: int, n_out: int) -> nn.Sequential:
    """Return two rounds of 3x3 convolution, ReLU and group normalisation."""
    layers: list[nn.Module] = []
    for channels in (n_in, n_out):
        layers += [nn.Conv2d(channels, n_out, 3, padding=1), nn.ReLU(), nn.GroupNorm(math.gcd(8, n_out), n_out)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Image -> feature vector per pixel.

    Parameters
    ----------
    in_channels, out_channels : int
    widths : tuple of int
        Channels of each level, the finest first. Max-pooling halves the image between levels, transposed convolutions
        double it again, and the encoder's features join the decoder's of the same level.
    """

    def __init__(self, in_channels: int, out_channels: int, widths: tuple[int, ...] = (32, 64, 128, 256)):
        super().__init__()
        finer, coarser = widths[:-1], widths[1:]
        self.multiple = 2 ** len(coarser)
        self.encoder = nn.ModuleList(
            conv_block(before, after) for before, after in zip((in_channels, *finer), widths, strict=True)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(low, high, 2, stride=2) for high, low in zip(finer, coarser, strict=True)
        )
        self.decoder = nn.ModuleList(conv_block(2 * width, width) for width in finer)
        self.output = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Take images (B, in_channels, H, W) and return features (B, out_channels, H, W), float32.

        H and W need not be multiples of anything: the image is continued by reflection and the result cropped.

        Raises
        ------
        UserError
            If a side is shorter than the reduction from the finest level to the coarsest (8 px for four levels).
        """
        height, width = images.shape[-2:]
        if min(height, width) < self.multiple:
            raise UserError(
                f"An image of {height} x {width} pixels is too small for the U-Net, which needs at least "
                f"{self.multiple} x {self.multiple}; use larger images or no pixel features."
            )
        features = F.pad(images, (0, -width % self.multiple, 0, -height % self.multiple), mode="reflect")
        skipped = []
        for level, block in enumerate(self.encoder):
            features = block(F.max_pool2d(features, 2) if level else features)
            skipped.append(features)
        for level in reversed(range(len(self.decoder))):
            features = self.decoder[level](torch.cat([skipped[level], self.up[level](features)], 1))
        return self.output(features)[..., :height, :width]


def pool_superpixels(pixel_features: Tensor, superpixels: Tensor, n_nodes: int) -> Tensor:
    """Average pixel features over each superpixel.

    Parameters
    ----------
    pixel_features : (B, C, H, W) float
    superpixels : (B, H, W) int64
        Superpixel of each pixel, numbered over the whole batch, 0..n_nodes-1, as the nodes of a `GraphBatch`.
    n_nodes : int
        N, the number of superpixels of the batch. One without pixels gets zeros.

    Returns
    -------
    (N, C) float32
    """
    # Channels first, as the features lie in memory: five times as fast as adding up a (B*H*W, C) copy.
    index = superpixels.flatten(1)
    channels = pixel_features.float().flatten(2)
    total = channels.new_zeros(channels.shape[1], n_nodes)
    for features, nodes in zip(channels, index, strict=True):
        total = total.index_add(1, nodes, features)
    count = torch.bincount(index.flatten(), minlength=n_nodes).clamp(min=1)
    return (total / count).T
