"""The partition that rules like best among all cuts of a merge tree: exact, by dynamic programming, nothing learned.

Every object of the tree is a candidate, measured from the graph's sums and scored by the rules. Of a candidate and the
best choice within it, the one that earns more stays; one pass from the leaves to the roots finds the best of all cuts
(the idea of hierarchical segmentation by selection: Bragantini et al., Ultrack, 2024; here with the method's reward as
the value).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segcritic.graph.merge_tree import CUES, MergeTree, merge_tree
from segcritic.graph.partition import connected_components
from segcritic.rules import Scorer
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.predict import Segmentation, label_partition
from segcritic.stateless.state import State

_ROWS = 32  # partitions measured at once


@dataclass(frozen=True)
class Cut:
    """A cut of a merge tree.

    Attributes
    ----------
    node_object : (N,) int32
        Object of each superpixel; 0 = background.
    reward : float
        What it earns, in [0, 1], background superpixel by superpixel; as `rewards.total_reward`.
    """

    node_object: NDArray[np.int32]
    reward: float


def best_cut(state: State, scorer: Scorer, tree: MergeTree) -> Cut:
    """Return the cut of a merge tree that earns most.

    An object earns its score, and what is no object its likelihood to be background, as in `rewards.node_rewards`. A
    rule on the number of objects is in the reward, but no choice between a candidate and its parts can follow it.

    Examples
    --------
    >>> from segcritic.rules import Rules
    >>> from segcritic.stateless.state import make_state
    >>> pieces = np.pad(np.repeat([[1, 1, 2, 2]], 8, axis=0), 4)  # two halves of a bright object
    >>> rules = Rules.loads("{area: {expect: 32}, intensity: {brighter_than: background}}")
    >>> state = make_state(1.0 * (pieces > 0), rules, given=pieces)
    >>> best_cut(state, Scorer(rules), merge_tree(state.graph)).node_object
    array([0, 1, 1], dtype=int32)
    """
    n = tree.n_leaves
    own, is_object = _values(state, scorer, tree)
    best, is_whole = own.copy(), np.ones(len(own), bool)
    for level in range(1, int(tree.level.max(initial=0)) + 1):
        rows = np.flatnonzero(tree.level[n:] == level)
        within = best[tree.children[rows]].sum(1)
        is_whole[n + rows] = own[n + rows] > within
        best[n + rows] = np.maximum(own[n + rows], within)
    owner = np.full(len(own), -1)  # the candidate that was chosen and holds this one
    for number in range(len(own) - 1, -1, -1):
        if owner[number] < 0 and is_whole[number]:
            owner[number] = number
        if number >= n and owner[number] >= 0:
            owner[tree.children[number - n]] = owner[number]
    found = np.where(is_object[owner[:n]], owner[:n], -1)
    node_object = np.unique(np.append(found, -1), return_inverse=True)[1][:-1].astype(np.int32)
    is_root = np.ones(len(own), bool)
    is_root[tree.children] = False
    count = scorer.count_score(np.array([node_object.max(initial=0)]))[0]
    return Cut(node_object, float(best[is_root].sum() / state.weight.sum() * count))


def _values(state: State, scorer: Scorer, tree: MergeTree) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What each candidate earns as one piece, (N + T,), and whether it does so as an object.

    Candidates of one level are disjoint, so they are the objects of one partition; its other superpixels are one more.
    """
    order, start, end = tree.leaf_ranges()
    value, is_object = np.zeros(len(tree.level)), np.zeros(len(tree.level), bool)
    by_level = np.argsort(tree.level, kind="stable")
    levels = np.split(by_level, np.flatnonzero(np.diff(tree.level[by_level])) + 1)
    for first in range(0, len(levels), _ROWS):
        part = levels[first : first + _ROWS]
        labels = np.empty((len(part), tree.n_leaves), np.int32)
        for row, numbers in zip(labels, part, strict=True):
            sizes = end[numbers] - start[numbers]
            members = order[np.repeat(start[numbers] - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())]
            outside = np.ones(tree.n_leaves, bool)
            outside[members] = False
            row[:] = np.argmax(outside)
            row[members] = np.repeat(order[start[numbers]], sizes)
        judged = evaluate_partition(state, labels, scorer)
        owner = judged.objects.node_object
        earned = np.bincount(owner.ravel(), (judged.node * state.weight).ravel(), len(judged.objects))
        for row, numbers in zip(owner, part, strict=True):
            objects = row[order[start[numbers]]]
            value[numbers], is_object[numbers] = earned[objects], judged.foreground[objects]
    return value, is_object


def segment_by_rules(state: State, scorer: Scorer, largest: float = np.inf) -> tuple[Segmentation, float]:
    """Label an image by the best cut of the best tree, nothing learned; and that cut's reward, in [0, 1].

    Parameters
    ----------
    state : State
        With pixels (not lean).
    scorer : Scorer
    largest : float
        Pixels; no object is larger. Without a bound, one that fills the image is cut by its border and judged by hardly
        any rule.
    """
    i, j = state.graph.edges.T
    cuts = [best_cut(state, scorer, merge_tree(state.graph, cue, largest)) for cue in CUES]
    best = max(cuts, key=lambda cut: cut.reward)
    node_labels = connected_components(state.graph, best.node_object[i] == best.node_object[j])
    split = (node_labels[i] != node_labels[j]).astype(np.float32)
    return label_partition(state, node_labels, split, scorer, best.node_object > 0), best.reward
