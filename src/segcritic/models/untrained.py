"""Rules alone, nothing learned: superpixels that suit the images, and the best cut of their merge tree."""

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from segcritic.errors import InputWarning, UserError
from segcritic.graph.descriptors import DESCRIPTORS
from segcritic.io.samples import Images, Labels, Sample, Source, find_samples
from segcritic.models.base import Segmenter
from segcritic.models.stateless import choose_superpixels, warn_of_scale
from segcritic.rules import Rules, Scorer, SuperpixelRule
from segcritic.rules.kinds.numeric import unit_factor
from segcritic.search.best_cut import segment_by_rules
from segcritic.search.refine import refine as search_on
from segcritic.stateless.predict import Segmentation
from segcritic.stateless.state import make_state

_PIECES = 12  # per typical object: enough for its outline, few enough to be merged in moments
_SMALLEST_PIECE = 6.0  # pixels: below, gradients and axes mean nothing
_SIDES = 4.0  # no object is more than so many times as wide as the typical one
_LOOKED_AT = 5  # images from which the superpixels are chosen


@dataclass
class RulesOnly(Segmenter):
    """Segment by rules without any training.

    Attributes
    ----------
    rules : Rules
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
        channel = self.channel if channel is None else channel
        sources = find_samples(images, labels, boundaries, pieces, labelled="only", channel=channel)
        if rules.superpixels is None and pieces is None:
            rules = self._with_best_superpixels(sources)
        return RulesOnly(rules, channel, self.allow_python), sources

    def apply(self, sample: Sample, refine: bool = False) -> Segmentation:
        warn_of_scale(self.rules, sample)
        superpixels = sample.superpixels
        if sample.is_constant:
            warnings.warn(f"{sample.name}: all pixels are equal; there are no objects", InputWarning, stacklevel=2)
            superpixels = np.zeros(sample.pixels.shape, np.int32)
        state = make_state(sample.pixels, self.rules, sample.boundaries, superpixels)
        found, _ = segment_by_rules(state, self.scorer, self._largest())
        return search_on(state, found, self.scorer) if refine else found

    @cached_property
    def scorer(self) -> Scorer:
        """What scores objects by the rules."""
        return Scorer(self.rules, self.allow_python)

    def _largest(self) -> float:
        area = typical_area(self.rules)
        return math.inf if area is None else _SIDES**2 * area

    def _with_best_superpixels(self, sources: list[Source]) -> Rules:
        """The rules, with the superpixels whose best cut the rules like most, over a few of the images.

        Images that cannot be read are passed over here: they are told when their turn comes.
        """
        looked_at: list[Sample] = []
        for source in sources[:_LOOKED_AT]:
            try:
                sample = source.read()
            except UserError:
                continue
            if not sample.is_constant:
                looked_at.append(sample)
        ways = [self.rules.model_copy(update={"superpixels": way}) for way in superpixel_choices(self.rules)]
        if not looked_at:
            return ways[0]
        rewards = [sum(self._reward(rules, sample) for sample in looked_at) for rules in ways]
        return ways[int(np.argmax(rewards))]

    def _reward(self, rules: Rules, sample: Sample) -> float:
        state = make_state(sample.pixels, rules, sample.boundaries, sample.superpixels)
        return segment_by_rules(state, Scorer(rules, self.allow_python), self._largest())[1]


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


def typical_area(rules: Rules) -> float | None:
    """Area in pixels of the largest object that rules expect, by their area or a width; None if they do not say."""
    found = []
    for part in rules.parts:
        for name in ("area", "equivalent_diameter", "minor_axis", "major_axis"):
            rule = part.descriptors.get(name)
            if rule is not None and isinstance(rule.expect, float):
                value = rule.expect * unit_factor(rule, DESCRIPTORS[name].kind, rules.pixel_size)
                found.append(value if name == "area" else math.pi / 4 * value**2)
                break
    return max(found, default=None)
