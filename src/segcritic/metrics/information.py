"""Variation of information (Meila 2003), in bits, with its two halves named for what went wrong."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segcritic.metrics.overlap import Overlap


class VariationOfInformation(NamedTuple):
    """The two conditional entropies, in bits.

    Attributes
    ----------
    split : H(segmentation | truth): how far true objects are cut up, over-segmentation
    merge : H(truth | segmentation): how far predicted objects span several true ones, under-segmentation
    """

    split: float
    merge: float

    @property
    def total(self) -> float:
        """Variation of information: split + merge."""
        return self.split + self.merge


def variation_of_information(
    labels: NDArray[Any], truth: NDArray[Any], ignore_background: bool = False
) -> VariationOfInformation:
    """Measure how much the segmentation tells about the truth, and the other way round.

    Parameters
    ----------
    labels, truth : (H, W) integers; label 0 counts as a segment like any other
    ignore_background : leave out the pixels that are 0 in the truth

    Raises
    ------
    ValueError
        When the shapes differ or the arrays do not hold integers >= 0.

    Examples
    --------
    One true object cut into equal halves costs one bit, and as a split.

    >>> import numpy as np
    >>> variation_of_information(np.array([[1, 2]]), np.array([[1, 1]]))
    VariationOfInformation(split=1.0, merge=0.0)
    """
    return information_of_overlap(Overlap.of(labels, truth), ignore_background)


def information_of_overlap(overlap: Overlap, ignore_background: bool = False) -> VariationOfInformation:
    """Variation of information of a contingency table; see `variation_of_information`."""
    used = overlap.columns > 0 if ignore_background else np.ones(len(overlap.columns), bool)
    counts = overlap.counts[used].astype(np.float64)
    n = float(counts.sum())
    if n == 0:
        return VariationOfInformation(0.0, 0.0)
    joint = _x_log_x(counts)
    labels = _x_log_x(np.bincount(overlap.rows[used], counts).astype(np.float64))
    truth = _x_log_x(np.bincount(overlap.columns[used], counts).astype(np.float64))
    # H(A|B) = H(A,B) - H(B) with H = log n - sum(c log c) / n; the maximum drops rounding errors below zero
    return VariationOfInformation(max(0.0, (truth - joint) / n), max(0.0, (labels - joint) / n))


def _x_log_x(counts: NDArray[np.float64]) -> float:
    positive = counts[counts > 0]
    return float((positive * np.log2(positive)).sum())
