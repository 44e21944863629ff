"""Labels from any tool -> the same labels with the faults mended that the rules clearly see; nothing is trained.

The given labels are cut by superpixels, so that the given segmentation is one of those on the graph, and a local search
starts from it. What no move touches stays as it was, pixel for pixel and number for number.
"""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segcritic.errors import InputWarning, UserError
from segcritic.graph import Node
from segcritic.io.samples import Sample
from segcritic.pixels.outlines import settle_outlines
from segcritic.pixels.preprocess import normalise
from segcritic.rules import BackgroundRule, Scorer
from segcritic.search.local_search import search
from segcritic.search.margins import CLEAR, STRICT, THRESHOLDED
from segcritic.search.moves import Proposer
from segcritic.search.objective import Objective, segments_of
from segcritic.search.threshold import follow_one_threshold
from segcritic.stateless.policy import Policy
from segcritic.stateless.predict import partition, score_labels
from segcritic.stateless.state import State, make_state
from segcritic.superpixels.level_sets import ObjectPrior

_FEW = 0.12  # share of the objects that are touched, below which odd objects are likelier than faults: be strict

ChangeKind = Literal["merge", "split", "removal", "addition", "rearrangement", "outline"]


@dataclass(frozen=True)
class Change:
    """One place where repaired labels differ from the given ones.

    Attributes
    ----------
    kind : what was done; a rearrangement turns several objects into several others
    given, result : numbers of the objects before and after
    row, col : centre of all their pixels
    score_before, score_after : mean score of the objects by the rules, in [0, 1]; NaN where there are none. Of an
        outline, as judged without what lies inside the object.
    """

    kind: ChangeKind
    given: tuple[int, ...]
    result: tuple[int, ...]
    row: float
    col: float
    score_before: float
    score_after: float


@dataclass(frozen=True)
class Repaired:
    """Repaired labels of one image.

    Attributes
    ----------
    labels : (H, W) int32
        0 = background. Objects that no change names have their given number and pixels.
    changes : list of Change
        By kind, then from top to bottom.
    reward_before, reward_after : float
        Of the whole image by the rules, before outlines moved; in [0, 1].
    """

    labels: NDArray[np.int32]
    changes: list[Change]
    reward_before: float
    reward_after: float


def repair_labels(labels: NDArray[np.int32], image: Sample, scorer: Scorer, policy: Policy | None = None) -> Repaired:
    """Mend the labels of one image.

    Parameters
    ----------
    labels : (H, W) integer
        0 = background, any other number one object.
    image : Sample
        Its superpixels, if any, serve instead of those that the rules name.
    scorer : Scorer
    policy : Policy, optional
        A trained actor whose objects are tried as well.

    Raises
    ------
    UserError
        When the labels do not have the image's shape.
    """
    rules = scorer.rules
    labels = np.ascontiguousarray(labels, np.int32)
    if labels.shape != image.pixels.shape:
        raise UserError(
            f"{image.name}: the labels have the shape {labels.shape}, the image {image.pixels.shape}; make them equal"
        )
    if image.is_constant:
        warnings.warn(f"{image.name}: all pixels are equal; the labels stay as they are", InputWarning, stacklevel=2)
        return Repaired(labels, [], 0.0, 0.0)
    state = make_state(image.pixels, rules, image.boundaries, image.superpixels, along=labels)
    objective = Objective(state, scorer)
    numbers, dense = np.unique(np.append(labels.ravel(), 0), return_inverse=True)  # the background is among them
    given = np.zeros(state.graph.n_nodes, np.int32)
    given[state.graph.superpixels.ravel()] = dense[:-1]
    proposer = Proposer(state, [] if policy is None else [_proposed(state, policy)])
    plain = normalise(image.pixels)  # a threshold was put on what the tool saw, noise and all
    thresholded = bool(rules.polarity) and follow_one_threshold(labels, plain if rules.polarity > 0 else 1 - plain)
    found = search(objective, given, proposer, THRESHOLDED) if thresholded else _searched(objective, given, proposer)
    result, groups = _matched(state, given, found, numbers)
    changes = [_change(state, objective, given, found, numbers, result, group) for group in groups]
    pixels = np.asarray(result, np.int32)[found[state.graph.superpixels]]
    if thresholded:
        assert state.prior is not None
        pixels, moved = _outlined(pixels, state, state.prior, scorer)
        changes += moved
    return Repaired(pixels, changes, objective.reward(given), objective.reward(found))


def _searched(objective: Objective, given: NDArray[np.int32], proposer: Proposer) -> NDArray[np.int32]:
    """Search; if that touches few objects, search again more strictly: they may be odd rather than wrong."""
    found = search(objective, given, proposer, CLEAR)
    before, after = set(given[given > 0].tolist()), set(found[found > 0].tolist())
    if len(before ^ after) >= _FEW * (len(before) + len(after)):
        return found
    return search(objective, given, proposer, STRICT)


def _proposed(state: State, policy: Policy) -> NDArray[np.int32]:
    """The actor's objects, 0 = none: those that lie on the foreground."""
    objects = partition(policy, state)
    dark = np.bincount(objects, state.weight * state.background) > 0.5 * np.bincount(objects, state.weight)
    return np.where(dark[objects], 0, objects + 1).astype(np.int32)


def _matched(
    state: State, given: NDArray[np.int32], found: NDArray[np.int32], numbers: NDArray[np.integer]
) -> tuple[NDArray[np.int64], list[tuple[list[int], list[int]]]]:
    """Final number of each found object, and groups of given and found objects that turned into one another.

    A new object takes the number of the given one that it covers most of; there are numbers above all given for others.
    """
    result = np.zeros(int(found.max()) + 1, np.int64)
    before, after = set(given[given > 0].tolist()), set(found[found > 0].tolist())
    for o in before & after:
        result[o] = numbers[o]
    gone, made = sorted(before - after), sorted(after - before)
    area = state.graph.node_sums[:, Node.AREA]
    overlap = np.zeros((len(gone), len(made)))
    row, col = np.searchsorted(gone, given), np.searchsorted(made, found)
    both = np.isin(given, gone) & np.isin(found, made)
    np.add.at(overlap, (row[both], col[both]), area[both])
    free = int(numbers.max()) + 1
    links = coo_array(np.pad(overlap, ((0, len(made)), (len(gone), 0))))
    group = connected_components(links, directed=False)[1] if len(gone) + len(made) else np.zeros(0, int)
    for g, m in sorted(np.argwhere(overlap > 0).tolist(), key=lambda pair: -overlap[pair[0], pair[1]]):
        if not result[made[m]] and numbers[gone[g]] not in result:
            result[made[m]] = numbers[gone[g]]
    for m in made:
        if not result[m]:
            result[m], free = free, free + 1
    groups = []
    for number in dict.fromkeys(group.tolist()):
        members = np.flatnonzero(group == number)
        groups.append(
            ([gone[k] for k in members if k < len(gone)], [made[k - len(gone)] for k in members if k >= len(gone)])
        )
    return result, groups


def _change(
    state: State,
    objective: Objective,
    given: NDArray[np.int32],
    found: NDArray[np.int32],
    numbers: NDArray[np.integer],
    result: NDArray[np.int64],
    group: tuple[list[int], list[int]],
) -> Change:
    gone, made = group
    kind: ChangeKind = "rearrangement"
    if not gone or not made:
        kind = "removal" if gone else "addition"
    elif len(gone) == 1 < len(made) or len(made) == 1 < len(gone):
        kind = "split" if len(gone) == 1 else "merge"
    nodes = np.isin(given, gone) | np.isin(found, made)
    area, row, col = state.graph.node_sums[nodes][:, [Node.AREA, Node.ROW, Node.COL]].sum(axis=0)
    scores = [
        float(objective.scores(segments_of(np.where(np.isin(labels, ids), labels, 0))).mean()) if ids else float("nan")
        for labels, ids in ((given, gone), (found, made))
    ]
    names = tuple(sorted(int(numbers[o]) for o in gone)), tuple(sorted(int(result[o]) for o in made))
    return Change(kind, *names, row / area, col / area, scores[0], scores[1])


def _outlined(
    labels: NDArray[np.int32],
    state: State,
    prior: ObjectPrior,
    scorer: Scorer,
) -> tuple[NDArray[np.int32], list[Change]]:
    """Let all outlines settle (see `contours`); an object of which nothing would be left keeps its own."""
    numbers, dense = np.unique(np.append(labels.ravel(), 0), return_inverse=True)
    dense = dense[:-1].reshape(labels.shape).astype(np.int32)
    settled = settle_outlines(dense, state.image, prior.floor, (scorer.rules.background or BackgroundRule()).level)
    lost = np.setdiff1d(dense, settled)
    settled = np.where((settled == 0) & np.isin(dense, lost), dense, settled)
    n = len(numbers)
    size = [np.bincount(array.ravel(), minlength=n)[1:] for array in (dense, settled)]
    moved = dense != settled
    differ = (np.bincount(dense[moved], minlength=n) + np.bincount(settled[moved], minlength=n))[1:]
    scores = [score_labels(array, state, scorer) for array in (dense, settled)]
    rows, cols = np.indices(labels.shape)
    centre = [np.bincount(settled.ravel(), axis.ravel(), n)[1:] / np.maximum(size[1], 1) for axis in (rows, cols)]
    changes = []
    for o in np.flatnonzero(differ):
        name = (int(numbers[o + 1]),)
        changes.append(Change("outline", name, name, centre[0][o], centre[1][o], scores[0][o], scores[1][o]))
    return numbers[settled].astype(np.int32), changes
