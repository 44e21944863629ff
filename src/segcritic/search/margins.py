"""How clear a gain must be before the search believes it: one preset for each use."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Literal

Kind = Literal["merge", "split", "drop", "add", "rearrange"]
"""What a move does to the number of objects."""


@dataclass(frozen=True)
class Margins:
    """How clear a gain must be.

    Attributes
    ----------
    margins : least gain of a move of each kind, per weight of the superpixels that it touches: 0 to 1
    least_score : of every object that a move makes
    protect_above : objects of at least this score are touched only by a move whose every object scores no less
    """

    margins: Mapping[Kind, float]
    least_score: float = 0.5
    protect_above: float = 0.9


CLEAR = Margins({"merge": 0.35, "split": 0.12, "drop": 0.5, "add": 0.6, "rearrange": 0.35})
"""Repair. Chosen, like `STRICT` and `THRESHOLDED`, by scores on images of nuclei; docs/repair.md says on which."""

STRICT = Margins({"merge": 0.7, "split": 0.35, "drop": 0.95, "add": 0.95, "rearrange": 0.7}, least_score=0.7)
"""Repair of labels in which few objects look wrong: they may be odd rather than wrong."""

THRESHOLDED = Margins({"merge": 0.3, "split": 0.05, "drop": 0.3, "add": 0.3, "rearrange": 0.2}, 0.3, protect_above=0.98)
"""Repair of labels from one threshold, in which faults are common."""

REFINED = Margins({"merge": 0.1, "split": 0.1, "drop": 0.1, "add": 0.0, "rearrange": 0.05})
"""Refining an actor's own result, which the rules have judged all along. Chosen by scores on generated embryos, where
lower margins help, and on nuclei, where nothing does; docs/embryo.md."""

AUDIT = Margins({"merge": 0.0, "split": 0.0, "drop": 0.0, "add": 0.0, "rearrange": 0.0}, 0.0, protect_above=inf)
"""Any gain: the audit asks what the rules like, not what is likely."""
