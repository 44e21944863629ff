"""Training: repeatable, resumable, interruptible, with each learner; and it does learn."""

import dataclasses
import errno
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import segcritic
from discs import TWO, discs, nuclei, state_of
from segcritic.errors import UserError
from segcritic.rules import Rules, Scorer
from segcritic.stateless.policy import FeatureScale, Policy
from segcritic.stateless.sampled import SampledLearner
from segcritic.stateless.settings import NetworkSettings, TrainSettings
from segcritic.stateless.state import make_state
from segcritic.stateless.train import train
from segcritic.stateless.variants.choose import new_learner

SMALL = NetworkSettings(width=8, depth=1, subgraph_sizes=(4, 8), fixed_std=1.0)
LEARNED_STD = dataclasses.replace(SMALL, fixed_std=None)
U_NET = dataclasses.replace(SMALL, pixel_features=4, unet_widths=(4, 8))
SETTINGS = TrainSettings(steps=6, images_per_step=1, samples=4, network=SMALL)
SAC = dataclasses.replace(SETTINGS, learner="critic", network=LEARNED_STD)
COUNT = Rules.loads("count: {expect: 2}\narea: {expect: 250, tolerance: 40%}\nintensity: {brighter_than: background}")

STEPS = {"network": dataclasses.replace(SMALL, episode_steps=3)}
BY_OBJECT = {"credit_by": "object", "network": dataclasses.replace(SMALL, subgraph_sizes=(1,))}

LEARNERS = {
    "samples": SETTINGS,
    "critic": SAC,
    "U-Net": dataclasses.replace(SETTINGS, network=U_NET),
    "U-Net and critic": dataclasses.replace(SAC, network=dataclasses.replace(U_NET, fixed_std=None)),
    "frozen U-Net": dataclasses.replace(SETTINGS, network=dataclasses.replace(U_NET, freeze_unet=True)),
    "U-Net alone": dataclasses.replace(SETTINGS, network=dataclasses.replace(U_NET, hand_made=False)),
    "concatenation": dataclasses.replace(SAC, network=dataclasses.replace(LEARNED_STD, pooling="concatenate")),
    "maximum credit, contrast": dataclasses.replace(SETTINGS, credit="maximum", contrast_weight=0.5),
    "3 steps": dataclasses.replace(SETTINGS, **STEPS),
    "3 steps, critic": dataclasses.replace(SAC, **STEPS),
    "by object": dataclasses.replace(SETTINGS, **BY_OBJECT),
    "by object, critic": dataclasses.replace(SAC, **BY_OBJECT),
    "Kernighan-Lin": dataclasses.replace(SETTINGS, solver="kernighan-lin"),
    "critic of the count": dataclasses.replace(
        SAC, global_reward="critic", network=dataclasses.replace(LEARNED_STD, global_head=True)
    ),
}


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def states():
    return [state_of(TWO, (40, 60), 9.0, seed) for seed in (0, 1, 2)]


def initial(states, settings, seed=0):
    learner = new_learner(settings, FeatureScale.of(states), seed, torch.device("cpu"))
    return {name: value.clone() for name, value in learner.policy.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name].cpu(), other[name].cpu()) for name in one)


class Stop:
    """Ctrl-C after so many steps."""

    def __init__(self, after):
        self.left = after

    def __call__(self, progress):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_moves_its_weights_and_keeps_them_finite(states, name):
    settings = LEARNERS[name]
    rules = COUNT if name == "critic of the count" else nuclei()
    actor = train(states, Scorer(rules), settings)
    start = initial(states, settings)
    assert actor.weights.keys() == start.keys()
    assert all(torch.isfinite(value).all() for value in actor.weights.values())
    moved = {key for key, value in actor.weights.items() if not torch.equal(value, start[key].cpu())}
    assert any(key.startswith("actor.") for key in moved)
    if settings.network.pixel_features:
        assert any(key.startswith("unet.") for key in moved) != settings.network.freeze_unet
    assert not actor.interrupted
    assert [point["step"] for point in actor.curve] == list(range(1, settings.steps + 1))
    assert all(0 <= point["reward"] <= 1 and point["objects_per_image"] >= 0 for point in actor.curve)


@pytest.mark.parametrize("name", ["samples", "critic", "U-Net"])
def test_same_seed_same_weights(states, name):
    first, second, other = (train(states, Scorer(nuclei()), LEARNERS[name], seed=seed) for seed in (5, 5, 6))
    assert same(first.weights, second.weights)
    assert not same(first.weights, other.weights)
    assert [point["reward"] for point in first.curve] == [point["reward"] for point in second.curve]


def without_seconds(curve):
    return [{name: value for name, value in point.items() if name != "seconds"} for point in curve]


def test_a_checkpoint_of_an_earlier_format_is_refused_in_one_sentence(states, tmp_path):
    train(states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path)
    tensors = load_file(tmp_path / "state.safetensors")
    save_file(tensors | {"step": torch.tensor(4)}, tmp_path / "state.safetensors")
    with pytest.raises(UserError, match=r"an earlier version of segcritic.*start again"):
        train(states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path)


@pytest.mark.parametrize("name", ["samples", "critic", "frozen U-Net"])
def test_going_on_from_a_checkpoint_is_as_if_never_stopped(states, name, tmp_path, monkeypatch):
    settings = LEARNERS[name]
    whole = train(states, Scorer(nuclei()), settings)
    monkeypatch.setattr("segcritic.training.loop.CHECKPOINT_SECONDS", -1.0)  # after every step
    saved = tmp_path / "after three"

    def copy(progress):  # called before the step's own state is saved: what lies there is one step old
        if progress.step == 4:
            shutil.copytree(tmp_path / "checkpoint", saved)

    train(states, Scorer(nuclei()), settings, checkpoint=tmp_path / "checkpoint", on_progress=copy)
    assert json.loads((saved / "state.json").read_text())["step"] == [0, 3]
    steps = []
    resumed = train(states, Scorer(nuclei()), settings, checkpoint=saved, on_progress=lambda p: steps.append(p.step))
    assert steps == [4, 5, 6]
    assert same(resumed.weights, whole.weights)
    assert without_seconds(resumed.curve) == without_seconds(whole.curve)  # its running means go on as well


def test_files_of_two_saves_go_by_the_weights(states, tmp_path):
    """As a crash between the two leaves them: the JSON is one save older than the tensors."""
    whole = train(states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    (tmp_path / "state.json").write_text(json.dumps({**state, "step": [0, 4], "curve": state["curve"][:4]}))
    assert same(train(states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path).weights, whole.weights)


def test_a_finished_checkpoint_is_returned_as_it_is(states, tmp_path):
    whole = train(states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path)
    calls = []
    again = train(states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path, on_progress=calls.append)
    assert same(again.weights, whole.weights)
    assert again.curve == whole.curve
    assert not calls


def test_ctrl_c_returns_what_was_learned_so_far(states):
    actor = train(states, Scorer(nuclei()), SETTINGS, on_progress=Stop(3))
    assert actor.interrupted
    assert [point["step"] for point in actor.curve] == [1, 2, 3]
    assert not same(actor.weights, initial(states, SETTINGS))
    assert actor.policy()(actor.policy().network_input(states[:1]))[0].shape == (states[0].graph.n_edges,)


def test_ctrl_c_before_the_first_step_is_done(states, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(SampledLearner, "update", interrupt)
    actor = train(states, Scorer(nuclei()), SETTINGS)
    assert actor.interrupted
    assert actor.curve == []
    assert same(actor.weights, initial(states, SETTINGS))


def test_going_on_after_ctrl_c_is_as_if_never_stopped(states, tmp_path):
    whole = train(states, Scorer(nuclei()), SETTINGS)
    assert train(states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path, on_progress=Stop(3)).interrupted
    resumed = train(states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path)
    assert not resumed.interrupted
    assert [point["step"] for point in resumed.curve] == [1, 2, 3, 4, 5, 6]
    assert same(resumed.weights, whole.weights)


def test_a_time_limit_stops_early(states):
    settings = dataclasses.replace(SETTINGS, steps=100_000)
    actor = train(states, Scorer(nuclei()), settings, minutes=0.3 / 60)
    assert not actor.interrupted
    assert 0 < actor.curve[-1]["seconds"] < 3


def damage(folder, how):
    state, tensors = folder / "state.json", folder / "state.safetensors"
    if how == "truncated weights":
        tensors.write_bytes(tensors.read_bytes()[:-100])
    elif how == "no weights":
        tensors.unlink()
    elif how == "truncated JSON":
        state.write_text(state.read_text()[:40])
    elif how == "JSON of something else":
        state.write_text("[1, 2]")
    elif how == "another shape":
        values = load_file(tensors)
        name = next(name for name in values if name.startswith("policy.actor") and values[name].ndim == 2)
        save_file({**values, name: values[name][:1].clone()}, tensors)
    elif how == "a tensor missing":
        values = load_file(tensors)
        save_file({name: value for name, value in values.items() if name != "average.node_mean"}, tensors)


@pytest.mark.parametrize(
    "how",
    [
        *("truncated weights", "no weights", "truncated JSON", "JSON of something else"),
        *("another shape", "a tensor missing"),
    ],
)
def test_a_damaged_checkpoint_is_named(states, tmp_path, how):
    settings = dataclasses.replace(SETTINGS, steps=1)
    train(states, Scorer(nuclei()), settings, checkpoint=tmp_path / "run")
    damage(tmp_path / "run", how)
    with pytest.raises(UserError, match=r"checkpoint in .*run.*start again"):
        train(states, Scorer(nuclei()), settings, checkpoint=tmp_path / "run")


def test_a_checkpoint_of_another_training_is_refused(states, tmp_path):
    settings = dataclasses.replace(SETTINGS, steps=2)
    train(states, Scorer(nuclei()), settings, checkpoint=tmp_path)
    with pytest.raises(UserError, match="another seed: start again"):
        train(states, Scorer(nuclei()), settings, checkpoint=tmp_path, seed=1)
    with pytest.raises(UserError, match=r"other settings .*: start again"):
        train(states, Scorer(nuclei()), dataclasses.replace(settings, samples=6), checkpoint=tmp_path)
    with pytest.raises(UserError, match="other rules and other images"):
        train(states[:2], Scorer(COUNT), settings, checkpoint=tmp_path)
    with pytest.raises(UserError, match="has 2 steps already, more than 1: start again"):
        train(states, Scorer(nuclei()), dataclasses.replace(settings, steps=1), checkpoint=tmp_path)


def test_a_finished_training_goes_on_for_more_steps(states, tmp_path):
    train(states, Scorer(nuclei()), dataclasses.replace(SETTINGS, steps=2), checkpoint=tmp_path)
    steps = []
    actor = train(states, Scorer(nuclei()), SETTINGS, checkpoint=tmp_path, on_progress=lambda p: steps.append(p.step))
    assert steps == [3, 4, 5, 6]
    assert [point["step"] for point in actor.curve] == [1, 2, 3, 4, 5, 6]
    assert actor.settings == SETTINGS


def test_a_full_disk_is_named(states, tmp_path, monkeypatch):
    def full(path, _):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match=r"cannot write .*state\.safetensors: No space left"):
        train(states, Scorer(nuclei()), dataclasses.replace(SETTINGS, steps=1), checkpoint=tmp_path / "run")


@pytest.mark.parametrize(("name", "keep_pixels"), [("samples", False), ("U-Net", True)])
def test_lean_scenes_train_as_whole_ones_do(states, name, keep_pixels):
    rules = Rules.loads("circle_hough: {at_least: 0.9}\nsolidity: {at_least: 0.9}\ncenter_distance: {at_most: 0.5}")
    lean = [state.lean(keep_pixels) for state in states]
    assert same(
        train(lean, Scorer(rules), LEARNERS[name]).weights, train(states, Scorer(rules), LEARNERS[name]).weights
    )


def test_images_with_nothing_to_segment():
    flat = make_state(np.full((20, 20), 3.0, np.float32), nuclei())
    with pytest.raises(UserError, match="anything to segment"):
        train([flat], Scorer(nuclei()), SETTINGS)
    mixed = train([flat, state_of(TWO, (40, 60), 9.0)], Scorer(nuclei()), SETTINGS)
    assert same(mixed.weights, train([state_of(TWO, (40, 60), 9.0)], Scorer(nuclei()), SETTINGS).weights)


def test_progress_is_told_after_every_step(states):
    told = []
    train(states, Scorer(nuclei()), SETTINGS, on_progress=lambda progress: told.append(dataclasses.replace(progress)))
    assert [progress.step for progress in told] == [1, 2, 3, 4, 5, 6]
    assert all(progress.steps == 6 and 0 <= progress.reward <= 1 for progress in told)
    assert told[-1].seconds_left == 0
    assert told[0].seconds_left > 0
    assert all(early.seconds <= late.seconds for early, late in itertools.pairwise(told))


CHANGES = {
    "samples": {},
    "by object": {"credit_by": "object"},
    "3 steps": {"samples": 8},
}


@pytest.mark.parametrize("name", CHANGES)
def test_reward_rises(name):
    """From a policy that knows nothing of contrast; it falls far short of the best in so few steps."""
    pixels, truth = discs((40, 60), TWO, 9.0)
    coarse = np.maximum(truth, 0) * 100 + np.indices(truth.shape)[1] // 20
    state = make_state(pixels, nuclei(), given=coarse)
    settings = TrainSettings(
        steps=60,
        learning_rate=1e-2,
        images_per_step=1,
        network=dataclasses.replace(
            SMALL,
            width=16,
            warm_start=0.0,
            episode_steps=3 if name == "3 steps" else 1,
            subgraph_sizes=(1,) if name == "by object" else SMALL.subgraph_sizes,
        ),
        **CHANGES[name],
    )
    curve = train([state], Scorer(nuclei()), settings).curve
    assert curve[-1]["reward"] > curve[5]["reward"] + 0.05


def test_the_count_reaches_the_weights(states):
    plain = COUNT.model_copy(update={"count": None})
    assert not same(train(states, Scorer(COUNT), SETTINGS).weights, train(states, Scorer(plain), SETTINGS).weights)
    critic = LEARNERS["critic of the count"]
    assert not same(train(states, Scorer(COUNT), critic).weights, train(states, Scorer(plain), critic).weights)


def test_a_critic_of_the_count_needs_its_output(states):
    with pytest.raises(UserError, match="global_head"):
        train(states, Scorer(COUNT), dataclasses.replace(SAC, global_reward="critic"))


def test_settings_survive_json():
    for settings in (*LEARNERS.values(), TrainSettings(), TrainSettings.paper()):
        assert TrainSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"samples": 3}, "even"),
        ({"samples": 0}, "even"),
        ({"steps": 0}, "steps"),
        ({"images_per_step": 0}, "images_per_step"),
        ({"contrast_weight": 1.5}, "contrast_weight"),
        ({"global_reward": "critic"}, "learner: critic"),
        ({"solver": "exact"}, "solver"),
        ({"credit_by": "object"}, "subgraph_sizes"),
        ({"credit_by": "image"}, "credit_by"),
        ({"network": NetworkSettings(episode_steps=0)}, "episode_steps"),
    ],
)
def test_settings_that_make_no_sense(change, message):
    with pytest.raises(UserError, match=message):
        TrainSettings(**change)


def test_settings_of_a_model_from_before_there_were_these_are_read():
    values = TrainSettings().to_dict()
    for name in ("solver", "credit_by"):
        del values[name]
    del values["network"]["episode_steps"]
    assert TrainSettings.from_dict(values) == TrainSettings()


def test_settings_that_are_gone_are_dropped():
    """As models saved by 0.1 have them: of training, of the networks, and a learner whose policy predicts the same."""
    values = TrainSettings().to_dict() | {"entropy_bonus": 0.01, "learner": "samples+critic"}
    values["network"]["initial_std"] = 0.7
    assert TrainSettings.from_dict(values) == TrainSettings()


def test_every_shipped_model_is_read():
    folders = [path.parent for path in Path(segcritic.__file__).parent.glob("models/shipped/*/rules.yaml")]
    assert {"circles", "nuclei"} <= {folder.name for folder in folders}
    for folder in folders:
        saved = json.loads((folder / "settings.json").read_text())["settings"]
        read = TrainSettings.from_dict(saved)
        assert (read.learner, read.samples) == (saved["learner"], saved["samples"])
        policy = Policy(read.network)
        policy.load_state_dict(load_file(folder / "weights.safetensors"))


def test_the_policy_keeps_the_solver_of_its_training(states):
    assert train(states, Scorer(nuclei()), dataclasses.replace(SETTINGS, steps=1)).policy().solver == "greedy"
    refined = dataclasses.replace(LEARNERS["Kernighan-Lin"], steps=1)
    assert train(states, Scorer(nuclei()), refined).policy().solver == "kernighan-lin"


def test_unknown_or_missing_settings_are_a_user_error():
    values = TrainSettings().to_dict()
    with pytest.raises(UserError, match="stepz"):
        TrainSettings.from_dict({**values, "stepz": 3})
    with pytest.raises(UserError, match="network"):
        TrainSettings.from_dict({name: value for name, value in values.items() if name != "network"})
    with pytest.raises(UserError, match="widht"):
        TrainSettings.from_dict({**values, "network": {**values["network"], "widht": 3}})
