"""The measures of Ren & Zemel (2017) for street scenes: coverage, and objects without any overlap."""

import numpy as np

from segcritic.metrics.overlap import Overlap


def mean_unweighted_coverage(overlap: Overlap) -> float:
    """MUCov: mean over true objects of their best IoU. Without true objects 1, or 0 if something is predicted."""
    if overlap.n_truth == 0:
        return float(overlap.n_labels == 0)
    return float(np.mean(overlap.best_per_truth(overlap.iou)))


def mean_weighted_coverage(overlap: Overlap) -> float:
    """MWCov: mean over true objects of their best IoU, weighted by their area. Without true objects as MUCov."""
    if overlap.n_truth == 0:
        return float(overlap.n_labels == 0)
    return float(np.average(overlap.best_per_truth(overlap.iou), weights=overlap.truth_areas))


def false_positive_fraction(overlap: Overlap) -> float:
    """AvgFP: the fraction of predicted objects that overlap no true one; 0 when nothing is predicted."""
    if overlap.n_labels == 0:
        return 0.0
    return float(np.mean(overlap.best_per_label(overlap.iou) == 0))


def false_negative_fraction(overlap: Overlap) -> float:
    """AvgFN: the fraction of true objects that no predicted one overlaps; 0 when there are none."""
    if overlap.n_truth == 0:
        return 0.0
    return float(np.mean(overlap.best_per_truth(overlap.iou) == 0))
