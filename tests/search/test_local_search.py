"""The local search of repair and --refine: gains are those of the whole image, and margins are kept."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from discs import TWO, discs, nuclei, partition_of_labels, state_of
from segcritic.graph.partition import connected_components, relabel_sequential
from segcritic.rules import Rules, Scorer
from segcritic.search.local_search import Move, _gains, kind_of, search
from segcritic.search.margins import Margins
from segcritic.search.moves import Proposer, fill_within
from segcritic.search.objective import Objective, segments_of
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.rewards import total_reward
from segcritic.stateless.state import make_state

SHAPE, RADIUS = (40, 60), 9.0
EAGER = Margins(dict.fromkeys(("merge", "split", "drop", "add", "rearrange"), 0.01), least_score=0.0, protect_above=1.1)


@pytest.fixture(scope="module")
def state():
    return state_of(TWO, SHAPE, RADIUS)


@pytest.fixture(scope="module")
def truth(state):
    """The true objects on the superpixels: 0 = background, 1, 2."""
    labels = np.zeros(state.graph.n_nodes, np.int32)
    labels[state.graph.superpixels.ravel()] = discs(SHAPE, TWO, RADIUS)[1].ravel()
    return labels


def test_scores_do_not_depend_on_what_is_measured_together(state):
    rng = np.random.default_rng(0)
    objects = [np.sort(rng.choice(state.graph.n_nodes, size, replace=False)) for size in (1, 3, 5, 9, 2, 7)]
    objects.append(np.arange(state.graph.n_nodes))
    together = Objective(state, Scorer(nuclei())).scores(objects)
    for nodes, score in zip(objects, together, strict=True):
        labels = np.zeros(state.graph.n_nodes, np.int32)
        labels[nodes] = 1
        relabel_sequential(labels[None])
        rewards = evaluate_partition(state, labels, Scorer(nuclei()))
        assert rewards.score[rewards.objects.node_object[0, nodes[0]]] == pytest.approx(score)


def test_reward_is_the_one_of_training_where_the_classes_agree(state, truth):
    partition = truth.copy()
    relabel_sequential(partition[None])
    trained = float(total_reward(evaluate_partition(state, partition, Scorer(nuclei())), state.weight)[0])
    assert Objective(state, Scorer(nuclei())).reward(truth) == pytest.approx(trained)


@pytest.mark.parametrize("start", ["nothing", "one", "each"])
def test_finds_the_discs_and_never_loses_reward(state, truth, start):
    objective = Objective(state, Scorer(nuclei()))
    begin = {
        "nothing": np.zeros(state.graph.n_nodes, np.int32),
        "one": (truth > 0).astype(np.int32),
        "each": np.where(truth > 0, np.arange(state.graph.n_nodes) + 1, 0).astype(np.int32),
    }[start]
    before = begin.copy()
    found = search(objective, begin, Proposer(state), EAGER, max_rounds=20)
    np.testing.assert_array_equal(begin, before)
    assert objective.reward(found) > objective.reward(begin)
    assert len(segments_of(found)) == 2
    assert objective.reward(found) >= objective.reward(truth) - 0.02


def test_caution(state, truth):
    objective = Objective(state, Scorer(nuclei()))
    start = (truth > 0).astype(np.int32)

    def kept(**changes):
        settings = {"margins": EAGER.margins, "least_score": 0.0, "protect_above": 1.1} | changes
        return (search(objective, start, Proposer(state), Margins(**settings)) == start).all()

    assert not kept()
    assert kept(margins=dict.fromkeys(EAGER.margins, 1.0))
    assert kept(least_score=1.1)
    # an object that is protect_above is touched only where all that comes out scores no less
    score = float(objective.scores(segments_of(truth)).min())

    def dropped(protect_above):
        anything = Margins(dict.fromkeys(EAGER.margins, -2.0), 0.0, protect_above)
        nodes = np.flatnonzero(truth == 1)
        return _gains(objective, truth, [Move(nodes, np.zeros(len(nodes), int))], anything)[0][0]

    assert np.isfinite(dropped(score + 1e-9))
    assert dropped(score) == -np.inf


def test_a_count_rule_vetoes(state, truth):
    counted = Rules.loads(nuclei().to_yaml() + "\ncount: {expect: 1}\n")
    start = np.where(truth == 1, 1, 0).astype(np.int32)
    assert len(segments_of(search(Objective(state, Scorer(nuclei())), start, Proposer(state), EAGER))) == 2
    assert len(segments_of(search(Objective(state, Scorer(counted)), start, Proposer(state), EAGER))) == 1


def test_kinds(truth):
    one, both, nothing = np.flatnonzero(truth == 1), np.flatnonzero(truth > 0), np.flatnonzero(truth == 0)[:3]
    half = (np.arange(len(one)) % 2) + 1
    assert kind_of(Move(one, half), truth) == "split"
    assert kind_of(Move(one, half - 1), truth) == "rearrange"
    assert kind_of(Move(one, half * 0), truth) == "drop"
    assert kind_of(Move(both, np.ones(len(both), int)), truth) == "merge"
    assert kind_of(Move(nothing, np.ones(3, int)), truth) == "add"


def test_moves_take_whole_objects_and_merge_only_alike_ones(state, truth):
    moves = Proposer(state)(truth)
    for move in moves:
        touched = truth[move.nodes]
        for number in np.unique(touched[touched > 0]):
            assert (touched == number).sum() == (truth == number).sum()
        assert len(np.unique(move.nodes)) == len(move.nodes)


def test_handovers_are_all_superpixels_that_can_change_hands(state, truth):
    """Against brute force: every superpixel with every label beside it, if no object falls apart or vanishes."""

    def whole(nodes):
        within = np.isin(state.graph.edges, nodes).all(axis=1)
        return len(np.unique(connected_components(state.graph, within)[nodes])) == 1

    expected = set()
    for node in range(state.graph.n_nodes):
        beside = state.graph.edges[(state.graph.edges == node).any(axis=1)].ravel()
        for target in set(truth[beside]) - {truth[node]}:
            after = truth.copy()
            after[node] = target
            if truth[node] == 0 or whole(np.flatnonzero(after == truth[node])):
                expected.add(tuple(after))
    found = set()
    members = {number: np.flatnonzero(truth == number) for number in (1, 2)}
    everywhere = Rules.loads(nuclei().to_yaml().replace("border: ignore", "border: keep"))
    moves = Proposer(state, thorough_for=everywhere)._handovers(truth, members)
    for move in moves:
        after = truth.copy()
        after[move.nodes] = np.where(move.parts > 0, move.parts + 10, 0)
        for part in np.unique(move.parts[move.parts > 0]):
            nodes = np.flatnonzero(after == part + 10)
            after[nodes] = truth[nodes].max() or 3
        found.add(tuple(after))
    assert expected
    assert found == expected
    assert len(moves) == len(expected)
    assert len(Proposer(state, thorough_for=everywhere)(truth)) >= len(Proposer(state)(truth)) + len(moves)


@pytest.mark.parametrize("border", ["ignore", "drop"])
def test_nothing_thorough_is_tried_at_the_border_unless_it_is_judged_there(state, truth, border):
    rules = Rules.loads(f"circularity: {{at_least: 0.7, tolerance: 0.2}}\nborder: {border}\n")
    proposer = Proposer(state, thorough_for=rules)
    at_border = np.unique(
        np.concatenate([state.graph.superpixels[[0, -1]].ravel(), state.graph.superpixels[:, [0, -1]].ravel()])
    )
    for outlined in proposer.whole[-3:]:
        assert not outlined[at_border].any()
    for move in proposer._handovers(truth, {number: np.flatnonzero(truth == number) for number in (1, 2)}):
        assert not np.isin(move.nodes[move.parts > 0], at_border).any()


def test_debris_of_a_cut_joins_the_part_with_the_longest_boundary(state, truth):
    graph = state.graph
    area = graph.node_sums[:, 0]
    nodes = np.flatnonzero(truth == 1)
    cut = np.zeros(graph.n_nodes, int)
    cut[nodes] = np.where(graph.node_sums[nodes, 2] / area[nodes] < 18, 1, 2)
    cut[nodes[0]] = 3
    parts = fill_within(graph, truth, cut, area, area[nodes[0]] + 1)
    assert (parts[truth == 0] == 0).all()
    assert len(np.unique(parts[nodes])) == 2
    assert (parts[nodes] > 0).all()
    assert (fill_within(graph, truth, cut, area, 1e9) == 0).all()


def test_partition_of_given_labels_is_exact(state, truth):
    given = discs(SHAPE, TWO, RADIUS)[1]
    np.testing.assert_array_equal(truth[state.graph.superpixels], given)
    assert len(np.unique(partition_of_labels(state.graph, given))) == 3


def test_many_overlapping_objects_take_little_memory():
    # As one table, 1,000 candidates on 8,000 superpixels were 40 MB, 4,000 were 160: they are scored in turns.
    side, n = 4, 8000
    labels = np.arange(n, dtype=np.int32).reshape(80, 100).repeat(side, 0).repeat(side, 1)
    image = np.random.default_rng(0).random(labels.shape).astype(np.float32)
    rules = Rules.loads("area: {expect: 150, tolerance: 30}\nborder: keep")
    objective = Objective(make_state(image, rules, given=labels), Scorer(rules))
    rng = np.random.default_rng(1)
    # All of them hold superpixel 0, so that no two are measured in one partition.
    objects = [np.append(0, np.sort(rng.choice(n - 1, rng.integers(4, 12), replace=False) + 1)) for _ in range(1000)]
    objective.scores(objects[:2])
    tracemalloc.start()
    scores = objective.scores(objects)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16e6
    areas = np.array([16.0 * len(nodes) for nodes in objects])
    np.testing.assert_allclose(scores, np.exp(-0.5 * ((areas - 150) / 30) ** 2), rtol=1e-6)


@pytest.mark.parametrize(("protect_above", "allowed"), [(0.9, False), (0.96, True)])
def test_an_object_that_fits_well_is_not_traded_for_a_larger_one_that_fits_less(protect_above, allowed):
    scores = {2: 0.95, 3: 0.93}  # by the number of superpixels
    objective = SimpleNamespace(
        scores=lambda objects: np.array([scores[len(nodes)] for nodes in objects]),
        foreground=np.ones(4),
        background=np.zeros(4),
        state=SimpleNamespace(weight=np.ones(4)),
    )
    labels = np.array([1, 1, 0, 0], np.int32)
    move = Move(np.array([0, 1, 2]), np.ones(3, np.int64))  # takes one more superpixel
    margins = Margins(dict.fromkeys(("merge", "split", "drop", "add", "rearrange"), 0.0), 0.0, protect_above)
    gains, earned = _gains(objective, labels, [move], margins)
    assert np.isfinite(gains[0]) == allowed
    if allowed:
        assert earned[0] == pytest.approx(3 * 0.93 - 2 * 0.95)
