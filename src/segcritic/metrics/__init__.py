"""How good is a segmentation? Metrics on label images (integers, 0 = background, every other value one object)."""

from segcritic.metrics.evaluate import METRICS, Scores, evaluate, score_images
from segcritic.metrics.information import VariationOfInformation, variation_of_information
from segcritic.metrics.matching import Matching, matching
from segcritic.metrics.overlap import Overlap
from segcritic.metrics.steps import dice_per_step, mean_dice_per_step

__all__ = [
    "METRICS",
    "Matching",
    "Overlap",
    "Scores",
    "VariationOfInformation",
    "dice_per_step",
    "evaluate",
    "matching",
    "mean_dice_per_step",
    "score_images",
    "variation_of_information",
]
