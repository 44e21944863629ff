import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segcritic.recurrent.rewards import match, prefix_matches, returns, soft_scores


def brute_force(scores, available):
    """Best sum over all ways of giving masks to different true masks (eq. 4 by enumeration)."""
    columns = np.flatnonzero(available)
    n_masks = len(scores)
    k = min(n_masks, len(columns))
    best = 0.0
    for rows in itertools.combinations(range(n_masks), k):
        for chosen in itertools.permutations(columns, k):
            best = max(best, sum(scores[r, c] for r, c in zip(rows, chosen, strict=True)))
    return best


def test_scores_of_hard_masks_are_the_usual_dice_and_iou():
    rng = np.random.default_rng(0)
    masks, truth = rng.random((2, 3, 8, 9)) > 0.5, rng.random((2, 4, 8, 9)) > 0.6
    dice = soft_scores(torch.tensor(masks).float(), torch.tensor(truth).float(), "dice").numpy()
    iou = soft_scores(torch.tensor(masks).float(), torch.tensor(truth).float(), "iou").numpy()
    for e, t, n in np.ndindex(2, 3, 4):
        both, either = (masks[e, t] & truth[e, n]).sum(), (masks[e, t] | truth[e, n]).sum()
        assert dice[e, t, n] == pytest.approx(2 * both / (masks[e, t].sum() + truth[e, n].sum()), abs=1e-6)
        assert iou[e, t, n] == pytest.approx(both / either, abs=1e-6)


def test_empty_masks_score_nothing():
    assert soft_scores(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), "dice").item() == 0


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 4))
def test_potentials_are_the_best_matching_and_never_fall(seed, n_masks, n_truth):
    rng = np.random.default_rng(seed)
    scores, available = rng.random((n_masks, n_truth)), rng.random(n_truth) > 0.3
    potential, matched = prefix_matches(scores, available)
    for t in range(n_masks + 1):
        assert potential[t] == pytest.approx(brute_force(scores[:t], available))
    rewards = np.diff(potential)
    assert (rewards >= -1e-12).all()
    assert rewards.sum() == pytest.approx(potential[-1])
    assert all(m == -1 or available[m] for m in matched)


def test_a_perfect_sequence_earns_one_a_step_in_any_order():
    order = np.array([2, 0, 1])
    potential, matched = prefix_matches(np.eye(3)[order], np.ones(3, bool))
    np.testing.assert_allclose(potential, [0, 1, 2, 3])
    np.testing.assert_array_equal(matched, order)


def test_the_potential_does_not_depend_on_the_order_of_the_masks():
    scores = np.random.default_rng(1).random((5, 4))
    assert prefix_matches(scores, np.ones(4, bool))[0][-1] == pytest.approx(
        prefix_matches(scores[::-1], np.ones(4, bool))[0][-1]
    )


def test_a_later_mask_may_take_another_ones_place():
    """The second mask is better for object 0; the first moves to object 1, and the reward counts that too."""
    scores = np.array([[0.6, 0.5], [0.9, 0.0]])
    potential, matched = prefix_matches(scores, np.ones(2, bool))
    np.testing.assert_allclose(np.diff(potential), [0.6, 0.8])
    np.testing.assert_array_equal(matched, [0, 0])


def test_covered_objects_are_not_matched():
    np.testing.assert_array_equal(match(np.array([[0.9, 0.1]]), np.array([False, True])), [1])
    np.testing.assert_array_equal(match(np.array([[0.9, 0.1]]), np.array([False, False])), [-1])


def test_returns_are_discounted_by_powers():
    """The published release's factors are .9, .81, .656, .43."""
    rewards = torch.ones(1, 5)
    assert returns(rewards, 0.9)[0, 0].item() == pytest.approx(sum(0.9**k for k in range(5)), rel=1e-6)
    np.testing.assert_allclose(returns(torch.tensor([[1.0, 2.0, 4.0]]), 0.5).numpy(), [[3, 4, 4]])
