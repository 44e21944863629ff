"""What a user would run instead, to compare with. `contrastive`, which needs torch, is a module of its own."""

from benchmarks.baselines.distance_watershed import distance_watershed
from benchmarks.baselines.multicut import gradient_multicut
from benchmarks.baselines.mutex_watershed import mutex_watershed
from benchmarks.baselines.otsu import largest_is_ground, otsu
from benchmarks.baselines.pretrained import cellpose, load_cellpose, load_stardist, stardist
from benchmarks.baselines.unet import unet_components, unet_multicut

__all__ = [
    "cellpose",
    "distance_watershed",
    "gradient_multicut",
    "largest_is_ground",
    "load_cellpose",
    "load_stardist",
    "mutex_watershed",
    "otsu",
    "stardist",
    "unet_components",
    "unet_multicut",
]
