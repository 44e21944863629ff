"""How two label images overlap: the contingency table that every metric here starts from."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


@dataclass(frozen=True)
class Overlap:
    """Sparse contingency table of a segmentation and the truth.

    Objects are numbered 1..P and 1..T in order of their label; 0 is the background.

    Attributes
    ----------
    rows, columns : (K,) predicted segment and true segment of each pair that shares pixels, background included
    counts : (K,) pixels that the two share
    n_labels, n_truth : numbers of objects P and T
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    counts: NDArray[np.int64]
    n_labels: int
    n_truth: int

    @classmethod
    def of(cls, labels: NDArray[Any], truth: NDArray[Any]) -> "Overlap":
        """Count the overlaps of two integer arrays of equal shape; 0 is background.

        Raises
        ------
        ValueError
            When the shapes differ, or an array does not hold integers >= 0.
        """
        labels, truth = _checked(labels, "labels"), _checked(truth, "truth")
        if labels.shape != truth.shape:
            raise ValueError(f"labels and truth must have equal shapes, not {labels.shape} and {truth.shape}")
        rows, n_labels = _consecutive(labels)
        columns, n_truth = _consecutive(truth)
        table = sparse.coo_array((np.ones(rows.size, np.int64), (rows, columns)), shape=(n_labels + 1, n_truth + 1))
        table.sum_duplicates()
        rows, columns = (coordinate.astype(np.int64) for coordinate in table.coords)
        return cls(rows, columns, table.data.astype(np.int64), n_labels, n_truth)

    @cached_property
    def label_areas(self) -> NDArray[np.int64]:
        """(P,) pixels of each predicted object."""
        return np.bincount(self.rows, self.counts, self.n_labels + 1)[1:].astype(np.int64)

    @cached_property
    def truth_areas(self) -> NDArray[np.int64]:
        """(T,) pixels of each true object."""
        return np.bincount(self.columns, self.counts, self.n_truth + 1)[1:].astype(np.int64)

    @cached_property
    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of objects, without the background: (M,) predicted from 0, (M,) true from 0, (M,) shared pixels."""
        objects = (self.rows > 0) & (self.columns > 0)
        return self.rows[objects] - 1, self.columns[objects] - 1, self.counts[objects]

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """(M,) intersection over union of each of `pairs`."""
        rows, columns, shared = self.pairs
        return shared / (self.label_areas[rows] + self.truth_areas[columns] - shared)

    @cached_property
    def dice(self) -> NDArray[np.float64]:
        """(M,) Dice coefficient of each of `pairs`: 2 |A and B| / (|A| + |B|)."""
        rows, columns, shared = self.pairs
        return 2 * shared / (self.label_areas[rows] + self.truth_areas[columns])

    def best_per_label(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(P,) the best of the (M,) `scores` of each predicted object; 0 where it overlaps nothing."""
        return _best(self.pairs[0], scores, self.n_labels)

    def best_per_truth(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(T,) the best of the (M,) `scores` of each true object; 0 where nothing overlaps it."""
        return _best(self.pairs[1], scores, self.n_truth)


def _best(objects: NDArray[np.int64], scores: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    best = np.zeros(n)
    np.maximum.at(best, objects, scores)
    return best


def _checked(array: NDArray[Any], name: str) -> NDArray[Any]:
    array = np.asarray(array)
    if array.dtype.kind not in "bui":
        raise ValueError(f"{name} must hold integers, not {array.dtype}")
    if array.size and array.min() < 0:
        raise ValueError(f"{name} must not hold negative numbers; the least is {array.min()}")
    return array


def _consecutive(array: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    """Number the objects 1..n in order of their label, 0 staying 0: (pixels,) and n."""
    flat = array.ravel().astype(np.int64)
    highest = int(flat.max(initial=0))
    if highest > 4 * flat.size + 1000:  # too sparse for a table of all labels
        values, numbers = np.unique(np.append(0, flat), return_inverse=True)
        return numbers[1:], len(values) - 1
    present = np.zeros(highest + 1, bool)
    present[flat] = True
    present[0] = True
    numbers = np.cumsum(present) - 1
    return numbers[flat], int(numbers[-1])
