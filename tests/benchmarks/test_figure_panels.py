import numpy as np

from benchmarks.figures.panels import feature_picture


def test_features_become_colours_by_their_widest_directions():
    rng = np.random.default_rng(0)
    left = np.repeat([[1.0, 0.0]], 8, axis=0).repeat(4, axis=1)  # (8, 8): left half 1
    top = left.T
    sources = np.stack([3 * left, top, np.zeros((8, 8))])
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 3)))
    features = np.einsum("cs,shw->chw", rotation, sources)
    picture = feature_picture(features, scale=2)
    assert picture.shape == (16, 16, 3)
    red, green, blue = np.moveaxis(picture[::2, ::2].astype(int), 2, 0)
    assert {abs(red[0, 0] - red[0, 7]), abs(green[0, 0] - green[7, 0])} == {255}
    assert (np.ptp(red, axis=0) == 0).all()  # red tells left from right alone, green top from bottom
    assert (np.ptp(green, axis=1) == 0).all()
    assert (blue == 128).all()


def test_one_channel_of_features_is_a_picture_too():
    picture = feature_picture(np.array([[[0.0, 1.0]]]))
    np.testing.assert_array_equal(picture[0], [[0, 128, 128], [255, 128, 128]])
