"""Label images of several tools -> of each place the best object, by agreement between the tools and by rules.

Every object of every tool is a candidate. Its worth is its support, the mean over the tools of the squared intersection
over union (IoU) with that tool's best match, its own tool's being 1; with rules, in part its score by them. Of the
candidates that overlap, those are chosen of which the sum of (worth - 0.4) times area is greatest, exactly
(`candidates.choose`). The area is the mean of all tools' matching objects: of those the largest has no advantage.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.io.samples import Sample
from segcritic.pixels.preprocess import normalise
from segcritic.rules import Scorer
from segcritic.search.candidates import Candidates, choose, find_candidates, overlay
from segcritic.search.objective import Objective
from segcritic.search.score_labels import score_nodes
from segcritic.stateless.predict import TABLE, measure_labels
from segcritic.stateless.state import State, make_state

_LEAST = 0.4  # worth below which a candidate is not an object: one tool of three alone is not enough, one of two is
_SAME = 0.5  # intersection over union above which two tools mean the same object: then no third can be meant
_CONFLICT = 0.2  # of the smaller one's area: two candidates that share more are not both chosen
_BY_RULES = 0.35  # share of the rules' score in the worth; the rest is support


@dataclass(frozen=True)
class Combined:
    """The best objects of several label images of one image.

    Attributes
    ----------
    labels : (H, W) int32
        0 = background, objects 1..M, from top to bottom.
    table : dict of str to (M,) arrays
        'label'; 'tool', the name of the one that each object is from; 'supported_by', the number of tools that have it
        (intersection over union above 0.5), its own among them; 'confidence', the mean over the tools of the best
        intersection over union, in [0, 1]; with rules 'score' and 'score_<rule>', in [0, 1]; descriptors of the labels.
    """

    labels: NDArray[np.int32]
    table: dict[str, NDArray]


def combine_labels(
    labels: Sequence[NDArray[np.integer]], tools: Sequence[str], sample: Sample, scorer: Scorer | None = None
) -> Combined:
    """Choose the best objects of several label images of one image.

    Parameters
    ----------
    labels : sequence of T (H, W) integer arrays
        Of each tool; 0 = background, any other number one object. Of objects worth the same, the first tool's is taken.
    tools : sequence of T str
        Their names.
    sample : Sample
        The image.
    scorer : Scorer, optional
        Of rules that judge the objects too.

    Raises
    ------
    UserError
        When there are fewer than two, or one does not have the image's shape.

    Examples
    --------
    >>> one = np.array([[1, 1, 1, 0, 2, 2]] * 4)
    >>> two = np.array([[3, 3, 3, 0, 0, 0]] * 4)
    >>> found = combine_labels([one, two, two], ["a", "b", "c"], Sample("x", one.astype(np.float32)))
    >>> found.labels[0], found.table["supported_by"]
    (array([1, 1, 1, 0, 0, 0], dtype=int32), array([3]))
    """
    _check(labels, tools, sample)
    pieces, state = overlay(labels), None
    if scorer is not None and not sample.is_constant:  # in a constant image rules see nothing
        given = (sample.pixels, scorer.rules, sample.boundaries, sample.superpixels)
        state = make_state(*given, along=pieces)
        pieces = state.graph.superpixels
    candidates = find_candidates(labels, pieces)
    iou = candidates.best_iou()
    worth = np.square(iou).mean(axis=1)
    if state is not None and scorer is not None:
        worth = (1 - _BY_RULES) * worth + _BY_RULES * Objective(state, scorer).scores(candidates.pieces)
    one, other, area = candidates.one, candidates.other, candidates.area
    conflict = candidates.shared > _CONFLICT * np.minimum(area[one], area[other])
    same = candidates.iou > _SAME
    agreed = np.bincount(one[same], area[other[same]]) / np.bincount(one[same]) if len(area) else area
    chosen = choose((worth - _LEAST) * agreed, one[conflict], other[conflict])
    owner, kept = _paint(candidates, chosen, worth, pieces)
    table = {
        "label": np.arange(1, len(kept) + 1),
        "tool": np.array(tools)[candidates.tool[kept]],
        "supported_by": (iou[kept] > _SAME).sum(axis=1),
        "confidence": iou[kept].mean(axis=1),
    }
    if state is not None and scorer is not None:
        score, of_rule = score_nodes(owner, state, scorer)
        table |= {"score": score, **{f"score_{name}": values for name, values in of_rule.items()}}
    final = owner[pieces]
    return Combined(final, table | measure_labels(final, _seen(sample, state), TABLE))


def _check(labels: Sequence[NDArray[np.integer]], tools: Sequence[str], sample: Sample) -> None:
    if len(labels) < 2:
        raise UserError(f"{sample.name}: there are labels of {len(labels)} tools; give those of at least two")
    for each, tool in zip(labels, tools, strict=True):
        if each.shape != sample.pixels.shape:
            shapes = f"{each.shape}, the image {sample.pixels.shape}"
            raise UserError(f"{sample.name}: the labels of {tool} have the shape {shapes}; make them equal")


def _seen(sample: Sample, state: State | None) -> NDArray[np.float32]:
    """The image in which brightness is measured."""
    return normalise(sample.pixels) if state is None else state.image


def _paint(
    candidates: Candidates, chosen: NDArray[np.bool_], worth: NDArray[np.float64], pieces: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Object of each piece (N,), 0 = none, and the candidates of objects 1..M; the worthier has what two share."""
    owner = np.full(int(pieces.max()) + 1, -1)
    for candidate in sorted(np.flatnonzero(chosen), key=lambda one: worth[one]):
        owner[candidates.pieces[candidate]] = candidate
    first_pixel = np.zeros(len(owner), np.int64)
    first_pixel[pieces.ravel()[::-1]] = np.arange(pieces.size)[::-1]  # of each piece; the last one written stays
    first = np.full(len(chosen), pieces.size)
    np.minimum.at(first, owner[owner >= 0], first_pixel[owner >= 0])
    kept = np.unique(owner[owner >= 0])
    kept = kept[np.argsort(first[kept])]
    number = np.zeros(len(chosen) + 1, np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    return number[owner], kept
