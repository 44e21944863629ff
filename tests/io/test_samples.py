import numpy as np
import pytest
import tifffile

from segcritic.errors import UserError
from segcritic.io.samples import find_samples, pair_files
from small_model import disks, write_disks


def test_sources_are_paired_by_stem(tmp_path):
    images, maps = write_disks(tmp_path / "images", "a", "b"), write_disks(tmp_path / "maps", "b", "c")
    with pytest.raises(UserError, match=r"maps has no boundary map for .*a\.tif; it needs a file named a\.tif"):
        find_samples(images, boundaries=maps)
    write_disks(maps, "a")
    sources = find_samples(images, boundaries=maps)
    assert [(s.name, s.image.name, s.boundaries.name) for s in sources] == [
        ("a", "a.tif", "a.tif"),
        ("b", "b.tif", "b.tif"),
    ]
    (images / "a.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"a\.png and .*a\.tif have the same stem"):
        find_samples(images)
    with pytest.raises(UserError, match="there are 2 images, but 1 superpixel images"):
        find_samples([disks()[0]] * 2, superpixels=[disks()[1]])
    with pytest.raises(UserError, match="there are no images"):
        find_samples([])


@pytest.mark.parametrize(
    ("boundaries", "largest"),
    [
        (np.full((84, 90), 255, np.uint8), 1.0),
        (np.full((84, 90), 2**15, np.uint16), 2**15 / (2**16 - 1)),
        (np.full((84, 90), True), 1.0),
        (np.full((84, 90), 0.25), 0.25),
    ],
)
def test_boundary_maps_are_probabilities(boundaries, largest, tmp_path):
    image = disks()[0]
    (source,) = find_samples(image, boundaries=boundaries)
    np.testing.assert_allclose(source.read().boundaries, largest)
    tifffile.imwrite(tmp_path / "map.tif", boundaries)
    images = write_disks(tmp_path / "images", "a")
    (source,) = find_samples(images / "a.tif", boundaries=tmp_path / "map.tif")
    np.testing.assert_allclose(source.read().boundaries, largest)


def test_boundary_maps_that_are_no_probabilities_are_refused():
    image = disks()[0]
    with pytest.raises(UserError, match=r"the boundary map of image 0 holds values from 0 to 7"):
        find_samples(image, boundaries=np.linspace(0, 7, image.size).reshape(image.shape))[0].read()
    with pytest.raises(UserError, match=r"the boundary map of image 0 has the shape \(3, 3\), but its image"):
        find_samples(image, boundaries=np.zeros((3, 3)))[0].read()
    with pytest.raises(UserError, match="the superpixel image of image 0 holds float64 numbers"):
        find_samples(image, superpixels=np.zeros(image.shape))[0].read()


def test_files_of_two_folders_are_paired_by_stem(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first / "a.ome.tif", first / "b.png", second / "b.tif", second / "a.tif"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    expected = [(first / "a.ome.tif", second / "a.tif"), (first / "b.png", second / "b.tif")]
    assert pair_files(first, second) == expected
    (first / "b.jpg").write_bytes(b"")
    with pytest.raises(UserError, match=r"b\.jpg and .*b\.png have the same stem"):
        pair_files(first, second)
    (first / "b.jpg").unlink()
    (second / "b.tif").unlink()
    with pytest.raises(UserError, match=r"second has no label image for .*b\.png; it needs a file named b\.tif"):
        pair_files(first, second)
    with pytest.raises(UserError, match=r"second has no image for .*b\.png;"):
        pair_files(second, first)
    (first / "a.ome.tif").unlink()  # one file in each folder, of different names: no pair
    with pytest.raises(UserError, match=r"second has no label image for .*b\.png;"):
        pair_files(first, second)
    assert pair_files(first / "b.png", second / "a.tif") == [(first / "b.png", second / "a.tif")]


def test_labels_are_paired_by_stem_or_by_order(tmp_path):
    pixels, truth = disks()
    images, labels = write_disks(tmp_path / "images", "a", "b", "c"), tmp_path / "labels"
    labels.mkdir()
    tifffile.imwrite(labels / "b.tif", truth)
    sources = find_samples(images, labels, labelled="some")
    assert [source.labels for source in sources] == [None, labels / "b.tif", None]
    np.testing.assert_array_equal(sources[1].read().labels, truth)
    assert sources[0].read().labels is None
    arrays = find_samples(images, [None, None, truth], labelled="some")
    assert [source.labels is None for source in arrays] == [True, True, False]
    np.testing.assert_array_equal(find_samples(pixels, truth)[0].read().labels, truth)
    only = find_samples(images, [labels / "b.tif", truth][:1], labelled="only")
    assert [source.name for source in only] == ["b"]
    with pytest.raises(UserError, match=r"labels has no label image for .*a\.tif \(nor for 1 other\); it needs"):
        find_samples(images, labels)
    with pytest.raises(UserError, match="there are 1 label images, but 3 images; give one for each"):
        find_samples(images, [truth], labelled="some")
    with pytest.raises(UserError, match="no image has labels"):
        find_samples(images, [None] * 3, labelled="some")
    tifffile.imwrite(labels / "z.tif", truth)
    with pytest.raises(UserError, match=r"images has no image for .*z\.tif"):
        find_samples(images, labels, labelled="some")


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (disks()[1] / 2, "the label image of image 0 holds float64 numbers; give integers"),
        (disks()[1].astype(int) - 1, "the label image of image 0 holds the label -1; labels go from 0 to 2147483647"),
        (disks()[1][:50], r"has the shape \(50, 90\), but its image \(84, 90\); make them equal"),
        (disks()[1][..., None], r"has the shape \(84, 90, 1\); give integers of shape \(height, width\)"),
    ],
)
def test_label_arrays_that_cannot_be_used(labels, sentence):
    with pytest.raises(UserError, match=sentence):
        find_samples(disks()[0], labels)[0].read()


def test_the_order_is_the_labels_where_only_they_count(tmp_path):
    images, labels = write_disks(tmp_path / "images", "a", "b"), write_disks(tmp_path / "labels", "a", "b")
    given = [labels / "b.tif", labels / "a.tif"]
    assert [source.name for source in find_samples(images, given, labelled="only")] == ["b", "a"]


def test_a_folder_is_not_read_before_it_is_asked_for(tmp_path):
    images = write_disks(tmp_path / "images", "a", "b")
    (images / "b.tif").write_bytes(b"nonsense")
    first, second = find_samples(images)
    assert first.read().pixels.shape == (84, 90)
    with pytest.raises(UserError, match=r"cannot read .*b\.tif"):
        second.read()
    assert first.files == [images / "a.tif"]
