"""Hold objects against the rules: how many tolerances is each descriptor of each object off?"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.rules.own_code import call_function
from segcritic.rules.rule import KINDS, NumericRule, PolarityRule
from segcritic.rules.schema import ObjectRules, Rules

if TYPE_CHECKING:
    from segcritic.graph.objects import ObjectTable

Array = NDArray[np.float64]

MAX_DEVIATION = 100.0
"""Larger deviations (and values that are not numbers) count as this; exp(-100^2 / 2) is 0 in floating point."""

CUT_NOT_JUDGED = frozenset(
    (
        *("major_axis", "minor_axis", "perimeter", "eccentricity", "orientation"),
        *("extent", "circularity", "solidity", "circle_hough"),
        *("radial_angle", "box_length", "box_width", "box_fill"),
    )
)
"""Size and shape descriptors that say nothing about an object cut by the image border."""

CUT_ONLY_GROWS = frozenset(("area", "equivalent_diameter", "neighbours"))
"""Descriptors of which a cut object shows at most its true value: too much of them still counts against it."""


@dataclass(frozen=True)
class Context:
    """What the scores need to know about the image besides the objects.

    Attributes
    ----------
    rough
        Typical value of descriptors in a first rough segmentation of this image (pixels, radians: as measured), for
        rules that say ``expect: rough``.
    """

    rough: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """One rule held against M objects: values, the nearest values that would fit, deviations; each (M,).

    `of` is the class that the rule is about, None for a rule about all objects.
    """

    weight: float
    value: Array
    target: Array
    deviation: Array
    of: str | None = None

    @property
    def score(self) -> Array:
        """exp(-d^2 / 2), in [0, 1]."""
        return np.exp(-0.5 * self.deviation**2)


def needed_descriptors(rules: Rules) -> set[str]:
    """Return the descriptors that `object_scores` reads. Rules in Python may read anything, so they need all."""
    if rules.functions:
        return set(KINDS)
    names = {name for part in rules.parts for name in part.descriptors}
    if any(isinstance(part.intensity, NumericRule) for part in rules.parts):
        names.add("mean_intensity")
    if isinstance(rules.intensity, PolarityRule):
        names |= {"mean_intensity", "outside_intensity"}
    if rules.border != "keep":
        names.add("touches_border")
    return names


def rough_descriptors(rules: Rules) -> set[str]:
    """Return the descriptors whose rough value the rules ask for: the keys that `Context.rough` needs."""
    names = {name for part in rules.parts for name, rule in part.descriptors.items() if rule.expect == "rough"}
    intensities = [part.intensity for part in rules.parts]
    if any(isinstance(rule, NumericRule) and rule.expect == "rough" for rule in intensities):
        names.add("mean_intensity")
    return names


def judge(
    rules: Rules,
    objects: "ObjectTable",
    context: Context | None = None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> dict[str, Judgement]:
    """Hold every rule against every object.

    The deviation d >= 0 of a value v counts steps of tolerance t from what fits: |v - e| / t around an expected value
    e, max(0, low - v) / t and max(0, v - high) / t outside bounds; on the log scale the same for ln v. Orientations
    are compared modulo 180 degrees. A value that is not a number fits not at all.

    Unless the rules say ``border: keep``, objects that touch the image border are not judged (d = 0) by rules on
    size and shape (`CUT_NOT_JUDGED`), since only a part of them is seen. A part can be smaller than the whole but not
    larger, so an area (`CUT_ONLY_GROWS`) above the expected one still counts. Rules on position, intensity and
    boundary judge them like all others. ``border: drop`` scores alike; whoever writes the labels drops the objects.

    Intensities are those of an image in which objects are bright: for ``darker_than`` the image has been inverted
    (1 - intensity) before it was measured, so that both words ask for objects brighter than what surrounds them.

    Parameters
    ----------
    objects
        Table of M objects with the columns of `needed_descriptors`.
    context
        Rough values of the image; only needed when a rule says ``expect: rough``.
    functions
        Those of the rules in Python, by their names there.

    Returns
    -------
    Per rule (descriptor name, 'intensity', 'module:function'; of a class after its name, 'class/descriptor') its
    judgement.

    Raises
    ------
    UserError
        When a rough value is missing, or a rule in Python fails or returns nonsense.
    """
    context = context or Context()
    cut = None if rules.border == "keep" else objects["touches_border"] > 0

    def judge_part(part: ObjectRules) -> dict[str, Judgement]:
        return _judge_part(part, objects, rules.pixel_size, context, cut, functions or {})

    judgements = judge_part(rules)
    for name, part in rules.classes.items():
        judgements |= {f"{name}/{rule}": replace(found, of=name) for rule, found in judge_part(part).items()}
    return judgements


def _judge_part(
    part: ObjectRules,
    objects: "ObjectTable",
    pixel_size: float | None,
    context: Context,
    cut: NDArray[np.bool_] | None,
    functions: Mapping[str, Callable[..., Any]],
) -> dict[str, Judgement]:
    judgements: dict[str, Judgement] = {}
    for name, rule in part.descriptors.items():
        judgements[name] = _judge_number(name, rule, objects[name], pixel_size, context, cut)
    if isinstance(part.intensity, NumericRule):
        values = objects["mean_intensity"]
        judgements["intensity"] = _judge_number("mean_intensity", part.intensity, values, None, context, None)
    elif isinstance(part.intensity, PolarityRule):
        rule = part.intensity
        values = objects["mean_intensity"] - objects["outside_intensity"]
        deviation = np.maximum(0.0, rule.by - values) / (rule.tolerance or rule.by / 2)
        judgements["intensity"] = Judgement(rule.weight, values, np.maximum(values, rule.by), _finite(deviation))
    for name in part.python:
        scores = call_function(name, functions[name], objects)
        deviation = np.sqrt(-2 * np.log(np.maximum(scores, np.finfo(float).tiny)))
        deviation = np.where(scores == 0, MAX_DEVIATION, deviation)
        judgements[name] = Judgement(1.0, scores, np.ones(len(scores)), deviation)
    return judgements


def place_scores(rules: Rules, distance: Array) -> Array:
    """Likelihood, by the rule `where`, that objects are found at these distances from the centre: in [0, 1]; else 1.

    A Gaussian whose standard deviation is the tolerance (K of eq. 5 and 6, A.6), flat between bounds.

    Parameters
    ----------
    distance
        (N,) in pixels.
    """
    if rules.where is None:
        return np.ones_like(distance)
    return _judge_number("radial_distance", rules.where, distance, rules.pixel_size, Context(), None).score


def _judge_number(
    name: str,
    rule: NumericRule,
    values: Array,
    pixel_size: float | None,
    context: Context,
    cut: NDArray[np.bool_] | None,
) -> Judgement:
    factor = _unit_factor(rule, KINDS[name], pixel_size)
    numbers = (rule.expect, rule.at_least, rule.at_most)
    expect, low, high = (x * factor if isinstance(x, float) else None for x in numbers)
    if rule.expect == "rough":
        expect = context.rough.get(name)
        if expect is None or not math.isfinite(expect):
            raise UserError(
                f"rule '{name}' expects the rough value of the image, but none could be measured: give a number"
            )

    log = rule.scale == "log"
    tiny = np.finfo(float).tiny
    x = np.log(np.maximum(values, tiny)) if log else values

    under: Array | float = 0.0  # tolerances below, and above, what fits
    over: Array | float = 0.0
    if expect is not None:
        difference = x - (math.log(max(expect, tiny)) if log else expect)
        if KINDS[name] == "angle":
            difference = (difference + math.pi / 2) % math.pi - math.pi / 2
        over = difference / _tolerance(rule, expect, 0.25, factor)
        under = -over
    if low is not None:
        step = _tolerance(rule, low or high or 0.0, 0.1, factor)
        under = np.maximum(under, ((math.log(low) if log else low) - x) / step)
    if high is not None:
        step = _tolerance(rule, high or low or 0.0, 0.1, factor)
        over = np.maximum(over, (x - (math.log(high) if log else high)) / step)
    deviation = np.maximum(np.maximum(under, over), 0.0)

    if expect is not None:
        target = np.full_like(values, expect)
    else:
        target = np.maximum(values, -math.inf if low is None else low)
        target = np.minimum(target, math.inf if high is None else high)
    if cut is not None and name in CUT_NOT_JUDGED:
        deviation, target = np.where(cut, 0.0, deviation), np.where(cut, values, target)
    elif cut is not None and name in CUT_ONLY_GROWS:
        deviation = np.where(cut, np.maximum(over, 0.0), deviation)
        target = np.where(cut, np.minimum(values, target), target)
    return Judgement(rule.weight, values, target, _finite(deviation))


def _unit_factor(rule: NumericRule, kind: str, pixel_size: float | None) -> float:
    """What turns numbers of the rule into those of the object table (pixels, radians)."""
    if kind == "angle":
        return math.pi / 180
    if rule.unit in ("um", "um2") and pixel_size is not None:
        return pixel_size ** (-2 if kind == "area" else -1)
    return 1.0


def _tolerance(rule: NumericRule, reference: float, default: float, factor: float) -> float:
    """One step of deviation in units of the object table (natural-log units on the log scale)."""
    log = rule.scale == "log"
    if isinstance(rule.tolerance, float):
        return rule.tolerance if log else rule.tolerance * factor
    share = float(rule.tolerance[:-1]) / 100 if isinstance(rule.tolerance, str) else default
    return math.log1p(share) if log else max(share * abs(reference), 1e-9)  # a rough value may be 0


def _finite(deviation: Array) -> Array:
    return np.fmin(deviation, MAX_DEVIATION)  # fmin also replaces what is not a number
