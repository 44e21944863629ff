"""Every learner on a problem whose optimum is known; signs, targets and settings of the paper, number for number.

The problem: two bright discs, each cut into pieces, on a dark ground. An edge whose ends lie in the same disc, or both
in the ground, is to be merged, every other to be split. Where the environment is replaced, an edge is rewarded for
that alone: its action a earns 1 - (a - t)^2 for the true action t.
"""

import copy
import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from discs import TWO, discs, nuclei, partition_of_labels, state_of
from segcritic.rules import Scorer
from segcritic.stateless.actor_critic import ActorCriticLearner
from segcritic.stateless.environment import Outcome, draw_subgraphs
from segcritic.stateless.losses import action_log_prob, actor_loss, critic_loss, leave_one_out, temperature_loss
from segcritic.stateless.policy import FeatureScale
from segcritic.stateless.sampled import SampledLearner
from segcritic.stateless.settings import NetworkSettings, TrainSettings
from segcritic.stateless.variants.choose import edge_variant, new_learner
from segcritic.stateless.variants.episode_learners import EpisodicActorCriticLearner
from segcritic.stateless.variants.global_reward import IMAGE, GlobalRewardLearner
from segcritic.stateless.variants.object_credit import ObjectCreditLearner

SIZES = (2, 4)
NETWORK = NetworkSettings(width=16, depth=2, subgraph_sizes=SIZES, fixed_std=0.5, warm_start=0.0)
CRITIC = TrainSettings(learner="critic", samples=4, learning_rate=5e-3, images_per_step=1, network=NETWORK)
SAMPLES = dataclasses.replace(CRITIC, learner="samples", samples=8)
U_NET = dataclasses.replace(NETWORK, pixel_features=4, unet_widths=(4, 8))


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def state():
    return state_of(TWO, (40, 60), 9.0)


def best_actions(state):
    """1 where an edge is to be split, (E,)."""
    labels = partition_of_labels(state.graph, discs((40, 60), TWO, 9.0)[1])
    i, j = state.graph.edges.T
    return torch.as_tensor(labels[i] != labels[j], dtype=torch.float32)


def known_rewards(monkeypatch, learner, state):
    """Let the learner's environment pay 1 - (a - t)^2 per edge, and no more."""
    best = best_actions(state)

    def step(states, raw, scorer):
        action = torch.sigmoid(raw.detach())
        k = len(raw)
        ones = torch.ones(k, 1)
        return Outcome(
            1 - (action - best) ** 2, torch.ones(len(best)), ones, ones.double().numpy(), ones.numpy(), action, None
        )

    monkeypatch.setattr(learner, "step", step)


def learner_of(settings, state, seed=0):
    return new_learner(settings, FeatureScale.of([state]), seed, torch.device("cpu"))


def right_side(learner, state):
    """Share of the edges whose mean lies on the side of the best action; at least 0 and at most 1."""
    with torch.no_grad():
        mean = learner.policy(learner.policy.network_input([state]))[0]
    return ((mean > 0) == (best_actions(state) > 0)).float().mean().item()


def updates(learner, state, n, fraction=0.0):
    for seed in range(n):
        outcome = learner.update([state], Scorer(nuclei()), fraction, seed)
    return outcome


# ---------------------------------------------------------------- the known optimum is found


def test_samples_move_the_means_to_the_best_actions(monkeypatch, state):
    learner = learner_of(SAMPLES, state)
    known_rewards(monkeypatch, learner, state)
    assert right_side(learner, state) < 0.8
    updates(learner, state, 50)
    assert right_side(learner, state) > 0.97


def test_the_critic_converges_to_the_rewards_and_the_actor_climbs_it(monkeypatch, state):
    """First the critic alone, from a wide policy that stays; then both."""
    network = dataclasses.replace(NETWORK, depth=1, subgraph_sizes=(1, 2), fixed_std=1.5)
    settings = dataclasses.replace(CRITIC, samples=8, learning_rate=1e-2, critic_target=0.1, network=network)
    learner = learner_of(settings, state)
    known_rewards(monkeypatch, learner, state)
    graphs, subgraphs = learner.policy.network_input([state]), draw_subgraphs([state], (1, 2), 99)
    raw = 1.5 * torch.randn(8, state.graph.n_edges, generator=torch.Generator().manual_seed(5))
    rewards = learner.subgraph_rewards(learner.step([state], raw, None), subgraphs, Scorer(nuclei()))

    with monkeypatch.context() as fixed:
        fixed.setattr(learner.actor_optimizer, "step", lambda: None)
        updates(learner, state, 110)
    for critic in (learner.critic, learner.critic_copy):
        with torch.no_grad():
            found = critic(graphs, torch.sigmoid(raw), subgraphs)
        for size, reward in rewards.items():
            assert ((found[size] - reward) ** 2).mean() < 0.4 * reward.var()
    assert right_side(learner, state) < 0.8
    updates(learner, state, 30)
    assert right_side(learner, state) > 0.97


def test_by_the_rules_the_true_partition_is_found(state):
    """The whole way: rules, multicut and rewards, not replaced."""
    learner = learner_of(dataclasses.replace(SAMPLES, network=dataclasses.replace(NETWORK, warm_start=0.5)), state)
    first = updates(learner, state, 1).total.mean()
    assert updates(learner, state, 40).total.mean() > first + 0.02


def test_a_positive_action_splits(state):
    best = 8 * best_actions(state) - 4
    right, wrong = learner_of(SAMPLES, state).step([state], torch.stack([best, -best]), Scorer(nuclei())).total[:, 0]
    assert right > wrong + 0.1


# ---------------------------------------------------------------- who learns from what


def gradients(loss, parameters):
    found = torch.autograd.grad(loss, parameters, allow_unused=True, retain_graph=True)
    return sum(0.0 if each is None else each.abs().sum().item() for each in found)


def caught_losses(monkeypatch, learner, state):
    """The three losses of one update, with their graphs; nothing is stepped."""
    caught = []
    monkeypatch.setattr(learner, "descend", lambda *losses: caught.append(losses[:3]))
    learner.update([state], Scorer(nuclei()), 0.0, 0)
    return caught[0]


@pytest.mark.parametrize("steps", [1, 2])
def test_the_u_net_learns_through_the_critic_alone(monkeypatch, state, steps):
    network = dataclasses.replace(U_NET, hand_made=False, episode_steps=steps)
    learner = learner_of(dataclasses.replace(CRITIC, network=network), state)
    torch.nn.init.normal_(learner.policy.actor.network.edge_head[-1].weight, std=0.1)  # a zero layer lets nothing pass
    of_critic, of_actor, of_temperature = caught_losses(monkeypatch, learner, state)
    unet, actor, critic = (
        list(part.parameters()) for part in (learner.policy.unet, learner.policy.actor, learner.critic)
    )
    assert gradients(of_critic, unet) > 0
    assert gradients(of_actor, unet) == 0
    assert gradients(of_critic, actor) == 0
    assert gradients(of_actor, actor) > 0
    assert gradients(of_actor, critic) == 0
    for parameters in (unet, actor, critic):
        assert gradients(of_temperature, parameters) == 0
    assert gradients(of_critic, [learner.log_temperature]) == gradients(of_actor, [learner.log_temperature]) == 0


def test_each_network_is_clipped_by_its_own_norm(state):
    learner = learner_of(dataclasses.replace(CRITIC, network=U_NET), state)
    loss = sum(1e3 * parameter.sum() for network in learner.networks for parameter in network)
    learner.descend(loss, torch.zeros(()), 0 * learner.log_temperature.sum(), 0.0)
    for parameters in (learner.policy.actor, learner.critic, learner.policy.unet):
        norm = math.sqrt(sum(p.grad.square().sum().item() for p in parameters.parameters()))
        assert norm == pytest.approx(1, abs=1e-3)


def test_a_step_goes_down_each_loss_by_its_own_optimiser(state):
    learner = learner_of(dataclasses.replace(CRITIC, network=U_NET), state)
    before = copy.deepcopy(learner.modules())
    loss = sum(parameter.sum() for network in learner.networks for parameter in network)
    learner.descend(loss, torch.zeros(()), learner.log_temperature.sum(), fraction=1.0)
    rate = 0.1 * CRITIC.learning_rate  # Adam's first step is as long as the learning rate, here at its end
    for name in ("policy", "critic"):
        for old, new in zip(before[name].parameters(), learner.modules()[name].parameters(), strict=True):
            torch.testing.assert_close(new, old - rate, rtol=0, atol=1e-5)
    moved = learner.log_temperature.detach() - before["temperatures"]["log"].detach()
    torch.testing.assert_close(moved, torch.full((2,), -CRITIC.temperature_rate), rtol=0, atol=1e-6)


@pytest.mark.parametrize("rate", [0.05, 0.005])
def test_copies_follow_at_their_rates(state, rate):
    learner = learner_of(dataclasses.replace(CRITIC, critic_target=rate, ema=0.9), state)
    before = copy.deepcopy(learner.modules())
    updates(learner, state, 1)
    after = learner.modules()
    for name, target, share in (("critic_copy", "critic", rate), ("average", "policy", 0.1)):
        for old, new, goal in zip(
            before[name].parameters(), after[name].parameters(), after[target].parameters(), strict=True
        ):
            torch.testing.assert_close(new, old + share * (goal - old), rtol=1e-4, atol=1e-7)
    assert any(
        not torch.equal(*pair) for pair in zip(after["critic"].parameters(), before["critic"].parameters(), strict=True)
    )


def test_the_sampled_policy_takes_a_step_at_its_rate_and_its_average_follows(state):
    learner = learner_of(dataclasses.replace(SAMPLES, ema=0.9), state)
    before = copy.deepcopy(learner.modules())
    learner.descend(sum(parameter.sum() for parameter in learner.policy.parameters()), fraction=1.0)
    for old, new, mean in zip(*(part.parameters() for part in (before["policy"], learner.policy, learner.average))):  # noqa: B905
        torch.testing.assert_close(new, old - 0.1 * SAMPLES.learning_rate, rtol=0, atol=1e-5)
        torch.testing.assert_close(mean, old + 0.1 * (new - old), rtol=0, atol=1e-6)


def test_the_copy_starts_as_the_critic(state):
    learner = learner_of(CRITIC, state)
    own, copied = learner.critic.state_dict(), learner.critic_copy.state_dict()
    assert all(torch.equal(own[name], copied[name]) for name in own)


def test_the_actor_is_advised_by_the_copy(monkeypatch, state):
    learner = learner_of(CRITIC, state)
    asked = []
    plain = learner.criticise
    monkeypatch.setattr(learner, "criticise", lambda critic, *rest: asked.append(critic) or plain(critic, *rest))
    updates(learner, state, 1)
    assert asked[0] is learner.critic
    assert asked[1] is learner.critic_copy


# ---------------------------------------------------------------- the losses' values, exactly


def test_the_losses_are_those_of_equations_2_and_4(state):
    """With two sizes: each mean over the sizes, alpha divided by the size, target entropy per edge."""
    learner = learner_of(dataclasses.replace(CRITIC, target_entropy=-0.7), state)
    with torch.no_grad():
        learner.log_temperature.copy_(torch.tensor([-1.0, -2.0]))
    subgraphs = draw_subgraphs([state], SIZES, 0)
    generator = torch.Generator().manual_seed(0)
    log_prob = torch.rand(3, state.graph.n_edges, generator=generator)
    q, r = ({size: torch.rand(3, len(part), generator=generator) for size, part in subgraphs.items()} for _ in range(2))
    half_squares = [0.5 * ((q[size] - r[size]) ** 2).mean() for size in SIZES]
    torch.testing.assert_close(learner.critic_loss(q, r, None), torch.stack(half_squares).mean())
    of_actor, of_temperature = 0.0, 0.0
    for size, log_alpha in zip(SIZES, (-1.0, -2.0), strict=True):
        rows = subgraphs[size].edge_index  # no subgraph of this graph is padded
        joint = log_prob[:, rows].sum(2)
        of_actor += (math.exp(log_alpha) / size * joint - q[size]).mean() / len(SIZES)
        of_temperature += -math.exp(log_alpha) * (joint.mean() / size - 0.7)
    torch.testing.assert_close(learner.actor_loss(log_prob, q, subgraphs), of_actor)
    torch.testing.assert_close(learner.temperature_loss(log_prob, subgraphs).detach(), of_temperature)


def test_the_value_of_the_image_adds_a_loss_of_its_own(state):
    learner = learner_of(dataclasses.replace(CRITIC, network=dataclasses.replace(NETWORK, global_head=True)), state)
    plain = learner_of(CRITIC, state)
    subgraphs = draw_subgraphs([state], SIZES, 0)
    log_prob, zero = (
        torch.zeros(1, state.graph.n_edges),
        {size: torch.zeros(1, len(p)) for size, p in subgraphs.items()},
    )
    predicted = zero | {IMAGE: torch.tensor([[0.25]])}
    outcome = SimpleNamespace(image=torch.tensor([[1.0]]))
    assert learner.critic_loss(predicted, zero, outcome).item() == pytest.approx(0.5 * 0.75**2)
    more = learner.actor_loss(log_prob, predicted, subgraphs) - plain.actor_loss(log_prob, zero, subgraphs)
    assert more.item() == pytest.approx(-0.25)


def test_descent_of_each_loss_goes_the_right_way(state):
    subgraphs = draw_subgraphs([state], (2,), 0)[2]
    n = len(subgraphs)
    q = torch.zeros(1, n, requires_grad=True)
    critic_loss(q, torch.ones(1, n)).backward()
    assert (q.grad < 0).all(), "below its reward a value must rise"
    q.grad = None
    actor_loss(torch.zeros(1, state.graph.n_edges), q, subgraphs, 0.1).backward()
    assert (q.grad < 0).all(), "the actor climbs Q"
    log_std = torch.zeros(state.graph.n_edges, requires_grad=True)
    zero = torch.zeros(state.graph.n_edges)
    actor_loss(action_log_prob(zero, zero, log_std), torch.zeros(n), subgraphs, 0.1).backward()
    assert (log_std.grad < 0).all(), "the entropy term widens the policy"


@pytest.mark.parametrize(("target", "sign"), [(-5.0, 1), (-0.01, -1)])
def test_temperatures_move_the_entropy_to_its_target(state, target, sign):
    """A policy wider than its target lowers alpha, a narrower one raises it. (Entropy here: about -0.3 per edge.)"""
    learner = learner_of(dataclasses.replace(CRITIC, target_entropy=target), state)
    before = learner.log_temperature.detach().clone()
    updates(learner, state, 3)
    assert (sign * (before - learner.log_temperature.detach()) > 0).all()


def test_a_sample_is_held_against_the_others():
    rewards = torch.tensor([[1.0], [0.0], [0.0], [0.0]])
    torch.testing.assert_close(leave_one_out(rewards), torch.tensor([[1.0], [-0.5], [0.0], [-0.5]]))


def test_the_temperature_loss_alone():
    part = draw_subgraphs([state_of(TWO, (40, 60), 9.0)], (2,), 0)[2]
    log_alpha = torch.zeros((), requires_grad=True)
    n_edges = int(part.edge_index.max()) + 1
    loss = temperature_loss(log_alpha, torch.full((1, n_edges), 0.5), part, -1.0)
    assert loss.item() == pytest.approx(-(2 * 0.5 - 2 * 1.0))


def test_the_count_enters_the_rewards_of_subgraphs(state):
    edge, image = torch.full((2, state.graph.n_edges), 0.5), torch.tensor([[1.0], [0.0]])
    part = draw_subgraphs([state], (4,), 0)[4]
    none = np.zeros((2, 1))
    outcome = Outcome(edge, torch.ones(state.graph.n_edges), image, none, none, edge, None)
    torch.testing.assert_close(outcome.subgraphs(part, 3.0)[:, 0], torch.tensor([0.25 * 0.5 + 0.75, 0.25 * 0.5]))
    torch.testing.assert_close(outcome.subgraphs(part), torch.full((2, len(part)), 0.5))


# ---------------------------------------------------------------- randomness, choice, settings


@pytest.mark.parametrize("settings", [SAMPLES, CRITIC])
def test_the_users_generators_stay_as_they_are(state, settings):
    torch.manual_seed(1234)
    before = torch.get_rng_state()
    updates(learner_of(settings, state, seed=3), state, 2)
    assert torch.equal(torch.get_rng_state(), before)
    weights = learner_of(settings, state, seed=3).policy.state_dict()
    torch.manual_seed(3)  # the weights are those that this seed gives
    kept = type(learner_of(settings, state, seed=8).policy)(settings.network, FeatureScale.of([state])).state_dict()
    assert all(torch.equal(weights[name], kept[name]) for name in weights)


def test_the_learner_is_the_one_of_the_settings(state):
    def chosen(settings, **network):
        changed = dataclasses.replace(settings, network=dataclasses.replace(settings.network, **network))
        return type(learner_of(changed, state))

    by_object = dataclasses.replace(
        CRITIC, credit_by="object", network=dataclasses.replace(NETWORK, subgraph_sizes=(1,))
    )
    assert chosen(SAMPLES) is chosen(SAMPLES, global_head=True) is SampledLearner
    assert chosen(CRITIC) is ActorCriticLearner
    assert chosen(CRITIC, episode_steps=2) is EpisodicActorCriticLearner
    assert chosen(CRITIC, global_head=True) is GlobalRewardLearner
    assert chosen(by_object) is ObjectCreditLearner
    assert edge_variant(SAMPLES) is None
    with pytest.raises(ValueError, match="episode_steps and global_head do not go together"):
        chosen(CRITIC, episode_steps=2, global_head=True)


def test_the_papers_numbers():
    """Section 3, A.9, and what the published code has: number for number."""
    assert TrainSettings.paper().to_dict() == {
        "learner": "critic",
        "steps": 20_000,
        "images_per_step": 1,
        "labelled_share": 0.5,
        "samples": 1,
        "learning_rate": 1e-4,
        "ema": 0.98,
        "credit": "maximum",
        "credit_by": "subgraph",
        "label_reward": "edges",
        "solver": "kernighan-lin",
        "contrast_weight": 0.0,
        "global_reward": "shared",
        "target_entropy": -1.0,
        "temperature_rate": 3e-3,
        "critic_target": 0.005,
        "pretraining_steps": 0,
        "network": {
            "width": 64,
            "depth": 2,
            "hidden_layers": 3,
            "hidden_width": 2028,
            "head_hidden_layers": 2,
            "pooling": "concatenate",
            "subgraph_sizes": (6, 12, 32, 128),
            "fixed_std": None,
            "pixel_features": 16,
            "unet_widths": (32, 64, 128, 256),
            "freeze_unet": False,
            "hand_made": False,
            "radial": False,
            "warm_start": 0.0,
            "global_head": False,
            "episode_steps": 1,
        },
    }
    assert TrainSettings.paper().network == NetworkSettings.paper()
