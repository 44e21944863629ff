"""Rules from a few annotated objects: what they typically look like, and how much they vary."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label as connected_components

from segcritic.errors import UserError
from segcritic.graph import build_graph
from segcritic.graph.objects import measure
from segcritic.rules.kinds.numeric import NumericRule
from segcritic.rules.kinds.polarity import PolarityRule
from segcritic.rules.schema import Rules

SIZES = ("area", "major_axis", "minor_axis", "perimeter")
"""Expected on the log scale: half as large is as wrong as twice as large."""

TYPICAL = ("eccentricity", "mean_intensity")
"""Expected on the linear scale."""

AT_LEAST = ("circularity", "solidity", "boundary_gradient", "contrast")
"""Only a low value is suspicious: nobody minds an outline that is clearer than usual."""

LOW_PERCENTILE = 5
"""Percentile of the examples that becomes `at_least`: low enough that nearly all true objects fit entirely."""

FLOOR = 0.1
"""Smallest tolerance, relative to the median: a few examples vary less than all objects do."""

FIXED_FLOORS = {"eccentricity": 0.1, "circularity": 0.03, "solidity": 0.03}
"""Smallest tolerance of fractions, whose distance from 0 or 1 matters more than their size."""


def measure_rules(
    images: Sequence[NDArray[np.floating]], labels: Sequence[NDArray[np.integer]], name: str = ""
) -> Rules:
    """Derive rules from labelled objects, by the same measurements that training uses.

    Expected values are medians; tolerances are robust standard deviations (1.4826 times the median absolute deviation
    from the median), but not below a floor. Sizes are expected on the log scale, descriptors of `AT_LEAST` get a lower
    bound. Objects cut by the image border are left out. Objects that are on the whole brighter (darker) than what
    surrounds them also get an intensity rule; around darker ones the images are inverted (1 - intensity) before the
    numbers are measured, as they are for training.

    Parameters
    ----------
    images : sequence of (H, W) float arrays
        Made ready as for training (`segcritic.pixels.preprocess.denoise`).
    labels : sequence of (H, W) integer arrays
        One number per object, 0 = not annotated or background.
    name : str
        Of the rules.

    Returns
    -------
    Rules

    Raises
    ------
    UserError
        When numbers or shapes of images and labels differ, labels are no integers, or no whole object is labelled.

    Examples
    --------
    >>> labels = np.zeros((20, 20), int)
    >>> labels[5:11, 5:11] = 1
    >>> measure_rules([labels.astype(float)], [labels]).descriptors["area"].expect
    36.0
    """
    if len(images) != len(labels):
        raise UserError(f"there are {len(images)} images, but {len(labels)} label images: give one for each image")
    columns = _measure_all(images, labels)
    whole = columns["touches_border"] == 0
    if not whole.any():
        problem = "every labelled object touches the image border" if whole.size else "no object is labelled"
        raise UserError(f"no rules can be measured: {problem}; label a few whole objects (each with a number above 0)")
    dark = bool(np.median((columns["mean_intensity"] - columns["outside_intensity"])[whole]) < 0)
    if dark:
        columns = _measure_all([1 - np.asarray(image) for image in images], labels)
    columns = {key: values[whole] for key, values in columns.items()}

    count, files = int(whole.sum()), len(images)
    return Rules(
        name=name,
        description=(
            f"Measured on labels: {count} whole object{'s' * (count > 1)} in {files} image{'s' * (files > 1)}"
            f" ({int((~whole).sum())} cut by the border left out). These expectations come from annotations."
        ),
        descriptors=_rules_of(columns),
        intensity=_polarity(columns["mean_intensity"] - columns["outside_intensity"], dark),
    )


def _rules_of(columns: dict[str, NDArray[np.float64]]) -> dict[str, NumericRule]:
    """The rules that the values of whole objects give: descriptor -> rule."""
    rules: dict[str, NumericRule] = {}
    for key in SIZES:
        centre, spread = _centre_and_spread(np.log(np.maximum(columns[key], 1e-9)))
        rules[key] = NumericRule(
            expect=_short(math.exp(centre)), tolerance=_short(max(spread, math.log1p(FLOOR))), scale="log"
        )
    for key in (*TYPICAL, *AT_LEAST):
        centre, spread = _centre_and_spread(columns[key])
        tolerance = _short(max(spread, FIXED_FLOORS.get(key, FLOOR * max(abs(centre), 0.1))))
        if key in TYPICAL:
            rules[key] = NumericRule(expect=_short(centre), tolerance=tolerance)
        else:
            bound = _short(np.percentile(columns[key], LOW_PERCENTILE))
            rules[key] = NumericRule(at_least=bound, tolerance=tolerance)
    return rules


def _measure_all(
    images: Sequence[NDArray[np.floating]], labels: Sequence[NDArray[np.integer]]
) -> dict[str, NDArray[np.float64]]:
    """Measure the objects of all label images, in their order: descriptor -> one value per object."""
    descriptors = (*SIZES, *TYPICAL, *AT_LEAST, "outside_intensity", "touches_border")
    tables = [
        _measure_labels(*pair, number, descriptors) for number, pair in enumerate(zip(images, labels, strict=True))
    ]
    return {key: np.concatenate([table[key] for table in tables] or [np.zeros(0)]) for key in descriptors}


def _measure_labels(
    image: NDArray[np.floating], labels: NDArray[np.integer], number: int, descriptors: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Measure the objects of one label image: descriptor -> one value per object."""
    image, labels = np.asarray(image), np.asarray(labels)
    if image.shape != labels.shape or labels.ndim != 2:
        raise UserError(f"image {number + 1} has shape {image.shape}, but its labels have shape {labels.shape}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"the labels of image {number + 1} are {labels.dtype} numbers: give integers, one per object")
    labels = np.where(labels > 0, labels, 0)
    if not labels.any():
        return {key: np.zeros(0) for key in descriptors}
    # Connected pieces are the superpixels; pieces of one label are one object, those of the background each their own.
    superpixels = np.asarray(connected_components(labels, background=-1, connectivity=1)) - 1
    first = np.unique(superpixels, return_index=True)[1]
    label_of_node = labels.ravel()[first]
    values, node_object = np.unique(label_of_node, return_inverse=True)
    background = label_of_node == 0
    node_object[background] = len(values) + np.arange(background.sum())
    node_object = np.unique(node_object, return_inverse=True)[1]
    table = measure(build_graph(image, superpixels), node_object, descriptors)
    is_object = np.zeros(len(table), bool)
    is_object[table.node_object[0][~background]] = True
    return {key: table[key][is_object] for key in descriptors}


def _polarity(difference: NDArray[np.float64], dark: bool) -> PolarityRule | None:
    """Return the intensity rule for objects brighter than what surrounds them by `difference` (M,), once inverted."""
    if np.median(difference) == 0:
        return None
    by = _short(max(np.percentile(difference, LOW_PERCENTILE), 0.02))
    return PolarityRule(darker_than="background", by=by) if dark else PolarityRule(brighter_than="background", by=by)


def _centre_and_spread(values: NDArray[np.float64]) -> tuple[float, float]:
    """Median, and 1.4826 times the median absolute deviation from it (the standard deviation of normal values)."""
    centre = float(np.median(values))
    return centre, 1.4826 * float(np.median(np.abs(values - centre)))


def _short(value: float) -> float:
    """Three digits: the file is for reading."""
    return float(f"{value:.3g}")
