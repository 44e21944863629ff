"""The noise of an image, and that smoothing leaves what is tolerated and no less than what is no noise."""

import numpy as np
import pytest
from scipy import ndimage as ndi

from discs import discs, nuclei
from segcritic.pixels.preprocess import TOLERATED, denoise, noise_level, normalise
from segcritic.rules import Rules
from segcritic.stateless.state import make_state


@pytest.mark.parametrize("sigma", [0.01, 0.1, 3.0])
@pytest.mark.parametrize("shape", [(60, 80), (900, 700)])
def test_the_level_of_white_noise_is_found_beside_ramps_and_objects(sigma, shape):
    rng = np.random.default_rng(0)
    row, col = np.indices(shape)
    state = 0.2 * row + 0.1 * col + 50.0 * ((row - shape[0] / 2) ** 2 + (col - shape[1] / 2) ** 2 < 15**2)
    found = noise_level(state + rng.normal(0, sigma, shape))
    assert found == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("shape", [(2, 2), (2, 40), (40, 1), (3, 3), (15, 15)])
def test_small_images_stay(shape):
    pixels = np.random.default_rng(0).random(shape)
    np.testing.assert_array_equal(denoise(pixels), normalise(pixels))


def test_little_noise_is_left_alone():
    picture = discs(noise=0.005)[0]
    np.testing.assert_array_equal(denoise(picture), normalise(picture))


@pytest.mark.parametrize("radius", [2, 3, 4, 6])
@pytest.mark.parametrize("blur", [0.0, 0.7, 1.0])
def test_small_objects_are_no_noise(radius, blur):
    row, col = np.indices((256, 256)) % (2 * radius + 1) - radius
    packed = ndi.gaussian_filter((np.hypot(row, col) <= radius).astype(float), blur)
    np.testing.assert_array_equal(denoise(packed), normalise(packed))
    row, col = np.indices((256, 256)) * 2 * np.pi / 5
    waves = np.sin(row) * np.sin(col)
    np.testing.assert_array_equal(denoise(waves), normalise(waves))


def test_a_ground_that_was_cut_off_does_not_hide_the_noise():
    rng = np.random.default_rng(3)
    state = ndi.gaussian_filter((rng.random((200, 200)) < 0.005).astype(float), 5) * 80
    noisy = state + rng.normal(0, 0.1, state.shape)
    assert noise_level(np.clip(noisy - 0.1, 0, None)) == pytest.approx(0.1, rel=0.35)


@pytest.mark.parametrize("sigma", [0.03, 0.1, 0.3])
def test_what_is_left_is_what_is_tolerated(sigma):
    rng = np.random.default_rng(1)
    flat = np.zeros((200, 200))
    flat[:, 150:] = 1.0
    image = normalise(flat + rng.normal(0, sigma, flat.shape))
    sigma_seen = image[:, :140].std()
    left = denoise(flat + rng.normal(0, sigma, flat.shape))[20:-20, 20:120]
    assert left.std() < 3 * TOLERATED
    assert left.std() < 0.8 * sigma_seen


@pytest.mark.parametrize("factor", [1e-30, 1e-3, 1000.0, 3e35])
def test_stored_units_do_not_matter(factor):
    noisy = discs(noise=0.2)[0].astype(np.float64) / 1000
    np.testing.assert_allclose(denoise((factor * noisy).astype(np.float32)), denoise(noisy), atol=1e-4)


def test_only_rules_on_brightness_see_a_smoothed_image():
    noisy = discs(noise=0.2)[0]
    np.testing.assert_array_equal(make_state(noisy, nuclei()).image, denoise(noisy))
    shape = Rules.loads("circularity: {at_least: 0.7, tolerance: 0.2}")
    np.testing.assert_array_equal(make_state(noisy, shape).image, normalise(noisy))
