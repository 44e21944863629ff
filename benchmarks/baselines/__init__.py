"""What a user would run instead, to compare with. `contrastive`, which needs torch, is a module of its own."""

from baselines.distance_watershed import distance_watershed
from baselines.multicut import gradient_multicut
from baselines.mutex_watershed import mutex_watershed
from baselines.otsu import otsu
from baselines.pretrained import cellpose, load_cellpose, load_stardist, stardist
from baselines.unet import unet_components, unet_multicut

__all__ = [
    "cellpose",
    "distance_watershed",
    "gradient_multicut",
    "load_cellpose",
    "load_stardist",
    "mutex_watershed",
    "otsu",
    "stardist",
    "unet_components",
    "unet_multicut",
]
