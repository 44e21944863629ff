import dataclasses
import json
import signal

import numpy as np
import pytest
import torch

from segcritic.datasets.rosettes import rosettes
from segcritic.errors import UserError
from segcritic.recurrent.learner import STAGES, Learner
from segcritic.recurrent.settings import RecurrentSettings
from segcritic.recurrent.train import train
from segcritic.recurrent.views import Batch, Example, draw_batch

SMALL = RecurrentSettings(
    height=32,
    width=32,
    zoom=False,
    max_objects=4,
    objective="actor-critic",
    channels=(8, 8, 16, 16, 16),
    mask_channels=(8, 8, 8, 16, 16),
    latent=6,
    hidden=24,
    context_steps=3,
    masks_steps=3,
    first_steps=3,
    episodes_steps=4,
    critic_steps=2,
    batch=2,
    states=2,
)


def blobs(n=3, objects=(1, 3, 2)):
    """Images of coloured squares on grey."""
    examples = []
    for k in range(n):
        rng = np.random.default_rng(k)
        pixels, labels = np.full((40, 40, 3), 0.4, np.float32), np.zeros((40, 40), np.int32)
        for number, (row, column) in enumerate(((3, 4), (22, 6), (12, 24))[: objects[k % len(objects)]], 1):
            labels[row : row + 12, column : column + 12] = number
            pixels[row : row + 12, column : column + 12] = rng.random(3)
        examples.append(Example.of(pixels, labels))
    return examples


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"critic": "q", "reward": "iou"},
        {"objective": "bce", "matching_noise": 0.1},
        {"objective": "truncated-bce", "exploration": 0.0},
        {"pooling": "flatten", "state_pyramid": False, "context": False},
    ],
    ids=["actor-critic", "paper's critic", "BL with noise", "BL-Trunc", "paper's actor"],
)
def test_every_variant_trains_all_stages_and_stays_finite(change):
    stages = []
    agent = train(blobs(), dataclasses.replace(SMALL, **change), on_progress=lambda p: stages.append(p.stage))
    assert list(dict.fromkeys(stages)) == list(STAGES)
    assert all(torch.isfinite(value).all() for value in agent.weights.values())
    assert all(np.isfinite(v) for point in agent.curve for v in point.values() if isinstance(v, float))


@pytest.mark.parametrize(
    ("stage", "end_to_end", "moves"),
    [
        ("context", True, {"encoder"}),
        ("masks", True, {"encoder", "decoder"}),
        ("first", True, {"actor"}),
        ("episodes", True, {"encoder", "decoder", "actor"}),
        ("episodes", False, {"actor"}),
    ],
)
def test_each_stage_trains_its_own_networks_and_no_others(stage, end_to_end, moves):
    settings = dataclasses.replace(SMALL, critic_steps=0, end_to_end=end_to_end)
    learner = Learner(settings, 0, torch.device("cpu"))
    before = {name: value.clone() for name, value in learner.average.state_dict().items()}
    learner.begin(stage)
    for step in range(3):
        rng = np.random.default_rng(step)
        learner.update(stage, step, 0.0, draw_batch(blobs(), SMALL, rng), rng)
    after = learner.average.state_dict()
    assert {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])} == moves


def test_the_critic_learns_alone_at_first():
    learner = Learner(dataclasses.replace(SMALL, critic_steps=1), 0, torch.device("cpu"))
    learner.begin("episodes")
    changed = []
    for step in range(2):
        actor = {name: value.clone() for name, value in learner.networks.actor.state_dict().items()}
        critic = {name: value.clone() for name, value in learner.critic.state_dict().items()}
        rng = np.random.default_rng(step)
        learner.update("episodes", step, step / SMALL.episodes_steps, draw_batch(blobs(), SMALL, rng), rng)
        changed.append((not same(actor, learner.networks.actor.state_dict()),))
        assert not same(critic, learner.critic.state_dict())
    assert changed == [(False,), (True,)]


def test_same_seed_same_weights():
    first, second = train(blobs(), SMALL, seed=3), train(blobs(), SMALL, seed=3)
    assert same(first.weights, second.weights)
    assert not same(first.weights, train(blobs(), SMALL, seed=4).weights)


@pytest.mark.parametrize("stop_at", [("masks", 2), ("episodes", 3), ("first", 3)])
def test_going_on_after_ctrl_c_is_as_if_never_stopped(tmp_path, stop_at):
    def stop(progress):
        if (progress.stage, progress.step) == stop_at:
            raise KeyboardInterrupt

    whole = train(blobs(), SMALL)
    assert train(blobs(), SMALL, checkpoint=tmp_path, on_progress=stop).interrupted
    seen = []
    resumed = train(blobs(), SMALL, checkpoint=tmp_path, on_progress=lambda p: seen.append((p.stage, p.step)))
    assert not resumed.interrupted
    assert stop_at not in seen
    assert same(resumed.weights, whole.weights)
    again = train(blobs(), SMALL, checkpoint=tmp_path, on_progress=seen.append)
    assert same(again.weights, whole.weights)  # finished: nothing is done twice
    with pytest.raises(UserError, match="another seed"):
        train(blobs(), SMALL, seed=1, checkpoint=tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["step"] == [4, 0]


def test_training_goes_on_from_another_agent_s_weights():
    before = train(blobs(), SMALL)
    none = dataclasses.replace(SMALL, context_steps=0, masks_steps=0, first_steps=0, episodes_steps=0)
    assert same(train(blobs(), none, seed=1, pretrained=before).weights, before.weights)
    last = dataclasses.replace(none, episodes_steps=3, critic_steps=0, end_to_end=False)
    after = train(blobs(), last, pretrained=before).weights
    changed = {name.split(".")[0] for name in after if not torch.equal(after[name], before.weights[name])}
    assert changed == {"actor"}


def test_a_time_limit_gives_every_stage_its_share():
    many = dataclasses.replace(SMALL, context_steps=10**6, masks_steps=10**6, first_steps=10**6, episodes_steps=10**6)
    seconds = {}
    train(blobs(), many, minutes=0.06, on_progress=lambda p: seconds.__setitem__(p.stage, p.seconds))
    assert list(seconds) == list(STAGES)
    assert seconds["episodes"] < 6


def test_rewards_do_not_depend_on_how_long_other_episodes_are(monkeypatch):
    """What the critic learns of an image is the same alone and beside one with more objects."""
    seen = []
    monkeypatch.setattr("segcritic.recurrent.learner.returns", lambda r, g: seen.append(r.clone()) or r)
    learner = Learner(dataclasses.replace(SMALL, exploration=0.0), 0, torch.device("cpu"))
    learner.begin("episodes")
    one, three = (
        draw_batch(blobs(1, (n,)), dataclasses.replace(SMALL, batch=1), np.random.default_rng(0)) for n in (1, 3)
    )
    masks = torch.zeros(2, *three.masks.shape[1:])
    masks[0, :1], masks[1] = one.masks[0, :1], three.masks[0]
    both = Batch(torch.cat([one.views, three.views]), masks, np.array([1, 3]))
    for batch in (one, both):
        learner.update("episodes", 0, 1.0, batch, np.random.default_rng(0))
        learner.begin("episodes")
    assert seen[1][0, 1:].abs().max() == 0
    assert seen[1].shape[1] > seen[0].shape[1]


def test_annotations_that_cannot_be_learned_from():
    empty = Example.of(np.zeros((40, 40, 3), np.float32), np.zeros((40, 40), int))
    with pytest.raises(UserError, match="no label image holds an object"):
        train([empty], SMALL)
    with pytest.raises(UserError, match=r"holds 3 objects.*max_objects is 2"):
        train(blobs(), dataclasses.replace(SMALL, max_objects=2))


def test_images_without_objects_beside_others_and_single_objects_train():
    empty = Example.of(np.full((40, 40, 3), 0.4, np.float32), np.zeros((40, 40), int))
    agent = train([empty, *blobs(1, (1,))], SMALL)
    assert all(torch.isfinite(value).all() for value in agent.weights.values())


def test_the_mask_vae_learns_the_leaves_of_rosettes():
    settings = dataclasses.replace(
        SMALL,
        height=64,
        width=64,
        max_objects=8,
        latent=16,
        channels=(16, 16, 24, 32, 32),
        mask_channels=(8, 16, 16, 32, 32),
        batch=4,
        states=4,
        context_steps=0,
        masks_steps=90,
        first_steps=0,
        episodes_steps=0,
    )
    examples = [Example.of(*pair) for pair in rosettes(12, 64, seed=0, count=(3, 5))]
    curve = train(examples, settings).curve
    assert curve[-1]["dice"] > 0.3 > 0.15 > curve[0]["dice"]


def test_what_a_second_ctrl_c_tore_is_not_kept(tmp_path, monkeypatch):
    whole = train(blobs(), SMALL)
    update, calls = Learner.update, []

    def twice(self, *given):
        calls.append(1)
        told = update(self, *given)
        if len(calls) == 2:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return told

    monkeypatch.setattr(Learner, "update", twice)
    assert train(blobs(), SMALL, checkpoint=tmp_path).interrupted
    monkeypatch.undo()
    assert same(train(blobs(), SMALL, checkpoint=tmp_path).weights, whole.weights)


def test_the_user_s_random_numbers_go_on_as_if_nothing_had_been():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    train(blobs(), SMALL, seed=3).networks()
    assert torch.equal(torch.get_rng_state(), before)
