"""What the models of all kinds of rules share: types of fields, bounds, and the sentence about a mistake."""

import math
import re
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


def mistake(sentence: str, *path: str | int) -> PydanticCustomError:
    """Return a validation error whose sentence follows the subject "'key' of 'rule'"; `path` leads on to that key."""
    return PydanticCustomError("plain", "{sentence}", {"sentence": sentence, "path": path})


def number(value: Any) -> float:
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
    if (result := number(value)) <= 0:
        raise mistake(f"should be above 0, not {result:g}")
    return result


def _tolerance(value: Any) -> float | str:
    """A positive number, or a positive percentage kept as the text 'NN%'."""
    if isinstance(value, str) and value.strip().endswith("%"):
        return f"{_positive(value.strip()[:-1].strip()):.12g}%"
    if isinstance(value, str) and not re.fullmatch(r"[\d.,eE+-]+", value):
        raise mistake(f"should be a number or a percentage such as 30%, not {value!r}")
    return _positive(value)


Number = Annotated[float, BeforeValidator(number)]
Positive = Annotated[float, BeforeValidator(_positive)]
Tolerance = Annotated[float | str, BeforeValidator(_tolerance)]


class Model(BaseModel):
    """Unchangeable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Range(Model):
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
