"""Labels scored by rules, without a truth: each object as it is drawn, the whole image, and several tools in order."""

import numpy as np
import pytest

import segcritic
from discs import discs, nuclei
from segcritic.errors import InputWarning, UserError
from segcritic.io.samples import Sample
from segcritic.models.evaluate import RuleScores, rank
from segcritic.rules import Scorer
from segcritic.search.score_labels import fit_labels

PIXELS, TRUTH = discs((64, 64))


def fit(labels):
    return fit_labels(labels, Sample("a", PIXELS), Scorer(nuclei()))


def test_objects_are_scored_in_the_order_of_their_numbers():
    labels = np.zeros_like(TRUTH)
    labels[TRUTH > 0] = np.array([0, 40, 30, 20, 10])[TRUTH[TRUTH > 0]]
    labels[TRUTH == 1] = 0
    labels[3:6, 3:30] = 40  # a bar, no nucleus
    found = fit(labels)
    assert found.score.shape == (4,)
    assert (found.score[:3] > 0.9).all()
    assert found.score[3] < 0.1
    assert found.rules["circularity"][3] < found.rules["circularity"][:3].min()


def test_the_truth_earns_more_than_any_fault():
    merged, missed, shrunk = TRUTH.copy(), TRUTH.copy(), np.where(PIXELS > 1000, TRUTH, 0)
    merged[TRUTH == 2] = 1
    missed[TRUTH == 2] = 0
    none = np.zeros_like(TRUTH)
    best = fit(TRUTH).reward
    assert best > 0.95
    assert all(fit(labels).reward < best for labels in (merged, missed, shrunk, none))


def test_two_objects_in_one_score_less():
    row, column = np.indices((40, 64))
    left, right = (np.exp(-((row - 20) ** 2 + (column - c) ** 2) / 60) for c in (21, 41))
    both = left + right > 0.3
    halves = np.where(both, np.where(left > right, 1, 2), 0)
    sample = Sample("a", (left + right).astype(np.float32))
    one, two = (fit_labels(labels, sample, Scorer(nuclei())) for labels in (both.astype(int), halves))
    assert len(one.score) == 1
    assert one.score.max() < two.score.min()


def test_nothing_found_and_nothing_to_be_seen():
    assert fit(np.zeros_like(TRUTH)).score.shape == (0,)
    with pytest.warns(InputWarning, match="all pixels are equal"):
        found = fit_labels(TRUTH, Sample("a", np.ones((64, 64), np.float32)), Scorer(nuclei()))
    assert (found.reward, len(found.score)) == (0, 0)
    assert np.isnan(RuleScores({"a": found})["score"])


def test_labels_everywhere():
    assert fit(np.ones_like(TRUTH)).score.shape == (1,)


def test_means_are_over_images_and_over_objects():
    one = np.where(TRUTH == 1, TRUTH, 0)
    scores = segcritic.evaluate_by_rules([TRUTH, one], [PIXELS, PIXELS], nuclei())
    found = [fit(TRUTH), fit(one)]
    assert scores["objects"] == 5
    assert scores["reward"] == pytest.approx(np.mean([each.reward for each in found]))
    assert scores["score_solidity"] == pytest.approx(np.concatenate([f.rules["solidity"] for f in found]).mean())


def test_the_best_comes_first_and_other_images_are_refused():
    good, bad = (segcritic.evaluate_by_rules(labels, PIXELS, nuclei()) for labels in (TRUTH, np.zeros_like(TRUTH)))
    assert list(rank({"bad": bad, "good": good})) == ["good", "bad"]
    with pytest.raises(UserError, match="more has no labels for image 0, which good has"):
        rank({"good": good, "more": RuleScores({"other": good.fits["image 0"]})})
