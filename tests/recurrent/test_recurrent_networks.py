"""Encoder, mask VAE, actor, critic and episodes: shapes, and that each sees what it should."""

import dataclasses

import numpy as np
import pytest
import torch

from segcritic.errors import UserError
from segcritic.recurrent.critic import Critic
from segcritic.recurrent.encoder import state_pyramid
from segcritic.recurrent.episode import cover, draw_starts, roll_out
from segcritic.recurrent.mask_vae import MaskEncoder, mask_loss, prior_divergence, sample
from segcritic.recurrent.networks import Networks
from segcritic.recurrent.settings import RecurrentSettings

SMALL = RecurrentSettings(
    height=64, width=96, channels=(8, 8, 16, 16, 16), mask_channels=(8, 8, 8, 16, 16), latent=6, hidden=32
)


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    return Networks(SMALL).eval()


@pytest.fixture(scope="module")
def pyramid(networks):
    return networks.pyramid(torch.rand(2, 3, 64, 96))[0]


def test_features_halve_from_scale_to_scale(networks):
    features, context = networks.encoder(torch.rand(2, 3, 64, 96))
    assert [tuple(f.shape[1:]) for f in features] == [(8, 32, 48), (8, 16, 24), (16, 8, 12), (16, 4, 6), (16, 2, 3)]
    assert context.shape == (2, 9, 32, 48)


def test_the_state_pyramid_averages_the_context(networks):
    features, context = networks.encoder(torch.rand(1, 3, 64, 96))
    with_context = state_pyramid(features, context, True)
    assert [level.shape[1] - f.shape[1] for level, f in zip(with_context, features, strict=True)] == [9] * 5
    torch.testing.assert_close(with_context[4][:, -9:].mean((2, 3)), with_context[0][:, -9:].mean((2, 3)))
    assert (state_pyramid(features, context, False)[2][:, -9:] == 0).all()


def test_masks_depend_on_action_and_own_image(networks, pyramid):
    with torch.no_grad():
        for lateral in networks.decoder.lateral:  # they begin at zero
            lateral.weight.normal_(0, 0.1)
    prepared = networks.decoder.prepare(pyramid)
    action = torch.randn(1, 6)
    first = networks.decoder(action, prepared, torch.tensor([0]))
    assert first.shape == (1, 32, 48)
    assert not torch.allclose(first, networks.decoder(action, prepared, torch.tensor([1])))
    assert not torch.allclose(first, networks.decoder(action + 1, prepared, torch.tensor([0])))
    together = networks.decoder(torch.cat([action, action]), prepared, torch.tensor([1, 0]))
    torch.testing.assert_close(together[1:], first)


def test_without_state_pyramid_masks_do_not_see_the_image(pyramid):
    decoder = Networks(dataclasses.replace(SMALL, state_pyramid=False)).decoder
    with torch.no_grad():
        for lateral in decoder.lateral:
            lateral.weight.normal_(0, 0.1)
    prepared = decoder.prepare(pyramid)
    both = decoder(torch.ones(2, 6), prepared, torch.tensor([0, 1]))
    torch.testing.assert_close(both[0], both[1])


def test_the_prior_divergence_is_torch_s():
    mean, log_variance = torch.randn(5, 7), torch.randn(5, 7)
    normal = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0, 1)).sum(1)
    torch.testing.assert_close(prior_divergence(mean, log_variance), expected)


def test_samples_have_the_mean_and_variance_asked_for():
    noise = torch.Generator().manual_seed(0)
    drawn = sample(torch.full((20_000, 1), 2.0), torch.full((20_000, 1), 2 * np.log(0.5)), noise)
    assert drawn.mean().item() == pytest.approx(2, abs=0.02)
    assert drawn.std().item() == pytest.approx(0.5, abs=0.02)


def test_mask_loss_is_least_for_the_true_mask():
    truth = torch.zeros(1, 8, 8)
    truth[:, 2:5, 2:6] = 1
    right, wrong = (truth - 0.5) * 40, (truth.roll(2, 1) - 0.5) * 40
    assert mask_loss(right, truth).item() == pytest.approx(0, abs=1e-3)
    assert mask_loss(wrong, truth).item() > 1
    assert torch.isfinite(mask_loss(right, torch.zeros(1, 8, 8)))


def test_a_mask_encoder_tells_masks_apart_before_training():
    masks = torch.zeros(2, 32, 48)
    masks[0, :8, :8] = 1
    masks[1, 16:, 24:] = 1
    mean, log_variance = MaskEncoder(SMALL)(masks)
    assert mean.shape == log_variance.shape == (2, 6)
    assert (mean[0] - mean[1]).abs().mean() > 0.3
    assert log_variance.max() < -3  # noise does not drown it


@pytest.mark.parametrize("pooling", ["attention", "flatten"])
def test_the_actor_sees_what_is_covered_and_remembers(pooling):
    torch.manual_seed(0)
    networks = Networks(dataclasses.replace(SMALL, pooling=pooling))
    image = networks.actor.prepare(networks.pyramid(torch.rand(2, 3, 64, 96))[0])
    owner = torch.tensor([0, 1, 1])
    empty, full = torch.zeros(3, 32, 48), torch.ones(3, 32, 48)
    memory = networks.actor.start(3)
    step = networks.actor(empty, image, owner, memory)
    assert step.mean.shape == step.log_variance.shape == (3, 6)
    assert step.stop.shape == (3,)
    if pooling == "attention":
        torch.testing.assert_close(step.attention.sum(1), torch.ones(3))
    else:
        assert step.attention is None
    assert not torch.allclose(step.mean, networks.actor(full, image, owner, memory).mean)
    assert not torch.allclose(step.mean, networks.actor(empty, image, owner, step.memory).mean)
    torch.testing.assert_close(step.mean[1], step.mean[2])  # same image, same state


@pytest.mark.parametrize(("critic", "n_masks"), [("future", 1), ("q", 2)])
def test_the_critic_s_value_lies_below_the_sum_of_the_geometric_series(critic, n_masks, pyramid):
    judge = Critic(dataclasses.replace(SMALL, critic=critic))
    image = judge.prepare(pyramid)
    value = judge(torch.rand(3, n_masks, 32, 48), image, torch.tensor([0, 0, 1]))
    assert value.shape == (3,)
    assert ((value > 0) & (value < 10)).all()
    with torch.no_grad():
        judge.density.bias.fill_(20.0)
    torch.testing.assert_close(judge(torch.rand(1, n_masks, 32, 48), image, torch.tensor([0])), torch.tensor([10.0]))


def test_cover_is_the_maximum_of_hard_masks_and_lets_gradients_through_covered_pixels():
    before, mask = torch.tensor([0.0, 0.0, 1.0, 1.0]), torch.tensor([0.0, 1.0, 0.0, 1.0])
    torch.testing.assert_close(cover(before, mask), torch.maximum(before, mask))
    mask = torch.tensor([0.3], requires_grad=True)
    cover(torch.tensor([0.5]), mask).sum().backward()
    assert mask.grad.item() == pytest.approx(0.5)


def test_episodes_run_on_and_gradients_pass_through_time_only_if_asked(networks, pyramid):
    owner, start = torch.tensor([0, 1]), torch.zeros(2, 32, 48)
    for through_time in (True, False):
        seen = networks.see(pyramid)
        episodes = roll_out(
            networks.actor, networks.decoder, seen, owner, start, 3, explore=False, through_time=through_time
        )
        assert episodes.logits.shape == (2, 3, 32, 48)
        assert episodes.covered.shape == (2, 4, 32, 48)
        torch.testing.assert_close(episodes.covered[:, 1], episodes.masks[:, 0])
        (gradient,) = torch.autograd.grad(
            episodes.logits[:, 2].sum(), episodes.steps[0].mean, retain_graph=True, allow_unused=True
        )
        assert bool(gradient.abs().sum() > 0) == through_time


def test_starts_cover_all_but_the_objects_that_are_left():
    masks = torch.zeros(3, 4, 8, 8)
    for k in range(4):
        masks[:, k, 2 * k : 2 * k + 2] = 1
    masks[2, 2:] = 0
    covered, available = draw_starts(masks, np.array([4, 4, 2]), np.array([1, 4, 0]), np.random.default_rng(0))
    np.testing.assert_array_equal(available.sum(1), [1, 4, 0])
    assert covered[1].sum() == 0
    torch.testing.assert_close(covered[2], masks[2].sum(0))
    left = masks[0, available[0].argmax()]
    torch.testing.assert_close(covered[0] + left, torch.ones(8, 8))


def test_settings_survive_json():
    import json

    there_and_back = RecurrentSettings.from_dict(json.loads(json.dumps(SMALL.to_dict())))
    assert there_and_back == SMALL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 50}, "multiple of 32"),
        ({"objective": "bcee"}, "truncated-bce"),
        ({"latent": 0}, "at least 1"),
        ({"discount": 1.5}, "0 to 1"),
        ({"first_steps": -1}, "0 or more"),
    ],
)
def test_settings_that_make_no_sense(change, message):
    with pytest.raises(UserError, match=message):
        RecurrentSettings(**change)
