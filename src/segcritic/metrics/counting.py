"""The measures of the leaf segmentation challenge (CVPPP): symmetric best Dice and difference in count."""

import numpy as np

from segcritic.metrics.overlap import Overlap


def symmetric_best_dice(overlap: Overlap) -> float:
    """SBD: the lesser of the mean best Dice over predicted objects and the mean best Dice over true objects.

    0 when either side has no object, as the challenge scores it, even when neither has one.
    """
    if overlap.n_labels == 0 or overlap.n_truth == 0:
        return 0.0
    over_labels = np.mean(overlap.best_per_label(overlap.dice))
    over_truth = np.mean(overlap.best_per_truth(overlap.dice))
    return float(min(over_labels, over_truth))


def difference_in_count(overlap: Overlap) -> int:
    """DiC: the number of predicted objects less that of true objects."""
    return overlap.n_labels - overlap.n_truth
