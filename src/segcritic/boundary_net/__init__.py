"""A small U-Net, trained on labels, that tells how likely each pixel is outline and how likely object.

Its maps make superpixels (`--boundaries`; paper, A.12, "UNET"), which the actor then merges by rules or labels.
"""

from segcritic.boundary_net.network import BoundaryNet, is_network, load, shipped, write_maps
from segcritic.boundary_net.train import BoundaryTraining, train

__all__ = ["BoundaryNet", "BoundaryTraining", "is_network", "load", "shipped", "train", "write_maps"]
