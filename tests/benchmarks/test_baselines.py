import sys
from types import ModuleType

import numpy as np
import pytest
from skimage.draw import disk

from benchmarks.baselines import (
    cellpose,
    distance_watershed,
    gradient_multicut,
    load_cellpose,
    load_stardist,
    mutex_watershed,
    otsu,
    stardist,
    unet_components,
    unet_multicut,
)
from segcritic.boundary_net.train import targets
from segcritic.errors import UserError
from segcritic.metrics import evaluate


def discs(*centres, radius=10, shape=(60, 80)):
    labels = np.zeros(shape, np.int32)
    for k, centre in enumerate(centres):
        labels[disk(centre, radius, shape=shape)] = k + 1
    return labels


def noisy(labels):
    return 100.0 * (labels > 0) + np.random.default_rng(0).normal(10, 5, labels.shape)


FROM_IMAGES = (otsu, distance_watershed, mutex_watershed, gradient_multicut)
FROM_MAPS = (unet_components, unet_multicut)


@pytest.mark.parametrize("method", FROM_IMAGES)
def test_discs_that_lie_apart_are_found(method):
    truth = discs((20, 20), (30, 55))
    labels = method(noisy(truth))
    assert labels.dtype == np.int32
    assert evaluate(labels, truth)["AP75"] == 1


def test_the_watershed_alone_parts_discs_that_touch():
    truth = discs((30, 25), (30, 43))
    assert otsu(noisy(truth)).max() == 1
    assert evaluate(distance_watershed(noisy(truth)), truth)["AP75"] == 1
    assert distance_watershed(noisy(truth), depth=9.0).max() == 1  # a demand too high for the neck between them


def test_a_lower_factor_takes_in_dim_objects():
    truth = discs((20, 20), (30, 55))
    image = noisy(truth)
    image[truth == 2] *= 0.4
    assert distance_watershed(image, factor=1.0).max() == 1
    assert distance_watershed(image, factor=0.6).max() == 2


@pytest.mark.parametrize("method", FROM_IMAGES[:2])
def test_small_objects_are_removed_and_the_others_numbered(method):
    truth = discs((4, 4), radius=2) + 2 * discs((30, 30)) + 3 * discs((30, 60))
    assert sorted(np.unique(method(noisy(truth), min_area=1))) == [0, 1, 2, 3]
    assert sorted(np.unique(method(noisy(truth), min_area=60))) == [0, 1, 2]


@pytest.mark.parametrize("method", FROM_IMAGES)
def test_an_even_image_has_no_objects(method):
    np.testing.assert_array_equal(method(np.full((9, 7), 3.0)), np.zeros((9, 7)))


@pytest.mark.parametrize("method", FROM_MAPS)
def test_a_networks_maps_part_discs_that_touch(method):
    truth = discs((30, 25), (30, 43)) + 3 * discs((8, 70), radius=6)
    labels = method(targets(truth)[:2])
    assert labels.dtype == np.int32
    assert evaluate(labels, truth)["AP75"] == 1
    assert method(targets(truth)[:2], min_area=200).max() == 2
    assert not method(np.zeros((2, 20, 30))).any()


def test_the_bias_of_a_multicut_trades_merges_for_splits():
    truth = discs((30, 25), (30, 43))
    maps = targets(truth)[:2] * 0.4 + 0.3
    assert unet_multicut(maps, bias=0.8).max() < unet_multicut(maps, bias=0.5).max() == 2


def test_pretrained_networks_that_are_not_there_say_what_to_do(tmp_path, monkeypatch):
    for load, where in ((load_stardist, "stardist-models"), (load_cellpose, "cellpose/models")):
        with pytest.raises(UserError, match=where):
            load(tmp_path / "none")
    (tmp_path / "config.json").write_text("{}")
    for load, module, path in (
        (load_stardist, "stardist.models", tmp_path),
        (load_cellpose, "cellpose.models", tmp_path / "config.json"),
    ):
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
        with pytest.raises(UserError, match="pip install"):
            load(path)


class StandIn:
    """Takes what StarDist and Cellpose take, and finds what is bright."""

    def __init__(self, *arguments, **named):
        self.given = (*arguments, *named.values())

    def predict_instances(self, image):
        assert image.max() < 3  # normalised
        return (image > 0.5).astype(np.uint16), {}

    def eval(self, image, diameter):
        return self.predict_instances(image)[0] * (diameter or 1), [], []


def test_pretrained_networks_are_called_as_they_expect(tmp_path, monkeypatch):
    (tmp_path / "2D").mkdir()
    (tmp_path / "2D" / "config.json").write_text("{}")
    (tmp_path / "cyto").write_text("weights")
    for package, name in (("stardist", "StarDist2D"), ("cellpose", "CellposeModel")):
        module = ModuleType(f"{package}.models")
        setattr(module, name, StandIn)
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, f"{package}.models", module)
    truth = discs((20, 20))
    star, cells = load_stardist(tmp_path / "2D"), load_cellpose(tmp_path / "cyto")
    assert star.given == (None, "2D", str(tmp_path))
    assert cells.given == (str(tmp_path / "cyto"),)
    np.testing.assert_array_equal(stardist(noisy(truth), star), truth)
    np.testing.assert_array_equal(cellpose(noisy(truth), cells, 7), 7 * truth)
    assert cellpose(noisy(truth), cells).dtype == np.int32
