"""One-to-one matching of objects by intersection over union: average precision, precision, recall, F1, PQ.

The definitions are those of StarDist's `matching` (its `accuracy` is the AP here), but that an image without any
object, true or predicted, is perfect: 1.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from segcritic.metrics.overlap import Overlap

MAP_THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))  # .50, .55, ... .95


@dataclass(frozen=True)
class Matching:
    """Objects matched at one threshold: true positives, false positives, false negatives, and what follows.

    Attributes
    ----------
    threshold : least intersection over union of a match
    tp, fp, fn : numbers of matches, of unmatched predicted objects, of unmatched true objects
    iou_sum : sum of the intersection over union of the matches
    """

    threshold: float
    tp: int
    fp: int
    fn: int
    iou_sum: float

    @property
    def ap(self) -> float:
        """TP / (TP + FP + FN), the 'average precision' of cell segmentation; 1 when there is nothing at all."""
        return self._ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def precision(self) -> float:
        """TP / (TP + FP); 0 when nothing is predicted but there was something to find."""
        return self._ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); 0 when there is nothing to find but something is predicted."""
        return self._ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return self._ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def pq(self) -> float:
        """Panoptic quality: sum of the matches' IoU / (TP + FP / 2 + FN / 2)."""
        return self._ratio(self.iou_sum, self.tp + self.fp / 2 + self.fn / 2)

    def _ratio(self, part: float, whole: float) -> float:
        if self.tp + self.fp + self.fn == 0:
            return 1.0
        return part / whole if whole else 0.0


def matching(labels: NDArray[Any], truth: NDArray[Any], threshold: float = 0.5) -> Matching:
    """Match the objects of two label images.

    As many matches as can be of IoU >= `threshold`, and among those the ones of the highest sum of IoU.

    Parameters
    ----------
    labels, truth : (H, W) integers, 0 = background
    threshold : in (0, 1]

    Raises
    ------
    ValueError
        When the shapes differ or the arrays do not hold integers >= 0.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.array([[1, 1, 0, 2, 2]])
    >>> matching(np.array([[3, 3, 0, 0, 0]]), truth)
    Matching(threshold=0.5, tp=1, fp=0, fn=1, iou_sum=1.0)
    """
    return match_overlap(Overlap.of(labels, truth), threshold)


def match_overlap(overlap: Overlap, threshold: float) -> Matching:
    """Match the objects of a contingency table; see `matching`."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must lie in (0, 1], not {threshold}")
    rows, columns, _ = overlap.pairs
    enough = overlap.iou >= threshold
    rows, columns, iou = rows[enough], columns[enough], overlap.iou[enough]
    unique_rows, row_of = np.unique(rows, return_inverse=True)
    unique_columns, column_of = np.unique(columns, return_inverse=True)
    if len(unique_rows) == len(unique_columns) == len(iou):  # always so above 0.5: no object has two candidates
        matched = iou
    else:
        # every match is worth more than all that IoU can add up to
        value = np.zeros((len(unique_rows), len(unique_columns)))
        value[row_of, column_of] = 1 + iou / (2 * min(value.shape))
        i, j = linear_sum_assignment(value, maximize=True)
        table = np.zeros(value.shape)
        table[row_of, column_of] = iou
        matched = table[i, j][value[i, j] > 0]
    tp = len(matched)
    return Matching(threshold, tp, overlap.n_labels - tp, overlap.n_truth - tp, float(matched.sum()))


def mean_average_precision(overlap: Overlap, thresholds: Iterable[float] = MAP_THRESHOLDS) -> float:
    """Mean of TP / (TP + FP + FN) over the thresholds, by default .50, .55, ... .95."""
    return float(np.mean([match_overlap(overlap, threshold).ap for threshold in thresholds]))
