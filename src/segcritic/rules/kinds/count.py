"""A rule on the number of objects in an image."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from segcritic.rules.kinds.fields import Positive, Range, mistake
from segcritic.rules.kinds.judgement import Array


class CountRule(Range):
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


def count_scores(rule: CountRule, n: NDArray[Any]) -> Array:
    """Score numbers of objects.

    With k_low..k_high the numbers that fit (expect -+ tolerance, at_least..at_most): 1 inside, n / k_low below
    (eq. 15) and k_high / n above (eq. 13), so that too few lose as well as too many.

    Parameters
    ----------
    rule : CountRule
    n : (K,) array
        Numbers of objects.

    Returns
    -------
    (K,) float64 array in [0, 1]

    Examples
    --------
    >>> count_scores(CountRule(expect=20), np.array([10, 20, 40]))
    array([0.5, 1. , 0.5])
    """
    n = np.asarray(n, dtype=np.float64)
    low, high = rule.bounds()
    too_few = np.where(n < low, n / max(low, 1e-9), 1.0)
    return np.where(n > high, high / np.maximum(n, 1.0), too_few)
