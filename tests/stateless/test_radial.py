"""Objects arranged about a centre: the place rule, the centre, features, rewards; and training from start to end."""

import numpy as np
import pytest
from scipy import ndimage as ndi

import segcritic
from discs import partition_of_labels
from segcritic.datasets.embryo import embryos
from segcritic.errors import UserError
from segcritic.graph import build_graph
from segcritic.graph.project import achievable_segmentation
from segcritic.rules import Rules, Scorer, load_builtin, place_scores
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.features import N_EDGE_FEATURES, N_NODE_FEATURES
from segcritic.stateless.radial import (
    N_RADIAL_EDGE_FEATURES,
    N_RADIAL_NODE_FEATURES,
    find_center,
    foreground_center,
    radial_edge_features,
    radial_node_features,
)
from segcritic.stateless.rewards import total_reward
from segcritic.stateless.state import make_state


def rules(text):
    return Rules.loads(f"{text}\narea: {{expect: 100}}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where: {expect: 50, tolerance: 10}", [np.exp(-2), 1, np.exp(-0.5)]),  # a Gaussian about a ring
        ("where: {at_least: 40, at_most: 50, tolerance: 10}", [np.exp(-0.5), 1, np.exp(-0.5)]),
        ("where: {expect: 0, tolerance: 30}", [np.exp(-0.5), np.exp(-0.5 * (5 / 3) ** 2), np.exp(-2)]),  # about a place
        ("pixel_size: 0.5\nwhere: {expect: 25, tolerance: 5, unit: um}", [np.exp(-2), 1, np.exp(-0.5)]),
    ],
)
def test_place_scores_fall_along_a_gaussian(text, expected):
    found = place_scores(rules(text).where, np.array([30.0, 50.0, 60.0]), rules(text).pixel_size)
    np.testing.assert_allclose(found, expected)


def test_the_centre_is_the_one_that_the_rules_name():
    image = np.zeros((60, 80), np.float32)
    image[20:31, 50:61] = 1
    assert find_center(image, rules("center: [3, 4.5]")) == (3, 4.5)
    assert find_center(image, rules("center: image")) == (29.5, 39.5)
    assert find_center(image, rules("")) == (29.5, 39.5)
    assert find_center(image, rules("center: foreground")) == pytest.approx((25, 55), abs=0.1)
    assert find_center(np.zeros((60, 80), np.float32), rules("center: foreground")) == (29.5, 39.5)


def test_the_middle_of_an_embryo_is_found_without_its_labels():
    for image, labels in embryos(4, 3):
        true = ndi.center_of_mass(ndi.binary_fill_holes(labels > 0))
        assert foreground_center(image) == pytest.approx(true, abs=1.5)


def spokes(angle=0.0):
    """Superpixels (81, 81): sectors cut by rings, turned by `angle` in radians."""
    row, col = np.indices((81, 81)) - 40
    sector = np.floor((np.arctan2(row, col) + angle) / (np.pi / 4)).astype(int) % 8
    return np.unique(sector * 4 + np.minimum(np.hypot(row, col) // 10, 3), return_inverse=True)[1].reshape(row.shape)


def test_edge_features_tell_boundaries_along_the_radius_from_those_around_the_centre():
    superpixels = spokes(0.2)
    graph = build_graph(np.zeros(superpixels.shape, np.float32), superpixels)
    features = radial_edge_features(graph, 5.0, np.ones(graph.n_nodes))
    assert features.shape == (graph.n_edges, N_RADIAL_EDGE_FEATURES)
    ring = superpixels.ravel()[np.unique(superpixels, return_index=True)[1]] % 4
    same_ring = ring[graph.edges[:, 0]] == ring[graph.edges[:, 1]]
    far = graph.edge_length > 6  # where sectors meet at a corner, a boundary has no direction
    assert features[same_ring & far, 1].min() > 0.9
    assert features[~same_ring & far, 1].max() < 0.2
    assert features[same_ring & far, 2].max() < 0.2
    assert features[~same_ring & far, 2].min() > 0.9


def test_features_do_not_change_when_the_picture_is_turned():
    superpixels = spokes(0.2)
    for turned in (superpixels[::-1], superpixels.T):
        graph, other = (build_graph(np.zeros((81, 81), np.float32), labels) for labels in (superpixels, turned))
        place = np.linspace(0, 1, graph.n_nodes)
        for function in (radial_node_features, radial_edge_features):
            np.testing.assert_allclose(function(graph, 5.0, place), function(other, 5.0, place), atol=1e-9)


def test_features_join_only_where_the_rules_refer_to_a_centre():
    image = embryos(1, 0, shape=(64, 64), cells=(6, 6))[0][0]
    plain = make_state(image, rules("superpixels: watershed"))
    radial = make_state(image, rules("superpixels: watershed\ncenter: image"))
    assert plain.node_features.shape[1] == N_NODE_FEATURES
    assert plain.edge_features.shape[1] == N_EDGE_FEATURES
    assert radial.node_features.shape[1] == N_NODE_FEATURES + N_RADIAL_NODE_FEATURES
    assert radial.edge_features.shape[1] == N_EDGE_FEATURES + N_RADIAL_EDGE_FEATURES
    np.testing.assert_array_equal(radial.node_features[:, :N_NODE_FEATURES], plain.node_features)
    for text in ("radial_distance: {expect: 3}", "radial_angle: {expect: 0, tolerance: 9}", "where: {expect: 3}"):
        assert rules(text).radial
    assert not rules("center_distance: {at_most: 0.5}").radial


@pytest.mark.parametrize("shape", [(2, 2), (5, 9), (16, 16)])
@pytest.mark.parametrize("lines", ["", ", lines: bright", ", lines: dark"])
def test_tiny_pictures(shape, lines):
    wanted = rules(f"superpixels: {{method: watershed{lines}}}\ncenter: foreground\nwhere: {{expect: 3}}")
    for image in (np.zeros(shape), np.random.default_rng(0).random(shape)):
        state = make_state(image, wanted)
        for values in (state.node_features, state.edge_features, state.background):
            assert np.isfinite(values).all()


def test_objects_earn_less_where_they_are_not_expected_and_the_background_more():
    labels = np.zeros((60, 60), np.int32)
    labels[24:36, 24:36], labels[2:14, 2:14] = 1, 2
    image = (labels > 0).astype(np.float32)
    text = "area: {expect: 144}\nsolidity: {at_least: 0.9}"
    for polarity in ("", "\nintensity: {brighter_than: background}"):
        everywhere, here = Rules.loads(text + polarity), Rules.loads(f"{text}{polarity}\nwhere: {{at_most: 8}}")
        results = []
        for wanted in (everywhere, here):
            state = make_state(image, wanted, given=labels)
            middle, corner, ground = (state.graph.superpixels[at] for at in ((30, 30), (8, 8), (50, 50)))
            rewards = evaluate_partition(state, np.arange(3, dtype=np.int32), Scorer(wanted))
            results.append((rewards.node[0][[middle, corner]], rewards.foreground[[middle, corner]]))
            assert rewards.node[0][ground] > (0.49 if wanted is everywhere else 0.98)
        np.testing.assert_allclose(results[0][0], results[0][0][0], atol=0.05)
        assert results[0][1].all()
        assert results[1][1].tolist() == [True, False]
        assert results[1][0][0] == pytest.approx(results[0][0][0])
        assert results[1][0][1] > 0.99  # as background


def test_the_true_cells_score_high_by_the_built_in_rules_and_degenerate_partitions_low():
    wanted = load_builtin("radial")
    for image, labels in embryos(2, 11):
        state = make_state(image, wanted)
        n = state.graph.n_nodes
        true = partition_of_labels(state.graph, achievable_segmentation(state.graph.superpixels, labels))
        partitions = np.stack([true, np.zeros(n, np.int32), np.arange(n, dtype=np.int32)])
        rewards = evaluate_partition(state, partitions, Scorer(wanted))
        total = total_reward(rewards, state.weight)
        assert total[0] > max(total[1:]) + 0.06
        of_true = rewards.objects.sample == 0
        assert rewards.foreground[of_true].sum() == pytest.approx(labels.max(), abs=3)
        assert not rewards.foreground[rewards.objects.sample == 1].any()


def test_training_on_embryos_from_rules_alone(tmp_path):
    model = segcritic.train([image for image, _ in embryos(3, 1)], "radial", steps=25)
    (image, truth), *_ = embryos(1, 99)
    found = model.analyse(image)
    assert 10 < found.labels.max() < 60
    assert np.median(found.table["score_radial_angle"]) > 0.5
    nothing = segcritic.evaluate(np.zeros_like(truth), truth)["VI"]
    assert segcritic.evaluate(found.labels, truth)["VI"] < 0.75 * nothing
    model.save(tmp_path / "model")
    again = segcritic.load(tmp_path / "model")
    np.testing.assert_array_equal(again.segment(image), found.labels)
    # A model whose rules lose their centre can no longer be applied; it says so.
    (tmp_path / "model" / "rules.yaml").write_text("superpixels: watershed\narea: {expect: 400}\n")
    with pytest.raises(UserError, match="train anew"):
        segcritic.load(tmp_path / "model").segment(image)
