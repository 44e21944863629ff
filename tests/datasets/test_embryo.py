"""Generated embryos, and the reader of the paper's HDF5 files."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from segcritic.datasets import Folder
from segcritic.datasets.embryo import PAGE, embryo_slices, embryos, write
from segcritic.errors import UserError
from segcritic.graph import build_graph
from segcritic.graph.objects import measure


def test_image_k_depends_on_the_seed_and_k_alone():
    few, many = embryos(1, 3, shape=(96, 110)), embryos(2, 3, shape=(96, 110))
    np.testing.assert_array_equal(few[0][0], many[0][0])
    np.testing.assert_array_equal(few[0][1], many[0][1])
    assert not np.array_equal(many[0][0], many[1][0])
    assert not np.array_equal(embryos(1, 4, shape=(96, 110))[0][0], few[0][0])


def test_cells_stand_in_a_ring_with_bright_membranes_between_them():
    for image, labels in embryos(3, 0):
        assert image.dtype == np.float32
        assert labels.dtype == np.int32
        assert image.shape == labels.shape == (192, 192)
        assert 0 <= image.min() < image.max() <= 1
        assert 26 <= labels.max() <= 34
        assert set(np.unique(labels)) == set(range(labels.max() + 1))
        assert all(ndi.label(labels == cell)[1] == 1 for cell in range(1, labels.max() + 1))
        background, pieces = ndi.label(labels == 0)
        assert pieces == 2  # the liquid outside, and the yolk in the ring
        yolk = background == (3 - background[0, 0])
        assert 0.1 < yolk.mean() < 0.4
        edge = ndi.morphological_gradient(labels, 3) > 0
        inner_half = ndi.binary_dilation(yolk, iterations=12)
        membrane = edge & (labels > 0) & ~inner_half
        assert image[membrane].mean() > 1.5 * image[~edge & (labels > 0)].mean()
        assert image[edge & (labels > 0) & inner_half & ~ndi.binary_dilation(yolk, iterations=4)].mean() < 0.95 * (
            image[membrane].mean()
        )
        table = measure(build_graph(image, labels), np.arange(labels.max() + 1))
        assert np.median(table["major_axis"][1:] / table["minor_axis"][1:]) > 2


@pytest.mark.parametrize(
    "settings",
    [
        {"shape": (20, 200)},
        {"cells": (9, 3)},
        {"cells": (1, 3)},
        {"radius": (0.5, 1.2)},
        {"open": 1.5},
        {"noise": -1},
        {"membrane": 0},
    ],
)
def test_settings_that_cannot_be_drawn(settings):
    with pytest.raises(UserError, match=next(iter(settings))):
        embryos(1, **settings)


def test_written_and_read_again(tmp_path):
    write(tmp_path, 2, seed=5, shape=(64, 64), cells=(8, 9))
    samples = list(Folder(tmp_path))
    image, labels = embryos(1, 5, shape=(64, 64), cells=(8, 9))[0]
    np.testing.assert_array_equal(samples[0].labels, labels)
    np.testing.assert_allclose(samples[0].pixels / 255, image, atol=0.003)


def test_missing_data_say_where_to_get_them(tmp_path):
    with pytest.raises(UserError, match=PAGE):
        embryo_slices(tmp_path / "absent")


def test_files_of_the_paper(tmp_path):
    h5py = pytest.importorskip("h5py", reason="reading the paper's embryos takes h5py")

    def save(name, **arrays):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        with h5py.File(tmp_path / name, "w") as file:
            for key, array in arrays.items():
                file[key] = array

    pixels = np.arange(12.0).reshape(3, 4)
    save("train/one.h5", raw=pixels)
    with pytest.raises(UserError, match=r"none of the 1 HDF5 files .* one\.h5 has raw"):
        embryo_slices(tmp_path)
    save("val/two.h5", raw=pixels[None], gt=np.array([[0, 7, 7, 9]] * 3))
    (sample,) = embryo_slices(tmp_path)
    np.testing.assert_array_equal(sample.pixels, pixels)
    np.testing.assert_array_equal(sample.labels, [[0, 1, 1, 2]] * 3)
    assert sample.name == "two"
    (tmp_path / "val" / "three.h5").write_bytes(b"no HDF5")
    with pytest.raises(UserError, match=r"three\.h5 is damaged"):
        embryo_slices(tmp_path)


def test_h5py_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    (tmp_path / "a.h5").write_bytes(b"")
    with pytest.raises(UserError, match=r"segcritic\[embryo\]"):
        embryo_slices(tmp_path)
