"""A small U-Net, trained on labels, that tells how likely each pixel is outline and how likely object.

Its maps make superpixels (`--boundaries`; paper, A.12, "UNET"), which the actor then merges by rules or labels.
"""

from segcritic.boundary_net.network import BoundaryNet, load, shipped
from segcritic.boundary_net.train import BoundaryTraining, train

__all__ = ["BoundaryNet", "BoundaryTraining", "load", "shipped", "train"]
