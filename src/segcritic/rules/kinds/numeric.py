"""A rule on one number of an object: an expected value, bounds, or both."""

import math
import re
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, model_validator

from segcritic.errors import UserError
from segcritic.graph.descriptors import DESCRIPTORS
from segcritic.rules.kinds.fields import Positive, Range, mistake, number
from segcritic.rules.kinds.judgement import Array, Context, Judgement, finite


def _expectation(value: Any) -> float | str:
    if isinstance(value, str) and not re.fullmatch(r"[\d.,eE+-]+", value) and value != "rough":
        raise mistake(f"should be a number, or the word rough, not {value!r}")
    return value if value == "rough" else number(value)


def _unit(value: Any) -> Any:
    """Accept the micro sign and the raised two, which people copy from their papers."""
    return value.replace("µ", "u").replace("μ", "u").replace("²", "2") if isinstance(value, str) else value


class NumericRule(Range):
    """What one descriptor of an object should be.

    Attributes
    ----------
    expect
        The typical value (judged on both sides), or 'rough': the typical value in a first rough segmentation of each
        image itself.
    at_least, at_most
        Bounds; values between them fit entirely.
    tolerance
        How far off is one step of deviation (score 0.61; two steps 0.14): a number in the rule's unit (natural-log
        units when `scale` is log), or 'NN%' of `expect` or of the bound. Default: 25% of `expect`, 10% of a bound.
    scale
        'linear' judges differences, 'log' judges ratios (half as large is as wrong as twice as large).
    unit
        'px' (default), 'um', or for areas also 'px2', 'um2'. Orientation is always in degrees.
    weight
        Importance relative to the other rules.
    """

    expect: Annotated[float | str | None, BeforeValidator(_expectation)] = None
    scale: Literal["linear", "log"] = "linear"
    unit: Annotated[Literal["px", "px2", "um", "um2", "deg"] | None, BeforeValidator(_unit)] = None
    weight: Positive = 1.0

    @model_validator(mode="after")
    def _has_a_tolerance(self) -> Self:
        numbers = {"expect": self.expect, "at_least": self.at_least, "at_most": self.at_most}
        given = {key: value for key, value in numbers.items() if isinstance(value, float)}
        for key, value in given.items():
            if self.scale == "log" and value <= 0:
                raise mistake(f"should be above 0 when scale is log, not {value:g}", key)
        if self.scale == "linear" and not isinstance(self.tolerance, float):
            bounds = [value for key, value in given.items() if key != "expect"]
            if given.get("expect") == 0 or (bounds and not any(bounds)):
                key = "expect" if given.get("expect") == 0 else next(key for key in given if key != "expect")
                raise mistake("is 0, and a percentage of 0 is 0: give a tolerance as a number", key)
        return self

    def check_kind(self, name: str, kind: str, pixel_size: float | None, within: tuple[str, ...] = ()) -> None:
        """Raise a validation error when the unit or the values make no sense for descriptor `name` of `kind`.

        `within` holds the keys of the rules file under which the rule stands.
        """
        units = {"length": ("px", "um"), "area": ("px", "px2", "um", "um2"), "angle": ("deg",)}.get(kind, ())
        if self.unit is not None and self.unit not in units:
            wish = f"use {' or '.join(units)}" if units else f"leave it out, {name} has none"
            raise mistake(f"cannot be {self.unit}: {wish}", *within, name, "unit")
        if self.unit in ("um", "um2") and pixel_size is None:
            raise mistake(
                f"is {self.unit}, which needs the image's scale: add a line such as  pixel_size: 0.65"
                "  (micrometres per pixel)",
                *(*within, name, "unit"),
            )
        if kind == "angle" and (self.scale == "log" or not isinstance(self.tolerance, float)):
            raise mistake("is an angle: give it a tolerance in degrees, and no log scale", *within, name)
        low = 0 if kind in ("length", "area", "number", "fraction") else -math.inf
        high = 1 if kind == "fraction" else math.inf
        for key in ("expect", "at_least", "at_most"):
            value = getattr(self, key)
            if isinstance(value, float) and not low <= value <= high:
                span = "lies between 0 and 1" if high == 1 else "is never negative"
                raise mistake(f"is {value:g}, but {name} {span}", *within, name, key)


def judge_number(
    name: str,
    rule: NumericRule,
    values: Array,
    pixel_size: float | None = None,
    context: Context | None = None,
    cut: NDArray[np.bool_] | None = None,
) -> Judgement:
    """Hold the values of one descriptor against its rule.

    The deviation d >= 0 of a value v counts steps of tolerance t from what fits: |v - e| / t around an expected value
    e, max(0, low - v) / t and max(0, v - high) / t outside bounds; on the log scale the same for ln v. Orientations
    are compared modulo 180 degrees. A value that is not a number fits not at all.

    Parameters
    ----------
    name : str
        The descriptor.
    rule : NumericRule
    values : (M,) float64 array
        As measured: pixels, radians.
    pixel_size : float, optional
        Micrometres per pixel; only for rules in micrometres.
    context : Context, optional
        Only for rules that say ``expect: rough``.
    cut : (M,) bool array, optional
        Which objects are cut by the image border and therefore judged as their descriptor's ``when_cut`` says.

    Raises
    ------
    UserError
        When the rough value is missing.

    Examples
    --------
    >>> rule = NumericRule(expect=100.0, tolerance=20.0)
    >>> judge_number("area", rule, np.array([100.0, 140.0])).deviation
    array([0., 2.])
    """
    descriptor = DESCRIPTORS[name]
    factor = unit_factor(rule, descriptor.kind, pixel_size)
    numbers = (rule.expect, rule.at_least, rule.at_most)
    expect, low, high = (x * factor if isinstance(x, float) else None for x in numbers)
    if rule.expect == "rough":
        expect = _rough_value(name, context)
    under, over = _steps(rule, values, expect, low, high, factor, descriptor.kind == "angle")
    deviation = np.maximum(np.maximum(under, over), 0.0)
    if expect is not None:
        target = np.full_like(values, expect)
    else:
        target = np.maximum(values, -math.inf if low is None else low)
        target = np.minimum(target, math.inf if high is None else high)
    if cut is not None and descriptor.when_cut == "not judged":
        deviation, target = np.where(cut, 0.0, deviation), np.where(cut, values, target)
    elif cut is not None and descriptor.when_cut == "if too large":
        deviation = np.where(cut, np.maximum(over, 0.0), deviation)
        target = np.where(cut, np.minimum(values, target), target)
    return Judgement(rule.weight, values, target, finite(deviation))


def _rough_value(name: str, context: Context | None) -> float:
    value = (context or Context()).rough.get(name)
    if value is None or not math.isfinite(value):
        raise UserError(
            f"rule '{name}' expects the rough value of the image, but none could be measured: give a number"
        )
    return value


def _steps(
    rule: NumericRule,
    values: Array,
    expect: float | None,
    low: float | None,
    high: float | None,
    factor: float,
    is_angle: bool,
) -> tuple[Array | float, Array | float]:
    """Tolerances below, and above, what fits; `expect`, `low` and `high` in units of the object table."""
    log = rule.scale == "log"
    tiny = np.finfo(float).tiny
    x = np.log(np.maximum(values, tiny)) if log else values
    under: Array | float = 0.0
    over: Array | float = 0.0
    if expect is not None:
        difference = x - (math.log(max(expect, tiny)) if log else expect)
        if is_angle:
            difference = (difference + math.pi / 2) % math.pi - math.pi / 2
        over = difference / _tolerance(rule, expect, 0.25, factor)
        under = -over
    if low is not None:
        step = _tolerance(rule, low or high or 0.0, 0.1, factor)
        under = np.maximum(under, ((math.log(low) if log else low) - x) / step)
    if high is not None:
        step = _tolerance(rule, high or low or 0.0, 0.1, factor)
        over = np.maximum(over, (x - (math.log(high) if log else high)) / step)
    return under, over


def unit_factor(rule: NumericRule, kind: str, pixel_size: float | None) -> float:
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
