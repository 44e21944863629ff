from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.optimize import linear_sum_assignment
from skimage.metrics import variation_of_information as skimage_vi

from segcritic.errors import UserError
from segcritic.metrics import (
    METRICS,
    Overlap,
    dice_per_step,
    evaluate,
    matching,
    mean_dice_per_step,
    variation_of_information,
)

NOTHING = np.zeros((2, 3), int)
THRESHOLDS = np.round(np.arange(0.5, 0.96, 0.05), 2)


@st.composite
def label_pairs(draw, most=5):
    """Two label images of one shape that have something in common."""
    shape = draw(array_shapes(min_dims=2, max_dims=2, max_side=9))
    truth = draw(arrays(np.int32, shape, elements=st.integers(0, most)))
    kept = draw(arrays(bool, shape))
    return np.where(kept, truth, draw(arrays(np.int32, shape, elements=st.integers(0, most)))), truth


def matching_by_masks(labels, truth, threshold):
    """TP, FP, FN from a table of IoU made mask by mask, after StarDist's formula of the costs."""
    a, b = ([array == k for k in np.unique(array) if k] for array in (labels, truth))
    if not (a and b):
        return 0, len(a), len(b)
    iou = np.array([[(p & t).sum() / (p | t).sum() for t in b] for p in a])
    enough = iou >= threshold
    rows, columns = linear_sum_assignment(-enough.astype(float) - iou / (2 * min(iou.shape)))
    tp = int(enough[rows, columns].sum())
    return tp, len(a) - tp, len(b) - tp


# Matching


def test_matching_by_hand():
    truth = np.array([[1, 1, 1, 1, 0, 2, 2, 0, 3]])
    labels = np.array([[7, 7, 7, 0, 0, 5, 5, 5, 0]])  # IoU 3/4, 2/3; the third is missed
    result = matching(labels, truth, 0.5)
    assert (result.tp, result.fp, result.fn) == (2, 0, 1)
    assert result.iou_sum == pytest.approx(3 / 4 + 2 / 3)
    assert result.ap == pytest.approx(2 / 3)
    assert (result.precision, result.recall) == (1, pytest.approx(2 / 3))
    assert result.f1 == pytest.approx(0.8)
    assert result.pq == pytest.approx((3 / 4 + 2 / 3) / 2.5)
    assert matching(labels, truth, 0.75).tp == 1  # 3/4 is enough
    assert matching(labels, truth, 0.8).ap == 0


def test_map_by_hand():
    # IoU 0.75 counts at .50 to .75, six thresholds of ten
    assert evaluate(np.array([[1, 1, 1, 0]]), np.array([[1, 1, 1, 1]]))["mAP"] == pytest.approx(0.6)


def test_a_tie_at_one_half_is_used_once():
    truth = np.array([[1, 1, 2, 2]])
    labels = np.array([[0, 1, 1, 0]])  # IoU 1/3 with both
    assert matching(labels, truth, 1 / 3).tp == 1
    halves = matching(np.array([[1, 2]]), np.array([[1, 1]]), 0.5)  # both halves reach 1/2
    assert (halves.tp, halves.fp, halves.fn) == (1, 1, 0)


def test_as_many_matches_as_can_be_below_one_half():
    # the best pair alone (3/7) would leave two objects without a partner
    truth = np.array([[1, 1, 1, 1, 2, 2, 2, 2]])
    labels = np.array([[1, 2, 2, 2, 2, 2, 0, 0]])
    result = matching(labels, truth, 0.2)
    assert result.tp == 2
    assert result.iou_sum == pytest.approx(1 / 4 + 2 / 7)


@pytest.mark.parametrize(("labels", "truth", "expected"), [(0, 0, 1), (1, 0, 0), (0, 1, 0), (4, 9, 1)])
def test_matching_of_empty_images(labels, truth, expected):
    result = matching(NOTHING + labels, NOTHING + truth)
    assert [result.ap, result.precision, result.recall, result.f1, result.pq] == [expected] * 5


@given(label_pairs(), st.sampled_from([0.1, 0.3, *THRESHOLDS, 1.0]))
def test_matching_equals_one_made_mask_by_mask(pair, threshold):
    result = matching(*pair, threshold)
    assert (result.tp, result.fp, result.fn) == matching_by_masks(*pair, threshold)
    assert result.tp * threshold <= result.iou_sum + 1e-9


@given(label_pairs(), st.sampled_from(list(THRESHOLDS)))
def test_matching_equals_stardist(pair, threshold):
    oracle = pytest.importorskip("stardist.matching", reason="stardist is not installed").matching
    result, theirs = matching(*pair, threshold), oracle(pair[1], pair[0], thresh=threshold)
    assert (result.tp, result.fp, result.fn) == (theirs.tp, theirs.fp, theirs.fn)
    if result.tp:
        np.testing.assert_allclose(
            [result.ap, result.f1, result.pq], [theirs.accuracy, theirs.f1, theirs.panoptic_quality], rtol=1e-5
        )


def test_threshold_out_of_range():
    for threshold in (0, 1.01):
        with pytest.raises(ValueError, match="threshold must lie in"):
            matching(NOTHING, NOTHING, threshold)


# Variation of information


def test_vi_names_split_and_merge_rightly():
    one, two = np.array([[1, 1, 1, 1]]), np.array([[1, 1, 2, 2]])
    assert variation_of_information(two, one) == (1, 0)  # the object is cut: a split
    assert variation_of_information(one, two) == (0, 1)  # two objects in one: a merge
    assert variation_of_information(two, one).total == 1


def test_vi_leaves_out_the_background_of_the_truth():
    truth = np.array([[0, 0, 1, 1]])
    labels = np.array([[5, 6, 2, 2]])
    assert variation_of_information(labels, truth) == (0.5, 0)
    assert variation_of_information(labels, truth, ignore_background=True) == (0, 0)
    assert variation_of_information(labels, 0 * truth, ignore_background=True) == (0, 0)


@given(label_pairs(), st.booleans())
def test_vi_equals_scikit_image(pair, ignore_background):
    labels, truth = pair
    ours = variation_of_information(labels, truth, ignore_background)
    if ignore_background and not truth.any():
        assert ours == (0, 0)
        return
    # of (truth, segmentation) it gives H(segmentation | truth), then H(truth | segmentation)
    np.testing.assert_allclose(
        ours, skimage_vi(truth, labels, ignore_labels=(0,) if ignore_background else ()), atol=1e-9
    )


# Best Dice, counts, coverage


def test_counting_and_coverage_by_hand():
    truth = np.array([[1, 1, 1, 1, 2, 2, 0, 0, 3, 0]])
    labels = np.array([[1, 1, 2, 2, 2, 0, 4, 4, 0, 0]])
    # Dice: (1,1) 4/6, (2,1) 4/7, (2,2) 2/5; IoU: 2/4, 2/5, 1/4
    scores = evaluate(labels, truth)
    assert scores["SBD"] == pytest.approx(min((4 / 6 + 4 / 7 + 0) / 3, (4 / 6 + 2 / 5 + 0) / 3))
    assert (scores["DiC"], scores["abs_dic"]) == (0, 0)
    assert scores["MUCov"] == pytest.approx((2 / 4 + 1 / 4 + 0) / 3)
    assert scores["MWCov"] == pytest.approx((4 * 2 / 4 + 2 * 1 / 4 + 0) / 7)
    assert scores["AvgFP"] == pytest.approx(1 / 3)
    assert scores["AvgFN"] == pytest.approx(1 / 3)


def test_signed_and_absolute_difference_in_count():
    two, one = np.array([[1, 2]]), np.array([[1, 1]])
    scores = evaluate([two, one], [one, two], names=["over", "under"])
    assert (scores["DiC"], scores["abs_dic"]) == (0, 1)
    assert [row["DiC"] for row in scores.rows] == [1, -1]


@pytest.mark.parametrize(
    ("labels", "truth", "expected"),
    [
        (0, 0, {"mAP": 1, "SBD": 0, "MUCov": 1, "MWCov": 1, "AvgFP": 0, "AvgFN": 0, "VI": 0}),
        (1, 0, {"mAP": 0, "SBD": 0, "MUCov": 0, "MWCov": 0, "AvgFP": 1, "AvgFN": 0, "DiC": 1}),
        (0, 1, {"mAP": 0, "SBD": 0, "MUCov": 0, "MWCov": 0, "AvgFP": 0, "AvgFN": 1, "DiC": -1}),
    ],
)
def test_evaluate_of_empty_images(labels, truth, expected):
    scores = evaluate(NOTHING + labels, NOTHING + truth).as_dict()
    assert {key: scores[key] for key in expected} == expected


@given(label_pairs())
def test_counting_and_coverage_equal_those_made_mask_by_mask(pair):
    predicted, true = ([array == k for k in np.unique(array) if k] for array in pair)
    if not (predicted and true):
        return
    dice = np.array([[2 * (p & t).sum() / (p.sum() + t.sum()) for t in true] for p in predicted])
    iou = np.array([[(p & t).sum() / (p | t).sum() for t in true] for p in predicted])
    coverage = [iou[:, k].max() for k in range(len(true))]
    covered = np.any(predicted, axis=0)
    ground = ~np.any(true, axis=0)
    expected = {
        "SBD": min(np.mean([max(row) for row in dice]), np.mean([max(column) for column in dice.T])),
        "DiC": len(predicted) - len(true),
        "abs_dic": abs(len(predicted) - len(true)),
        "MUCov": sum(coverage) / len(true),
        "MWCov": sum(c * t.sum() for c, t in zip(coverage, true, strict=True)) / sum(t.sum() for t in true),
        "AvgFP": sum(ground[p].all() for p in predicted) / len(predicted),
        "AvgFN": sum(not covered[t].any() for t in true) / len(true),
    }
    scores = evaluate(*pair)
    assert {key: scores[key] for key in expected} == pytest.approx(expected)


# Step by step


def test_dice_per_step_by_hand():
    truth = np.array([[5, 5, 5, 5, 0, 7, 7, 0, 9]])
    labels = np.array([[2, 2, 2, 0, 0, 1, 1, 1, 3]])
    np.testing.assert_allclose(dice_per_step(labels, truth), [4 / 5, 6 / 7, 1])
    # both masks are best with the first object; the second of them is left to another
    np.testing.assert_allclose(
        dice_per_step(np.array([[1, 1, 1, 2, 2, 0]]), np.array([[1, 1, 1, 1, 2, 2]])), [6 / 7, 0.5]
    )


def test_dice_per_step_counts_the_first_masks_only():
    truth = np.array([[1, 1, 2, 2, 0, 0]])
    # the third mask, a perfect one, comes too late: the two first are matched
    np.testing.assert_allclose(dice_per_step(np.array([[3, 3, 2, 0, 1, 1]]), truth), [0, 2 / 3])
    np.testing.assert_allclose(dice_per_step(np.array([[0, 0, 1, 1, 0, 0]]), truth), [1])
    # of the mask of step 1 nothing shows
    np.testing.assert_allclose(dice_per_step(np.array([[0, 0, 2, 2, 0, 0]]), truth), [0, 1])
    for labels, true in ((NOTHING, NOTHING), (NOTHING + 1, NOTHING), (NOTHING, NOTHING + 1)):
        assert dice_per_step(labels, true).shape == (0,)


@given(label_pairs())
def test_dice_per_step_is_the_best_of_all_assignments(pair):
    labels, truth = pair
    objects = [truth == k for k in np.unique(truth) if k]
    steps = min(labels.max(), len(objects))
    masks = [labels == k + 1 for k in range(steps)]
    dice = [[2 * (m & t).sum() / (m.sum() + t.sum()) for t in objects] for m in masks]
    best = max(sum(dice[k][j] for k, j in enumerate(order)) for order in permutations(range(len(objects)), int(steps)))
    found = dice_per_step(labels, truth)
    assert found.shape == (steps,)
    assert found.sum() == pytest.approx(best)


def test_mean_dice_over_the_images_that_reach_a_step():
    mean, images = mean_dice_per_step([np.array([1.0, 0.5]), np.array([0.5]), np.zeros(0)])
    np.testing.assert_allclose(mean, [0.75, 0.5])
    np.testing.assert_array_equal(images, [2, 1])
    assert [len(part) for part in mean_dice_per_step([])] == [0, 0]


# Everything at once


@given(label_pairs())
def test_scores_lie_in_their_ranges_and_do_not_depend_on_the_numbers(pair):
    labels, truth = pair
    scores = evaluate(labels, truth).as_dict()
    assert tuple(scores) == METRICS
    for key in ("mAP", "AP50", "AP75", "SBD", "MUCov", "MWCov", "AvgFP", "AvgFN"):
        assert 0 <= scores[key] <= 1
    assert scores["VI"] == pytest.approx(scores["VI_split"] + scores["VI_merge"])
    assert scores["AP75"] <= scores["AP50"]
    renamed = np.array([0, 900_000_001, 7, 3, 12, 5])[labels]
    assert evaluate(renamed, truth).as_dict() == pytest.approx(scores)
    perfect = evaluate(renamed, labels).as_dict()
    assert perfect["mAP"] == 1
    assert perfect["VI"] == pytest.approx(0)
    assert perfect["SBD"] == float(labels.any())
    swapped = evaluate(truth, labels).as_dict()
    assert (swapped["VI_merge"], swapped["AvgFN"]) == (pytest.approx(scores["VI_split"]), scores["AvgFP"])
    assert swapped["mAP"] == pytest.approx(scores["mAP"])


def test_evaluate_names_the_image_of_another_shape():
    with pytest.raises(UserError, match=r"^b: the segmentation has the shape \(2, 2\) but the truth \(2, 3\)$"):
        evaluate([NOTHING, NOTHING[:, :2]], [NOTHING, NOTHING], names=["a", "b"])
    with pytest.raises(UserError, match="1 segmentations, 2 truths"):
        evaluate([NOTHING], [NOTHING, NOTHING])
    with pytest.raises(UserError, match="nothing to compare"):
        evaluate([], [])
    with pytest.raises(UserError, match="image 0: labels must hold integers, not float64"):
        evaluate(NOTHING / 2, NOTHING)


def test_overlap_refuses_negative_numbers_and_other_shapes():
    with pytest.raises(ValueError, match="truth must not hold negative"):
        Overlap.of(NOTHING, NOTHING - 1)
    with pytest.raises(ValueError, match=r"not \(2, 3\) and \(3, 2\)"):
        Overlap.of(NOTHING, NOTHING.T)
