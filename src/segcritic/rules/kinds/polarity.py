"""A rule on brightness: objects are brighter, or darker, than what surrounds them."""

from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from segcritic.graph.objects import ObjectTable
from segcritic.rules.kinds.fields import Model, Positive, mistake
from segcritic.rules.kinds.judgement import Judgement, finite

NEEDED = ("mean_intensity", "outside_intensity")
"""Descriptors that `judge_polarity` reads."""


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


def judge_polarity(rule: PolarityRule, objects: ObjectTable) -> Judgement:
    """Hold how much brighter objects are than what surrounds them against the rule.

    Intensities are those of an image in which objects are bright: for ``darker_than`` the image has been inverted
    (1 - intensity) before it was measured, so that both words ask for objects brighter than what surrounds them.

    Parameters
    ----------
    rule : PolarityRule
    objects : ObjectTable
        Of M objects, with the columns `NEEDED`.
    """
    values = objects["mean_intensity"] - objects["outside_intensity"]
    deviation = np.maximum(0.0, rule.by - values) / (rule.tolerance or rule.by / 2)
    return Judgement(rule.weight, values, np.maximum(values, rule.by), finite(deviation))
