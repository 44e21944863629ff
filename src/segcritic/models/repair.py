"""Labels, images and rules or a model -> what is to be repaired, and the function that does it."""

import os
from collections.abc import Callable

from segcritic.errors import UserError
from segcritic.io.samples import Images, Sample, Source, find_samples
from segcritic.models.load import load_rule_driven
from segcritic.models.recurrent import RecurrentModel
from segcritic.models.stateless import Model, choose_superpixels, warn_of_scale
from segcritic.rules import Rules, Scorer, load_rules
from segcritic.search.repair import Repaired, repair_labels
from segcritic.training.threads import few_threads


def plan_repair(
    labels: Images,
    images: Images,
    rules: str | os.PathLike[str] | Rules | None = None,
    model: str | os.PathLike[str] | Model | None = None,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
    allow_python: bool = False,
) -> tuple[list[Source], Callable[[Sample], Repaired]]:
    """The labelled images, not yet read, and the function that repairs one; otherwise as `segcritic.repair`."""
    if rules is None and model is None:
        raise UserError("there are no rules; give rules, or a model that has its own")
    if isinstance(model, RecurrentModel):
        raise UserError("the model learned from labels and has no rules; give one trained by rules")
    own = None if rules is None else choose_superpixels(load_rules(rules), superpixels)[0]
    helper = model if model is None or isinstance(model, Model) else load_rule_driven(model, allow_python)
    if helper is not None:
        helper, sources = helper.to_samples(images, boundaries, superpixels, channel, labels)
        scorer = helper.scorer if own is None else Scorer(own, allow_python=True)
    else:
        assert own is not None
        pieces = choose_superpixels(own, superpixels)[1]
        sources = find_samples(images, labels, boundaries, pieces, labelled="only", channel=channel)
        scorer = Scorer(own, allow_python=True)  # the rules are the user's own

    def mend(sample: Sample) -> Repaired:
        assert sample.labels is not None
        warn_of_scale(scorer.rules, sample)
        if helper is None:
            return repair_labels(sample.labels, sample, scorer)
        with few_threads(helper.actor.settings.small):
            return repair_labels(sample.labels, sample, scorer, helper.policy)

    return sources, mend
