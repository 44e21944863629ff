"""Outlines that are lines of their own: found where they are, also where they fade; and the places between them."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from segcritic.superpixels import superpixels
from segcritic.superpixels.lines import line_relief, line_strength


def grid(noise=0.0):
    """(96, 96) image of bright lines every 24 pixels that fade to a fifth from left to right."""
    image = np.zeros((96, 96))
    image[11::24] = image[:, 11::24] = 1
    image = ndi.gaussian_filter(image, 1.0) * np.linspace(1, 0.2, 96)
    return (image + np.random.default_rng(0).normal(0, noise, image.shape)).astype(np.float32)


@pytest.mark.parametrize("lines", ["bright", "dark"])
def test_lines_are_strong_and_what_lies_between_is_not(lines):
    image = grid() if lines == "bright" else 1 - grid()
    strength = line_strength(image, lines)
    assert strength.dtype == np.float32
    assert 0 <= strength.min() <= strength.max() <= 1
    assert strength[11:84:24].mean() > 0.6
    assert strength[23:72:24, 23:72:24].max() < 0.1
    other = line_strength(image, "dark" if lines == "bright" else "bright")
    assert other[11, 17:30].max() < 0.3 * strength[11, 17:30].min()


def test_a_line_that_fades_stays_a_line():
    strength, image = line_strength(grid()), grid()
    assert image[17, 83] < 0.35 * image[17, 11]
    assert strength[17, 83] > 0.7 * strength[17, 11]


def test_where_nothing_bends_there_are_no_lines():
    ramp = np.linspace(0, 1, 60, dtype=np.float32) * np.ones((50, 1), np.float32)
    for image in (np.full((20, 30), 0.3, np.float32), ramp):
        assert line_strength(image)[8:-8, 8:-8].max() < 1e-3


def test_superpixels_end_at_lines_rather_than_on_both_sides_of_them():
    labels = superpixels(grid(0.01), "watershed", lines="bright", n_superpixels=25)
    row, col = np.digitize(np.arange(96), np.arange(11.5, 96, 24)), np.digitize(np.arange(96), np.arange(11.5, 96, 24))
    truth = row[:, None] * 5 + col
    best = [np.bincount(truth[labels == number]).max() / (labels == number).sum() for number in range(labels.max() + 1)]
    assert np.mean(best) > 0.9


def test_likely_objects_lie_between_lines():
    image = grid()
    found = line_relief(image, line_strength(image))
    middles = found.instances[23:72:24, 23:72:24]
    assert (middles > 0).all()
    assert len(np.unique(middles)) == 9
    assert 7 < found.radius < 12  # 20 x 20 pixels between lines, less at the image's sides
    assert found.foreground[23, 23] > 0.9 > 0.5 > found.foreground[11, 23]
    nothing = line_relief(image, np.ones(image.shape, np.float32))
    assert nothing.instances.max() == 0
    assert nothing.radius == 1
