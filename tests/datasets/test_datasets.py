import os
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from PIL import Image as PillowImage
from skimage.measure import regionprops

from benchmarks.baselines import otsu
from segcritic.datasets import Folder, cars, circles, leaves, nuclei, rosettes
from segcritic.datasets.cars import read_instances
from segcritic.datasets.circles import write
from segcritic.datasets.rosettes import write as write_rosettes
from segcritic.errors import UserError
from segcritic.io.images import read_rgb, write_labels
from segcritic.metrics import evaluate

DATA = Path(os.environ.get("SEGCRITIC_DATA", Path(__file__).parents[3] / "shared" / "data"))


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
        np.testing.assert_allclose(sample.pixels, image * 255, atol=0.51)
        np.testing.assert_array_equal(sample.labels, labels)
    with pytest.raises(UserError, match=r"images holds other files already \(circles_001\.tif\)"):
        write(tmp_path, 1)


# Rosettes


@pytest.mark.parametrize("size", [64, 128, (96, 140)])
def test_rosettes_are_what_they_are_said_to_be(size):
    counts = []
    for image, labels in rosettes(12, size, seed=3):
        assert labels.shape == ((size, size) if isinstance(size, int) else size)
        assert image.shape == (*labels.shape, 3)
        assert (image.dtype, labels.dtype) == (np.float32, np.int32)
        assert 0 <= image.min() < image.max() <= 1
        areas = np.bincount(labels.ravel())[1:]
        assert areas.min() >= 5
        counts.append(len(areas))
        red, green, blue = np.moveaxis(image[labels > 0], -1, 0)
        assert ((green > red) & (green > blue)).mean() > 0.75  # leaves are green, but for noise and pale stalks
    assert min(counts) >= 2
    assert 12 < max(counts) <= 20


def test_rosettes_depend_on_seed_and_number_alone():
    few, many, other = (list(rosettes(n, 64, seed)) for n, seed in ((2, 5), (3, 5), (2, 6)))
    for (image, labels), (same_image, same_labels) in zip(few, many, strict=False):
        np.testing.assert_array_equal(image, same_image)
        np.testing.assert_array_equal(labels, same_labels)
    assert not np.array_equal(few[0][0], few[1][0])
    assert not np.array_equal(few[0][0], other[0][0])


def test_young_leaves_lie_on_top_in_the_middle():
    distances, covered = [], []
    for _, labels in rosettes(20, 128, seed=1, count=(10, 14), reach=(0.4, 0.4)):
        leaves = regionprops(labels)
        plant = np.argwhere(labels).mean(axis=0)
        far = [np.hypot(*(np.array(leaf.centroid) - plant)) for leaf in leaves]
        distances.append([np.mean(far[:5]), np.mean(far[-3:])])
        covered.append([np.mean([leaf.solidity for leaf in leaves[k]]) for k in (slice(5), slice(-3, None))])
    old, young = np.mean(distances, axis=0)
    assert old > 2 * young
    old, young = np.mean(covered, axis=0)
    assert young > old  # nothing cuts into what lies on top, and its stalk is short


def test_settings_of_rosettes():
    for image, labels in rosettes(4, 96, reach=(0.3, 0.3), count=(6, 6), pot=0, moss=0, noise=0, blur=0):
        row, col = np.nonzero(labels)
        assert 0.3 * 96 < np.hypot(np.ptp(row), np.ptp(col)) < 2.9 * 0.3 * 96
        assert labels.max() <= 6
        red, green, _ = np.moveaxis(image[labels == 0], -1, 0)
        assert (green > 1.3 * red).mean() < 0.1  # soil alone, but for the leaves' soft outlines
    ((_, labels),) = rosettes(1, 64, count=(1, 1))
    assert labels.max() == 1
    ((_, labels),) = rosettes(1, 64, least=64 * 64)
    assert labels.max() == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": (0, 2)}, "count must be a range from 1 upward"),
        ({"reach": (0.5, 1.2)}, "reach must be a range within 0 to 1"),
        ({"size": 8}, "at least 16 x 16"),
        ({"pot": 2}, "pot must lie between"),
        ({"blur": -1}, "blur must not be negative"),
    ],
)
def test_settings_of_rosettes_that_cannot_be(settings, message):
    with pytest.raises(UserError, match=message):
        rosettes(1, **settings)  # at once, not when the first is drawn


def test_written_rosettes_can_be_read(tmp_path):
    write_rosettes(tmp_path, 2, seed=4, shape=(64, 64))
    folder = Folder(tmp_path)
    assert [path.name for path, _ in folder.pairs] == ["rosette_000.tif", "rosette_001.tif"]
    for k, (image, labels) in enumerate(rosettes(2, 64, seed=4)):
        np.testing.assert_allclose(read_rgb(folder.pairs[k][0]).pixels, image, atol=0.51 / 255)
        np.testing.assert_array_equal(folder[k].labels, labels)


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
    with pytest.raises(UserError, match=r"labels has no label image for .*a\.tif"):
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
    score = evaluate([otsu(s.pixels) for s in samples], [s.labels for s in samples])
    assert 0.25 < score["mAP"] < 0.55  # .39 over all 175


# Leaves and cars

COLOURS = np.random.default_rng(1).integers(0, 255, (4, 5, 4)).astype(np.uint8)
LEAVES = np.arange(20).reshape(4, 5) // 7


def make_plant(folder, name, labels=LEAVES):
    """Two leaves and the ground, as in the challenge: RGB with alpha, a palette PNG of labels, and the foreground."""
    folder.mkdir(parents=True, exist_ok=True)
    iio.imwrite(folder / f"{name}_rgb.png", COLOURS)
    picture = PillowImage.fromarray(labels.astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 0, 255] + [0] * (253 * 3))
    picture.save(folder / f"{name}_label.png")
    iio.imwrite(folder / f"{name}_fg.png", (labels > 0).astype(np.uint8))


def test_leaves_of_the_challenge(tmp_path):
    for part, name in (("A1", "plant001"), ("A1", "plant002"), ("A4", "plant0003")):
        make_plant(tmp_path / part, name)
    found = leaves(tmp_path)
    assert [image.name for image, _ in found.pairs] == [f"plant{k}_rgb.png" for k in ("001", "002", "0003")]
    for sample in found:
        np.testing.assert_allclose(sample.pixels, COLOURS[..., :3] / 255, rtol=1e-6)
        np.testing.assert_array_equal(sample.labels, LEAVES)
    first = found.pairs[:2]
    for path, part in ((tmp_path, "A1"), (tmp_path / "A1", None), (tmp_path / "A1", "A1")):
        assert leaves(path, part).pairs == first


def test_leaves_say_where_they_are_and_what_is_missing(tmp_path):
    for path, part in ((tmp_path, None), (tmp_path / "no", "A2"), (tmp_path / "A2", "A1")):
        with pytest.raises(
            UserError, match=r"no leaves in .*plant-phenotyping\.org.* academic use, .*not to be passed"
        ):
            leaves(path, part)
    with pytest.raises(UserError, match="no part 'A5'"):
        leaves(tmp_path, "A5")
    make_plant(tmp_path / "A1", "plant001")
    (tmp_path / "A1" / "plant001_label.png").unlink()
    with pytest.raises(UserError, match=r"plant001_rgb\.png has no plant001_label\.png beside it"):
        leaves(tmp_path)
    make_plant(tmp_path / "A2", "plant001", LEAVES.T)
    with pytest.raises(UserError, match=r"label\.png has the shape \(5, 4\) but its image .*\(4, 5\)"):
        leaves(tmp_path, "A2")[0]


def test_cars_are_told_from_other_objects(tmp_path):
    stored = np.zeros((4, 5), np.uint16)
    stored[0, :2], stored[1], stored[2, 3:] = 26 * 256 + 7, 26 * 256 + 3, 26 * 256  # two cars, cars taken together
    stored[3] = 24 * 256 + 1, 7 * 256, 26, 27 * 256 + 3, 0  # a person, road, and others
    for folder in ("image_2", "instance"):
        (tmp_path / "training" / folder).mkdir(parents=True)
    iio.imwrite(tmp_path / "training" / "image_2" / "000000_10.png", COLOURS[..., :3])
    iio.imwrite(tmp_path / "training" / "instance" / "000000_10.png", stored)
    expected = np.zeros((4, 5))
    expected[0, :2], expected[1] = 2, 1
    for path in (tmp_path, tmp_path / "training"):
        (sample,) = cars(path)
        np.testing.assert_array_equal(sample.labels, expected)
        assert sample.labels.dtype == np.int32
        np.testing.assert_allclose(sample.pixels, COLOURS[..., :3] / 255, rtol=1e-6)
    people = read_instances(tmp_path / "training" / "instance" / "000000_10.png", wanted=24)
    np.testing.assert_array_equal(np.argwhere(people), [[3, 0]])


def test_an_image_full_of_cars_and_one_without(tmp_path):
    for value, expected in ((26 * 256 + 9, 1), (7 * 256, 0)):
        iio.imwrite(tmp_path / "a.png", np.full((3, 4), value, np.uint16))
        np.testing.assert_array_equal(read_instances(tmp_path / "a.png"), np.full((3, 4), expected))


def test_cars_say_where_they_are(tmp_path):
    with pytest.raises(UserError, match=r"data_semantics\.zip from .*cvlibs.*\(CC BY-NC-SA 3\.0\)"):
        cars(tmp_path)


def test_leaves_and_cars_of_plain_folders(tmp_path):
    make_folder(tmp_path)
    for reader in (leaves, cars):
        (sample,) = reader(tmp_path)
        assert sample.pixels.shape == (4, 5, 3)
        assert sample.labels.sum() == 20


@pytest.mark.skipif(not (DATA / "leaves").is_dir(), reason="the leaves are not on this machine")
def test_generated_rosettes_resemble_real_ones():
    real = [leaves(DATA / "leaves" / "train")[k] for k in range(0, 100, 25)]
    colour = np.mean([s.pixels[s.labels > 0].mean(axis=0) for s in real], axis=0)
    generated = np.mean([image[labels > 0].mean(axis=0) for image, labels in rosettes(30, 96)], axis=0)
    np.testing.assert_allclose(generated, colour, atol=0.1)
    assert {s.labels.max() for s in real} <= set(range(3, 21))


@pytest.mark.skipif(not (DATA / "cars").is_dir(), reason="the cars are not on this machine")
def test_cars_of_kitti():
    assert sum(int(sample.labels.max()) for sample in cars(DATA / "cars")) == 51
