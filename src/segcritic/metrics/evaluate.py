"""Every metric at once, for one image or for many."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.metrics.counting import difference_in_count, symmetric_best_dice
from segcritic.metrics.coverage import (
    false_negative_fraction,
    false_positive_fraction,
    mean_unweighted_coverage,
    mean_weighted_coverage,
)
from segcritic.metrics.information import information_of_overlap
from segcritic.metrics.matching import match_overlap, mean_average_precision
from segcritic.metrics.overlap import Overlap
from segcritic.metrics.steps import dice_per_step, mean_dice_per_step

METRICS = (
    "mAP", "AP50", "AP75", "SBD", "DiC", "abs_dic", "VI", "VI_split", "VI_merge", "MUCov", "MWCov", "AvgFP", "AvgFN",
)  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """The metrics of a set of images.

    Attributes
    ----------
    names : one an image
    rows : one mapping from metric to value an image, keys as in METRICS
    steps : for labels that are numbered in the order of prediction, the Dice of each step an image (`dice_per_step`)
    """

    names: tuple[str, ...]
    rows: tuple[Mapping[str, float], ...]
    steps: tuple[NDArray[np.float64], ...] = ()

    def __getitem__(self, metric: str) -> float:
        """Mean of one metric over the images."""
        return float(np.mean([row[metric] for row in self.rows]))

    def dice_by_step(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Mean Dice of steps 1, 2, ... over the images that reach them, and how many do."""
        return mean_dice_per_step(self.steps)

    def as_dict(self) -> dict[str, float]:
        """Mean of every metric over the images; keys in the order of METRICS."""
        return {metric: self[metric] for metric in METRICS}


def evaluate(
    labels: NDArray[Any] | Sequence[NDArray[Any]],
    truth: NDArray[Any] | Sequence[NDArray[Any]],
    names: Sequence[str] | None = None,
    ignore_background: bool = False,
) -> Scores:
    """Compare segmentations with the truth.

    Parameters
    ----------
    labels, truth : (H, W) integers, or equally long lists of such arrays; 0 = background
    names : one an image, for messages and tables; by default 'image 0', 'image 1', ...
    ignore_background : leave the pixels that are 0 in the truth out of VI, VI_split and VI_merge

    Returns
    -------
    Scores
        mAP, AP50, AP75; SBD, DiC (signed), abs_dic; VI, VI_split, VI_merge in bits; MUCov, MWCov; AvgFP and AvgFN as
        fractions.

    Raises
    ------
    UserError
        When the lists differ in length or are empty, or an image and its truth differ in shape.
    """
    many_labels = [labels] if isinstance(labels, np.ndarray) and labels.ndim == 2 else list(labels)
    many_truth = [truth] if isinstance(truth, np.ndarray) and truth.ndim == 2 else list(truth)
    names = [f"image {k}" for k in range(len(many_truth))] if names is None else list(names)
    if not len(many_labels) == len(many_truth) == len(names):
        counts = f"{len(many_labels)} segmentations, {len(many_truth)} truths and {len(names)} names"
        raise UserError(f"cannot compare {counts}; give as many of each")
    return score_images(zip(names, many_labels, many_truth, strict=True), ignore_background)


def score_images(images: Iterable[tuple[str, NDArray[Any], NDArray[Any]]], ignore_background: bool = False) -> Scores:
    """As `evaluate`, of name, labels and truth of each image, one after the other: files need not be held in memory."""
    names, rows, steps = [], [], []
    for name, labels, truth in images:
        if labels.shape != truth.shape:
            raise UserError(f"{name}: the segmentation has the shape {labels.shape} but the truth {truth.shape}")
        try:
            overlap = Overlap.of(labels, truth)
        except ValueError as error:
            raise UserError(f"{name}: {error}") from error
        names.append(name)
        rows.append(_row(overlap, ignore_background))
        steps.append(dice_per_step(labels, truth))
    if not rows:
        raise UserError("there is nothing to compare; give at least one segmentation and its truth")
    return Scores(tuple(names), tuple(rows), tuple(steps))


def _row(overlap: Overlap, ignore_background: bool) -> dict[str, float]:
    information = information_of_overlap(overlap, ignore_background)
    difference = difference_in_count(overlap)
    return {
        "mAP": mean_average_precision(overlap),
        "AP50": match_overlap(overlap, 0.5).ap,
        "AP75": match_overlap(overlap, 0.75).ap,
        "SBD": symmetric_best_dice(overlap),
        "DiC": float(difference),
        "abs_dic": float(abs(difference)),
        "VI": information.total,
        "VI_split": information.split,
        "VI_merge": information.merge,
        "MUCov": mean_unweighted_coverage(overlap),
        "MWCov": mean_weighted_coverage(overlap),
        "AvgFP": false_positive_fraction(overlap),
        "AvgFN": false_negative_fraction(overlap),
    }
