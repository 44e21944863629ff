import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from skimage.measure import regionprops

from segcritic.baselines import otsu
from segcritic.datasets import Folder, circles, nuclei
from segcritic.datasets.circles import write
from segcritic.errors import UserError
from segcritic.images import write_labels
from segcritic.metrics import evaluate

DATA = Path(os.environ.get("SEGCRITIC_DATA", Path(__file__).parents[2] / "shared" / "data"))


# Circles


def test_circles_are_what_they_are_said_to_be():
    for image, labels in circles(4, seed=3):
        assert image.shape == labels.shape == (256, 256)
        assert (image.dtype, labels.dtype) == (np.float32, np.int32)
        assert 0 <= image.min() < image.max() <= 1
        objects = regionprops(labels)
        assert 3 <= len(objects) <= 20
        assert [o.label for o in objects] == list(range(1, len(objects) + 1))
        radii = [np.sqrt(o.area / np.pi) for o in objects]
        assert min(radii) > 9.5
        assert max(radii) < 22.5
        assert min(o.solidity for o in objects) > 0.95


def test_circles_depend_on_seed_and_number_alone():
    few, many, other = circles(2, seed=5), circles(3, seed=5), circles(2, seed=6)
    for (image, labels), (same_image, same_labels) in zip(few, many, strict=False):
        np.testing.assert_array_equal(image, same_image)
        np.testing.assert_array_equal(labels, same_labels)
    assert not np.array_equal(few[0][0], few[1][0])
    assert not np.array_equal(few[0][0], other[0][0])


def test_no_threshold_finds_the_circles():
    images, truth = zip(*circles(12, seed=1), strict=True)
    assert evaluate([otsu(image) for image in images], truth)["mAP"] < 0.25


def test_settings_of_circles():
    ((image, labels),) = circles(1, shape=(64, 96), count=(2, 2), radius=(8, 8), noise=0, blur=0, texture=0, ground=0)
    assert image.shape == (64, 96)
    assert labels.max() == 2
    # flat circles on flat ground: the least contrast is kept
    assert len(np.unique(image)) == 3
    assert min(abs(image[labels == k].mean() - 0.5) for k in (1, 2)) > 0.17
    assert circles(1, count=(0, 0))[0][1].max() == 0
    assert circles(1, shape=(16, 16), radius=(30, 30))[0][1].max() == 0


def test_polygons_are_seen_but_are_no_objects():
    settings = {"count": (0, 0), "noise": 0, "ground": 0, "texture": 0, "blur": 0}
    ((plain, _),) = circles(1, **settings)
    ((image, labels),) = circles(1, polygons=3, **settings)
    assert labels.max() == 0
    assert (image != plain).sum() > 3 * 30


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": (5, 2)}, "count must be a range"),
        ({"radius": (0, 2)}, "radius must be a range from 1 upward"),
        ({"noise": -1}, "noise must not be negative"),
        ({"shape": (4, 99)}, "at least 8 x 8"),
        ({"bright": 2}, "bright must lie between"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(UserError, match=message):
        circles(1, **settings)


def test_written_circles_can_be_read(tmp_path):
    for _ in range(2):  # writing the same once more is no mistake
        write(tmp_path, 2, seed=4, shape=(64, 64))
    folder = Folder(tmp_path)
    assert len(folder) == 2
    for sample, (image, labels) in zip(folder, circles(2, seed=4, shape=(64, 64)), strict=True):
        np.testing.assert_allclose(sample.image.pixels, image * 255, atol=0.51)
        np.testing.assert_array_equal(sample.labels, labels)
    with pytest.raises(UserError, match=r"images holds other files already \(circles_001\.tif\)"):
        write(tmp_path, 1)


# Folders


def make_folder(path, labels="labels"):
    for name in ("images", labels):
        (path / name).mkdir(parents=True)
    tifffile.imwrite(path / "images" / "a.tif", np.arange(20, dtype=np.uint8).reshape(4, 5))
    write_labels(path / labels / "a.tif", np.ones((4, 5), int))


def test_folder_reads_pairs_when_asked(tmp_path):
    make_folder(tmp_path)
    folder = Folder(tmp_path)
    (tmp_path / "images" / "a.tif").write_bytes(b"damaged after listing")
    with pytest.raises(UserError, match="cannot read"):
        folder[0]
    with pytest.raises(IndexError):
        folder[1]


def test_folder_tells_what_is_missing(tmp_path):
    make_folder(tmp_path)
    (tmp_path / "labels" / "a.tif").rename(tmp_path / "labels" / "b.tif")
    with pytest.raises(UserError, match=r"labels has no partner for .*a\.tif"):
        Folder(tmp_path)
    with pytest.raises(UserError, match="has no sub-folder 'masks'"):
        Folder(tmp_path, labels="masks")


def test_folder_tells_of_different_shapes(tmp_path):
    make_folder(tmp_path)
    write_labels(tmp_path / "labels" / "a.tif", np.ones((5, 4), int))
    with pytest.raises(UserError, match=r"a\.tif has the shape \(5, 4\) but its image .*\(4, 5\)"):
        Folder(tmp_path)[0]


def test_nuclei_reads_the_archive_and_says_where_it_is(tmp_path):
    make_folder(tmp_path / "test", labels="masks")
    assert nuclei(tmp_path, "test")[0].labels.sum() == 20
    with pytest.raises(UserError, match=r"dsb2018\.zip .*BBBC038, CC0"):
        nuclei(tmp_path)


@pytest.mark.skipif(not (DATA / "nuclei").is_dir(), reason="the nuclei are not on this machine")
def test_nuclei_of_the_data_science_bowl():
    folder = nuclei(DATA / "nuclei")
    samples = [folder[k] for k in range(0, len(folder), 10)]
    score = evaluate([otsu(s.image.pixels) for s in samples], [s.labels for s in samples])
    assert 0.25 < score["mAP"] < 0.55  # .39 over all 175
