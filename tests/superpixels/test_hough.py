"""Likely circles: found where they are, told from straight edges, and the superpixels cut along them."""

import numpy as np
import pytest

from segcritic.datasets.circles import circles
from segcritic.graph.project import achievable_segmentation
from segcritic.metrics import evaluate
from segcritic.superpixels import superpixels
from segcritic.superpixels.hough import likely_circles

CIRCLES = [(30.0, 40.0, 12.0, 0.9), (70.5, 80.25, 20.0, 0.1), (100.0, 20.0, 7.0, 0.9)]


def drawn(noise: float = 0.01) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    row, col = np.ogrid[:120, :128]
    image = np.full((120, 128), 0.5)
    for y, x, radius, level in CIRCLES:
        image[(row - y) ** 2 + (col - x) ** 2 <= radius**2] = level
    return (gaussian_filter(image, 1) + np.random.default_rng(0).normal(0, noise, image.shape)).astype(np.float32)


def test_circles_are_found_to_a_fraction_of_a_pixel_bright_or_dark():
    found = likely_circles(drawn())
    for y, x, radius, _ in CIRCLES:
        distance = np.hypot(found.row - y, found.col - x) + np.abs(found.radius - radius)
        nearest = int(np.argmin(distance))
        assert nearest < len(CIRCLES)
        assert distance[nearest] < 0.6


def test_straight_edges_and_noise_are_no_circles():
    stripes = np.tile(np.repeat([0.2, 0.8], 16), 4)[None].repeat(128, 0).astype(np.float32)
    strongest = likely_circles(drawn()).evidence[len(CIRCLES) - 1]
    for image in (stripes, np.random.default_rng(1).normal(0, 1, (128, 128)).astype(np.float32)):
        others = likely_circles(image)
        assert len(others) == 0 or others.evidence[0] < 0.6 * strongest
    assert len(likely_circles(np.zeros((64, 64), np.float32))) == 0


def test_outlines_and_relief_mark_the_circles():
    found = likely_circles(drawn())
    outlines, relief = found.outlines((120, 128)), found.relief((120, 128))
    assert outlines[30, 28] == pytest.approx(found.evidence.max(), abs=0.3)
    assert outlines[30, 28] > 0.4 > outlines[30, 40]
    assert relief.instances[30, 40] != relief.instances[70, 80]
    assert relief.foreground[70, 80] > 0.4


def test_superpixels_cut_along_circles_allow_more_with_fewer():
    with_circles, without = [], []
    pairs = circles(2, seed=5, contrast=0.12, ground=0.12)
    for image, _ in pairs:
        with_circles.append(superpixels(image, "watershed", circles=[5, 40], mean_size=200))
        without.append(superpixels(image, "watershed", mean_size=100))
    truth = [labels for _, labels in pairs]
    scores = [
        evaluate([achievable_segmentation(p, t) for p, t in zip(pieces, truth, strict=True)], truth)["mAP"]
        for pieces in (with_circles, without)
    ]
    assert scores[0] > 0.93
    assert scores[0] > scores[1] + 0.05
    for pieces in with_circles:
        assert len(np.unique(pieces)) == pieces.max() + 1 == pytest.approx(pieces.size / 200, rel=0.02)
