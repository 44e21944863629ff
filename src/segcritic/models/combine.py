"""Labels of several tools, their images and perhaps rules -> what is to be combined, and the function that does it."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from segcritic.errors import UserError
from segcritic.io.samples import Images, Item, Sample, Source, find_samples
from segcritic.models.stateless import choose_superpixels, warn_of_scale
from segcritic.rules import Rules, Scorer, load_rules
from segcritic.search.combine import Combined, combine_labels


def plan_combine(
    labels: Sequence[Images],
    images: Images,
    rules: str | os.PathLike[str] | Rules | None = None,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
) -> tuple[list[Source], Callable[[Sample], Combined]]:
    """The images that the first tool labelled, not yet read, and the function that combines the labels of one.

    Parameters are those of `segcritic.combine`.
    """
    if len(labels) < 2:
        raise UserError("there are labels of one tool only; give the folders of at least two")
    names = _names(labels)
    scorer, pieces = None, superpixels
    if rules is not None:
        own, pieces = choose_superpixels(load_rules(rules), superpixels)
        scorer = Scorer(own, allow_python=True)  # the rules are the user's own
    elif boundaries is not None or superpixels is not None:
        raise UserError("boundary maps and superpixels are for rules; give rules too, or leave them out")
    sources = find_samples(images, labels[0], boundaries, pieces, labelled="only", channel=channel)
    others = [_labels_of(sources, each, name, names[0], images) for each, name in zip(labels[1:], names[1:], strict=True)]
    sources = [replace(source, other_labels=rest) for source, *rest in zip(sources, *others, strict=True)]

    def combine(sample: Sample) -> Combined:
        assert sample.labels is not None
        if scorer is not None:
            warn_of_scale(scorer.rules, sample)
        return combine_labels([sample.labels, *sample.other_labels], names, sample, scorer)

    return sources, combine


def _labels_of(sources: list[Source], labels: Images, name: str, first: str, images: Images) -> list[Item]:
    """The labels of another tool, in the order of the sources; both must have labelled the same images."""
    found = {source.name: source.labels for source in find_samples(images, labels, labelled="only")}
    wanted = [source.name for source in sources]
    for one, two, lacking in ((name, first, set(wanted) - set(found)), (first, name, set(found) - set(wanted))):
        if lacking:
            more = f" (nor for {len(lacking) - 1} others)" if len(lacking) > 1 else ""
            raise UserError(f"{one} has no labels for {min(lacking)}, which {two} has{more}; label the same images by all")
    return [item for item in (found[stem] for stem in wanted) if item is not None]


def _names(labels: Sequence[Images]) -> list[str]:
    """What the tools are called: their folders' names, or the whole paths where two folders have the same name."""
    paths = [Path(each) if isinstance(each, str | os.PathLike) else None for each in labels]
    seen = Counter(path.resolve() for path in paths if path is not None)
    for path in paths:
        if path is not None and seen[path.resolve()] > 1:
            raise UserError(f"{path} is given twice; a tool cannot support itself")
    short = [f"tool {k}" if path is None else path.resolve().name for k, path in enumerate(paths, 1)]
    if len(set(short)) == len(short):
        return short
    return [name if path is None else str(path) for name, path in zip(short, paths, strict=True)]
