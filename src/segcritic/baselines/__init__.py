"""What a user would run instead, to compare with."""

from segcritic.baselines.distance_watershed import distance_watershed
from segcritic.baselines.otsu import otsu

__all__ = ["distance_watershed", "otsu"]
