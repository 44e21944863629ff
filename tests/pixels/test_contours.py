"""Where outlines settle: objects with a rim, objects that fade, objects of unlike brightness."""

import numpy as np
import pytest

from segcritic.pixels.outlines import fill_holes, settle_outlines


def picture(profile, heights=(1.0,), side=60):
    """Round objects in a row, of intensity height * profile(distance from the centre), and the distances."""
    row, column = np.indices((side, side * len(heights)))
    image = np.zeros(row.shape)
    near = np.full(row.shape, np.inf)
    for k, height in enumerate(heights):
        distance = np.hypot(row - side / 2, column - side * (k + 0.5))
        image = np.maximum(image, height * profile(distance))
        near = np.minimum(near, distance)
    return image.astype(np.float32), near


def settled_radii(image, near, heights, level=0.4, start=10.0):
    side = image.shape[0]
    labels = np.where(near <= start, np.indices(image.shape)[1] // side + 1, 0).astype(np.int32)
    settled = settle_outlines(labels, image, np.zeros_like(image), level)
    return np.sqrt(np.bincount(settled.ravel(), minlength=len(heights) + 1)[1:] / np.pi)


def rim(distance, radius=12.0, width=1.0):
    return 1 / (1 + np.exp((distance - radius) / width))


def test_objects_with_a_rim_end_halfway_down_the_rim():
    image, near = picture(rim)
    assert settled_radii(image, near, (1,))[0] == pytest.approx(12.3, abs=0.5)


def test_objects_that_fade_all_the_way_end_lower():
    fading, near = picture(lambda distance: np.exp(-((distance / 9) ** 2) / 2))
    radius = settled_radii(fading, near, (1,), start=12.0)[0]
    assert radius > 9 * np.sqrt(-2 * np.log(0.4)) + 0.8  # where a Gaussian has fallen to 0.4


def fading_in(haze, side):
    """Radius at which a fading object ends among others in a row, above a floor of 0 that a haze hides."""
    fading, near = picture(lambda distance: np.exp(-((distance / 5) ** 2) / 2), (0.8,) * 4, side)
    return settled_radii(np.maximum(fading, haze), near, (0.8,) * 4, level=0.45)[1]


def test_in_a_haze_nothing_is_followed_as_far_down():
    assert fading_in(haze=0.06, side=60) < fading_in(haze=0.0, side=60) - 1


def test_unlike_objects_end_at_their_own_height():
    heights = (1.0, 1.0, 0.3)
    image, near = picture(rim, heights)
    assert settled_radii(image, near, heights, start=11.0) == pytest.approx([12.3] * 3, abs=0.7)


def test_outlines_move_no_further_than_their_reach_and_empty_labels_stay():
    image, near = picture(rim)
    assert settled_radii(image, near, (1,), start=5.0)[0] == pytest.approx(8.0, abs=0.6)
    nothing = np.zeros(image.shape, np.int32)
    assert not settle_outlines(nothing, image, np.zeros_like(image), 0.4).any()


def test_holes_within_one_object_are_filled():
    labels = np.ones((9, 9), np.int32)
    labels[:, 5:] = 2
    labels[2, 2] = labels[4, 4:6] = labels[8, 8] = 0
    filled = fill_holes(labels)
    assert filled[2, 2] == 1
    assert not filled[4, 4:6].any()  # between two objects
    assert filled[8, 8] == 0  # open to the image's border
