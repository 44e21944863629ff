"""The boundary network: targets, training, maps of any size, folders, and the way from maps to labels."""

import functools
import json

import numpy as np
import pytest
import tifffile
import torch

import segcritic
from discs import discs
from segcritic import boundary_net
from segcritic.boundary_net import BoundaryNet, BoundaryTraining
from segcritic.boundary_net.train import targets
from segcritic.cli import main
from segcritic.errors import UserError
from segcritic.io.samples import find_samples

TINY = BoundaryTraining(widths=(8, 16), steps=100, batch=2, crop=48, ema=0.8)
CENTRES = ((16, 16), (16, 40), (44, 20), (46, 50))


@functools.cache
def trained() -> BoundaryNet:
    return boundary_net.train([discs(centres=CENTRES)[0]], [discs(centres=CENTRES)[1]], TINY)


def untrained() -> BoundaryNet:
    torch.manual_seed(0)
    return BoundaryNet.new((4, 8))


def test_targets_mark_both_sides_of_every_outline_and_stress_where_objects_touch():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 4:10], labels[5:15, 10:16] = 1, 2
    outline, inside, weight = targets(labels)
    assert outline[10, [3, 4, 9, 10, 15, 16]].all()
    assert not outline[10, [1, 7, 12, 18]].any()
    np.testing.assert_array_equal(inside, labels > 0)
    assert (weight[7:13, 9:11] > 1).all()
    assert (weight[:3] == 1).all()


def test_a_trained_network_tells_objects_from_ground():
    _, truth = discs(centres=CENTRES)
    outline, inside = trained().maps(discs(centres=CENTRES, seed=1)[0])
    assert inside[truth > 0].mean() > inside[truth == 0].mean() + 0.3
    assert ((inside > 0.5) == (truth > 0)).mean() > 0.9
    rim = targets(truth)[0] > 0
    assert outline[rim].mean() > outline[~rim].mean() + 0.2


def test_training_repeats_itself_and_goes_on_from_a_checkpoint(tmp_path):
    pixels, truth = discs()
    short = BoundaryTraining(widths=(4, 8), steps=6, batch=2, crop=32)
    whole = boundary_net.train([pixels], [truth], short, checkpoint=tmp_path / "whole")

    def stop(step, steps, loss):
        if step == 6:
            raise KeyboardInterrupt

    again = boundary_net.train([pixels], [truth], short)
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(again.network.state_dict()[name], value)
    with pytest.raises(UserError, match="another seed"):
        boundary_net.train([pixels], [truth], short, seed=1, checkpoint=tmp_path / "whole")
    resumed = boundary_net.train([pixels], [truth], short, checkpoint=tmp_path / "whole", on_step=stop)
    for name, value in whole.network.state_dict().items():  # nothing was left to do
        torch.testing.assert_close(resumed.network.state_dict()[name], value)


@pytest.mark.parametrize("shape", [(2, 2), (3, 50), (17, 33)])
def test_maps_are_probabilities_of_any_shape(shape):
    maps = untrained().maps(np.random.default_rng(0).integers(0, 4000, shape))
    assert maps.shape == (2, *shape)
    assert maps.dtype == np.float32
    assert 0 <= maps.min() <= maps.max() <= 1


def test_large_images_go_through_in_tiles(monkeypatch):
    """Every pixel comes from the tile that holds it."""
    from segcritic.boundary_net import network

    monkeypatch.setattr(network, "_TILE", 32)
    monkeypatch.setattr(network, "_MARGIN", 8)
    net = untrained()
    monkeypatch.setattr(BoundaryNet, "_predict", lambda self, image: image)
    pixels = np.random.default_rng(0).random((70, 90)).astype(np.float32)
    np.testing.assert_array_equal(net.maps(pixels), network.prepare(pixels))


def test_bad_pairs_are_refused():
    pixels, truth = discs()
    for images, labels, sentence in (
        ([], [], "0 images and 0 label images"),
        ([pixels], [truth, truth], "1 images and 2"),
        ([pixels], [truth[:9]], r"image 0 has the shape \(64, 64\), its labels \(9, 64\)"),
    ):
        with pytest.raises(UserError, match=sentence):
            boundary_net.train(images, labels, TINY)


def test_a_network_is_a_folder(tmp_path):
    net, pixels = untrained(), discs()[0]
    net.card = "# a card\n\nFor tests."
    net.save(tmp_path / "net")
    net.save(tmp_path / "net")  # replaces its like
    again = boundary_net.load(tmp_path / "net")
    np.testing.assert_array_equal(again.maps(pixels), net.maps(pixels))
    assert again.card == net.card
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.txt").write_text("mine")
    with pytest.raises(UserError, match="no boundary network"):
        net.save(tmp_path / "other")
    with pytest.raises(UserError, match="is no boundary network"):
        boundary_net.load(tmp_path / "other")
    with pytest.raises(UserError, match="there is no boundary network"):
        boundary_net.load(tmp_path / "none")
    settings = tmp_path / "net" / "settings.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"version": 99}))
    with pytest.raises(UserError, match="update segcritic"):
        boundary_net.load(tmp_path / "net")
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"version": 1, "widths": [4, 9]}))
    with pytest.raises(UserError, match="damaged"):
        boundary_net.load(tmp_path / "net")


def test_the_verb_writes_maps_that_train_and_segment_take(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pixels, truth = discs(centres=CENTRES)
    (tmp_path / "images").mkdir()
    for name in "ab":
        tifffile.imwrite(tmp_path / "images" / f"{name}.tif", pixels)
    trained().save("net")
    assert main(["boundaries", "images", "--model", "net", "--out", "maps"]) == 0
    assert "2 boundary maps: maps" in capsys.readouterr().out
    maps = find_samples("images", boundaries="maps")[0].read().boundaries
    assert maps is not None
    np.testing.assert_allclose(maps, boundary_net.load("net").maps(pixels), atol=1e-5)
    assert (
        main([*["train", "images", "--rules", "nuclei", "--boundaries", "maps", "--steps", "5", "--out", "model"]]) == 0
    )
    assert segcritic.load("model").rules.superpixels.method == "boundaries"  # pyright: ignore[reportOptionalMemberAccess]
    assert main(["segment", "images", "--model", "model", "--out", "labels", "--boundaries", "maps"]) == 0
    assert segcritic.evaluate(tifffile.imread("labels/a.tif"), truth)["AP50"] == 1

    assert main(["boundaries", "images", "--model", "net", "--out", "maps"]) == 2
    assert "maps/a.tif exists already" in capsys.readouterr().err
    assert main(["boundaries", "images", "--model", "net", "--out", "images", "--overwrite"]) == 2
    assert "the maps would replace images/" in capsys.readouterr().err
    (tmp_path / "images" / "c.tif").write_bytes(b"no image")
    assert main(["boundaries", "images", "--model", "net", "--out", "maps", "--overwrite"]) == 2
    output = capsys.readouterr()
    assert "2 boundary maps" in output.out
    assert "c.tif" in output.err


def test_the_shipped_network_finds_bright_discs(capsys):
    pixels, truth = discs()
    (name,) = boundary_net.shipped()
    _, inside = boundary_net.load(name).maps(pixels)
    assert ((inside > 0.5) == (truth > 0)).mean() > 0.95
    assert main(["models"]) == 0
    assert f"{name} (for segcritic boundaries)" in capsys.readouterr().out
    assert main(["models", name]) == 0
    assert "DSB2018" in capsys.readouterr().out or "Data Science Bowl 2018" in boundary_net.load(name).card
