"""Labels of several tools, their images and perhaps rules -> the best objects of each image."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from segcritic.errors import UserError
from segcritic.io.samples import Images, Item, Sample, Source, find_samples, is_one
from segcritic.models.stateless import choose_superpixels, warn_of_scale
from segcritic.rules import Rules, Scorer, load_rules
from segcritic.search.combine import Combined, combine_labels


def combine(
    labels: Sequence[Images],
    images: Images,
    rules: str | os.PathLike[str] | Rules | None = None,
    *,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
) -> Combined | list[Combined]:
    """Choose the best objects of several tools, by their agreement and by rules. See `segcritic.search.combine`.

    Parameters
    ----------
    labels : sequence of path, (H, W) integer array, or list of these
        Of each tool (at least two) the labels of the same images, 0 = background: a folder, a file, an array. Of
        objects worth the same the first tool's is taken.
    images : path, (H, W) array, or list of these
        Files are paired by stem, arrays by order; images without labels are passed over.
    rules : path, str or Rules, optional
        What the objects look like, as in `segcritic.train`: objects that fit better are worth more.
    boundaries, superpixels, channel
        As in `segcritic.train`; the first two only with rules.

    Returns
    -------
    Combined
        ``.labels`` and ``.table`` of one image; a list of them for folders and lists, in the order of the first tool's.

    Raises
    ------
    UserError
        When there is one tool only, or the same twice; a file cannot be used; tools labelled other images, or in other
        shapes; or the rules have a mistake.

    Examples
    --------
    >>> import numpy as np, segcritic
    >>> image = np.zeros((8, 8))
    >>> image[2:6, 2:6] = 1
    >>> whole, half = (image > 0).astype(int), (image[::-1].cumsum(0) > 8).astype(int)
    >>> segcritic.combine([whole, whole, half], image).labels.sum()
    np.int64(16)
    """
    sources, best_of = plan_combine(labels, images, rules, boundaries, superpixels, channel)
    results = [best_of(source.read()) for source in sources]
    return results[0] if is_one(labels[0]) else results


def plan_combine(
    labels: Sequence[Images],
    images: Images,
    rules: str | os.PathLike[str] | Rules | None = None,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
) -> tuple[list[Source], Callable[[Sample], Combined]]:
    """The images that the first tool labelled, not yet read, and the function that combines the labels of one.

    Parameters are those of `combine`.
    """
    if len(labels) < 2:
        raise UserError("there are labels of one tool only; give the folders of at least two")
    names = _names(labels)
    scorer, pieces = None, superpixels
    if rules is not None:
        own, pieces = choose_superpixels(load_rules(rules), superpixels, boundaries is not None)
        scorer = Scorer(own, allow_python=True)  # the rules are the user's own
    elif boundaries is not None or superpixels is not None:
        raise UserError("boundary maps and superpixels are for rules; give rules too, or leave them out")
    sources = find_samples(images, labels[0], boundaries, pieces, labelled="only", channel=channel)
    further = zip(labels[1:], names[1:], strict=True)
    others = [_labels_of(sources, each, name, names[0], images) for each, name in further]
    sources = [replace(source, other_labels=tuple(rest)) for source, *rest in zip(sources, *others, strict=True)]

    def best_of(sample: Sample) -> Combined:
        assert sample.labels is not None
        if scorer is not None:
            warn_of_scale(scorer.rules, sample)
        return combine_labels([sample.labels, *sample.other_labels], names, sample, scorer)

    return sources, best_of


def _labels_of(sources: list[Source], labels: Images, name: str, first: str, images: Images) -> list[Item]:
    """The labels of another tool, in the order of the sources; both must have labelled the same images."""
    found = {source.name: source.labels for source in find_samples(images, labels, labelled="only")}
    wanted = [source.name for source in sources]
    for one, two, lacking in ((name, first, set(wanted) - set(found)), (first, name, set(found) - set(wanted))):
        if lacking:
            more = f" (nor for {len(lacking) - 1} others)" if len(lacking) > 1 else ""
            what = f"{one} has no labels for {min(lacking)}, which {two} has{more}"
            raise UserError(f"{what}; combine labels of the same images")
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
