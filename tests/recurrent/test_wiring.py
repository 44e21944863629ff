"""The recurrent learner's wiring: every sign, target, reward and switch, by exact values.

What a learner forgets or turns round hardly shows in a short training; here each is pinned by itself.
`tools/mutants.py` makes these faults one at a time.
"""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from segcritic.recurrent import learner as learning
from segcritic.recurrent.episode import Seen, roll_out
from segcritic.recurrent.learner import Learner
from segcritic.recurrent.rewards import returns, soft_scores
from segcritic.recurrent.views import Batch
from small_agent import TINY

SETTINGS = dataclasses.replace(TINY, objective="actor-critic", exploration=0.0, end_to_end=False, critic="q")


def batch(n_images=2, n_objects=3):
    """Random views, and as truth that many horizontal bands of each."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(n_images, n_objects, 32, 32)
    for number in range(n_objects):
        masks[:, number, 10 * number : 10 * number + 8] = 1
    return Batch(torch.rand(n_images, 3, 64, 64, generator=generator), masks, np.full(n_images, n_objects))


class Judge(torch.nn.Module):
    """A critic that says what it is told: first (to be trained), then as the actor's adviser."""

    def __init__(self, trained=0.0, advice=0.0):
        super().__init__()
        self.says = [trained, advice]
        self.calls = 0

    def prepare(self, pyramid):
        return pyramid[0]

    def forward(self, shown, image, at):
        said = self.says[self.calls % 2]
        self.calls += 1
        return shown.flatten(1).sum(1) * 0 + said


def actor_critic(settings, critic, alone=False, n_steps=3):
    """The loss of one update of the last stage with a critic of one's own, and what is told."""
    learner = Learner(settings, 0, torch.device("cpu"))
    learner.begin("episodes")
    learner.critic = critic
    given = batch()
    owner, remaining = torch.arange(2), np.array([3, 3])
    noise = torch.Generator().manual_seed(0)
    return learner._actor_critic(given, owner, remaining, n_steps, noise, np.random.default_rng(0), alone)


@pytest.mark.parametrize(("critic", "weight"), [("q", 1.0), ("future", SETTINGS.discount)])
def test_the_actor_climbs_what_the_critic_expects(critic, weight):
    settings = dataclasses.replace(SETTINGS, critic=critic)
    low, high = (float(actor_critic(settings, Judge(advice=advice))[0].detach()) for advice in (0.0, 1.0))
    assert high - low == pytest.approx(-weight, abs=1e-5)


@pytest.mark.parametrize("critic", ["q", "future"])
def test_the_critic_learns_the_returns_it_is_asked_for(critic, monkeypatch):
    earned = np.array([0.5, 0.25, 0.125])
    monkeypatch.setattr(
        learning, "prefix_matches", lambda scores, available: (np.append(0, np.cumsum(earned)), np.array([0, 1, 2]))
    )
    gamma = SETTINGS.discount
    whole = [earned[0] + gamma * earned[1] + gamma**2 * earned[2], earned[1] + gamma * earned[2], earned[2]]
    wanted = np.array(whole if critic == "q" else [*whole[1:], 0.0])  # the future begins after the own reward
    loss, told = actor_critic(dataclasses.replace(SETTINGS, critic=critic), Judge(), alone=True)
    assert told["critic"] == pytest.approx(np.mean(wanted**2), rel=1e-5)
    assert float(loss) == pytest.approx(told["critic"])  # alone, and positive: it is descended
    loss, told = actor_critic(dataclasses.replace(SETTINGS, critic=critic), Judge(trained=0.2), alone=True)
    assert told["critic"] == pytest.approx(np.mean((wanted - 0.2) ** 2), rel=1e-5)


def test_the_critic_is_trained_beside_the_actor_and_not_against_it():
    cold, warm = (actor_critic(SETTINGS, Judge(trained=value)) for value in (0.0, 5.0))
    assert float((warm[0] - cold[0]).detach()) == pytest.approx(warm[1]["critic"] - cold[1]["critic"], rel=1e-4)


def test_the_own_reward_is_part_of_what_the_actor_climbs(monkeypatch):
    settings = dataclasses.replace(SETTINGS, critic="future")
    losses = []
    for score in (0.2, 0.7):

        def scored(masks, truth, measure, score=score):
            return score + 0 * masks.sum((2, 3))[:, :, None] + 0 * truth[:, None, :, 0, 0]

        monkeypatch.setattr(learning, "soft_scores", scored)
        loss, told = actor_critic(settings, Judge())
        losses.append(float(loss.detach()) - told["critic"])
    assert losses[1] - losses[0] == pytest.approx(-0.5, abs=1e-5)


@pytest.mark.parametrize("objective", ["bce", "truncated-bce", "actor-critic"])
@pytest.mark.parametrize("measure", ["dice", "iou"])
def test_objective_and_measure_reach_where_they_count(objective, measure, monkeypatch):
    seen = {}

    def rolled(*arguments, **options):
        seen["through_time"] = options["through_time"]
        return roll_out(*arguments, **options)

    def scored(masks, truth, kind):
        seen["measure"] = kind
        return soft_scores(masks, truth, kind)

    monkeypatch.setattr(learning, "roll_out", rolled)
    monkeypatch.setattr(learning, "soft_scores", scored)
    settings = dataclasses.replace(SETTINGS, objective=objective, reward=measure, critic_steps=0)
    learner = Learner(settings, 0, torch.device("cpu"))
    learner.begin("episodes")
    learner.update("episodes", 0, 0.5, batch(), np.random.default_rng(0))
    assert seen == {"through_time": objective == "bce", "measure": measure}


def test_dice_and_iou_are_two_measures():
    masks, truth = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    masks[0, 0, :2], truth[0, 0, 1:3] = 1, 1  # 8 and 8 pixels, 4 of them shared
    assert float(soft_scores(masks, truth, "dice")) == pytest.approx(0.5)
    assert float(soft_scores(masks, truth, "iou")) == pytest.approx(1 / 3)


@pytest.mark.parametrize("through_time", [False, True])
def test_truncated_gradients_stay_within_their_step(through_time):
    learner = Learner(SETTINGS, 0, torch.device("cpu"))
    networks = learner.networks
    with torch.no_grad():
        networks.decoder.template.weight.normal_(0, 3)
    pyramid, _ = networks.pyramid(batch().views)
    seen = networks.see([features.detach() for features in pyramid])
    assert isinstance(seen, Seen)
    start = torch.zeros(2, 32, 32, requires_grad=True)
    episodes = roll_out(
        networks.actor, networks.decoder, seen, torch.arange(2), start, 2, explore=False, through_time=through_time
    )
    (reached,) = torch.autograd.grad(episodes.logits[:, 1].sum(), start, allow_unused=True)
    assert (reached is not None and bool(reached.abs().sum() > 0)) == through_time


@pytest.mark.parametrize("sigma", [0.0, 0.3])
def test_noise_of_eq_2_is_on_the_scores_that_truth_is_matched_by(sigma, monkeypatch):
    plain, noisy = [], []

    def scored(masks, truth, kind):
        plain.append(soft_scores(masks, truth, kind))
        return plain[-1]

    def matched(scores, available):
        noisy.append(scores)
        return real(scores, available)

    real = learning.match
    monkeypatch.setattr(learning, "soft_scores", scored)
    monkeypatch.setattr(learning, "match", matched)
    learner = Learner(dataclasses.replace(SETTINGS, objective="bce", matching_noise=sigma), 0, torch.device("cpu"))
    learner.begin("episodes")
    given, owner = batch(40), torch.arange(40)
    noise = torch.Generator().manual_seed(0)
    learner._supervised(given, owner, np.full(40, 3), 3, noise, np.random.default_rng(0))
    difference = np.stack(noisy) - plain[0].detach().numpy()
    assert difference.std() == pytest.approx(sigma, rel=0.2, abs=1e-7)


def test_the_divergence_pulls_actions_towards_the_prior():
    learner = Learner(dataclasses.replace(SETTINGS, exploration=0.5), 0, torch.device("cpu"))
    steps = [SimpleNamespace(mean=torch.full((1, 4), 2.0), log_variance=torch.zeros(1, 4))]
    assert float(learner._divergence(SimpleNamespace(steps=steps))) == pytest.approx(0.5 * 0.5 * 4 * 2.0**2)


@pytest.mark.parametrize("objective", ["bce", "actor-critic"])
def test_the_divergence_is_descended(objective, monkeypatch):
    losses = []
    for value in (0.0, 3.0):
        monkeypatch.setattr(Learner, "_divergence", lambda self, episodes, value=value: torch.tensor(value))
        if objective == "actor-critic":
            losses.append(float(actor_critic(SETTINGS, Judge())[0].detach()))
            continue
        learner = Learner(dataclasses.replace(SETTINGS, objective=objective), 0, torch.device("cpu"))
        learner.begin("episodes")
        noise, rng = torch.Generator().manual_seed(0), np.random.default_rng(0)
        losses.append(float(learner._supervised(batch(), torch.arange(2), np.array([3, 3]), 3, noise, rng)[0].detach()))
    assert losses[1] - losses[0] == pytest.approx(3.0, abs=1e-4)


def test_episodes_stop_when_no_object_is_left_and_not_a_step_later():
    learner = Learner(SETTINGS, 0, torch.device("cpu"))

    def loss(*stops):
        steps = [SimpleNamespace(stop=torch.tensor([stop])) for stop in stops]
        return float(learner._ending_loss(SimpleNamespace(steps=steps), np.array([2])))

    go, stop = -20.0, 20.0
    assert loss(go, go, stop, go) < 1e-6  # two objects are left: the third step says stop; what follows counts nothing
    assert loss(go, go, go, stop) > 1
    assert loss(go, stop, stop, stop) > 1


def test_returns_are_discounted_from_the_end():
    rewards = torch.tensor([[1.0, 0.0, 2.0]])
    torch.testing.assert_close(returns(rewards, 0.5), torch.tensor([[1.5, 1.0, 2.0]]))
