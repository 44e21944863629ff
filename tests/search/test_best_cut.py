"""The best cut against every cut, on images small enough to try them all."""

import numpy as np
import pytest

from segcritic.graph import build_graph
from segcritic.graph.merge_tree import MergeTree, merge_tree
from segcritic.rules import Rules, Scorer
from segcritic.search.best_cut import best_cut, segment_by_rules
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.rewards import total_reward
from segcritic.stateless.state import State, make_state

RULES = (
    "area: {expect: 120, tolerance: 40%, scale: log}\nintensity: {brighter_than: background}\n",
    "area: {expect: 60, tolerance: 50%, scale: log}\nsolidity: {at_least: 0.9}\n",
)


def _state(seed: int, rules: Rules) -> State:
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 0.1, (24, 24))
    for row, column in rng.integers(4, 20, (4, 2)):
        y, x = np.ogrid[:24, :24]
        image += np.exp(-((y - row) ** 2 + (x - column) ** 2) / 20)
    pieces = np.repeat(np.repeat(np.arange(12).reshape(4, 3), 6, 0), 8, 1)
    return make_state(image, rules, given=pieces)


def _cuts(tree: MergeTree, number: int) -> list[list[int]]:
    """Every way of cutting below a candidate: it, or any cut of one child with any of the other."""
    if number < tree.n_leaves:
        return [[number]]
    left, right = tree.children[number - tree.n_leaves]
    return [[number], *(a + b for a in _cuts(tree, left) for b in _cuts(tree, right))]


def _leaves(tree: MergeTree, number: int) -> list[int]:
    if number < tree.n_leaves:
        return [number]
    return [leaf for child in tree.children[number - tree.n_leaves] for leaf in _leaves(tree, child)]


def _labels(tree: MergeTree, cut: list[int]) -> np.ndarray:
    labels = np.empty(tree.n_leaves, np.int32)
    for object_number, candidate in enumerate(cut):
        labels[_leaves(tree, candidate)] = object_number
    return labels


@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize("cue", ["boundary", "difference"])
@pytest.mark.parametrize("seed", range(3))
def test_no_cut_of_the_tree_earns_more(text: str, cue: str, seed: int):
    rules = Rules.loads(text)
    state, scorer = _state(seed, rules), Scorer(rules)
    tree = merge_tree(state.graph, cue)
    every = np.stack([_labels(tree, cut) for cut in _cuts(tree, len(tree.level) - 1)])
    rewards = total_reward(evaluate_partition(state, every, scorer), state.weight)
    found = best_cut(state, scorer, tree)
    assert len(every) > 20
    np.testing.assert_allclose(found.reward, rewards.max(), atol=1e-12)
    # and the partition is the one that earns it: background superpixels alone, so that each earns its own
    node_object = found.node_object
    apart = np.where(node_object > 0, node_object, node_object.max() + 1 + np.arange(len(node_object)))
    partition = np.unique(apart, return_inverse=True)[1].astype(np.int32)
    mine = total_reward(evaluate_partition(state, partition, scorer), state.weight)
    np.testing.assert_allclose(mine[0], rewards.max(), atol=1e-12)
    assert rewards.max() > rewards.min()


def test_levels_never_overlap_and_parents_follow_their_children():
    state = _state(0, Rules.loads(RULES[0]))
    tree = merge_tree(state.graph)
    assert len(tree.children) == state.graph.n_nodes - 1
    for number, children in enumerate(tree.children, tree.n_leaves):
        assert (children < number).all()
        assert tree.level[number] == 1 + tree.level[children].max()
    for level in range(tree.level.max() + 1):
        leaves = [leaf for number in np.flatnonzero(tree.level == level) for leaf in _leaves(tree, int(number))]
        assert len(leaves) == len(set(leaves))


def test_nothing_is_larger_than_allowed():
    state = _state(0, Rules.loads(RULES[0]))
    tree = merge_tree(state.graph, largest=150)
    assert len(tree.children)
    assert max(len(_leaves(tree, number)) for number in range(len(tree.level))) * 48 <= 150


def test_the_faintest_boundary_goes_first_by_either_cue():
    image = np.repeat([[0.0, 0.0, 0.5, 0.5, 0.6, 0.6, 1.0, 1.0]], 8, axis=0).astype(np.float32)
    graph = build_graph(image, np.repeat([[0, 0, 1, 1, 2, 2, 3, 3]], 8, axis=0))
    for cue in ("boundary", "difference"):
        assert merge_tree(graph, cue).children[0].tolist() == [1, 2]


def test_two_disks_are_found_without_training():
    y, x = np.mgrid[:64, :64]
    disks = np.zeros((64, 64))
    for row, column in ((20, 20), (44, 42)):
        disks[(y - row) ** 2 + (x - column) ** 2 <= 81] = 1
    rules = Rules.loads("area: {expect: 255, tolerance: 40%}\nintensity: {brighter_than: background}\n")
    state = make_state(disks + np.random.default_rng(0).normal(0, 0.05, disks.shape), rules)
    found, reward = segment_by_rules(state, Scorer(rules))
    assert found.labels.max() == 2
    assert ((found.labels > 0) == (disks > 0)).mean() > 0.98
    assert reward > 0.8
