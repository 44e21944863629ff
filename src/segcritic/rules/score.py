"""Scores of objects from their judgements: per rule, all rules together, and the number of objects per image."""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segcritic.rules.judge import Context, Judgement, judge
from segcritic.rules.schema import Rules

if TYPE_CHECKING:
    from segcritic.graph import SuperpixelGraph
    from segcritic.graph.objects import ObjectTable

Array = NDArray[np.float64]


def rule_scores(
    rules: Rules,
    objects: "ObjectTable",
    context: Context | None = None,
    graph: "SuperpixelGraph | None" = None,
    allow_python: bool = False,
) -> dict[str, Array]:
    """Return the score exp(-d^2 / 2) of every rule for every object: name -> (M,) in [0, 1]. As `judge` otherwise."""
    judgements = judge(rules, objects, context, graph, allow_python)
    return {name: judgement.score for name, judgement in judgements.items()}


def class_scores(
    rules: Rules,
    objects: "ObjectTable",
    context: Context | None = None,
    graph: "SuperpixelGraph | None" = None,
    allow_python: bool = False,
) -> dict[str, Array]:
    r"""Return the score of every object as each of the classes: name -> (M,) in [0, 1]. As `judge` otherwise.

    The rules for all objects and those of the class are combined, then shaped by eq. 11. Without classes the rules for
    all make the only one, and its name is ''.

    ``distance: joint`` follows A.2: a distance over all features together, not a sum of rewards per feature,

    .. math:: s = \exp(-D^2 / 2), \qquad D^4 = \sum_i w_i d_i^4 \Big/ \sum_i w_i

    The power mean of order 4 lies between the root mean square, in which one broken rule among many hardly shows
    (d = 3 in one of eight rules would score 0.57), and the maximum, which does not reward repairing any but the
    worst rule. Here that object scores 0.20, one of ten 0.24; an object one tolerance off in every rule scores 0.61
    however many rules there are, so adding a rule that fits never lowers a score, and true objects do not score
    less for being described in more detail (as they would under a plain sum of squares).

    ``distance: product`` is the weighted geometric mean of the rules' scores, that is, the root mean square of the
    deviations. ``distance: cosine`` is eq. 16, (1 + cs(p / n, p^ / n^)) / 2, with p^ the nearest fitting value and
    the common factor n = |p^| (or max(|p|, 1) where p^ is 0) and p / n clipped to [-2, 2]. It uses no tolerances, stays
    above 0.5 for positive properties and is blind to a factor common to all of them: here for comparison with the
    paper.
    """
    judgements = judge(rules, objects, context, graph, allow_python).values()
    return {
        name: _combine(rules, [judgement for judgement in judgements if judgement.of in (None, name)])
        for name in rules.classes or ("",)
    }


def object_scores(
    rules: Rules,
    objects: "ObjectTable",
    context: Context | None = None,
    graph: "SuperpixelGraph | None" = None,
    allow_python: bool = False,
) -> Array:
    """Return one score per object, (M,) in [0, 1]: that of the class that it fits best (A.2). As `class_scores`."""
    return functools.reduce(np.maximum, class_scores(rules, objects, context, graph, allow_python).values())


def _combine(rules: Rules, judgements: list[Judgement]) -> Array:
    """Return the score of M objects by several rules together, (M,) in [0, 1]; see `class_scores`."""
    weights = np.array([judgement.weight for judgement in judgements])
    weights /= weights.sum()
    if rules.distance == "cosine":
        scores = _cosine(judgements, weights)
    else:
        squares = np.square([judgement.deviation for judgement in judgements])  # (R, M)
        joint = rules.distance == "joint"
        scores = np.exp(-0.5 * (np.sqrt(weights @ np.square(squares)) if joint else weights @ squares))
    return shape(scores, rules.shaping)


def shape(scores: Array, theta: float) -> Array:
    """Return exp(theta r) / exp(theta) (eq. 11), which lies in [exp(-theta), 1]; `theta` 0 leaves r as it is."""
    return np.exp(theta * (scores - 1.0)) if theta else scores


def count_score(rules: Rules, n: NDArray[Any]) -> Array:
    """Score the number of objects per sample: (K,) numbers of foreground objects -> (K,) in [0, 1].

    With k_low..k_high the numbers that fit (expect -+ tolerance, at_least..at_most): 1 inside, n / k_low below
    (eq. 15) and k_high / n above (eq. 13), so that too few lose as well as too many. All 1 without a count rule.
    """
    n = np.asarray(n, dtype=np.float64)
    if rules.count is None:
        return np.ones_like(n)
    low, high = rules.count.bounds()
    too_few = np.where(n < low, n / max(low, 1e-9), 1.0)
    return np.where(n > high, high / np.maximum(n, 1.0), too_few)


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
