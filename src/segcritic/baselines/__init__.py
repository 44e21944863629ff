"""What a user would run instead, to compare with."""

from segcritic.baselines.contrastive import ContrastiveNet, contrastive_clusters, train_contrastive
from segcritic.baselines.distance_watershed import distance_watershed
from segcritic.baselines.multicut import gradient_multicut
from segcritic.baselines.mutex_watershed import mutex_watershed
from segcritic.baselines.otsu import otsu
from segcritic.baselines.pretrained import cellpose, load_cellpose, load_stardist, stardist
from segcritic.baselines.unet import unet_components, unet_multicut

__all__ = [
    "ContrastiveNet",
    "cellpose",
    "contrastive_clusters",
    "distance_watershed",
    "gradient_multicut",
    "load_cellpose",
    "load_stardist",
    "mutex_watershed",
    "otsu",
    "stardist",
    "train_contrastive",
    "unet_components",
    "unet_multicut",
]
