"""Episodes of one step are the plain policy; of several, each step starts where the last one ended."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from discs import TWO, state_of
from segcritic.stateless.policy import Policy
from segcritic.stateless.predict import split_logits
from segcritic.stateless.settings import NetworkSettings
from segcritic.stateless.variants.episode import advance, final_means, rollout

ONE = NetworkSettings(width=8, depth=1, subgraph_sizes=(4,), fixed_std=0.5)
THREE = dataclasses.replace(ONE, episode_steps=3)


def states():
    return [state_of(TWO, (40, 60), 9.0, seed) for seed in (0, 1)]


def opinionated(settings):
    """A policy whose output layer is not zero."""
    torch.manual_seed(1)
    policy = Policy(settings)
    output = policy.actor.network.edge_head[-1]
    torch.nn.init.normal_(output.weight)  # type: ignore[arg-type]
    return policy


def noise():
    return torch.Generator().manual_seed(0)


def test_a_single_step_is_the_policy_itself():
    policy = opinionated(ONE)
    state = policy.network_input(states())
    [step] = rollout(policy, state, 4, noise())
    assert step.graphs is state
    torch.testing.assert_close(final_means(policy, state), policy(state)[0], rtol=0, atol=0)
    torch.testing.assert_close(step.raw.mean(0), step.mean)  # mirrored pairs


def test_each_step_starts_where_its_own_sample_ended():
    policy = opinionated(THREE)
    state = policy.network_input(states())
    steps = rollout(policy, state, 4, noise())
    n_edges = len(state.edges)
    assert [tuple(step.raw.shape) for step in steps] == [(4, n_edges)] * 3
    torch.testing.assert_close(state.edge_features[:, -1], policy._start(state.edge_features))
    for before, after in itertools.pairwise(steps):
        torch.testing.assert_close(after.graphs.edge_features[:, -1].view(4, -1), before.raw)
        for k in range(4):
            alone = policy(advance(state, before.raw[k]))[0]
            torch.testing.assert_close(after.mean[k], alone, rtol=1e-4, atol=1e-5)
    moved = (steps[1].mean - steps[0].raw).abs().max()
    assert moved > 0.1


def test_gradients_stay_within_a_step():
    policy = opinionated(THREE)
    first, second, _ = rollout(policy, policy.network_input(states()), 2, noise())
    assert torch.autograd.grad(second.raw.sum(), first.mean, allow_unused=True, retain_graph=True) == (None,)
    assert second.raw.requires_grad


def test_untrained_steps_keep_to_the_start():
    """The output layer starts at zero: what the policy has come to is what it goes on from."""
    policy = Policy(THREE)
    state = policy.network_input(states())
    start, end = state.edge_features[:, -1], final_means(policy, state)
    assert np.corrcoef(start.detach(), end.detach())[0, 1] > 0.95
    assert end.abs().max() < 5


def test_predictions_take_all_steps_and_no_other_images():
    policy = opinionated(THREE)
    with torch.no_grad():
        together = final_means(policy, policy.network_input(states())).numpy()
        first = policy(policy.network_input(states()))[0].numpy()
    alone = np.concatenate([split_logits(policy, state) for state in states()])
    np.testing.assert_allclose(alone, together, atol=1e-4)
    assert np.abs(alone - first).max() > 0.1


@pytest.mark.parametrize("settings", [ONE, THREE])
def test_weights_fit_the_settings_they_were_trained_with(settings):
    other = THREE if settings is ONE else ONE
    with pytest.raises(RuntimeError, match="size mismatch"):
        Policy(other).load_state_dict(Policy(settings).state_dict())
