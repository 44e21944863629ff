"""Self-supervised pre-training (A.1): the loss is eq. 8-10, it falls, superpixels part, training goes on."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from discs import TWO, nuclei, state_of
from segcritic.cli import main
from segcritic.errors import UserError
from segcritic.graph import build_graph
from segcritic.models.fit import train_by_rules
from segcritic.nn.unet import pool_superpixels
from segcritic.rules import Scorer
from segcritic.stateless.policy import FeatureScale
from segcritic.stateless.settings import NetworkSettings, TrainSettings
from segcritic.stateless.state import make_state
from segcritic.stateless.train import Progress, train
from segcritic.stateless.variants.choose import new_learner
from segcritic.stateless.variants.pretraining import (
    PULL_LIMIT,
    PUSH_LIMIT,
    Pretraining,
    contrastive_loss,
    push_weights,
)
from small_model import RULES, disks, write_disks

U_NET = NetworkSettings(width=8, depth=1, subgraph_sizes=(4, 8), fixed_std=1.0, pixel_features=4, unet_widths=(4, 8))
SETTINGS = TrainSettings(steps=2, images_per_step=2, samples=4, network=U_NET, pretraining_steps=4)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def states():
    return [state_of(TWO, (40, 60), 9.0, seed) for seed in (0, 1, 2)]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name].cpu(), other[name].cpu()) for name in one)


def learner_of(states, settings=SETTINGS, seed=0):
    return new_learner(settings, FeatureScale.of(states), seed, torch.device("cpu"))


def test_the_loss_is_that_of_the_paper():
    """Held against eq. 8-10, written out pixel by pixel."""
    rng = np.random.default_rng(0)
    superpixels = np.repeat([[0, 0, 1, 1, 1, 2]], 3, axis=0)
    features = rng.normal(0, 0.4, (2, *superpixels.shape))
    edges, weights = [(0, 1), (1, 2)], [0.25, 0.75]
    means = [features[:, superpixels == i].mean(1) for i in range(3)]
    pull = [
        np.mean(
            [max(float(np.linalg.norm(means[i] - x)) - PULL_LIMIT, 0) ** 2 for x in features[:, superpixels == i].T]
        )
        for i in range(3)
    ]
    push = [
        w * max(2 * PUSH_LIMIT - float(np.linalg.norm(means[i] - means[j])), 0) ** 2
        for (i, j), w in zip(edges, weights, strict=True)
    ]
    loss = contrastive_loss(
        torch.tensor(features, dtype=torch.float32),
        torch.tensor(superpixels),
        torch.tensor(edges),
        torch.tensor(weights),
    )
    assert loss.item() == pytest.approx(np.mean(pull) + np.sum(push), rel=1e-5)
    assert np.mean(pull) > 0.01
    assert np.sum(push) > 0.01


def test_equal_features_can_be_learned_from():
    """Where a distance is 0 it has no slope; no gradient may become NaN of that."""
    features = torch.zeros(2, 2, 4, requires_grad=True)
    superpixels = torch.tensor([[0, 0, 1, 1]] * 2)
    loss = contrastive_loss(features, superpixels, torch.tensor([[0, 1]]), torch.ones(1))
    loss.backward()
    assert loss.item() == pytest.approx((2 * PUSH_LIMIT) ** 2)
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_clear_boundaries_are_pushed_harder():
    superpixels = np.repeat([[0, 0, 0, 1, 1, 1, 2, 2, 2]], 9, axis=0)
    image = np.where(superpixels == 2, 1, 0.1 * superpixels).astype(np.float32)
    weights = push_weights(build_graph(image, superpixels))
    assert weights.sum() == pytest.approx(1)
    assert weights[1] > 3 * weights[0] > 0
    flat = push_weights(build_graph(np.zeros_like(image), superpixels))
    np.testing.assert_allclose(flat, [0.5, 0.5])


def mosaic(seed):
    """A picture of noisy squares, no two as bright as each other, each a superpixel."""
    row, column = np.indices((32, 40))
    squares = row // 8 * 5 + column // 8
    rng = np.random.default_rng(seed)
    pixels = rng.permutation(20)[squares] / 19 + rng.normal(0, 0.03, squares.shape)
    return make_state(pixels.astype(np.float32), nuclei(), given=squares)


def test_the_loss_falls_and_neighbouring_superpixels_part():
    states = [mosaic(seed) for seed in (0, 1)]

    def distances(learner):
        """Mean distances of the features of neighbouring superpixels, and of pixels from their superpixel's mean."""
        graph = states[0].graph
        superpixels = torch.as_tensor(graph.superpixels, dtype=torch.int64)
        with torch.no_grad():
            pixels = learner.policy.unet(torch.as_tensor(states[0].image)[None, None])
        means = pool_superpixels(pixels, superpixels[None], graph.n_nodes)
        between = means[graph.edges[:, 0]] - means[graph.edges[:, 1]]
        return between.norm(dim=1).mean().item(), (means.T[:, superpixels] - pixels[0]).norm(dim=0).mean().item()

    learner = learner_of(states)
    between_before, within_before = distances(learner)
    pretraining = Pretraining(learner.policy, learner.average)
    losses = [pretraining.update(states) for _ in range(40)]
    between, within = distances(learner)
    assert losses[-1] < 0.3 * losses[0]
    assert between > 1.2 * between_before
    assert within < 0.6 * within_before
    assert same(learner.average.state_dict(), learner.policy.state_dict())
    fresh = learner_of(states).policy.state_dict()
    moved = {name for name, value in learner.policy.state_dict().items() if not torch.equal(value, fresh[name])}
    assert moved
    assert all(name.startswith("unet.") for name in moved)


def test_same_seed_same_weights(states):
    first, second, other = (train(states, Scorer(nuclei()), SETTINGS, seed=seed) for seed in (5, 5, 6))
    assert same(first.weights, second.weights)
    assert not same(first.weights, other.weights)
    without = train(states, Scorer(nuclei()), dataclasses.replace(SETTINGS, pretraining_steps=0), seed=5)
    assert not same(first.weights, without.weights)
    assert len(first.curve) == len(without.curve) == SETTINGS.steps


def test_a_frozen_u_net_keeps_what_it_was_pre_trained_to(states):
    frozen = dataclasses.replace(SETTINGS, network=dataclasses.replace(U_NET, freeze_unet=True))
    weights = train(states, Scorer(nuclei()), frozen).weights
    alone = train(states, Scorer(nuclei()), dataclasses.replace(frozen, steps=1)).weights
    of_unet = [name for name in weights if name.startswith("unet.")]
    fresh = learner_of(states, frozen).policy.state_dict()
    assert all(torch.equal(weights[name], alone[name]) for name in of_unet)
    assert not any(torch.equal(weights[name], fresh[name]) for name in of_unet)


@pytest.mark.parametrize("step", [-2, 0, 1])
def test_going_on_from_a_checkpoint_is_as_if_never_stopped(states, tmp_path, monkeypatch, step):
    """From the middle of the pre-training, its end, and after it."""
    whole = train(states, Scorer(nuclei()), SETTINGS)
    monkeypatch.setattr("segcritic.training.loop.CHECKPOINT_SECONDS", -1.0)  # after every step
    calls = []

    def copy(progress):  # called before the step's own state is saved: what lies there is one step old
        calls.append(progress.step)
        if len(calls) == step + SETTINGS.pretraining_steps + 1:
            shutil.copytree(tmp_path / "run", tmp_path / "saved")

    train(states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path / "run", on_progress=copy)
    assert calls == [1, 2, 3, 4, 1, 2]
    assert json.loads((tmp_path / "saved" / "state.json").read_text())["step"] == (
        [0, SETTINGS.pretraining_steps + step] if step < 0 else [1, step]
    )
    resumed = train(
        states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path / "saved", on_progress=lambda p: calls.append(0)
    )
    assert len(calls) == 6 + SETTINGS.steps - step
    assert same(resumed.weights, whole.weights)
    assert [point["step"] for point in resumed.curve] == [1, 2]
    with pytest.raises(UserError, match="other settings"):
        train(
            states, Scorer(nuclei()), dataclasses.replace(SETTINGS, pretraining_steps=5), checkpoint=tmp_path / "saved"
        )


def test_ctrl_c_keeps_the_pixel_features(states):
    def stop(progress):
        if progress.step == 3:
            raise KeyboardInterrupt

    actor = train(states, Scorer(nuclei()), SETTINGS, on_progress=stop)
    assert actor.interrupted
    assert actor.curve == []
    fresh = learner_of(states).policy.state_dict()
    assert not torch.equal(actor.weights["unet.output.weight"], fresh["unet.output.weight"])
    assert torch.equal(actor.weights["actor.network.encoder.weight"], fresh["actor.network.encoder.weight"])


def test_progress_tells_the_loss(states):
    told: list[Progress] = []
    train(states, Scorer(nuclei()), SETTINGS, on_progress=lambda progress: told.append(dataclasses.replace(progress)))
    assert [(p.step, p.steps) for p in told] == [(1, 4), (2, 4), (3, 4), (4, 4), (1, 2), (2, 2)]
    assert all("pre-training of the pixel features, loss" in p.note for p in told[:4])
    assert all("reward" in p.note for p in told[4:])
    assert told[0].seconds_left > 0
    assert told[-1].seconds_left == 0


def test_a_policy_that_was_trained_before_is_not_pre_trained(states):
    actor = train(states, Scorer(nuclei()), SETTINGS)
    told: list[int] = []
    train(states, Scorer(nuclei()), SETTINGS, pretrained=actor, on_progress=lambda p: told.append(p.step))
    assert told == [1, 2]


def test_without_a_u_net_it_is_refused(tmp_path, capsys):
    with pytest.raises(UserError, match="'pretraining_steps' is 5, but there is no U-Net"):
        TrainSettings(pretraining_steps=5)
    with pytest.raises(UserError, match="'pretraining_steps' is -5: give 0 or more"):
        dataclasses.replace(SETTINGS, pretraining_steps=-5)
    (tmp_path / "rules.yaml").write_text(RULES)
    write_disks(tmp_path / "images", "a")
    line = f"train {tmp_path}/images --rules {tmp_path}/rules.yaml --out {tmp_path}/model --pretraining-steps 5"
    assert main(line.split()) == 2
    assert "there is no U-Net" in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


def test_the_setting_reaches_training(monkeypatch, tmp_path):
    """By the API with small networks in place of the paper's."""
    small = dataclasses.replace(SETTINGS, pretraining_steps=0)
    monkeypatch.setattr(TrainSettings, "paper", classmethod(lambda cls: small))
    (tmp_path / "rules.yaml").write_text(RULES)
    told: list[str] = []
    model = train_by_rules(
        disks()[0],
        tmp_path / "rules.yaml",
        preset="paper",
        pretraining_steps=2,
        on_progress=lambda p: told.append(p.note),
    )
    assert [note.startswith("pre-training") for note in told] == [True, True, False, False]
    model.save(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "settings.json").read_text())["settings"]["pretraining_steps"] == 2
