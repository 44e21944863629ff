"""The noise of an image, and that smoothing leaves what is tolerated."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from discs import discs
from segcritic.noise import TOLERATED, noise_level, smooth_noise


@pytest.mark.parametrize("sigma", [0.01, 0.1, 3.0])
@pytest.mark.parametrize("shape", [(60, 80), (900, 700)])
def test_the_level_of_white_noise_is_found_beside_ramps_and_objects(sigma, shape):
    rng = np.random.default_rng(0)
    row, col = np.indices(shape)
    scene = 0.2 * row + 0.1 * col + 50.0 * ((row - shape[0] / 2) ** 2 + (col - shape[1] / 2) ** 2 < 15**2)
    found = noise_level(scene + rng.normal(0, sigma, shape))
    assert found == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("shape", [(2, 2), (2, 40), (40, 1), (3, 3)])
def test_images_without_noise_stay(shape):
    flat = np.full(shape, 7.0)
    assert noise_level(flat) == 0
    np.testing.assert_array_equal(smooth_noise(flat), flat)


def test_little_noise_is_left_alone():
    picture = discs(noise=0.005)[0]
    np.testing.assert_array_equal(smooth_noise(picture), picture)


@pytest.mark.parametrize("sigma", [0.03, 0.1, 0.3])
def test_what_is_left_is_what_is_tolerated(sigma):
    rng = np.random.default_rng(1)
    scene = ndi.gaussian_filter((np.indices((200, 200)).sum(0) // 50 % 2).astype(float), 3)
    noisy = scene + rng.normal(0, sigma, scene.shape)
    left = smooth_noise(noisy) - scene
    width = np.ptp(np.percentile(noisy, (1, 99.8)))
    quiet = np.abs(scene - ndi.gaussian_filter(scene, 4)) < 1e-3
    assert left[quiet].std() / width == pytest.approx(TOLERATED, rel=0.35)


def test_stored_units_do_not_matter():
    rng = np.random.default_rng(2)
    noisy = discs()[0] + rng.normal(0, 0.2, discs()[0].shape)
    np.testing.assert_allclose(smooth_noise(1000 * noisy + 300), 1000 * smooth_noise(noisy) + 300, rtol=1e-4, atol=0.5)
