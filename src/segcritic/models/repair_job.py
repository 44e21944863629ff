"""What `segcritic.repair` and the command `segcritic repair` share: pair labels with images, choose rules and actor."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.io.images import read_labels
from segcritic.io.samples import Images, Ready, Source, choose_superpixels, find_sources
from segcritic.models import Model, load_rule_driven
from segcritic.rules import Rules, Scorer
from segcritic.search.repair import Repaired, repair_labels
from segcritic.training.threads import few_threads


@dataclass(frozen=True, eq=False)
class Pair:
    """Labels to repair, a file or an array, and their image."""

    labels: Path | NDArray[Any]
    source: Source


@dataclass(frozen=True, eq=False)
class Job:
    """Pairs to repair, by which rules, and with the help of which model, if any."""

    pairs: list[Pair]
    scorer: Scorer
    model: Model | None

    def repair(self, pair: Pair, image: Ready) -> Repaired:
        """Repair one pair, whose image has been read. Raises UserError when the labels cannot be used."""
        labels = read_labels(pair.labels) if isinstance(pair.labels, Path) else _checked(pair.labels, image.name)
        if self.model is None:
            return repair_labels(labels, image, self.scorer)
        with few_threads(self.model.actor.settings):
            return repair_labels(labels, image, self.scorer, self.model.policy)


def prepare(
    labels: Images,
    images: Images,
    rules: str | os.PathLike[str] | Rules | None,
    model: str | os.PathLike[str] | Model | None,
    boundaries: Images | None,
    superpixels: Images | None,
    channel: int | str | None,
    allow_python: bool,
) -> Job:
    """Pair labels with images, by stem for files, by order for arrays; every image's labels may be missing.

    Parameters
    ----------
    labels, images : a file, a folder, an array, or a list of files and arrays
    rules : rules file, name of built-in ones, or `Rules`; None = the model's
    model : name, folder or `Model`
    boundaries, superpixels, channel : as in `find_sources`; `superpixels` may also be a method's name
    allow_python : whether functions that the model's rules name may run; the user's own rules may

    Raises
    ------
    UserError
        When there are neither rules nor a model, labels have no image, or the model needs what is not given.
    """
    from segcritic.rules import load_rules

    if rules is None and model is None:
        raise UserError("there are no rules; give rules, or a model that has its own")
    own = None if rules is None else load_rules(rules)
    if model is not None and not isinstance(model, Model):
        model = load_rule_driven(model, allow_python)
    if model is not None:
        chosen, sources = model.prepare(images, boundaries, superpixels, channel)
        own = chosen.rules if own is None else choose_superpixels(own, superpixels)[0]
        allow_python = rules is not None or model.allow_python
    else:
        assert own is not None
        own, pieces = choose_superpixels(own, superpixels)
        sources, allow_python = find_sources(images, boundaries, pieces, channel), True
    return Job(_pairs(labels, images, sources), Scorer(own, allow_python), model)


def _pairs(labels: Images, images: Images, sources: list[Source]) -> list[Pair]:
    found = find_sources(labels)
    arrays = [source for source in (*found, *sources) if not isinstance(source.image, Path)]
    if arrays or len(found) == len(sources) == 1:
        if len(found) != len(sources):
            raise UserError(f"there are {len(found)} label images, but {len(sources)} images; give one for each")
        return [Pair(label.image, source) for label, source in zip(found, sources, strict=True)]
    by_name = {source.name: source for source in sources}
    for label in found:
        if label.name not in by_name:
            raise UserError(f"{images} has no image for the labels {label.image}; the stems must be equal")
    return [Pair(label.image, by_name[label.name]) for label in found]


def _checked(labels: NDArray[Any], name: str) -> NDArray[np.int32]:
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "bui":
        raise UserError(
            f"the labels of {name} have the shape {labels.shape} and type {labels.dtype}; give integers (height, width)"
        )
    if labels.size and (labels.min() < 0 or labels.max() > np.iinfo(np.int32).max):
        raise UserError(f"the labels of {name} go from {labels.min()} to {labels.max()}; give 0 to 2147483647")
    return labels.astype(np.int32)
