"""From pixels to a state: superpixels, features, rough values, background; down to pictures of 2 x 2 pixels."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from discs import FOUR, TWO, blocks, discs, nuclei, partition_of_labels, state_of
from segcritic.graph import build_graph
from segcritic.rules import Rules
from segcritic.stateless.features import (
    N_EDGE_FEATURES,
    N_NODE_FEATURES,
    edge_features,
    node_core,
    node_features,
    rough_partition,
)
from segcritic.stateless.state import make_state

DARK = Rules.loads("area: {expect: rough}\nintensity: {darker_than: background}")
NO_POLARITY = Rules.loads("area: {expect: 380}\nsolidity: {at_least: 0.9}")


def check(state, shape):
    n, e = state.graph.n_nodes, state.graph.n_edges
    assert state.image.shape == state.graph.shape == shape
    assert state.image.dtype == np.float32
    assert state.node_features.shape == (n, N_NODE_FEATURES)
    assert state.edge_features.shape == (e, N_EDGE_FEATURES)
    assert state.background.shape == (n,)
    for values in (state.node_features, state.edge_features, state.background):
        assert np.isfinite(values).all()
    assert state.node_features.dtype == state.edge_features.dtype == np.float32
    assert 0 <= state.background.min() <= state.background.max() <= 1
    assert all(np.isfinite(value) and value >= 0 for value in state.context.rough.values())


@pytest.mark.parametrize("method", ["shells", "watershed", "mutex"])
def test_a_scene_of_discs(method):
    rules = Rules.loads(f"superpixels: {method}\narea: {{expect: rough}}\nintensity: {{brighter_than: background}}")
    pixels, truth = discs()
    state = make_state(pixels, rules)
    check(state, pixels.shape)
    assert state.context.rough["area"] == pytest.approx((truth == 1).sum(), rel=0.3)
    labels = partition_of_labels(state.graph, truth > 0)
    inside = labels == labels[state.graph.superpixels[FOUR[0]]]
    assert state.background[inside].mean() < 0.3
    assert state.background[state.graph.superpixels[0, 0]] > 0.9


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 16), st.integers(2, 16), st.integers(0, 99), st.sampled_from(["nuclei", "dark", "none"]))
def test_any_tiny_picture_makes_a_scene(height, width, seed, kind):
    pixels = np.random.default_rng(seed).integers(0, 6, (height, width)).astype(np.float32)
    check(make_state(pixels, {"nuclei": nuclei(), "dark": DARK, "none": NO_POLARITY}[kind]), (height, width))


@pytest.mark.parametrize("rules", [nuclei(), DARK, NO_POLARITY], ids=["bright", "dark", "no polarity"])
@pytest.mark.parametrize("value", [0.0, 700.0])
def test_constant_picture_is_one_superpixel(rules, value):
    state = make_state(np.full((20, 30), value, np.float32), rules)
    check(state, (20, 30))
    assert state.graph.n_nodes == 1


def test_fewer_superpixels_than_likely_objects():
    pixels, truth = discs()
    state = make_state(pixels, nuclei(), given=(np.indices(truth.shape)[0] > 31).astype(int))
    assert state.prior.instances.max() > state.graph.n_nodes == 2
    check(state, pixels.shape)
    labels = rough_partition(state.graph, state.prior)
    assert sorted(np.unique(labels)) == list(range(labels.max() + 1))


def test_dark_objects_are_turned_bright():
    pixels, truth = discs()
    dark = make_state(1200 - pixels, DARK, given=blocks(truth))
    assert dark.image[truth > 0].mean() > dark.image[truth == 0].mean() + 0.5
    assert dark.background[dark.graph.superpixels[FOUR[0]]] < 0.1
    assert dark.background[dark.graph.superpixels[0, 0]] > 0.9


def test_background_is_unknown_without_polarity_and_follows_its_rule_with_one():
    pixels, truth = discs()
    assert (make_state(pixels, NO_POLARITY, given=blocks(truth)).background == 0.5).all()
    soft = "area: {expect: 380}\nintensity: {brighter_than: background}\nbackground: {level: %s}"
    low, high = (make_state(pixels, Rules.loads(soft % level), given=blocks(truth)) for level in (0.1, 0.8))
    assert (high.background >= low.background).all()
    assert high.background.sum() > low.background.sum() + 0.1


def test_superpixels_of_the_users_own():
    pixels, truth = discs()
    own = blocks(truth)
    state = make_state(pixels, nuclei(), given=own)
    pairs = np.unique(np.stack([own.ravel(), state.graph.superpixels.ravel()]), axis=1)
    assert len(np.unique(pairs[1])) == pairs.shape[1]  # none lies in two of the user's
    shifted = make_state(pixels, nuclei(), given=own - 20_000)
    np.testing.assert_array_equal(shifted.graph.superpixels, state.graph.superpixels)
    check(make_state(pixels, nuclei(), given=own.astype(np.uint16)), pixels.shape)


def test_settings_of_the_superpixels_are_passed_on():
    pixels, _ = discs()
    text = "superpixels: {method: shells, min_size: 40%s}\narea: {expect: 380}\nintensity: {brighter_than: background}"
    for more in ("", ", radius: 9"):
        state = make_state(pixels, Rules.loads(text % more))
        assert np.bincount(state.graph.superpixels.ravel()).min() >= 40


def test_a_boundary_map_cuts_and_is_measured():
    rules = Rules.loads("superpixels: watershed\narea: {expect: 600}")
    pixels = np.random.default_rng(0).normal(10, 1, (30, 40)).astype(np.float32)
    boundaries = np.zeros((30, 40), np.float32)
    boundaries[:, 20] = 1
    state = make_state(pixels, rules, boundaries)
    assert state.graph.n_nodes == 2
    plain = make_state(pixels, rules, given=state.graph.superpixels)
    assert not np.array_equal(state.edge_features, plain.edge_features)


@pytest.mark.parametrize(("factor", "offset"), [(1, 4000), (0.01, -3), (16, 0)])
def test_units_of_intensity_do_not_matter(factor, offset):
    pixels, truth = discs()
    first = make_state(pixels, nuclei(), given=blocks(truth))
    second = make_state(factor * pixels + offset, nuclei(), given=blocks(truth))
    np.testing.assert_allclose(second.node_features, first.node_features, atol=0.01)
    np.testing.assert_allclose(second.edge_features, first.edge_features, atol=0.01)
    assert second.context.rough["area"] == pytest.approx(first.context.rough["area"])


def test_numbers_of_the_superpixels_do_not_matter():
    state = state_of()
    order = np.random.default_rng(0).permutation(state.graph.n_nodes)
    graph = build_graph(state.image, order[state.graph.superpixels].astype(np.int32))
    background = state.background[np.argsort(order)]
    nodes = node_features(graph, state.image, state.prior, background)
    np.testing.assert_allclose(nodes[order], state.node_features, atol=1e-5)
    edges = edge_features(graph, state.image, state.prior, background)
    renumbered = np.sort(order[state.graph.edges], axis=1)
    where = [np.flatnonzero((graph.edges == edge).all(1)).item() for edge in renumbered]
    np.testing.assert_allclose(edges[where], state.edge_features, atol=1e-5)


def test_features_do_not_depend_on_the_side_from_which_the_picture_is_seen():
    pixels, truth = discs()
    state = make_state(pixels, nuclei(), given=blocks(truth))
    maps = {name: value[::-1] for name, value in vars(state.prior).items() if isinstance(value, np.ndarray)}
    relief = dataclasses.replace(state.prior, **maps)
    graph = build_graph(state.image[::-1], state.graph.superpixels[::-1])
    nodes = node_features(graph, state.image[::-1], relief, state.background)
    np.testing.assert_allclose(nodes, state.node_features, atol=1e-4)


def test_features_tell_boundaries_of_discs_from_others():
    state, truth = state_of(), discs()[1]
    labels = partition_of_labels(state.graph, truth)
    across = labels[state.graph.edges[:, 0]] != labels[state.graph.edges[:, 1]]
    gradient = state.edge_features[:, 7]
    assert np.quantile(gradient[across], 0.1) > np.quantile(gradient[~across], 0.9)


def test_likely_objects_and_the_rough_partition_find_the_discs():
    state, truth = state_of(TWO, (40, 60), 9.0), discs((40, 60), TWO, 9.0)[1]
    core = node_core(state.graph, state.prior)
    by_disc = [np.unique(core[state.graph.superpixels[truth == number]]) for number in (1, 2)]
    assert [len(cores) for cores in by_disc] == [1, 1]
    assert by_disc[0] != by_disc[1]
    rough = rough_partition(state.graph, state.prior)
    np.testing.assert_array_equal(rough, partition_of_labels(state.graph, truth))
