"""Scores of objects from their judgements: per rule, all rules together, and the number of objects per image."""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segcritic.rules.judge import Context, Judgement, judge, needed_descriptors
from segcritic.rules.own_code import load_function
from segcritic.rules.schema import Rules

if TYPE_CHECKING:
    from segcritic.graph.objects import ObjectTable

Array = NDArray[np.float64]


class Scorer:
    """Rules made ready to score objects: once, when they are loaded.

    Parameters
    ----------
    rules : Rules
    allow_python : bool
        Whether functions that the rules name under ``python`` may be imported and called.

    Attributes
    ----------
    rules : Rules
    needed : frozenset of str
        Descriptors that the object tables must hold.

    Raises
    ------
    UserError
        When a function is not allowed or cannot be loaded; it names it.
    """

    def __init__(self, rules: Rules, allow_python: bool = False):
        self.rules = rules
        self.needed = frozenset(needed_descriptors(rules) | {"touches_border"})
        self._functions = {name: load_function(name, allow_python) for name in rules.functions}

    def judge(self, objects: "ObjectTable", context: Context | None = None) -> dict[str, Judgement]:
        """Hold every rule against every object; see `segcritic.rules.judge.judge`."""
        return judge(self.rules, objects, context, self._functions)

    def rule_scores(self, objects: "ObjectTable", context: Context | None = None) -> dict[str, Array]:
        """Return the score exp(-d^2 / 2) of every rule for every object: name -> (M,) in [0, 1]."""
        return {name: judgement.score for name, judgement in self.judge(objects, context).items()}

    def class_scores(self, objects: "ObjectTable", context: Context | None = None) -> dict[str, Array]:
        r"""Return the score of every object as each of the classes: name -> (M,) in [0, 1]. See `judge` otherwise.

        The rules for all objects and those of the class are combined, then shaped by eq. 11. Without classes the rules
        for all make the only one, and its name is ''.

        ``distance: joint`` follows A.2: a distance over all features together, not a sum of rewards per feature,

        .. math:: s = \exp(-D^2 / 2), \qquad D^4 = \sum_i w_i d_i^4 \Big/ \sum_i w_i

        The power mean of order 4 lies between the root mean square, in which one broken rule among many hardly shows
        (d = 3 in one of eight rules would score 0.57), and the maximum, which does not reward repairing any but the
        worst rule. Here that object scores 0.20, one of ten 0.24; an object one tolerance off in every rule scores 0.61
        however many rules there are, so adding a rule that fits never lowers a score, and true objects do not score
        less for being described in more detail (as they would under a plain sum of squares).

        ``distance: product`` is the weighted geometric mean of the rules' scores, that is, the root mean square of the
        deviations. ``distance: cosine`` is eq. 16, (1 + cs(p / n, p^ / n^)) / 2, with p^ the nearest fitting value and
        the common factor n = |p^| (or max(|p|, 1) where p^ is 0) and p / n clipped to [-2, 2]. It uses no tolerances,
        stays above 0.5 for positive properties and is blind to a factor common to all of them: here for comparison
        with the paper.
        """
        judgements = self.judge(objects, context).values()
        return {
            name: _combine(self.rules, [judgement for judgement in judgements if judgement.of in (None, name)])
            for name in self.rules.classes or ("",)
        }

    def object_scores(self, objects: "ObjectTable", context: Context | None = None) -> Array:
        """Return one score per object, (M,) in [0, 1]: that of the class that it fits best (A.2)."""
        return functools.reduce(np.maximum, self.class_scores(objects, context).values())

    def count_score(self, n: NDArray[Any]) -> Array:
        """Score the number of objects per sample: (K,) numbers of foreground objects -> (K,) in [0, 1].

        With k_low..k_high the numbers that fit (expect -+ tolerance, at_least..at_most): 1 inside, n / k_low below
        (eq. 15) and k_high / n above (eq. 13), so that too few lose as well as too many. All 1 without a count rule.
        """
        n = np.asarray(n, dtype=np.float64)
        if self.rules.count is None:
            return np.ones_like(n)
        low, high = self.rules.count.bounds()
        too_few = np.where(n < low, n / max(low, 1e-9), 1.0)
        return np.where(n > high, high / np.maximum(n, 1.0), too_few)


def _combine(rules: Rules, judgements: list[Judgement]) -> Array:
    """Return the score of M objects by several rules together, (M,) in [0, 1]; see `Scorer.class_scores`."""
    weights = np.array([judgement.weight for judgement in judgements])
    weights /= weights.sum()
    if rules.distance == "cosine":
        scores = _cosine(judgements, weights)
    else:
        squares = np.square([judgement.deviation for judgement in judgements])  # (R, M)
        joint = rules.distance == "joint"
        scores = np.exp(-0.5 * (np.sqrt(weights @ np.square(squares)) if joint else weights @ squares))
    return sharpen(scores, rules.shaping)


def sharpen(scores: Array, theta: float) -> Array:
    """Return exp(theta r) / exp(theta) (eq. 11), which lies in [exp(-theta), 1]; `theta` 0 leaves r as it is."""
    return np.exp(theta * (scores - 1.0)) if theta else scores


def _cosine(judgements: list[Judgement], weights: Array) -> Array:
    dot = own = wanted = 0.0
    for judgement, weight in zip(judgements, weights, strict=True):
        scale = np.abs(judgement.target)
        scale = np.where(scale > 0, scale, np.maximum(np.abs(judgement.value), 1.0))
        p = np.nan_to_num(np.clip(judgement.value / scale, -2.0, 2.0))
        p_hat = np.nan_to_num(judgement.target / scale)
        dot, own, wanted = dot + weight * p * p_hat, own + weight * p * p, wanted + weight * p_hat * p_hat
    norm = np.sqrt(own * wanted)
    return (1.0 + np.clip(np.divide(dot, norm, out=np.zeros_like(norm), where=norm > 0), -1.0, 1.0)) / 2
