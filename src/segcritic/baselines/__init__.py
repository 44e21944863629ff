"""What a user would run instead, to compare with. `contrastive`, which needs torch, is a module of its own."""

from segcritic.baselines.distance_watershed import distance_watershed
from segcritic.baselines.multicut import gradient_multicut
from segcritic.baselines.mutex_watershed import mutex_watershed
from segcritic.baselines.otsu import otsu
from segcritic.baselines.pretrained import cellpose, load_cellpose, load_stardist, stardist
from segcritic.baselines.unet import unet_components, unet_multicut

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
