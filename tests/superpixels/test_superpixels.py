"""Superpixels of every method, on pictures down to 2 x 2 pixels; Ward's merging against a naive one."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from discs import FOUR, discs
from segcritic.errors import UserError
from segcritic.graph.project import achievable_segmentation
from segcritic.pixels.preprocess import normalise
from segcritic.rules import Rules
from segcritic.stateless.state import make_state
from segcritic.superpixels import METHODS, relabel_connected, superpixels
from segcritic.superpixels.boundaries import boundary_basins, cut_at_truth
from segcritic.superpixels.joining import join_basins
from segcritic.superpixels.level_sets import relief, shells
from segcritic.superpixels.merge import adjacent_pieces, merge_pieces
from segcritic.superpixels.mutex import mutex
from segcritic.superpixels.pieces import join_slivers
from segcritic.superpixels.watershed import watershed

SMALLEST = {"shells": 6, "watershed": 12, "mutex": 12}  # default min_size of what needs no boundary map


def picture(kind, shape, seed=0):
    row, column = np.indices(shape)
    return {
        "zero": np.zeros(shape),
        "one": np.ones(shape),
        "noise": np.random.default_rng(seed).random(shape),
        "ramp": (row + column) / sum(shape),
        "one bright pixel": (row + column == 0) * 1.0,
    }[kind].astype(np.float32)


def check(labels, shape, min_size):
    assert labels.shape == shape
    assert labels.dtype == np.int32
    assert labels.min() == 0
    sizes = np.bincount(labels.ravel())
    assert (sizes > 0).all()
    for number in range(len(sizes)):
        assert ndi.label(labels == number)[1] == 1, f"superpixel {number} is in several pieces"
    assert sizes.min() >= min_size or len(sizes) == 1


@pytest.mark.parametrize("kind", ["zero", "one", "noise", "ramp", "one bright pixel"])
@pytest.mark.parametrize("shape", [(2, 2), (3, 50), (50, 3), (30, 31)])
@pytest.mark.parametrize("method", SMALLEST)
def test_superpixels_are_a_partition_into_connected_pieces(method, shape, kind):
    check(superpixels(picture(kind, shape), method), shape, SMALLEST[method])


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(SMALLEST)), st.integers(2, 24), st.integers(2, 24), st.integers(0, 99), st.floats(0, 3))
def test_any_small_picture(method, height, width, seed, smoothing):
    image = normalise(ndi.gaussian_filter(picture("noise", (height, width), seed), smoothing))
    check(superpixels(image, method), (height, width), SMALLEST[method])


@pytest.mark.parametrize("method", SMALLEST)
def test_constant_picture_is_one_superpixel_and_the_same_picture_gives_the_same(method):
    assert superpixels(picture("one", (20, 25)), method).max() == 0
    image = picture("noise", (40, 40))
    np.testing.assert_array_equal(superpixels(image, method), superpixels(image.copy(), method))


@pytest.mark.parametrize("method", SMALLEST)
def test_brightness_and_contrast_of_the_raw_picture_do_not_matter(method):
    pixels, _ = discs()
    first = superpixels(normalise(pixels), method)
    second = superpixels(normalise(4 * pixels + 512), method)
    assert (first == second).mean() > 0.99


@pytest.mark.parametrize("method", SMALLEST)
def test_best_labels_recover_bright_discs(method):
    pixels, truth = discs()
    best = achievable_segmentation(superpixels(normalise(pixels), method), truth)
    for number in range(1, len(FOUR) + 1):
        both = ((best == number) & (truth == number)).sum()
        assert both / ((best == number) | (truth == number)).sum() > 0.8


def test_shells_follow_a_dim_disc_beside_a_bright_one():
    pixels, truth = discs(shape=(40, 64), centres=((20, 18), (20, 44)), radius=10)
    pixels = np.where(truth == 2, 100 + 0.3 * (pixels - 100), pixels).astype(np.float32)
    best = achievable_segmentation(superpixels(normalise(pixels), "shells"), truth)
    assert ((best == 2) & (truth == 2)).sum() / ((best == 2) | (truth == 2)).sum() > 0.75


def test_shells_part_touching_discs():
    pixels, truth = discs(shape=(40, 64), centres=((20, 21), (20, 42)), radius=11)
    best = achievable_segmentation(superpixels(normalise(pixels), "shells"), truth)
    for number in (1, 2):
        assert ((best == number) & (truth == number)).sum() / ((best == number) | (truth == number)).sum() > 0.75


def test_more_pieces_per_object_and_smaller_ones():
    image = normalise(ndi.gaussian_filter(discs()[0], 3))
    few, many = (superpixels(image, "shells", pieces=pieces).max() + 1 for pieces in (2, 12))
    assert few < many
    coarse = superpixels(image, "shells", min_size=40)
    assert np.bincount(coarse.ravel()).min() >= 40


@pytest.mark.parametrize("method", ["watershed", "mutex"])
def test_number_of_superpixels_asked_for(method):
    image = picture("noise", (40, 40))
    assert superpixels(image, method, min_size=1).max() + 1 > 9
    assert superpixels(image, method, min_size=1, n_superpixels=9).max() + 1 == 9
    assert 1 < superpixels(image, method, n_superpixels=9).max() + 1 <= 9  # fewer where small ones had to go


def test_watershed_follows_a_boundary_map_that_the_image_does_not_show():
    boundaries = np.zeros((30, 40), np.float32)
    boundaries[:, 20] = 1
    labels = superpixels(np.zeros((30, 40), np.float32), "watershed", boundaries)
    assert labels.max() == 1
    assert labels[15, 5] != labels[15, 35]
    assert len(np.unique(labels[:, :18])) == len(np.unique(labels[:, 23:])) == 1


def test_relief_estimates_the_radius_and_is_flat_on_a_flat_picture():
    for radius in (7, 11):
        found = relief(normalise(discs(radius=radius)[0]))
        assert found.radius == pytest.approx(radius, rel=0.25)
        assert found.instances.max() == len(FOUR)
    flat = relief(np.full((9, 9), 0.3, np.float32))
    assert not flat.foreground.any()
    assert not flat.instances.any()


def two_discs(distance, second=1.0, blur=1.0):
    row, column = np.indices((50, 90))
    picture = np.zeros((50, 90))
    for centre, bright in ((30, 1.0), (30 + distance, second)):
        inside = np.hypot(row - 25, column - centre) <= 12
        picture[inside] = bright
    return ndi.gaussian_filter(picture, blur).astype(np.float32)


def test_likely_objects_part_where_several_signs_agree():
    assert relief(two_discs(distance=22), radius=12).instances.max() == 2  # a neck
    assert relief(two_discs(distance=5), radius=12).instances.max() == 1  # hardly longer than one disc


def test_joining_weighs_valley_and_step():
    basins = np.zeros((20, 42), np.int32)
    basins[2:18, 2:21], basins[2:18, 21:40] = 1, 2  # a box cut in two: no neck, no dent
    depth = np.full(basins.shape, 8, np.float32)
    flat = np.where(basins > 0, 1, 0).astype(np.float32)
    valley, step = flat.copy(), flat.copy()
    valley[:, 19:23] *= 0.3
    step[basins == 2] *= 0.3

    def joined(brightness, radius=9.0):
        return join_basins(basins, depth, brightness, basins > 0, radius).max()

    assert joined(flat) == 1
    assert joined(valley) == 2
    assert joined(step) == 2
    assert joined(valley, radius=60.0) == 1  # both together are far smaller than one object
    assert join_basins(np.where(basins == 2, 0, basins), depth, flat, basins == 1, 9.0).max() == 1


def test_unknown_method_and_settings_are_named():
    image = picture("noise", (8, 8))
    with pytest.raises(UserError, match=r"'slic'.*shells, watershed, mutex"):
        superpixels(image, "slic")
    with pytest.raises(UserError, match=r"'watershed' has no setting 'pieces'.*min_size"):
        superpixels(image, "watershed", pieces=3)
    with pytest.raises(UserError, match=r"'shells' does not cut boundary maps.*watershed, boundaries"):
        superpixels(image, "shells", image)


def test_connected_pieces_takes_any_numbers():
    labels = np.array([[-1, -1, 7], [3, 3, 7], [7, 3, -1]])
    pieces = relabel_connected(labels)
    assert sorted(np.unique(pieces)) == list(range(5))
    assert pieces[2, 0] != pieces[0, 2]
    assert pieces[0, 0] != pieces[2, 2]
    assert relabel_connected(np.array([[1, 0], [0, 1]])).max() == 3  # corners do not connect


def test_bound_gives_each_superpixel_the_truth_that_covers_most_of_it():
    pieces = np.array([[0, 0, 0, 1, 1, 1]])
    truth = np.array([[9, 9, 0, 0, 5, 5]])
    np.testing.assert_array_equal(achievable_segmentation(pieces, truth), [[9, 9, 9, 5, 5, 5]])
    truth = discs()[1]
    np.testing.assert_array_equal(achievable_segmentation(relabel_connected(truth), truth), truth)
    with pytest.raises(UserError, match="labels: shape"):
        achievable_segmentation(pieces, truth)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), depth=st.integers(1, 4))
def test_slivers_join_their_own_part_until_none_can(seed, depth):
    rng = np.random.default_rng(seed)
    parts = relabel_connected(ndi.zoom(rng.integers(0, 2, (4, 5)), 6, order=0))
    pieces = relabel_connected(parts * 9 + ndi.zoom(rng.integers(0, 3, (8, 10)), 3, order=0))
    joined = join_slivers(pieces, parts, depth)
    for numbers, within in ((joined, pieces), (parts, joined)):  # each piece lies in one joined piece, that in one part
        assert len(np.unique(np.stack([numbers.ravel(), within.ravel()]), axis=1).T) == within.max() + 1
    np.testing.assert_array_equal(joined, relabel_connected(joined))
    for number in range(joined.max() + 1):
        inside = joined == number
        deep = ndi.distance_transform_cdt(np.pad(inside, depth, "edge"), "chessboard").max() >= depth
        beside = ndi.binary_dilation(inside) & ~inside & (parts == parts[inside][0])
        assert deep or not beside.any()


def test_truth_cut_superpixels_can_be_made_the_truth_without_slivers():
    truth = discs()[1]
    near = np.roll(truth, 1, axis=1)  # outlines one pixel away from the true ones
    cut = cut_at_truth(relabel_connected(near), truth)
    np.testing.assert_array_equal(achievable_segmentation(cut, truth), truth)
    assert cut.max() == relabel_connected(truth).max()


def squared_error(labels, values):
    sizes = np.bincount(labels.ravel())
    means = np.bincount(labels.ravel(), values.ravel()) / sizes
    return float(((values - means[labels]) ** 2).sum())


def naive_ward(pieces, values, n_target):
    """Merge the cheapest pair, all costs computed anew each time."""
    labels = pieces.copy()
    while len(np.unique(labels)) > n_target:
        best = None
        dense = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
        size = np.bincount(dense.ravel())
        mean = np.bincount(dense.ravel(), values.ravel()) / size
        for a, b in adjacent_pieces(dense, int(dense.max()) + 1):
            cost = size[a] * size[b] / (size[a] + size[b]) * (mean[a] - mean[b]) ** 2
            if best is None or cost < best[0]:
                best = (cost, a, b)
        assert best is not None
        labels = np.where(dense == best[2], best[1], dense)
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape)


def test_ward_merging_is_nearly_as_good_as_the_naive_one():
    ours, naive = [], []
    for seed, (n_target, smoothing) in enumerate([(4, 1.0), (8, 1.0), (8, 0.5), (15, 0.0), (15, 1.5), (3, 2.0)]):
        values = normalise(ndi.gaussian_filter(picture("noise", (10, 11), seed), smoothing))
        pieces = np.arange(110, dtype=np.int32).reshape(10, 11)
        merged = merge_pieces(pieces, values, n_target, min_size=1)
        check(merged, (10, 11), 1)
        assert merged.max() + 1 == n_target
        ours.append(squared_error(merged, values))
        naive.append(squared_error(naive_ward(pieces, values, n_target), values))
    assert (np.array(ours) < 1.1 * np.array(naive)).all()
    assert sum(ours) < 1.03 * sum(naive)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 99))
def test_merging_keeps_its_promises(n_target, min_size, seed):
    values = picture("noise", (9, 9), seed)
    pieces = relabel_connected(np.random.default_rng(seed).integers(0, 4, (9, 9)))
    merged = merge_pieces(pieces, values, n_target, min_size)
    check(merged, (9, 9), min_size)
    assert merged.max() + 1 <= max(n_target, 1)
    for number in range(pieces.max() + 1):  # pieces are joined, never cut
        assert len(np.unique(merged[pieces == number])) == 1
    if min_size == 1:
        assert merged.max() + 1 == min(n_target, pieces.max() + 1)


def test_pieces_of_different_likely_objects_merge_last():
    values = np.tile(np.array([0.0, 0.3, 0.3, 0.6], np.float32).repeat(4), (8, 1))
    pieces = relabel_connected((10 * values).round().astype(int) * 2 + (np.arange(16) >= 8))
    cuts = np.tile(np.array([1, 2], np.int32).repeat(8), (8, 1))
    without, within = merge_pieces(pieces, values, 3), merge_pieces(pieces, values, 2, cuts=cuts)
    assert without[0, 7] == without[0, 8]  # equal intensity on both sides
    np.testing.assert_array_equal(within == within[0, 0], cuts == 1)


def test_adjacent_pieces():
    pairs = adjacent_pieces(np.array([[0, 1], [2, 1]], np.int32), 3)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2]]
    assert len(adjacent_pieces(np.zeros((3, 3), np.int32), 1)) == 0


def test_a_method_s_settings_are_those_of_its_function():
    functions = {"shells": shells, "watershed": watershed, "mutex": mutex, "boundaries": boundary_basins}
    assert functions.keys() == METHODS.keys()
    for name, function in functions.items():
        parameters = [*inspect.signature(function).parameters][1:]
        assert METHODS[name].settings == tuple(p for p in parameters if p not in ("found", "boundaries"))


def test_what_is_called_directly_is_what_training_sees():
    pixels, _ = discs()
    for text in ("superpixels: shells", "superpixels: mutex", "superpixels: {method: watershed, lines: bright}"):
        rules = Rules.loads(f"area: {{expect: 380}}\n{text}")
        state = make_state(pixels, rules)
        assert rules.superpixels is not None
        direct = superpixels(state.image, rules.superpixels.method, **rules.superpixels.settings)
        np.testing.assert_array_equal(state.graph.superpixels, direct)


def test_bright_lines_are_bright_in_the_user_s_image_although_objects_are_dark():
    row, column = np.indices((60, 60))
    image = np.where((row % 20 < 2) | (column % 20 < 2), 900.0, 300.0).astype(np.float32)  # dark cells, bright walls
    image += np.random.default_rng(0).normal(0, 5, image.shape).astype(np.float32)
    text = "superpixels: {method: watershed, lines: bright, n_superpixels: 9}"
    plain = make_state(image, Rules.loads(f"area: {{expect: 300}}\n{text}"))
    dark = make_state(image, Rules.loads(f"area: {{expect: 300}}\nintensity: {{darker_than: background}}\n{text}"))
    on_lines = (row % 20 < 2) | (column % 20 < 2)
    for state in (plain, dark):
        borders = np.diff(state.graph.superpixels, axis=1) != 0
        near = (on_lines[:, 1:] | on_lines[:, :-1])[borders]
        assert near.mean() > 0.95
