"""Combine: the best set of candidates, what agreement and rules decide, and what the table says of it."""

import itertools

import numpy as np
import pytest

import segcritic
from discs import discs, nuclei
from segcritic.errors import UserError
from segcritic.io.samples import Sample
from segcritic.metrics.overlap import Overlap
from segcritic.rules import Scorer
from segcritic.search.candidates import choose, find_candidates, overlay
from segcritic.search.combine import Combined, combine_labels

SHAPE = (64, 64)


def sample(labels):
    return Sample("a", np.asarray(labels, np.float32) * 10 + np.indices(np.shape(labels))[0])


def boxes(*spans, shape=(12, 40)):
    """Labels of boxes over rows 2 to 9 and the given columns."""
    labels = np.zeros(shape, np.int32)
    for number, (start, stop) in enumerate(spans, 1):
        labels[2:10, start:stop] = 10 * number
    return labels


# The best set


@pytest.mark.parametrize("seed", range(20))
def test_chosen_sets_are_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    n = 9
    worth = rng.uniform(-0.5, 1, n)
    one, other = np.nonzero(np.triu(rng.random((n, n)) < 0.25, 1))
    chosen = choose(worth, np.concatenate([one, other]), np.concatenate([other, one]))
    assert not (chosen[one] & chosen[other]).any()
    sets = np.array(list(itertools.product([False, True], repeat=n)))
    possible = ~(sets[:, one] & sets[:, other]).any(axis=1)
    assert worth[chosen].sum() == pytest.approx((sets[possible] @ worth).max())


def test_of_equals_the_first_is_chosen_and_the_worthless_never():
    assert choose(np.ones(2), np.array([0, 1]), np.array([1, 0])).tolist() == [True, False]
    assert choose(np.array([0.0, -1.0]), np.zeros(0, int), np.zeros(0, int)).tolist() == [False, False]
    assert choose(np.zeros(0), np.zeros(0, int), np.zeros(0, int)).tolist() == []


def test_thousands_of_candidates_in_one_knot_take_no_time_without_end():
    rng = np.random.default_rng(0)
    one = np.arange(3000)
    other = np.minimum(one + rng.integers(1, 6, 3000), 2999)
    chosen = choose(rng.uniform(0.1, 1, 3000), one, other)
    different = one != other
    assert not (chosen[one] & chosen[other])[different].any()
    assert chosen.sum() > 700


# Candidates


def test_overlaps_are_those_of_the_label_images():
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (2, 30, 30)) * 7
    pieces = overlay([first, second])
    for each in (first, second):
        assert all(len(np.unique(each[pieces == piece])) == 1 for piece in np.unique(pieces))
    found = find_candidates([first, second], pieces)
    assert found.number.tolist() == [7, 14, 21] * 2
    overlap = Overlap.of(first, second)
    np.testing.assert_allclose(found.best_iou()[:3, 1], overlap.best_per_label(overlap.iou))
    np.testing.assert_allclose(found.best_iou()[:, 0][:3], 1)
    np.testing.assert_array_equal(found.area[:3], overlap.label_areas)


def test_regions_of_large_numbers_and_without_any_background():
    full = np.full((3, 3), 2**31 - 1)
    assert (overlay([full, full]) == 1).all()
    assert (overlay([np.zeros((3, 3), int)] * 2) == 0).all()


# Agreement


def test_two_of_three_decide_and_one_is_not_enough():
    a, b, c = boxes((2, 10), (20, 28)), boxes((2, 10)), boxes((2, 9), (32, 38))
    found = combine_labels([a, b, c], ["a", "b", "c"], sample(a))
    np.testing.assert_array_equal(found.labels > 0, b > 0)
    assert found.table["tool"].tolist() == ["a"]
    assert found.table["supported_by"].tolist() == [3]
    assert found.table["confidence"][0] == pytest.approx((1 + 1 + 7 / 8) / 3)


def test_of_two_tools_what_one_alone_has_is_kept():
    a, b = boxes((2, 10), (20, 28)), boxes((2, 10), (32, 38))
    found = combine_labels([a, b], ["a", "b"], sample(a))
    assert found.table["tool"].tolist() == ["a", "a", "b"]
    assert found.table["supported_by"].tolist() == [2, 1, 1]
    assert found.labels.max() == 3


def test_the_majority_says_whether_one_or_two():
    whole, halves = boxes((2, 22)), boxes((2, 12), (12, 22))
    for labels, count in (([whole, whole, halves], 1), ([halves, whole, halves], 2)):
        found = combine_labels(labels, ["a", "b", "c"], sample(whole))
        assert found.labels.max() == count
        np.testing.assert_array_equal(found.labels > 0, whole > 0)


def test_what_two_chosen_objects_share_is_the_surer_ones():
    a, b = boxes((2, 12)), boxes((11, 21))
    c = boxes((2, 12), (12, 21))
    found = combine_labels([a, b, c], ["a", "b", "c"], sample(c))
    assert found.labels.max() == 2
    counts = np.bincount(found.labels.ravel())
    assert counts[1] == 80  # two tools draw the left one alike; its last column is not given away
    assert found.labels[5, 11] == 1


def test_objects_are_numbered_from_top_to_bottom():
    a = np.zeros((20, 20), int)
    a[12:18, 2:8], a[2:8, 12:18] = 1, 2
    found = combine_labels([a, a], ["a", "b"], sample(a))
    assert (found.labels[3, 13], found.labels[13, 3]) == (1, 2)
    assert np.all(np.diff(found.table["centroid_row"]) > 0)


def test_nothing_at_all_is_no_object():
    none = np.zeros((9, 9), int)
    for scorer in (None, Scorer(nuclei())):
        found = combine_labels([none, none], ["a", "b"], sample(none), scorer)
        assert found.labels.max() == 0
        assert all(len(column) == 0 for column in found.table.values())


# Rules


def test_rules_decide_between_tools_that_disagree():
    pixels, truth = discs(SHAPE)
    merged = np.where(truth == 2, 1, truth)
    for labels in ([merged, truth], [truth, merged]):
        found = combine_labels(labels, ["a", "b"], Sample("a", pixels), Scorer(nuclei()))
        np.testing.assert_array_equal(found.labels > 0, truth > 0)
        assert found.labels.max() == truth.max()
        assert (found.table["score"] > 0.9).all()
        assert {"score_area", "score_valley"} <= set(found.table)


def test_rules_leave_out_what_no_object_looks_like():
    pixels, truth = discs(SHAPE)
    line = truth.copy()
    line[30:32, 2:60] = 9
    found = combine_labels([line, truth], ["a", "b"], Sample("a", pixels), Scorer(nuclei()))
    np.testing.assert_array_equal(found.labels > 0, truth > 0)
    assert combine_labels([line, truth], ["a", "b"], Sample("a", pixels)).labels.max() == truth.max() + 1


def test_in_a_constant_image_the_tools_decide():
    labels = boxes((2, 10))
    found = combine_labels([labels, labels], ["a", "b"], Sample("a", np.ones((12, 40), np.float32)), Scorer(nuclei()))
    np.testing.assert_array_equal(found.labels > 0, labels > 0)


# The function


def test_combine_takes_arrays_and_lists_of_them():
    labels, image = boxes((2, 10)), sample(boxes((2, 10))).pixels
    one = segcritic.combine([labels, labels], image)
    assert isinstance(one, Combined)
    assert one.table["tool"].tolist() == ["tool 1"]
    results = segcritic.combine([[labels, labels]] * 2, [image, image])
    assert isinstance(results, list)
    assert [result.labels.max() for result in results] == [1, 1]
    with pytest.raises(UserError, match="labels of one tool only"):
        segcritic.combine([labels], image)
    with pytest.raises(UserError, match="are for rules"):
        segcritic.combine([labels, labels], image, superpixels=labels)
    with pytest.raises(UserError, match=r"the label image of image 0 has the shape \(3, 3\)"):
        segcritic.combine([labels, np.zeros((3, 3), int)], image)


def test_combining_changes_no_input():
    labels = [boxes((2, 12)), boxes((8, 20))]
    before = [each.copy() for each in labels]
    combine_labels(labels, ["a", "b"], sample(labels[0]))
    for each, was in zip(labels, before, strict=True):
        np.testing.assert_array_equal(each, was)
