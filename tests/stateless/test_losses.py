"""The losses against closed forms and finite differences; and every one of them learns a one-edge bandit."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, SigmoidTransform, TransformedDistribution

from segcritic.stateless.batches import SubgraphBatch, collate_subgraphs
from segcritic.stateless.losses import (
    action_log_prob,
    actor_loss,
    critic_loss,
    leave_one_out,
    normal_log_prob,
    sample_actions,
    sampled_policy_loss,
    temperature_loss,
)
from segcritic.stateless.subgraphs import Subgraphs


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def batch_of(rows, n_edges) -> SubgraphBatch:
    index = np.array(rows, np.int32)
    use = np.bincount(index[index >= 0], minlength=n_edges)
    weights = np.where(index >= 0, 1 / np.maximum(use, 1)[index], 0).astype(np.float32)
    return collate_subgraphs([Subgraphs(index, weights)], [n_edges])


ONE_EDGE = batch_of([[0]], 1)
# Edge 1 lies in both subgraphs; the second subgraph is padded.
TWO = batch_of([[0, 1, 2], [1, 3, -1]], 4)


def test_log_probability_of_a_squashed_normal():
    mean, log_std = torch.tensor([-1.0, 0.5, 3.0]), torch.tensor([-1.0, 0.0, 0.7])
    raw = sample_actions(mean, log_std, 8)
    policy = TransformedDistribution(Normal(mean, log_std.exp()), SigmoidTransform())
    torch.testing.assert_close(
        action_log_prob(raw, mean, log_std), policy.log_prob(raw.sigmoid()), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(normal_log_prob(raw, mean, log_std), Normal(mean, log_std.exp()).log_prob(raw))


def test_log_probability_stays_finite_far_out():
    raw = torch.tensor([-200.0, 200.0], requires_grad=True)
    value = action_log_prob(raw, torch.zeros(2), torch.zeros(2))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert raw.grad is not None
    assert torch.isfinite(raw.grad).all()


def test_antithetic_samples_mirror_each_other_and_carry_gradients():
    mean, log_std = torch.tensor([1.0, -2.0], requires_grad=True), torch.tensor([0.0, 0.5], requires_grad=True)
    raw = sample_actions(mean, log_std, 6, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(raw[:3] + raw[3:], 2 * mean.expand(3, 2))
    assert not torch.equal(raw[0], raw[1])
    raw.sum().backward()
    assert mean.grad is not None
    torch.testing.assert_close(mean.grad, torch.full((2,), 6.0))
    again = sample_actions(mean, log_std, 6, generator=torch.Generator().manual_seed(3))
    assert torch.equal(raw, again)
    with pytest.raises(ValueError, match="pairs"):
        sample_actions(mean, log_std, 5)
    assert sample_actions(mean, log_std, 5, antithetic=False).shape == (5, 2)


def test_critic_loss_in_numbers():
    predicted, rewards = torch.tensor([0.5, 0.0]), torch.tensor([0.1, 1.0])
    assert critic_loss(predicted, rewards).item() == pytest.approx((0.08 + 0.5) / 2)


def test_actor_loss_in_numbers():
    log_prob = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    predicted = torch.tensor([0.5, 0.25], requires_grad=True)
    temperature = torch.tensor(0.1, requires_grad=True)
    loss = actor_loss(log_prob, predicted, TWO, temperature)
    assert loss.item() == pytest.approx(((0.6 - 0.5) + (0.6 - 0.25)) / 2)
    loss.backward()
    assert log_prob.grad is not None
    assert predicted.grad is not None
    torch.testing.assert_close(log_prob.grad, torch.tensor([0.05, 0.1, 0.05, 0.05]))
    torch.testing.assert_close(predicted.grad, torch.tensor([-0.5, -0.5]))
    assert temperature.grad is None


def test_temperature_loss_in_numbers():
    log_temperature = torch.tensor(0.0, requires_grad=True)
    log_prob = torch.tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    loss = temperature_loss(log_temperature, log_prob, TWO, target_entropy=-0.5)
    assert loss.item() == pytest.approx(-((6 - 1.5) + (6 - 1.0)) / 2)
    loss.backward()
    assert log_prob.grad is None
    assert log_temperature.grad is not None
    assert log_temperature.grad < 0, "the entropy is too low, so descent must raise the temperature"


def test_sampled_policy_loss_in_numbers():
    log_prob = torch.rand(4, 4, requires_grad=True)
    rewards = torch.tensor([[1.0, 0.0], [0.0, 0.5], [1.0, 0.0], [0.0, 0.5]])
    sampled_policy_loss(log_prob, rewards, TWO).backward()
    # Held against the other pair, advantages are +-1 for the first subgraph and -+.5 for the second; edge 1 sees half
    # of each; 4 edges, 4 samples.
    by_edge = torch.tensor([1.0, 0.25, 1.0, -0.5]) / 16
    assert log_prob.grad is not None
    torch.testing.assert_close(log_prob.grad, torch.stack([-by_edge, by_edge, -by_edge, by_edge]))


def test_leave_one_out_leaves_the_policy_gradient_unbiased():
    """For the reward x + x^2 of one edge, the gradient of its expectation is 1 + 2 mean, and 2 std^2 for log std."""
    mean, log_std = torch.tensor([0.3], requires_grad=True), torch.tensor([0.2], requires_grad=True)
    n_repeats, n_samples = 20_000, 4
    wide = [parameter.expand(n_repeats) for parameter in (mean, log_std)]
    with torch.no_grad():
        raw = sample_actions(*wide, n_samples)
    advantages = leave_one_out(raw + raw**2)
    (advantages * normal_log_prob(raw, *wide)).mean().backward()
    assert mean.grad is not None
    assert log_std.grad is not None
    assert mean.grad.item() == pytest.approx(1.6, abs=0.08)
    assert log_std.grad.item() == pytest.approx(2 * np.exp(0.4), abs=0.12)


def test_leave_one_out_by_hand():
    rewards = torch.tensor([[1.0], [2.0], [4.0], [8.0]])
    assert leave_one_out(rewards)[0].item() == pytest.approx(1 - 5)
    assert torch.equal(leave_one_out(rewards[:2]), rewards[:2])


def test_gradients_agree_with_finite_differences():
    torch.manual_seed(1)
    shape = {"dtype": torch.float64, "requires_grad": True}
    mean, log_std, predicted = torch.randn(4, **shape), torch.randn(4, **shape), torch.randn(6, 2, **shape)
    noise, rewards = torch.randn(6, 4, dtype=torch.float64), torch.rand(6, 2, dtype=torch.float64)

    def all_losses(mean, log_std, predicted):
        raw = mean + log_std.exp() * noise
        log_prob = action_log_prob(raw, mean, log_std)
        return (
            actor_loss(log_prob, predicted, TWO, 0.3),
            critic_loss(predicted, rewards),
            sampled_policy_loss(normal_log_prob(noise, mean, log_std), rewards, TWO),
        )

    assert torch.autograd.gradcheck(all_losses, (mean, log_std, predicted))


def train_bandit(loss_of, steps=300):
    """Learn one edge's policy for the reward 1 - (a - 0.8)^2 and return the action of its mean."""
    mean, log_std = torch.zeros(1, requires_grad=True), torch.full((1,), -0.5, requires_grad=True)
    optimiser = torch.optim.Adam([mean, log_std], lr=0.03)
    for _ in range(steps):
        loss = loss_of(mean, log_std)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return mean.sigmoid().item()


def bandit_reward(raw):
    return 1 - (raw.sigmoid() - 0.8) ** 2


def test_sampled_policy_loss_learns_a_bandit():
    def loss_of(mean, log_std):
        raw = sample_actions(mean, log_std, 16).detach()
        return sampled_policy_loss(normal_log_prob(raw, mean, log_std), bandit_reward(raw), ONE_EDGE)

    assert train_bandit(loss_of) == pytest.approx(0.8, abs=0.05)


def test_soft_actor_critic_learns_a_bandit():
    """Critic (a parabola in a), actor and temperature, each learning with its own loss."""
    critic = torch.zeros(3, requires_grad=True)
    log_temperature = torch.tensor(-4.0, requires_grad=True)
    critic_optimiser = torch.optim.Adam([critic], lr=0.05)
    temperature_optimiser = torch.optim.Adam([log_temperature], lr=0.01)

    def predict(raw):
        return sum(weight * (2 * raw.sigmoid() - 1) ** power for power, weight in enumerate(critic))

    def loss_of(mean, log_std):
        raw = sample_actions(mean, log_std, 8)
        seen = raw.detach()
        error = critic_loss(predict(seen), bandit_reward(seen))
        critic_optimiser.zero_grad()
        error.backward()
        critic_optimiser.step()
        log_prob = action_log_prob(raw, mean, log_std)
        gap = temperature_loss(log_temperature, log_prob, ONE_EDGE, target_entropy=-1.5)
        temperature_optimiser.zero_grad()
        gap.backward()
        temperature_optimiser.step()
        return actor_loss(log_prob, predict(raw), ONE_EDGE, log_temperature.exp())

    assert train_bandit(loss_of, steps=500) == pytest.approx(0.8, abs=0.05)
