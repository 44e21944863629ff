"""Rewards stay in [0, 1], know a true partition from degenerate ones, and reach the edges without loss."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discs import FOUR, TWO, blocks, discs, nuclei, partition_of_labels, state_of
from segcritic.graph import Node, build_graph
from segcritic.graph.partition import multicut
from segcritic.rules import Rules, Scorer
from segcritic.stateless.rewards import (
    edge_rewards,
    edge_shares,
    node_rewards,
    node_weights,
    total_reward,
)
from segcritic.stateless.state import make_state
from segcritic.stateless.variants.contrast import contrast_rewards

RULES = {
    "nuclei": nuclei(),
    "no polarity": Rules.loads("solidity: {at_least: 0.9}\narea: {expect: 380, tolerance: 30%}"),
    "cosine": Rules.loads("distance: cosine\narea: {expect: 380}\nintensity: {brighter_than: background}"),
    "shaped": Rules.loads("shaping: 3\ncircularity: {at_least: 0.9}\nintensity: {darker_than: background}"),
    "count": Rules.loads("count: {expect: 4}\narea: {expect: 380}\nintensity: {brighter_than: background}"),
}


def judged(state, partitions, rules):
    partitions = np.atleast_2d(partitions).astype(np.int32)
    rewards = node_rewards(state.graph, partitions, Scorer(rules), state.context, state.background, state.weight)
    return rewards, total_reward(rewards, state.weight)


def true_merged_split(state, truth):
    n = state.graph.n_nodes
    return np.stack([partition_of_labels(state.graph, truth), np.zeros(n, np.int32), np.arange(n, dtype=np.int32)])


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(RULES)), st.integers(0, 10_000), st.floats(-2, 2), st.floats(0.01, 4))
def test_rewards_lie_in_0_to_1(name, seed, shift, spread):
    state, rules = state_of(), RULES[name]
    costs = np.random.default_rng(seed).normal(shift, spread, (3, state.graph.n_edges))
    rewards, total = judged(state, multicut(state.graph, costs), rules)
    for values in (rewards.score, rewards.node, rewards.count, total):
        assert values.min() >= 0
        assert values.max() <= 1
    assert rewards.node.shape == (3, state.graph.n_nodes)
    for credit in ("share", "maximum"):
        edge, _ = edge_rewards(state.graph, rewards.node, state.weight, credit)
        assert edge.min() >= 0
        assert edge.max() <= 1 + 1e-12


@pytest.mark.parametrize("radius", [9.0, 11.0])
@pytest.mark.parametrize("seed", [0, 1])
def test_true_partition_scores_near_1_and_degenerate_ones_low(radius, seed):
    state = state_of(radius=radius, seed=seed)
    rewards, (true, merged, split) = judged(state, true_merged_split(state, discs(radius=radius)[1]), nuclei())
    assert true > 0.92
    assert merged < true - 0.18
    assert split < true - 0.15
    assert np.bincount(rewards.objects.sample, rewards.foreground)[:2].tolist() == [len(FOUR), 0]
    of_truth = rewards.foreground & (rewards.objects.sample == 0)
    assert rewards.score[of_truth].min() > 0.85


def test_two_discs_in_one_earn_less_than_two():
    centres = ((20, 20), (20, 39))
    state, truth = state_of(centres, (40, 60), 10.0), discs((40, 60), centres, 10.0)[1]
    _, (apart, together) = judged(
        state, [partition_of_labels(state.graph, labels) for labels in (truth, np.minimum(truth, 1))], nuclei()
    )
    assert together < apart - 0.05


def test_swallowing_background_costs_its_reward():
    state, truth = state_of(), discs()[1]
    partition = partition_of_labels(state.graph, truth)
    greedy = partition_of_labels(state.graph, np.where(np.indices(truth.shape)[0] < 32, np.maximum(truth, 1), truth))
    rewards, total = judged(state, [partition, greedy], nuclei())
    assert total[1] < total[0] - 0.05
    ground = state.background > 0.9
    assert rewards.node[0, ground].min() > 0.9  # each superpixel of the ground for itself, however large the whole


def test_without_polarity_objects_that_fit_are_foreground():
    pixels, truth = discs()
    rules = Rules.loads(
        "solidity: {at_least: 0.93, tolerance: 0.03}\narea: {expect: 380, tolerance: 20%}\nborder: keep"
    )
    state = make_state(pixels, rules, given=blocks(truth))
    assert (state.background == 0.5).all()
    rewards, total = judged(state, true_merged_split(state, truth), rules)
    assert np.bincount(rewards.objects.sample, rewards.foreground)[:2].tolist() == [len(FOUR), 0]
    assert total[0] > total[1:].max()


def test_count_rule_scales_the_reward_of_the_whole():
    state, truth = state_of(), discs()[1]
    partitions = [partition_of_labels(state.graph, labels) for labels in (truth, np.where(truth > 2, 0, truth))]
    _, plain = judged(state, partitions, without_count(RULES["count"]))
    rewards, total = judged(state, partitions, RULES["count"])
    np.testing.assert_allclose(rewards.count, [1, 0.5])
    np.testing.assert_allclose(total, plain * rewards.count)


def without_count(rules):
    return rules.model_copy(update={"count": None})


def test_many_at_once_equal_one_by_one():
    state = state_of()
    partitions = multicut(state.graph, np.random.default_rng(0).normal(size=(5, state.graph.n_edges)))
    together, total = judged(state, partitions, nuclei())
    for k, partition in enumerate(partitions):
        alone, one = judged(state, partition, nuclei())
        np.testing.assert_allclose(alone.node[0], together.node[k])
        assert one[0] == pytest.approx(total[k])


def test_numbers_of_superpixels_and_of_objects_mean_nothing():
    state = state_of()
    rng = np.random.default_rng(3)
    order = rng.permutation(state.graph.n_nodes)  # order[n]: new number of superpixel n
    graph = build_graph(state.image, order[state.graph.superpixels].astype(np.int32))
    back = np.argsort(order)
    renumbered = dataclasses.replace(state, graph=graph, background=state.background[back], weight=state.weight[back])
    partitions = multicut(state.graph, rng.normal(size=(4, state.graph.n_edges)))
    rewards, total = judged(state, partitions, nuclei())
    others, total_others = judged(renumbered, partitions[:, np.argsort(order)], nuclei())
    np.testing.assert_allclose(total_others, total)
    np.testing.assert_allclose(others.node[:, order], rewards.node)
    edges = np.sort(order[state.graph.edges], axis=1)
    where = [np.flatnonzero((graph.edges == edge).all(1)).item() for edge in edges]
    for credit in ("share", "maximum"):
        reward, weight = edge_rewards(state.graph, rewards.node, state.weight, credit)
        reward_others, weight_others = edge_rewards(graph, others.node, renumbered.weight, credit)
        np.testing.assert_allclose(reward_others[:, where], reward)
        np.testing.assert_allclose(weight_others[where], weight)


def with_a_lonely_superpixel():
    """A graph whose superpixel 0 has lost its edges."""
    graph = state_of(TWO, (40, 60), 9.0).graph
    without = ~(graph.edges == 0).any(1)
    return dataclasses.replace(graph, edges=graph.edges[without], edge_sums=graph.edge_sums[without])


@pytest.mark.parametrize(
    "graph", [state_of().graph, with_a_lonely_superpixel()], ids=["whole", "with a lonely superpixel"]
)
def test_share_credit_adds_up_to_the_mean_over_superpixels(graph):
    node = np.random.default_rng(0).random((6, graph.n_nodes))
    node_weight = node_weights(graph, 40.0)
    edge, weight = edge_rewards(graph, node, node_weight, "share")
    joined = np.bincount(graph.edges.ravel(), minlength=graph.n_nodes) > 0
    expected = np.average(node[:, joined], axis=1, weights=node_weight[joined])
    np.testing.assert_allclose(np.average(edge, axis=1, weights=weight), expected)
    low, high = np.sort(node[:, graph.edges], axis=2).transpose(2, 0, 1)
    assert (edge >= low - 1e-12).all()
    assert (edge <= high + 1e-12).all()
    np.testing.assert_allclose(weight.mean(), 1)
    np.testing.assert_allclose(edge_shares(graph, node_weight).sum(axis=1), weight)


def test_maximum_credit_is_the_higher_end():
    graph = state_of().graph
    node = np.random.default_rng(1).random((2, graph.n_nodes))
    edge, weight = edge_rewards(graph, node, node_weights(graph), "maximum")
    for e, (i, j) in enumerate(graph.edges):
        assert edge[:, e].tolist() == np.maximum(node[:, i], node[:, j]).tolist()
    assert (weight == 1).all()


def test_one_superpixel_has_a_reward_but_no_edge():
    state = make_state(np.full((6, 7), 5.0, np.float32), nuclei())
    rewards, total = judged(state, [0], nuclei())
    assert 0 <= total[0] <= 1
    for credit in ("share", "maximum"):
        edge, weight = edge_rewards(state.graph, rewards.node, state.weight, credit)
        assert edge.shape == (1, 0)
        assert weight.shape == (0,)


def test_huge_superpixels_do_not_drown_the_others():
    graph = state_of().graph
    area = graph.node_sums[:, Node.AREA]
    np.testing.assert_array_equal(node_weights(graph), area)
    np.testing.assert_array_equal(node_weights(graph, 30.0), np.minimum(area, 30))
    pixels, _ = discs()
    state = make_state(pixels, nuclei(), given=np.where(np.indices(pixels.shape)[0] < 60, 0, blocks(pixels)))
    assert state.weight[0] == pytest.approx(np.pi * state.prior.radius**2)
    assert state.weight[0] < 0.5 * state.graph.node_sums[0, Node.AREA]


def test_contrast_reward_at_its_corners():
    image = np.tile(np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0], np.float32), (6, 1))
    pieces = np.tile(np.array([0, 0, 0, 1, 1, 1], np.int32), (6, 1))
    opposite, equal = build_graph(image, pieces), build_graph(np.zeros_like(image), pieces)
    split = np.array([[0.0], [1.0], [0.5]])
    np.testing.assert_allclose(contrast_rewards(equal, split)[:, 0], [1, 0, 0.5])
    np.testing.assert_allclose(contrast_rewards(opposite, split)[:, 0], [0, 1, 0.5])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(-5, 5), st.floats(0, 5))
def test_contrast_reward_lies_in_0_to_1_on_any_image(seed, shift, scale):
    rng = np.random.default_rng(seed)
    image = (shift + scale * rng.normal(size=(9, 9))).astype(np.float32)
    graph = build_graph(image, blocks(np.zeros((9, 9)), 3) // 100 * 3 + blocks(np.zeros((9, 9)), 3) % 100)
    reward = contrast_rewards(graph, rng.random((4, graph.n_edges)))
    assert reward.min() >= 0
    assert reward.max() <= 1


def test_an_object_on_sure_background_is_background_however_well_it_fits():
    state = state_of()
    labels = np.arange(state.graph.n_nodes, dtype=np.int32)[None]
    background = np.zeros(state.graph.n_nodes)
    background[3] = 1.0
    scorer = Scorer(Rules.loads("area: {at_least: 1}\nborder: keep"))  # anything fits
    rewards = node_rewards(state.graph, labels, scorer, state.context, background, state.weight)
    assert rewards.foreground[rewards.objects.node_object[0]].tolist() == (background == 0).tolist()
    np.testing.assert_allclose(rewards.node[0], 1.0)
