"""The mask-by-mask model as users meet it: training from labels, the folder, prediction, bad input."""

import dataclasses
import json

import imageio.v3 as iio
import numpy as np
import pytest
import torch

import segcritic
from segcritic import models
from segcritic.datasets.rosettes import rosettes
from segcritic.errors import InputWarning, UserError
from segcritic.models.fit import train_on_labels
from segcritic.models.recurrent import RecurrentModel
from segcritic.recurrent import predict
from segcritic.recurrent.choose_settings import choose_settings
from segcritic.recurrent.predict import _without_hidden, _without_specks, segment
from segcritic.recurrent.views import Example
from small_agent import TINY, agent


@pytest.fixture
def plants(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for k, (pixels, labels) in enumerate(rosettes(3, 48, seed=5, count=(2, 4))):
        iio.imwrite(tmp_path / "images" / f"p{k}.png", (pixels * 255).astype(np.uint8))
        iio.imwrite(tmp_path / "labels" / f"p{k}.png", labels.astype(np.uint16))
    return tmp_path


def test_training_from_files_saving_and_loading_give_the_same_labels(plants):
    model = segcritic.train(
        plants / "images", labels=plants / "labels", method="recurrent", settings=dataclasses.replace(TINY)
    )
    model.save(plants / "model")
    loaded = models.load(plants / "model")
    assert isinstance(loaded, RecurrentModel)
    for k in range(3):
        path = plants / "images" / f"p{k}.png"
        np.testing.assert_array_equal(loaded.segment(path), model.segment(path))
    files = {path.name for path in (plants / "model").iterdir()}
    assert files == {"settings.json", "weights.safetensors", "card.md"}
    assert "3 annotated images" in loaded.card


def test_labels_are_numbered_in_the_order_of_drawing_and_measured():
    pixels = next(iter(rosettes(1, (60, 80), seed=1)))[0]
    found = RecurrentModel(agent(zoom=False), "").analyse(pixels)
    numbers = np.unique(found.labels[found.labels > 0])
    assert len(numbers) > 1
    np.testing.assert_array_equal(found.table["label"], numbers)
    steps = found.table["step"]
    assert (np.diff(steps) > 0).all()  # with gaps where a mask shows nothing
    assert steps[0] >= 1
    assert steps[-1] <= TINY.max_objects
    np.testing.assert_array_equal(found.table["area"], np.bincount(found.labels.ravel())[1:])
    assert ((found.table["confidence"] > 0.1) & (found.table["confidence"] <= 1)).all()
    assert found.labels.shape == (60, 80)
    assert found.labels.dtype == np.int32


def test_a_large_image_is_painted_in_strips(monkeypatch):
    networks = agent().networks()
    pixels = next(iter(rosettes(1, 80, seed=3)))[0]
    at_once = segment(pixels, networks).labels
    assert at_once.max() > 1
    monkeypatch.setattr(predict, "_PAINTED", 1000)
    np.testing.assert_array_equal(segment(pixels, networks).labels, at_once)


def test_objects_too_small_to_be_learned_are_told():
    image, labels = np.full((400, 400, 3), 0.5, np.float32), np.zeros((400, 400), np.int32)
    labels[20:380, 20:380] = 1
    labels[10:13, 10:13] = 2
    with pytest.warns(InputWarning, match="1 of 2 annotated objects are too small"):
        train_on_labels(image, labels, settings=TINY)


def test_an_episode_ends_when_the_actor_says_so():
    pixels = next(iter(rosettes(1, 64, seed=1)))[0]
    networks = agent().networks()
    networks.actor.stop[-1].bias.fill_(10.0)
    assert segment(pixels, networks).labels.max() == 0
    networks.actor.stop[-1].bias.fill_(-10.0)
    assert len(segment(pixels, networks).masks) == TINY.max_objects


def test_taking_away_a_part_of_the_state_matters():
    pixels = next(iter(rosettes(1, 64, seed=1)))[0]
    networks = agent().networks()
    masks = {kept: segment(pixels, networks, kept).masks for kept in (None, "lstm", "mask")}
    for kept in ("lstm", "mask"):
        np.testing.assert_allclose(masks[kept][0], masks[None][0], atol=1e-5)  # nothing was drawn before the first
        assert np.abs(masks[kept][1] - masks[None][1]).max() > 1e-6
    with pytest.raises(UserError, match="choose lstm or mask"):
        segment(pixels, networks, "both")


def test_gray_images_and_arrays_of_integers_are_taken():
    model = RecurrentModel(agent(), "")
    gray = (next(iter(rosettes(1, 64, seed=1)))[0][..., 1] * 255).astype(np.uint8)
    np.testing.assert_array_equal(model.segment(gray), model.segment(np.stack([gray] * 3, -1)))


def test_an_image_of_equal_pixels_has_no_objects_and_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(predict, "segment", None)
    with pytest.warns(InputWarning, match="all pixels are equal"):
        found = RecurrentModel(agent(), "").analyse(np.full((50, 40, 3), 9, np.uint8))
    assert found.labels.shape == (50, 40)
    assert found.labels.max() == 0
    assert {len(column) for column in found.table.values()} == {0}
    assert found.context.shape == (9, *TINY.mask_shape)


@pytest.mark.parametrize("option", ["boundaries", "superpixels", "channel", "refine"])
def test_what_only_rule_driven_models_take_is_refused_in_a_sentence(option):
    pixels = next(iter(rosettes(1, 64, seed=1)))[0]
    with pytest.raises(UserError, match=f"--{option} "):
        RecurrentModel(agent(), "").segment(pixels, **{option: 1})


@pytest.mark.parametrize(
    ("method", "option", "other"),
    [
        ("rules", {"batch": 2}, "recurrent"),
        ("rules", {"upright": True}, "recurrent"),
        ("rules", {"settings": TINY}, "recurrent"),
        ("recurrent", {"steps": 2}, "rules"),
        ("recurrent", {"boundaries": "maps"}, "rules"),
        ("recurrent", {"channel": 0}, "rules"),
    ],
)
def test_a_setting_of_the_other_method_is_refused_in_a_sentence(method, option, other):
    (name,) = option
    with pytest.raises(UserError, match=rf"{name} \(--{name}\) is for method {other}; leave it out"):
        segcritic.train(np.zeros((8, 8, 3)), labels=np.ones((8, 8), int), method=method, **option)


def test_settings_follow_the_data():
    def example(height, width, box, n=1):
        labels = np.zeros((height, width), int)
        labels[: box[0], : box[1]] = 1
        for k in range(1, n):
            labels[k, k] = k + 1
        return Example.of(np.zeros((height, width, 3), np.float32), labels)

    small = choose_settings([example(64, 64, (60, 60), 5)])
    assert (small.height, small.width, small.zoom, small.max_objects) == (64, 64, False, 6)
    plant = choose_settings([example(530, 500, (300, 280))])
    assert plant.zoom
    assert plant.height == plant.width >= 160
    street = choose_settings([example(370, 1240, (60, 200))], upright=True)
    assert not street.zoom
    assert street.width > 2.5 * street.height
    assert sum(small.channels) < sum(plant.channels)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((48, 48), np.uint8), "no label image holds an object"),
        (np.zeros((40, 48), np.uint8), r"\(40, 48\).*make them equal"),
        (np.ones((48, 48)), "give integers"),
    ],
)
def test_labels_that_cannot_be_used(labels, message):
    pixels = next(iter(rosettes(1, 48, seed=1)))[0]
    with pytest.raises(UserError, match=message):
        train_on_labels(pixels, labels, settings=TINY)


def test_a_missing_label_file_is_named(plants):
    (plants / "labels" / "p1.png").unlink()
    with pytest.raises(UserError, match=r"labels has no label image for .*p1.png; it needs a file named p1.tif"):
        train_on_labels(plants / "images", plants / "labels", settings=TINY)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": "recurrent"}, "give labels"),
        ({"method": "recurrent", "labels": np.ones((8, 8), int), "rules": "coins"}, "leave the rules out"),
        ({"method": "rules"}, "give a rules file"),
        ({"method": "sequence"}, "choose rules or recurrent"),
        ({"method": "recurrent", "labels": np.ones((8, 8), int), "minutes": 0}, "above 0"),
        ({"method": "recurrent", "labels": np.ones((8, 8), int), "batch": 0}, "at least 1"),
    ],
)
def test_what_a_method_learns_from_must_be_there(given, message):
    with pytest.raises(UserError, match=message):
        segcritic.train(np.zeros((8, 8, 3), np.uint8), **given)


def test_damaged_folders_are_named(tmp_path):
    RecurrentModel(agent(), "card").save(tmp_path / "model")
    settings = tmp_path / "model" / "settings.json"
    told = json.loads(settings.read_text())
    settings.write_text(json.dumps({**told, "settings": {**told["settings"], "latent": 5}}))
    with pytest.raises(UserError, match="does not fit"):
        models.load(tmp_path / "model")
    settings.write_text(json.dumps({**told, "settings": {**told["settings"], "size": 5}}))
    with pytest.raises(UserError, match="damaged"):
        models.load(tmp_path / "model")


def test_a_graphics_card_that_is_too_small_is_told_with_what_to_do(monkeypatch):
    from segcritic.recurrent import learner

    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(learner.Learner, "update", full)
    pixels, labels = next(iter(rosettes(1, 48, seed=1)))
    with pytest.raises(UserError, match="--batch 1"):
        train_on_labels(pixels, labels, settings=dataclasses.replace(TINY, max_objects=20))


def test_what_is_drawn_twice_counts_once():
    logits = torch.full((4, 20, 20), -5.0)
    logits[0, 2:10, 2:10] = 3.0
    logits[1, 2:10, 2:9] = 1.0  # hidden by the first
    logits[2, 2:10, 8:18] = 2.0  # a fifth hidden
    kept = _without_hidden(logits)
    assert (kept[1] < -10).all()
    for number in (0, 2, 3):
        torch.testing.assert_close(kept[number], logits[number])


def test_specks_go_to_what_surrounds_them():
    labels = np.zeros((20, 30), np.int64)
    labels[2:18, 2:14] = 1
    labels[5:7, 5:7] = 2  # inside the first, a speck of the second
    labels[2:18, 18:28] = 2
    labels[0, 29] = 1  # a speck of the first on the ground
    cleaned = _without_specks(labels)
    assert (cleaned[2:18, 2:14] == 1).all()
    assert cleaned[0, 29] == 0
    np.testing.assert_array_equal(cleaned == 2, (labels == 2) & (np.arange(30) > 14))
    halves = labels.copy()
    halves[9:11, 18:28] = 0  # two parts of about equal size stay
    assert (_without_specks(halves)[12:18, 18:28] == 2).all()
