"""A rule on where objects are found: how far from the centre."""

from segcritic.rules.kinds.fields import mistake
from segcritic.rules.kinds.judgement import Array
from segcritic.rules.kinds.numeric import NumericRule, judge_number


class PlaceRule(NumericRule):
    """How far from the centre objects are found: a numeric rule that judges places, not objects."""

    def check_place(self, pixel_size: float | None) -> None:
        """Raise a validation error for what has no meaning here, as `NumericRule.check_kind`."""
        self.check_kind("where", "length", pixel_size)
        if self.expect == "rough":
            raise mistake("of a place cannot be measured roughly: give a number", "where", "expect")
        if self.weight != 1:
            raise mistake("has no use here: how fast objects become unlikely is the tolerance", "where", "weight")


def place_scores(rule: PlaceRule, distance: Array, pixel_size: float | None = None) -> Array:
    """Return the likelihood that objects are found at these distances from the centre, in [0, 1].

    A Gaussian whose standard deviation is the tolerance (K of eq. 5 and 6, A.6), flat between bounds.

    Parameters
    ----------
    rule : PlaceRule
    distance : (P,) float64 array
        In pixels.
    pixel_size : float, optional
        Micrometres per pixel.

    Returns
    -------
    (P,) float64 array

    Examples
    --------
    >>> import numpy as np
    >>> place_scores(PlaceRule(at_most=50.0, tolerance=10.0), np.array([30.0, 60.0])).round(2)
    array([1.  , 0.61])
    """
    return judge_number("radial_distance", rule, distance, pixel_size).score
