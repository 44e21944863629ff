"""How large objects are, by the rules: for what has to be chosen before any object is measured."""

import math
from collections.abc import Mapping

from segcritic.graph.descriptors import DESCRIPTORS
from segcritic.rules.kinds.numeric import unit_factor
from segcritic.rules.schema import ObjectRules, Rules

SIZES = ("area", "equivalent_diameter", "box_length", "major_axis")
"""Descriptors that say how large an object is; lengths as those of disks."""
_WIDTHS = ("box_width", "minor_axis")  # say it of compact objects only


def typical_area(rules: Rules) -> float | None:
    """Area in pixels of the objects of the smallest kind, by an area, length or width; None if the rules do not say.

    Of a range it is the geometric mean.

    Examples
    --------
    >>> typical_area(Rules.loads("area: {at_least: 100, at_most: 900}"))
    300.0
    """
    found = []
    for part in rules.parts:
        typical = (_areas(part, name, rules.pixel_size, {})[0] for name in (*SIZES, *_WIDTHS))
        found.append(next((area for area in typical if area is not None), None))
    return min((area for area in found if area is not None), default=None)


def greatest_area(rules: Rules, rough: Mapping[str, float]) -> float | None:
    """Area in pixels that objects of the largest kind have at most or, where no bound is given, typically.

    Parameters
    ----------
    rules : Rules
    rough : mapping
        As `Context.rough`: values for rules that expect the rough one.

    Returns
    -------
    float or None
        None if the rules leave open how large any object is.

    Examples
    --------
    >>> greatest_area(Rules.loads("{area: {at_least: 100, at_most: 900}, solidity: {at_least: 0.9}}"), {})
    900.0
    """
    own = _greatest(rules, rules.pixel_size, rough)
    kinds = [_greatest(part, rules.pixel_size, rough) for part in rules.classes.values()]
    areas = [own] if own is not None or not kinds else kinds
    known = [area for area in areas if area is not None]
    return max(known) if len(known) == len(areas) else None


def _greatest(part: ObjectRules, pixel_size: float | None, rough: Mapping[str, float]) -> float | None:
    areas = [_areas(part, name, pixel_size, rough)[1] for name in SIZES]
    return min((area for area in areas if area is not None), default=None)


def _areas(
    part: ObjectRules, name: str, pixel_size: float | None, rough: Mapping[str, float]
) -> tuple[float | None, float | None]:
    """Typical and greatest area of the objects that fit a rule on a size, in pixels."""
    rule = part.descriptors.get(name)
    if rule is None:
        return None, None
    factor = unit_factor(rule, DESCRIPTORS[name].kind, pixel_size)
    expect = rule.expect * factor if isinstance(rule.expect, float) else rough.get(name) if rule.expect else None
    low, high = (None if value is None else value * factor for value in (rule.at_least, rule.at_most))
    typical = math.sqrt(low * high) if expect is None and low is not None and high is not None else expect
    greatest = max((value for value in (typical, high) if value is not None), default=None)
    first, last = (_area(name, value) for value in (typical, greatest))
    return first, last


def _area(name: str, value: float | None) -> float | None:
    return value if value is None or name == "area" else math.pi / 4 * value**2
