import numpy as np
import pytest
from skimage.draw import disk

from segcritic.baselines import distance_watershed, otsu
from segcritic.metrics import evaluate


def discs(*centres, radius=10, shape=(60, 80)):
    labels = np.zeros(shape, np.int32)
    for k, centre in enumerate(centres):
        labels[disk(centre, radius, shape=shape)] = k + 1
    return labels


def noisy(labels):
    return 100.0 * (labels > 0) + np.random.default_rng(0).normal(10, 5, labels.shape)


def test_both_find_discs_that_lie_apart():
    truth = discs((20, 20), (30, 55))
    for method in (otsu, distance_watershed):
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


@pytest.mark.parametrize("method", [otsu, distance_watershed])
def test_small_objects_are_removed_and_the_others_numbered(method):
    truth = discs((4, 4), radius=2) + 2 * discs((30, 30)) + 3 * discs((30, 60))
    assert sorted(np.unique(method(noisy(truth), min_area=1))) == [0, 1, 2, 3]
    assert sorted(np.unique(method(noisy(truth), min_area=60))) == [0, 1, 2]


@pytest.mark.parametrize("method", [otsu, distance_watershed])
def test_an_even_image_has_no_objects(method):
    np.testing.assert_array_equal(method(np.full((9, 7), 3.0)), np.zeros((9, 7)))
