"""One rule of a rules file: what it may say, as pydantic models, and the kinds of all descriptors."""

import math
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

KINDS: dict[str, str] = {
    "area": "area",
    **dict.fromkeys(("equivalent_diameter", "major_axis", "minor_axis", "perimeter", "border_distance"), "length"),
    **dict.fromkeys(("radial_distance", "box_length", "box_width"), "length"),
    **dict.fromkeys(("bbox_min_row", "bbox_min_col", "bbox_max_row", "bbox_max_col"), "length"),
    **dict.fromkeys(("centroid_row", "centroid_col"), "length"),
    **dict.fromkeys(("eccentricity", "extent", "circularity", "solidity", "circle_hough"), "fraction"),
    **dict.fromkeys(("center_distance", "touches_border", "box_fill"), "fraction"),
    **dict.fromkeys(("orientation", "radial_angle"), "angle"),
    **dict.fromkeys(("mean_intensity", "min_intensity", "max_intensity"), "intensity"),
    **dict.fromkeys(("sd_intensity", "outside_intensity"), "intensity"),
    **dict.fromkeys(("boundary_level", "boundary_gradient", "interior_gradient", "valley", "contrast"), "ratio"),
    **dict.fromkeys(("boundary_map", "inner_boundary_map"), "boundary"),
    "neighbours": "number",
}
"""Kind of every descriptor of `segcritic.graph.objects`. length: pixels, or um; area: pixels, or um2; fraction: 0 to 1;
angle: written in degrees (measured in radians); intensity: units of the normalised image; ratio: relative to the
object's mean intensity; boundary: units of the boundary map; number: a count."""

SYNONYMS = {
    **{"size": "area", "diameter": "equivalent_diameter", "length": "major_axis", "width": "minor_axis"},
    **{"roundness": "circularity", "convexity": "solidity", "brightness": "intensity", "elongation": "eccentricity"},
    **{"number": "count", "angle": "orientation", "circumference": "perimeter", "neighbors": "neighbours"},
    **{"centre": "center", "ring": "radial_distance", "radius": "radial_distance", "place": "where"},
    **{"class": "classes", "kinds": "classes"},
}


def mistake(sentence: str, *path: str | int) -> PydanticCustomError:
    """Return a validation error whose sentence follows the subject "'key' of 'rule'"; `path` leads on to that key."""
    return PydanticCustomError("plain", "{sentence}", {"sentence": sentence, "path": path})


def _number(value: Any) -> float:
    if isinstance(value, str):
        try:
            value = float(value)  # YAML 1.1 takes 1e3 for text
        except ValueError:
            hint = "; write decimals with a point, as in 0.8" if re.fullmatch(r"\s*-?\d+,\d+\s*", value) else ""
            raise mistake(f"should be a number, not {value!r}{hint}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mistake(f"should be a number, not {value!r}")
    if not abs(value) < 1e15:
        raise mistake(f"should be an ordinary number, not {value}")
    return float(value)


def _positive(value: Any) -> float:
    if (number := _number(value)) <= 0:
        raise mistake(f"should be above 0, not {number:g}")
    return number


def _tolerance(value: Any) -> float | str:
    """A positive number, or a positive percentage kept as the text 'NN%'."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return f"{_positive(value.strip()[:-1].strip()):.12g}%"
    if isinstance(value, str) and not re.fullmatch(r"[\d.,eE+-]+", value):
        raise mistake(f"should be a number or a percentage such as 30%, not {value!r}")
    return _positive(value)


def _expectation(value: Any) -> float | str:
    if isinstance(value, str) and not re.fullmatch(r"[\d.,eE+-]+", value) and value != "rough":
        raise mistake(f"should be a number, or the word rough, not {value!r}")
    return value if value == "rough" else _number(value)


def _unit(value: Any) -> Any:
    """Accept the micro sign and the raised two, which people copy from their papers."""
    return value.replace("µ", "u").replace("μ", "u").replace("²", "2") if isinstance(value, str) else value


Number = Annotated[float, BeforeValidator(_number)]
Positive = Annotated[float, BeforeValidator(_positive)]
Tolerance = Annotated[float | str, BeforeValidator(_tolerance)]


class Model(BaseModel):
    """Unchangeable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class _Range(Model):
    """Fields and checks shared by rules on numbers: an expected value, and bounds."""

    expect: Any = None
    at_least: Number | None = None
    at_most: Number | None = None
    tolerance: Tolerance | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.expect is None and self.at_least is None and self.at_most is None:
            raise mistake("says nothing yet: give it expect, at_least or at_most")
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        if low > high:
            raise mistake(f"({low:g}) is above at_most ({high:g}): no value can satisfy both", "at_least")
        if isinstance(self.expect, float) and not low <= self.expect <= high:
            bound = f"below at_least ({low:g})" if self.expect < low else f"above at_most ({high:g})"
            raise mistake(f"({self.expect:g}) is {bound}: change one of the two", "expect")
        return self


class NumericRule(_Range):
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


class PolarityRule(Model):
    """Objects are brighter (or darker) than what surrounds them, by at least `by` in units of the normalised image.

    `tolerance` (default: half of `by`) is one step of deviation, as in `NumericRule`.
    """

    brighter_than: Literal["background"] | None = None
    darker_than: Literal["background"] | None = None
    by: Positive = 0.1
    tolerance: Positive | None = None
    weight: Positive = 1.0

    @model_validator(mode="after")
    def _one_direction(self) -> Self:
        if (self.brighter_than is None) == (self.darker_than is None):
            raise mistake("should say either brighter_than or darker_than")
        return self


class CountRule(_Range):
    """How many objects an image holds; the score is 1 up to `tolerance` (a number or 'NN%') around `expect`."""

    expect: Positive | None = None
    weight: Positive = 1.0

    def bounds(self) -> tuple[float, float]:
        """Return the smallest and the largest number of objects (at least 0) that fit entirely."""
        low, high = self.at_least or 0.0, math.inf if self.at_most is None else self.at_most
        if self.expect is not None:
            slack = self.tolerance or 0.0
            if isinstance(slack, str):
                slack = float(slack[:-1]) / 100 * self.expect
            low, high = max(low, self.expect - slack), min(high, self.expect + slack)
        return low, high

    @model_validator(mode="after")
    def _not_negative(self) -> Self:
        for key in ("at_least", "at_most"):
            if (getattr(self, key) or 0) < 0:
                raise mistake(f"is {getattr(self, key):g}, but a number of objects is never negative", key)
        return self


class BackgroundRule(Model):
    """Which superpixels are background, when the rules say that objects are brighter or darker than it.

    `level` is the share of the way from the local background (0) to the peak of the nearest object (1) at which a
    superpixel is as likely background as object, `softness` how fast the likelihood changes around it.
    """

    level: Positive = 0.3
    softness: Positive = 0.06


SUPERPIXEL_SETTINGS: dict[str, tuple[str, ...]] = {
    "shells": ("pieces", "min_size", "radius", "outline"),
    "watershed": ("sigma", "min_size", "n_superpixels", "mean_size", "circles", "lines"),
    "mutex": ("sigma", "repulsion", "min_size", "n_superpixels"),
    "boundaries": ("sigma", "background_sigma", "min_size"),
}
"""What a rules file may say about each method; what the numbers mean is told by the method's own docstring."""

_WHOLE = ("min_size", "n_superpixels")


class SuperpixelRule(BaseModel):
    """How the image is cut into superpixels: a method, and any of its `SUPERPIXEL_SETTINGS` (passed on as keywords).

    All are numbers above 0, but for `circles`, the smallest and the largest radius: [5, 40], and `lines`, the word
    bright or dark.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    method: Literal["shells", "watershed", "mutex", "boundaries"]

    @model_validator(mode="after")
    def _settings_fit(self) -> Self:
        known = SUPERPIXEL_SETTINGS[self.method]
        for name, value in self.settings.items():
            if name not in known:
                raise mistake(f"is no setting of method {self.method}, which has {', '.join(known)}", name)
            if name == "circles":
                pair = isinstance(value, list | tuple) and len(value) == 2
                if not (pair and all(_is_positive(radius) for radius in value) and value[0] < value[1]):
                    raise mistake(f"should be two radii such as [5, 40], the smaller first, not {value!r}", name)
            elif name == "lines":
                if value not in ("bright", "dark"):
                    raise mistake(f"cannot be {value!r}; possible are bright, dark", name)
            elif not _is_positive(value) or (name in _WHOLE and value != int(value)):
                raise mistake(f"should be a {'whole ' * (name in _WHOLE)}number above 0, not {value!r}", name)
        return self

    @property
    def settings(self) -> dict[str, Any]:
        """The keywords for the method."""
        return dict(self.model_extra or {})


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e15
