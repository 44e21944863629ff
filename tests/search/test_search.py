"""The local search: it never loses reward, and finds two discs among their pieces."""

import numpy as np
import pytest

from discs import TWO, discs, nuclei, partition_of_labels, state_of
from segcritic.graph.partition import connected_components, multicut, relabel_sequential
from segcritic.rules import Scorer
from segcritic.search.climb import climb
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.rewards import total_reward

SHAPE, RADIUS = (40, 60), 9.0


@pytest.fixture(scope="module")
def state():
    return state_of(TWO, SHAPE, RADIUS)


@pytest.fixture(scope="module")
def judge(state):
    return lambda partitions: total_reward(evaluate_partition(state, partitions, Scorer(nuclei())), state.weight)


def assert_partition(labels, graph):
    assert labels.shape == (graph.n_nodes,)
    dense = labels.astype(np.int32).copy()[None]
    relabel_sequential(dense)
    np.testing.assert_array_equal(dense[0], labels)  # 0..M-1 in order of first appearance


@pytest.mark.parametrize("seed", range(4))
def test_reward_never_falls_and_the_result_is_a_partition(state, judge, seed):
    start = multicut(state.graph, np.random.default_rng(seed).normal(size=state.graph.n_edges))
    rewards = [float(judge(start[None])[0])]
    for sweeps in (0, 1, 2, 8):
        labels, reward = climb(state.graph, start, judge, max_sweeps=sweeps)
        assert_partition(labels, state.graph)
        assert reward == pytest.approx(float(judge(labels[None])[0]))
        rewards.append(reward)
    assert rewards[0] == pytest.approx(rewards[1])
    assert (np.diff(rewards) >= -1e-12).all()
    assert rewards[-1] > rewards[0]


def test_finds_the_two_discs_from_all_split(state, judge):
    truth = discs(SHAPE, TWO, RADIUS)[1]
    labels, reward = climb(state.graph, np.arange(state.graph.n_nodes), judge, max_sweeps=30)
    rewards = evaluate_partition(state, labels, Scorer(nuclei()))
    found = np.flatnonzero(rewards.foreground)
    assert len(found) == 2
    pixels = rewards.objects.node_object[0][state.graph.superpixels]
    for number in (1, 2):
        overlap = max(
            ((pixels == o) & (truth == number)).sum() / ((pixels == o) | (truth == number)).sum() for o in found
        )
        assert overlap > 0.9
    assert reward >= float(judge(partition_of_labels(state.graph, truth)[None])[0]) - 0.01


def test_every_kind_of_move_is_tried(state):
    """Judged by agreement with a target: a merge, a move across, and a superpixel set free each are one step away."""
    graph = state.graph
    target = connected_components(graph, np.random.default_rng(0).random(graph.n_edges) < 0.25)
    i, j = graph.edges.T

    def agreement(partitions):
        return ((partitions[:, i] == partitions[:, j]) == (target[i] == target[j])).mean(axis=1)

    size = np.bincount(target)
    across = next(e for e in graph.edges if target[e[0]] != target[e[1]] and min(size[target[e]]) > 1)
    moved, freed = target.copy(), target.copy()
    moved[across[0]] = target[across[1]]
    freed[np.flatnonzero(size[target] > 2)[0]] = target.max() + 1
    merged = np.where(target == target[across[0]], target[across[1]], target)
    for start in (moved, freed, merged):
        before = agreement(start[None])[0]
        assert before < 1
        assert climb(graph, start, agreement, max_sweeps=4)[1] > before


def test_an_object_that_fell_apart_becomes_two_unless_that_costs_reward(state):
    graph = state.graph
    truth = partition_of_labels(graph, discs(SHAPE, TWO, RADIUS)[1] > 0)  # both discs as one object
    apart = connected_components(graph, truth[graph.edges[:, 0]] == truth[graph.edges[:, 1]])
    assert apart.max() == truth.max() + 1
    labels, _ = climb(graph, truth, lambda p: np.full(len(p), 0.5))
    np.testing.assert_array_equal(labels, apart)

    def few(partitions):  # the two discs in one earn more than apart
        return np.array([1 / (1 + p.max()) if (p == truth).all() else 0.1 for p in partitions])

    labels, reward = climb(graph, truth, few)
    np.testing.assert_array_equal(labels, truth)
    assert reward == few(truth[None])[0]


def test_stops_at_once_where_nothing_can_be_gained(state):
    asked = []

    def indifferent(partitions):
        asked.append(len(partitions))
        return np.full(len(partitions), 0.5)

    start = np.zeros(state.graph.n_nodes, np.int32)
    labels, reward = climb(state.graph, start, indifferent, max_sweeps=50)
    assert reward == 0.5
    np.testing.assert_array_equal(labels, start)
    assert sum(asked) <= 2 * state.graph.n_nodes


def test_the_start_is_left_as_it_is_and_one_superpixel_is_no_problem(state, judge):
    start = np.arange(state.graph.n_nodes, dtype=np.int32)[::-1].copy()
    before = start.copy()
    climb(state.graph, start, judge, max_sweeps=1)
    np.testing.assert_array_equal(start, before)
    from segcritic.graph import build_graph

    lone = build_graph(np.zeros((4, 4), np.float32), np.zeros((4, 4), np.int32))
    labels, reward = climb(lone, np.zeros(1, np.int32), lambda p: np.full(len(p), 0.25))
    assert labels.tolist() == [0]
    assert reward == 0.25
