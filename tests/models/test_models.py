import json
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import tifffile
import torch
from safetensors.torch import load_file, save_file

import segcritic
from segcritic import models
from segcritic.errors import InputWarning, UserError
from segcritic.io.samples import find_samples
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.train import TrainedActor
from segcritic.training import folder as model_folder
from segcritic.training.device import choose_device
from segcritic.training.threads import few_threads
from small_model import disks, trained, write_disks


@pytest.fixture
def folder(tmp_path):
    trained().save(tmp_path / "model")
    return tmp_path / "model"


def test_a_saved_model_gives_the_same_labels_when_loaded(folder):
    image = disks()[0]
    loaded = models.load(folder)
    np.testing.assert_array_equal(loaded.segment(image), trained().segment(image))
    assert loaded.rules == trained().rules
    assert loaded.card == trained().card
    assert loaded.actor.curve == trained().actor.curve
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.md",
        "rules.yaml",
        "settings.json",
        "weights.safetensors",
    ]


def test_loading_in_another_process_gives_the_same_labels(folder, tmp_path):
    images = write_disks(tmp_path / "images", "a")
    code = "import sys, segcritic, numpy; numpy.save(sys.argv[3], segcritic.load(sys.argv[1]).segment(sys.argv[2]))"
    arguments = [str(folder), str(images / "a.tif"), str(tmp_path / "labels.npy")]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "labels.npy"), trained().segment(disks()[0]))


def test_weights_are_kept_without_pickle(folder):
    assert set(load_file(folder / "weights.safetensors")) == set(trained().actor.weights)
    assert not [path for path in folder.rglob("*") if path.suffix in (".pt", ".pth", ".pkl")]


def _damage_truncate(folder):
    data = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(data[: len(data) // 2])


def _damage_empty(folder):
    (folder / "weights.safetensors").write_bytes(b"")


def _damage_nan(folder):
    weights = load_file(folder / "weights.safetensors")
    name = next(name for name, value in weights.items() if value.is_floating_point())
    weights[name][:] = float("nan")
    save_file(weights, folder / "weights.safetensors")


def _damage_shape(folder):
    weights = load_file(folder / "weights.safetensors")
    name = next(name for name, value in weights.items() if value.ndim == 2)
    weights[name] = weights[name][:1].contiguous()
    save_file(weights, folder / "weights.safetensors")


def _damage_newer(folder):
    _edit(folder, version=model_folder.VERSION + 1)


def _damage_version(folder):
    _edit(folder, version="one")


def _damage_setting(folder):
    _edit(folder, settings={"wings": 2})


def _damage_format(folder):
    _edit(folder, format="another program")


def _damage_method(folder):
    _edit(folder, method="telepathy")


def _damage_json(folder):
    (folder / "settings.json").write_text("{")


def _damage_rules(folder):
    (folder / "rules.yaml").write_text("arae: {expect: 3}\n")


def _edit(folder, **changes):
    path = folder / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_damage_truncate, r"weights\.safetensors is damaged or cut off .*copy the model again"),
        (_damage_empty, r"weights\.safetensors is damaged or cut off"),
        (_damage_nan, r"weights\.safetensors is damaged .*not finite"),
        (_damage_shape, r"weights\.safetensors does not fit the model's settings\.json"),
        (_damage_newer, r"written by a newer segcritic \(format 2, this one reads up to 1\): update segcritic"),
        (_damage_version, r"settings\.json is damaged \(its version is 'one'\)"),
        (_damage_setting, r"settings\.json is damaged"),
        (_damage_format, r"no segcritic model"),
        (_damage_method, r"method 'telepathy', which this segcritic lacks"),
        (_damage_json, r"settings\.json is damaged"),
        (_damage_rules, r"rules\.yaml, line 1: unknown rule 'arae'"),
    ],
)
def test_a_damaged_model_is_named_with_what_is_wrong(folder, damage, sentence):
    damage(folder)
    with pytest.raises(UserError, match=sentence) as caught:
        models.load(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["weights.safetensors", "rules.yaml", "settings.json"])
def test_a_missing_file_of_a_model_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=name):
        models.load(folder)


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no model folder nowhere"):
        models.load("nowhere")
    with pytest.raises(UserError, match=r"is no segcritic model: it has no settings\.json"):
        models.load(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file; a model is a folder"):
        models.load(tmp_path / "file")


def test_python_rules_of_a_model_run_only_when_allowed(folder, tmp_path, monkeypatch):
    (tmp_path / "own_rule_of_a_model.py").write_text(
        "import pathlib\npathlib.Path('ran').write_text('')\ndef half(objects, graph): return [0.5] * len(objects)\n"
    )
    monkeypatch.chdir(tmp_path)
    rules = folder / "rules.yaml"
    rules.write_text(rules.read_text() + "python: own_rule_of_a_model:half\n")
    with pytest.raises(UserError, match=r"own_rule_of_a_model:half.*--allow-python"):
        models.load(folder)
    assert not (tmp_path / "ran").exists()
    table = models.load(folder, allow_python=True).analyse(disks()[0]).table
    assert (tmp_path / "ran").exists()
    assert set(table["score_own_rule_of_a_model:half"]) == {0.5}


def test_saving_replaces_a_model_but_nothing_else(folder, tmp_path):
    (folder / model_folder.CHECKPOINT).mkdir()
    (folder / model_folder.CHECKPOINT / "state.json").write_text("{}")
    trained().save(folder)
    assert (folder / model_folder.CHECKPOINT / "state.json").is_file()  # what training goes on from survives
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"'notes\.txt'"):
        trained().save(folder)
    assert (folder / "notes.txt").read_text() == "mine"
    with pytest.raises(UserError, match="holds files that are no segcritic model"):
        trained().save(write_disks(tmp_path / "images", "a"))
    with pytest.raises(UserError, match="is a file"):
        trained().save(tmp_path / "images" / "a.tif")


def test_a_failed_save_leaves_the_old_model(folder, tmp_path, monkeypatch):
    before = (folder / "settings.json").read_bytes()
    monkeypatch.setattr(type(trained().rules), "to_yaml", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trained().save(folder)
    monkeypatch.undo()
    assert (folder / "settings.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    models.load(folder)


def test_a_model_needs_what_it_was_trained_with(folder, tmp_path):
    _edit(folder, needs={"boundaries": True, "superpixels": False, "channel": None})
    model = models.load(folder)
    image = disks()[0]
    with pytest.raises(UserError, match="trained with boundary maps; give them here too"):
        model.segment(image)
    assert model.segment(image, boundaries=np.zeros(image.shape)).shape == image.shape


def test_a_model_remembers_its_channel(folder, tmp_path):
    image = disks()[0]
    tifffile.imwrite(tmp_path / "two.tif", np.stack([np.zeros_like(image), image]), metadata={"axes": "CYX"})
    with pytest.raises(UserError, match="2 channels"):
        models.load(folder).segment(tmp_path / "two.tif")
    _edit(folder, needs={"boundaries": False, "superpixels": False, "channel": 1})
    np.testing.assert_array_equal(models.load(folder).segment(tmp_path / "two.tif"), trained().segment(image))


def test_superpixels_are_a_method_or_files():
    image, truth = disks()
    model = trained()
    assert model.to_samples(image, superpixels="watershed")[0].rules.superpixels.method == "watershed"
    assert model.rules.superpixels is None
    with pytest.raises(UserError, match=r"'shels' is neither a method \(shells, .*\) nor a folder"):
        model.segment(image, superpixels="shels")
    graph = model.analyse(image, superpixels=truth).graph
    assert graph.n_nodes == 5  # four disks and the background
    with pytest.raises(UserError, match=r"the superpixel image of image 0 has the shape"):
        model.segment(image, superpixels=truth[:50])


@pytest.mark.parametrize("superpixels", [None, "watershed"])
def test_a_network_is_built_once(folder, monkeypatch, superpixels):
    built = []
    real = TrainedActor.policy
    model = models.load(folder)
    monkeypatch.setattr(TrainedActor, "policy", lambda self: built.append(self) or real(self))
    for _ in range(3):
        model.segment(disks()[0], superpixels=superpixels)
    assert len(built) == 1


def test_refining_and_several_models_from_python(folder, tmp_path):
    image = disks()[0]
    shutil.copytree(folder, tmp_path / "twin")
    both = segcritic.load([folder, tmp_path / "twin"])
    assert isinstance(both, segcritic.Ensemble)
    np.testing.assert_array_equal(both.segment(image), trained().segment(image))
    assert set(both.analyse(image).table["confidence"]) == {1.0}
    assert isinstance(segcritic.load([folder]), models.Model)
    sample = find_samples(image)[0].read()
    for model in (both, trained()):
        refined = model.analyse(image, refine=True)
        np.testing.assert_array_equal(refined.labels, model.apply(sample, refine=True).labels)
        assert segcritic.evaluate(refined.labels, disks()[1])["AP75"] == 1
    assert isinstance(both.adapt(np.ones((9, 9)), 1), segcritic.Ensemble)
    with pytest.raises(UserError, match="there are no models"):
        segcritic.Ensemble([])
    with pytest.raises(UserError, match=r"the models .* have different rules or superpixels"):
        segcritic.load([folder, "nuclei"])


def test_devices(folder):
    assert segcritic.load(folder, device="cpu").policy.node_mean.device.type == "cpu"
    with pytest.raises(UserError, match="there is no device 'gpu'; choose one of auto, cpu, cuda, mps"):
        segcritic.load(folder, device="gpu")
    with pytest.raises(UserError, match="there is no device 'gpu'"):
        segcritic.train(disks()[0], "nuclei", device="gpu", steps=1)
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="PyTorch finds no device 'cuda' on this machine; take auto or cpu"):
            segcritic.load(folder, device="cuda")


def test_auto_takes_what_is_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device().type == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device().type == "mps"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device().type == "cuda"
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_has_no_objects_and_a_warning(value):
    with pytest.warns(InputWarning, match="image 0: all pixels are equal"):
        found = trained().analyse(np.full((40, 50), value, np.uint8))
    assert found.labels.shape == (40, 50)
    assert not found.labels.any()
    assert list(found.table) == list(trained().analyse(disks()[0]).table)
    assert {len(column) for column in found.table.values()} == {0}
    assert found.graph.n_nodes == 1  # nothing was cut


def test_a_model_warns_of_another_scale(tmp_path):
    model = models.Model(trained().rules.model_copy(update={"pixel_size": 0.5}), trained().actor, "")
    image = disks()[0]
    description = "ImageJ=1.11a\nunit=um\n"
    settings = {"description": description, "resolutionunit": "NONE", "metadata": None}
    tifffile.imwrite(tmp_path / "fine.tif", image, resolution=(2, 2), **settings)
    tifffile.imwrite(tmp_path / "coarse.tif", image, resolution=(1, 1), **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.segment(tmp_path / "fine.tif")
    with pytest.warns(InputWarning, match=r"coarse: the file says 1 micrometres a pixel, the rules 0\.5"):
        model.segment(tmp_path / "coarse.tif")


def test_small_networks_run_on_one_thread_and_large_ones_on_all():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with few_threads(TrainSettings().small):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with few_threads(TrainSettings.paper().small):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_shipped_models_load_and_a_folder_of_that_name_comes_first(folder, tmp_path, monkeypatch):
    for name in model_folder.shipped():
        assert segcritic.load(name).card
    monkeypatch.setattr(model_folder, "_SHIPPED", tmp_path / "shipped")
    shutil.copytree(folder, tmp_path / "shipped" / "disks")
    assert model_folder.shipped() == {"disks": model_folder.summary(trained().card)}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disks").mkdir()  # a folder of images, say: no model
    assert models.load("disks").rules.name == "disks"
    with pytest.raises(UserError, match="models that come with segcritic are disks"):
        models.load("disk")
