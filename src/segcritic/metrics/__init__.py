"""How good is a segmentation? Metrics on label images (integers, 0 = background, every other value one object)."""

from segcritic.metrics.evaluate import METRICS, Scores, evaluate, evaluate_folders
from segcritic.metrics.information import VariationOfInformation, variation_of_information
from segcritic.metrics.matching import Matching, matching
from segcritic.metrics.overlap import Overlap

__all__ = [
    "METRICS",
    "Matching",
    "Overlap",
    "Scores",
    "VariationOfInformation",
    "evaluate",
    "evaluate_folders",
    "matching",
    "variation_of_information",
]
