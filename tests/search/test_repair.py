"""Repair: what is right stays exactly, each kind of fault is mended, and the changes say what was done."""

import numpy as np
import pytest
import tifffile
from scipy import ndimage as ndi

import segcritic
from discs import blocks, discs, nuclei
from segcritic.errors import InputWarning, UserError
from segcritic.io.samples import Sample
from segcritic.rules import Scorer
from segcritic.search.repair import repair_labels
from segcritic.search.threshold import follow_one_threshold
from segcritic.superpixels import relabel_connected
from segcritic.superpixels.split_along import necks, split_along

SHAPE, RADIUS = (120, 160), 11.0
CENTRES = (
    *((20, 22), (20, 60), (22, 100), (22, 138), (58, 30), (60, 52)),
    *((60, 96), (60, 136), (98, 24), (98, 66), (96, 110)),
)


@pytest.fixture(scope="module")
def picture():
    return discs(SHAPE, CENTRES, RADIUS)


def mended(labels, pixels, **options):
    return repair_labels(labels.astype(np.int32), Sample("a", pixels), Scorer(nuclei()), **options)


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


# Cutting along labels


def test_given_labels_are_exactly_sets_of_superpixels(picture):
    _, truth = picture
    labels = truth * 7
    labels[ndi.binary_dilation(truth == 3) & (truth == 0)] = 500
    cut = split_along(blocks(np.zeros_like(truth), 9), labels, RADIUS)
    for piece in np.unique(cut):
        assert len(np.unique(labels[cut == piece])) == 1
    np.testing.assert_array_equal(np.unique(cut), np.arange(cut.max() + 1))
    assert relabel_connected(cut).max() == cut.max()


def test_tiny_bits_join_a_neighbour_of_the_same_label():
    labels = np.zeros((20, 20), np.int32)
    labels[5:15, 5:15] = 1
    pieces = np.zeros((20, 20), np.int32)
    pieces[:, 14:] = 1  # leaves a strip of the object one pixel wide
    cut = split_along(pieces, labels, 5.0, min_size=12)
    assert len(np.unique(cut[labels == 1])) == 1
    lone = np.zeros((20, 20), np.int32)
    lone[3, 3] = 4
    assert (split_along(pieces, lone, 5.0) == split_along(pieces, lone, 5.0)[3, 3]).sum() == 1


def test_necks_part_a_clump_and_no_disk(picture):
    _, truth = picture
    assert len(np.unique(necks(truth == 1, RADIUS))) == 2  # the background and one basin
    clump = (truth == 5) | (truth == 6)
    parts = necks(clump.astype(np.int32), RADIUS)
    assert len(np.unique(parts[clump])) == 2


# What is right stays


def test_perfect_labels_stay_exactly_with_their_numbers(picture):
    pixels, truth = picture
    labels = np.where(truth > 0, truth * 100 + 3, 0)
    result = mended(labels, pixels)
    np.testing.assert_array_equal(result.labels, labels)
    assert result.changes == []
    assert result.reward_before == result.reward_after


def test_empty_labels_of_an_empty_image():
    pixels = np.random.default_rng(0).normal(100, 1, (40, 40)).astype(np.float32)
    pixels[20, 20] += 5
    assert mended(np.zeros((40, 40)), pixels).labels.shape == (40, 40)
    with pytest.warns(InputWarning, match="all pixels are equal"):
        result = mended(np.eye(40), np.ones((40, 40), np.float32))
    np.testing.assert_array_equal(result.labels, np.eye(40))


# Faults


def only(result, kind):
    assert [change.kind for change in result.changes] == [kind]
    return result.changes[0]


def test_a_merge_is_split(picture):
    pixels, truth = picture
    labels = np.where(truth == 6, 5, truth)
    result = mended(labels, pixels)
    change = only(result, "split")
    assert change.given == (5,)
    assert 5 in change.result
    assert len(change.result) == 2
    assert max(change.result) == truth.max() + 1
    assert change.score_after > change.score_before
    for number in (5, 6):
        assert max(iou(truth == number, result.labels == found) for found in change.result) > 0.85
    others = ~np.isin(truth, (5, 6))
    np.testing.assert_array_equal(result.labels[others], labels[others])
    assert result.reward_after > result.reward_before


def test_a_split_is_merged(picture):
    pixels, truth = picture
    labels = truth.copy()
    labels[:, :100][truth[:, :100] == 3] = 77
    labels[:22, 100:][truth[:22, 100:] == 3] = 78
    result = mended(labels, pixels)
    change = only(result, "merge")
    assert change.given == (3, 77, 78)
    assert len(change.result) == 1
    assert (change.row, change.col) == pytest.approx((22, 100), abs=0.1)
    np.testing.assert_array_equal(result.labels == change.result[0], truth == 3)


def test_a_missed_object_is_added_and_a_false_one_removed(picture):
    pixels, truth = picture
    labels = truth.copy()
    labels[truth == 11] = 0
    rows, columns = np.indices(SHAPE)
    labels[np.hypot(rows - 96, columns - 146) <= 9] = 40
    result = mended(labels, pixels)
    kinds = {change.kind: change for change in result.changes}
    assert set(kinds) == {"addition", "removal"}
    assert kinds["removal"].given == (40,)
    assert kinds["removal"].result == ()
    assert np.isnan(kinds["removal"].score_after)
    assert kinds["addition"].given == ()
    assert iou(result.labels == kinds["addition"].result[0], truth == 11) > 0.75
    kept = labels * (labels != 40)
    np.testing.assert_array_equal(result.labels[kept > 0], kept[kept > 0])


# Outlines


@pytest.fixture(scope="module")
def uneven():
    """Discs from faint to bright, blurred: one threshold draws the bright ones too large."""
    _, truth = discs(SHAPE, CENTRES, RADIUS)
    brightness = np.linspace(0.3, 1, len(CENTRES))[np.random.default_rng(1).permutation(len(CENTRES))]
    image = ndi.gaussian_filter(np.append(0, brightness)[truth], 2.5)
    return (100 + 1000 * image + np.random.default_rng(0).normal(0, 3, SHAPE)).astype(np.float32), truth


def test_outlines_of_one_threshold_are_drawn_anew_others_not(uneven):
    pixels, truth = uneven
    labels, _ = ndi.label(ndi.gaussian_filter(pixels, 1) > 230)
    assert follow_one_threshold(labels, pixels)
    assert not follow_one_threshold(truth, pixels)
    result = mended(labels, pixels)
    assert {change.kind for change in result.changes} >= {"outline"}

    def quality(found):
        return np.mean([max(iou(truth == n, found == m) for m in np.unique(found[truth == n])) for n in range(1, 12)])

    assert quality(result.labels) > quality(labels) + 0.05
    np.testing.assert_array_equal(mended(truth, pixels).labels, truth)


def test_too_few_objects_tell_nothing_of_a_threshold(uneven):
    pixels, _ = uneven
    labels, _ = ndi.label(ndi.gaussian_filter(pixels, 1) > 230)
    assert not follow_one_threshold(labels * (labels <= 3), pixels)
    assert not follow_one_threshold(np.zeros(SHAPE, int), pixels)
    assert not follow_one_threshold(np.ones(SHAPE, int), pixels)


# The API


def test_arrays_files_and_folders(picture, tmp_path):
    pixels, truth = picture
    labels = np.where(truth == 6, 5, truth).astype(np.uint16)
    one = segcritic.repair(labels, pixels, rules="nuclei")
    for folder, array in (("labels", labels), ("images", pixels)):
        (tmp_path / folder).mkdir()
        for name in "ab":
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", array)
    file = segcritic.repair(tmp_path / "labels" / "a.tif", tmp_path / "images" / "a.tif", rules="nuclei")
    both = segcritic.repair(tmp_path / "labels", tmp_path / "images", rules=nuclei())
    assert len(both) == 2
    assert len(segcritic.repair([labels], [pixels], "nuclei")) == 1
    for result in (file, *both):
        np.testing.assert_array_equal(result.labels, one.labels)
    (tmp_path / "images" / "b.tif").unlink()
    with pytest.raises(UserError, match=r"images has no image for .*b\.tif"):
        segcritic.repair(tmp_path / "labels", tmp_path / "images", rules="nuclei")


def test_a_model_proposes_and_lends_its_rules(picture):
    pixels, truth = picture
    labels = np.where(truth == 6, 5, truth)
    model = segcritic.load("nuclei")
    assert [change.kind for change in segcritic.repair(labels, pixels, model=model).changes] == ["split"]
    assert [change.kind for change in segcritic.repair(labels, pixels, "nuclei", model="nuclei").changes] == ["split"]


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.zeros((5, 5), int), r"has the shape \(5, 5\), but its image \(120, 160\)"),
        (np.zeros(SHAPE), "give integers"),
        (np.full(SHAPE, -1), "holds the label -1"),
    ],
)
def test_bad_labels_are_refused(picture, labels, sentence):
    with pytest.raises(UserError, match=sentence):
        segcritic.repair(labels, picture[0], rules="nuclei")


def test_neither_rules_nor_model_is_refused(picture):
    with pytest.raises(UserError, match="give rules, or a model"):
        segcritic.repair(picture[1], picture[0])
