"""The outcome of holding objects against one rule of any kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MAX_DEVIATION = 100.0
"""Larger deviations (and values that are not numbers) count as this; exp(-100^2 / 2) is 0 in floating point."""


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


def finite(deviation: Array) -> Array:
    """Return deviations with `MAX_DEVIATION` in the place of larger ones and of what is not a number."""
    return np.fmin(deviation, MAX_DEVIATION)  # fmin also replaces what is not a number
