"""Actions -> partitions -> rewards: each image for itself, every value in its range, extremes as they should be."""

import numpy as np
import pytest
import torch

from discs import FOUR, TWO, discs, nuclei, partition_of_labels, state_of
from segcritic.graph.partition import multicut
from segcritic.graph.project import UNLABELLED
from segcritic.rules import Rules, Scorer
from segcritic.stateless.environment import draw_subgraphs, evaluate_partition, step
from segcritic.stateless.label_rewards import supervised
from segcritic.stateless.rewards import edge_rewards, total_reward
from segcritic.stateless.variants.contrast import Contrast, contrast_rewards

SCENES = [state_of(), state_of(TWO, (40, 60), 9.0)]
COUNT = Rules.loads("count: {expect: 4}\narea: {expect: 380, tolerance: 40%}\nintensity: {brighter_than: background}")


def raw_actions(states, k=4, seed=0):
    n_edges = sum(state.graph.n_edges for state in states)
    return np.random.default_rng(seed).normal(0, 2, (k, n_edges)).astype(np.float32)


def true_actions(state, truth):
    labels = partition_of_labels(state.graph, truth)
    split = labels[state.graph.edges[:, 0]] != labels[state.graph.edges[:, 1]]
    return np.where(split, 5.0, -5.0).astype(np.float32)[None]


@pytest.mark.parametrize("credit", ["share", "maximum"])
def test_each_image_is_judged_for_itself(credit):
    raw = raw_actions(SCENES)
    together = step(SCENES, raw, Scorer(COUNT), credit=credit)
    assert together.edge.shape == raw.shape
    assert together.edge.dtype == torch.float32
    assert together.image.shape == together.total.shape == together.objects.shape == (4, 2)
    first = 0
    for b, state in enumerate(SCENES):
        last = first + state.graph.n_edges
        alone = step([state], raw[:, first:last], Scorer(COUNT), credit=credit)
        torch.testing.assert_close(together.edge[:, first:last], alone.edge)
        torch.testing.assert_close(together.weight[first:last], alone.weight)
        torch.testing.assert_close(together.image[:, [b]], alone.image)
        np.testing.assert_allclose(together.total[:, [b]], alone.total)
        np.testing.assert_array_equal(together.objects[:, [b]], alone.objects)
        first = last


@pytest.mark.parametrize("contrast_weight", [0.0, 0.5, 1.0])
def test_rewards_of_edges_and_subgraphs_lie_in_0_to_1(contrast_weight):
    outcome = step(SCENES, raw_actions(SCENES, seed=1), Scorer(COUNT), edge_variant=Contrast(contrast_weight))
    for values in (outcome.edge, outcome.image, outcome.total):
        assert values.min() >= 0
        assert values.max() <= 1 + 1e-6
    for subgraphs in draw_subgraphs(SCENES, (1, 6, 12), 0).values():
        reward = outcome.subgraphs(subgraphs)
        assert reward.shape == (4, len(subgraphs))
        assert 0 <= reward.min() <= reward.max() <= 1 + 1e-6


def test_true_actions_earn_the_most_and_find_all_objects():
    state, truth = SCENES[0], discs()[1]
    raw = np.concatenate([true_actions(state, truth), np.full((1, state.graph.n_edges), -9), raw_actions([state])])
    raw = np.concatenate([raw, np.full((1, state.graph.n_edges), 9)]).astype(np.float32)
    outcome = step([state], raw, Scorer(nuclei()))
    total = outcome.total[:, 0]
    assert total[0] > total[1:].max() + 0.1
    assert outcome.objects[0, 0] == len(FOUR)
    assert outcome.objects[1, 0] == 0  # all merged: background
    expected = evaluate_partition(state, np.arange(state.graph.n_nodes, dtype=np.int32), Scorer(nuclei()))
    assert total[-1] == pytest.approx(total_reward(expected, state.weight)[0])


def test_a_positive_raw_action_splits():
    """The action's sigmoid is the probability to split: what the drawings and `Segmentation.split` show."""
    state = SCENES[1]
    merged, split = (
        step([state], np.full((1, state.graph.n_edges), raw, np.float32), Scorer(nuclei())) for raw in (-3, 3)
    )
    assert merged.total[0, 0] != split.total[0, 0]
    one = evaluate_partition(state, np.zeros(state.graph.n_nodes, np.int32), Scorer(nuclei()))
    assert merged.total[0, 0] == pytest.approx(total_reward(one, state.weight)[0])


def test_edge_rewards_come_from_both_ends():
    state = SCENES[0]
    outcome = step([state], true_actions(state, discs()[1]), Scorer(nuclei()))
    rewards = evaluate_partition(state, partition_of_labels(state.graph, discs()[1]), Scorer(nuclei()))
    reward, weight = edge_rewards(state.graph, rewards.node, state.weight)
    np.testing.assert_allclose(outcome.edge.numpy(), reward, rtol=1e-5)
    np.testing.assert_allclose(outcome.weight.numpy(), weight, rtol=1e-5)


def test_contrast_alone_is_equation_18():
    state, raw = SCENES[0], raw_actions(SCENES[:1])
    outcome = step([state], raw, Scorer(nuclei()), edge_variant=Contrast(1.0))
    expected = contrast_rewards(state.graph, 1 / (1 + np.exp(-raw.astype(float))))
    np.testing.assert_allclose(outcome.edge.numpy(), expected, atol=1e-5)


def test_very_large_actions_do_not_overflow():
    state = SCENES[0]
    raw = np.where(raw_actions([state]) > 0, 1e4, -1e4).astype(np.float32)
    with np.errstate(over="ignore"):
        outcome = step([state], raw, Scorer(nuclei()), edge_variant=Contrast(0.5))
    assert torch.isfinite(outcome.edge).all()


def test_count_score_is_told_per_image():
    state = SCENES[1]  # two discs, where four are expected
    outcome = step([state], true_actions(state, discs((40, 60), TWO, 9.0)[1]), Scorer(COUNT))
    assert outcome.objects[0, 0] == 2
    assert outcome.image[0, 0] == pytest.approx(0.5)


def test_subgraphs_of_several_images_keep_apart_and_cover_all_edges():
    drawn = draw_subgraphs(SCENES, (6, 12), 0)
    n_edges = [state.graph.n_edges for state in SCENES]
    for size, part in drawn.items():
        assert part.size == size
        used = part.edge_index[part.mask > 0]
        assert sorted(set(used.tolist())) == list(range(sum(n_edges)))
        for row, mask, graph in zip(part.edge_index, part.mask, part.graph, strict=True):
            of_image = (row[mask > 0] >= n_edges[0]).long()
            assert (of_image == graph).all()
    again, other = draw_subgraphs(SCENES, (6,), 0)[6], draw_subgraphs(SCENES, (6,), 1)[6]
    assert torch.equal(drawn[6].edge_index, again.edge_index)
    assert not torch.equal(drawn[6].edge_index[:20], other.edge_index[:20])


def test_the_solver_of_the_settings_cuts():
    state, raw = SCENES[0], raw_actions(SCENES[:1], k=64)
    outcomes = {}
    for solver in ("greedy", "kernighan-lin"):
        outcomes[solver] = step([state], raw, Scorer(nuclei()), solver)
        labels = multicut(state.graph, -raw.astype(np.float64), solver)
        expected = total_reward(evaluate_partition(state, labels, Scorer(nuclei())), state.weight)
        np.testing.assert_allclose(outcomes[solver].total[:, 0], expected)
    assert not torch.equal(outcomes["greedy"].edge, outcomes["kernighan-lin"].edge)


def test_share_credit_of_the_whole_graph_is_the_reward_of_the_image():
    state, raw = SCENES[0], raw_actions(SCENES[:1])
    outcome = step([state], raw, Scorer(nuclei()))
    mean = (outcome.edge * outcome.weight).sum(1) / outcome.weight.sum()
    np.testing.assert_allclose(mean.numpy(), outcome.total[:, 0], atol=1e-5)


def test_labels_reward_edges_by_the_dice_score_of_each_subgraph():
    truth = discs(centres=FOUR)[1]
    half = truth.copy()
    half[:, truth.shape[1] // 2 :] = UNLABELLED
    states = [supervised(SCENES[0], half, "half"), SCENES[1]]
    raw = raw_actions(states)
    outcome, by_objects = (step(states, raw, Scorer(COUNT), labels_reward_edges=by_edges) for by_edges in (True, False))
    node = states[0].truth.node
    for size, subgraphs in draw_subgraphs(states, (1, 6, 32), 0).items():
        rewards = outcome.subgraphs(subgraphs)
        for s in range(len(subgraphs)):
            edges = subgraphs.edge_index[s][subgraphs.mask[s] > 0].numpy()
            mine = edges[edges < states[0].graph.n_edges]
            ends = node[states[0].graph.edges[mine]]
            known = (ends >= 0).all(axis=1)
            a = 1 / (1 + np.exp(-raw[0, mine[known]].astype(float)))
            t = (ends[known, 0] != ends[known, 1]).astype(float)
            expected = (2 * (a * t).sum() + 1) / ((a**2).sum() + (t**2).sum() + 1) * known.sum()
            rest = np.setdiff1d(edges, mine[known])
            if len(rest):
                weight = by_objects.weight[rest]
                expected += float((by_objects.edge[0, rest] * weight).sum() / weight.sum()) * len(rest)
            assert float(rewards[0, s]) == pytest.approx(expected / len(edges), abs=1e-4), size


def test_true_actions_earn_the_most():
    truth = discs(centres=FOUR)[1]
    state = supervised(SCENES[0], truth, "all")
    sharp = 4 * true_actions(state, truth)
    wrong = sharp.copy()
    wrong[:, ::2] *= -1
    outcome = step([state], np.concatenate([sharp, wrong]), Scorer(COUNT))
    (subgraphs,) = draw_subgraphs([state], (6,), 0).values()
    best, worse = outcome.subgraphs(subgraphs)
    assert best.min() > 0.99
    assert (worse <= best + 1e-6).all()
    assert step([state], sharp, Scorer(COUNT), labels_reward_edges=False).true_action is None
