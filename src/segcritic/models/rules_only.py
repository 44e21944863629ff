"""Rules alone, nothing learned: superpixels that suit the images, and the best cut of their merge tree."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

from segcritic.errors import InputWarning, UserError
from segcritic.io.samples import Images, Labels, Sample, Source, find_samples
from segcritic.models.base import Segmenter
from segcritic.models.stateless import choose_superpixels, state_of
from segcritic.rules import Rules, Scorer, SuperpixelRule
from segcritic.rules.sizes import SIZES, greatest_area, typical_area
from segcritic.search.best_cut import segment_by_rules
from segcritic.search.refine import refine as search_on
from segcritic.stateless.predict import Segmentation
from segcritic.stateless.state import State

_PIECES = 12  # per typical object: enough for its outline, few enough to be merged in moments
_SMALLEST_PIECE = 6.0  # pixels: below, gradients and axes mean nothing
_SIDES = 4.0  # no object is more than so many times as wide as the typical one
_SHARE = 0.25  # of the image: no object is larger where rules do not say how large one is


@dataclass
class RulesOnly(Segmenter):
    """Segment by rules without any training.

    Attributes
    ----------
    rules : Rules
        If they name no superpixels, those are taken that earn most: on each image, or on several by `suited_to`.
    channel : int, str or None
        Channel of image files; None = the only one, or the luminance.
    allow_python : bool
        Whether functions named in the rules may run.

    Examples
    --------
    >>> import numpy as np
    >>> row, column = np.mgrid[:64, :64]
    >>> image = 100.0 * ((row - 30) ** 2 + (column - 30) ** 2 < 150)
    >>> rules = Rules.loads("area: {expect: 470, tolerance: 40%}")
    >>> int(RulesOnly(rules).segment(image).max())
    1
    """

    rules: Rules
    channel: int | str | None = None
    allow_python: bool = False

    method: ClassVar[str] = "rules"

    def to_samples(
        self,
        images: Images,
        boundaries: Images | None = None,
        superpixels: Images | None = None,
        channel: int | str | None = None,
        labels: Labels | None = None,
    ) -> tuple["RulesOnly", list[Source]]:
        rules, pieces = choose_superpixels(self.rules, superpixels, boundaries is not None)
        _check(rules)
        channel = self.channel if channel is None else channel
        sources = find_samples(images, labels, boundaries, pieces, labelled="only", channel=channel)
        return replace(self, rules=rules, channel=channel), sources

    def suited_to(self, samples: Iterable[Sample]) -> "RulesOnly":
        """Name the superpixels whose best cuts earn most on these images; as it is, where the rules or samples do.

        Labels, if there are any, are not looked at.
        """
        seen = [sample for sample in samples if not sample.is_constant]
        if self.rules.superpixels is not None or not seen or any(each.superpixels is not None for each in seen):
            return self
        ways = [self.rules.model_copy(update={"superpixels": way}) for way in superpixel_choices(self.rules)]
        choices = [replace(self, rules=way) for way in ways]
        return max(choices, key=lambda choice: sum(choice._cut(sample)[2] for sample in seen))

    def apply(self, sample: Sample, refine: bool = False) -> Segmentation:
        chosen = self.suited_to([sample])
        state, found, _ = chosen._cut(sample)
        return search_on(state, found, chosen.scorer) if refine else found

    def _cut(self, sample: Sample) -> tuple[State, Segmentation, float]:
        """The state of a sample, its best cut, and what that earns."""
        state = state_of(sample, self.rules)
        return state, *segment_by_rules(state, self.scorer, largest_object(self.rules, state))

    @cached_property
    def scorer(self) -> Scorer:
        """What scores objects by the rules."""
        return Scorer(self.rules, self.allow_python)


def _check(rules: Rules) -> None:
    """Refuse a rule that no single object can be judged by, and tell of those that are hardly followed."""
    if any("neighbours" in part.descriptors for part in rules.parts):
        raise UserError(
            "the rule on neighbours cannot be judged before all objects are chosen; leave it out, or train a model"
        )
    if rules.count is not None:
        message = "the rule on count cannot be followed without training; objects are chosen one by one"
        warnings.warn(message, InputWarning, stacklevel=3)
    if greatest_area(rules, dict.fromkeys(SIZES, 1.0)) is None:  # whatever the rough values are
        message = f"the rules do not say how large objects are; none above {_SHARE:.0%} of the image is looked for"
        warnings.warn(f"{message}; add a line such as  area: {{expect: 650}}", InputWarning, stacklevel=3)


def superpixel_choices(rules: Rules) -> list[SuperpixelRule]:
    """Ways of cutting images that may suit rules which name none.

    Objects that are told by their brightness end where it falls: shells, or basins of the gradient. Of others the
    outlines may be edges, bright lines, or dark ones. Basins are a twelfth of the object that the rules describe.
    """
    area = typical_area(rules)
    size = {} if area is None else {"mean_size": max(area / _PIECES, _SMALLEST_PIECE)}
    basins = [{"method": "watershed", **size}]
    if rules.polarity:
        ways = [{"method": "shells"}, *basins]
    else:
        ways = [*basins, *({**basins[0], "lines": lines} for lines in ("dark", "bright"))]
    return [SuperpixelRule.model_validate(way) for way in ways]


def largest_object(rules: Rules, state: State) -> float:
    """Area in pixels above which no object of an image is looked for.

    16 times what the rules expect or allow; for rules that leave it open, a quarter of the image: else an object that
    fills it, cut by the border on all sides, would be judged by hardly any rule.
    """
    area = greatest_area(rules, state.context.rough)
    return _SHARE * state.image.size if area is None else _SIDES**2 * area
