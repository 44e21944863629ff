"""Rules + objects -> scores: per rule, all rules together, and the number of objects per image."""

import functools
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcritic.graph.descriptors import DESCRIPTORS
from segcritic.graph.objects import ObjectTable
from segcritic.rules.kinds.count import count_scores
from segcritic.rules.kinds.judgement import Array, Context, Judgement
from segcritic.rules.kinds.numeric import NumericRule, judge_number
from segcritic.rules.kinds.polarity import NEEDED, PolarityRule, judge_polarity
from segcritic.rules.kinds.python import judge_python, load_function
from segcritic.rules.schema import ObjectRules, Rules


def needed_descriptors(rules: Rules) -> set[str]:
    """Return the descriptors that the rules judge by. Rules in Python may read anything, so they need all.

    >>> sorted(needed_descriptors(Rules.loads("area: {at_least: 50}")))
    ['area', 'touches_border']
    """
    if rules.functions:
        return set(DESCRIPTORS)
    names = {name for part in rules.parts for name in part.descriptors}
    if any(isinstance(part.intensity, NumericRule) for part in rules.parts):
        names.add("mean_intensity")
    if isinstance(rules.intensity, PolarityRule):
        names |= set(NEEDED)
    if rules.border != "keep":
        names.add("touches_border")
    return names


def rough_descriptors(rules: Rules) -> set[str]:
    """Return the descriptors whose rough value the rules ask for: the keys that `Context.rough` needs.

    >>> rough_descriptors(Rules.loads("area: {expect: rough}"))
    {'area'}
    """
    names = {name for part in rules.parts for name, rule in part.descriptors.items() if rule.expect == "rough"}
    intensities = [part.intensity for part in rules.parts]
    if any(isinstance(rule, NumericRule) and rule.expect == "rough" for rule in intensities):
        names.add("mean_intensity")
    return names


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

    Examples
    --------
    >>> from segcritic.graph import build_graph
    >>> from segcritic.graph.objects import measure
    >>> scorer = Scorer(Rules.loads("area: {expect: 4, tolerance: 2}\\nborder: keep"))
    >>> graph = build_graph(np.ones((2, 5)), np.array([[0, 0, 1, 1, 1]] * 2))
    >>> scorer.object_scores(measure(graph, np.array([0, 1]), scorer.needed)).round(2)
    array([1.  , 0.61])
    """

    def __init__(self, rules: Rules, allow_python: bool = False):
        self.rules = rules
        self.needed = frozenset(needed_descriptors(rules) | {"touches_border"})
        self._functions = {name: load_function(name, allow_python) for name in rules.functions}

    def deviations(self, objects: ObjectTable, context: Context | None = None) -> dict[str, Judgement]:
        """Hold every rule against every object: how many tolerances is each off?

        Unless the rules say ``border: keep``, objects that touch the image border are judged by what can be seen of
        them, as each descriptor's ``when_cut`` says. ``border: drop`` scores alike; whoever writes the labels drops
        the objects.

        Parameters
        ----------
        objects : ObjectTable
            Of M objects, with the columns `needed`.
        context : Context, optional
            Rough values of the image; only needed when a rule says ``expect: rough``.

        Returns
        -------
        dict of str to Judgement
            By rule: descriptor name, 'intensity', 'module:function'; of a class after its name, 'class/descriptor'.

        Raises
        ------
        UserError
            When a rough value is missing, or a rule in Python fails or returns nonsense.
        """
        found = self._deviations_of(self.rules, objects, context)
        for name, part in self.rules.classes.items():
            of_class = self._deviations_of(part, objects, context)
            found |= {f"{name}/{rule}": replace(judgement, of=name) for rule, judgement in of_class.items()}
        return found

    def _deviations_of(self, part: ObjectRules, objects: ObjectTable, context: Context | None) -> dict[str, Judgement]:
        pixel_size = self.rules.pixel_size
        cut = None if self.rules.border == "keep" else objects["touches_border"] > 0
        found = {
            name: judge_number(name, rule, objects[name], pixel_size, context, cut)
            for name, rule in part.descriptors.items()
        }
        if isinstance(part.intensity, NumericRule):
            values = objects["mean_intensity"]
            found["intensity"] = judge_number("mean_intensity", part.intensity, values, context=context)
        elif isinstance(part.intensity, PolarityRule):
            found["intensity"] = judge_polarity(part.intensity, objects)
        for name in part.python:
            found[name] = judge_python(name, self._functions[name], objects)
        return found

    def rule_scores(self, objects: ObjectTable, context: Context | None = None) -> dict[str, Array]:
        """Return the score exp(-d^2 / 2) of every rule for every object: name -> (M,) in [0, 1]."""
        return {name: judgement.score for name, judgement in self.deviations(objects, context).items()}

    def class_scores(self, objects: ObjectTable, context: Context | None = None) -> dict[str, Array]:
        r"""Return the score of every object as each of the classes: name -> (M,) in [0, 1]. See `deviations` otherwise.

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
        judgements = self.deviations(objects, context).values()
        return {
            name: _combine(self.rules, [judgement for judgement in judgements if judgement.of in (None, name)])
            for name in self.rules.classes or ("",)
        }

    def object_scores(self, objects: ObjectTable, context: Context | None = None) -> Array:
        """Return one score per object, (M,) in [0, 1]: that of the class that it fits best (A.2)."""
        return functools.reduce(np.maximum, self.class_scores(objects, context).values())

    def count_score(self, n: NDArray[Any]) -> Array:
        """Score the number of foreground objects of K partitions, (K,), by the rule `count`: (K,) in [0, 1].

        All 1 without a count rule; see `segcritic.rules.kinds.count.count_scores`.
        """
        return np.ones(np.shape(n)) if self.rules.count is None else count_scores(self.rules.count, n)


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
    """Return exp(theta r) / exp(theta) (eq. 11), which lies in [exp(-theta), 1]; `theta` 0 leaves r as it is.

    >>> sharpen(np.array([0.5, 1.0]), 2.0).round(2)
    array([0.37, 1.  ])
    """
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
