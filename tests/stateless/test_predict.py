"""From a policy to labels and their table: numbers without gaps, no holes, and what the rules say about leaving out."""

import dataclasses

import numpy as np
import pytest
import torch

from discs import FOUR, TWO, blocks, discs, nuclei, partition_of_labels, state_of
from segcritic.graph.partition import multicut
from segcritic.pixels.outlines import fill_holes
from segcritic.rules import Rules, Scorer
from segcritic.stateless.predict import partition, segment, split_logits
from segcritic.stateless.settings import NetworkSettings, TrainSettings
from segcritic.stateless.state import make_state
from segcritic.stateless.train import train

U_NET = NetworkSettings(
    width=8, depth=1, subgraph_sizes=(4, 8), fixed_std=1.0, pixel_features=4, unet_widths=(4, 8), warm_start=1.0
)
BRIGHT = "intensity: {brighter_than: background}\narea: {expect: 380, tolerance: 40%}\n"


@pytest.fixture(scope="module")
def policy():
    """Trained for a few steps: far from its start, far from good."""
    torch.set_num_threads(1)
    settings = TrainSettings(steps=4, images_per_step=1, samples=4, network=U_NET)
    return train([state_of(), state_of(TWO, (40, 60), 9.0)], Scorer(nuclei()), settings).policy()


def segmented(pixels, policy, rules, superpixels=None):
    return segment(make_state(pixels, rules, given=superpixels), policy, Scorer(rules))


class Oracle:
    """Splits where the truth does."""

    solver = "greedy"
    settings = NetworkSettings()

    def __init__(self, truth):
        self.truth = truth

    def network_input(self, states):
        return states

    def __call__(self, states):
        [state] = states
        labels = partition_of_labels(state.graph, self.truth)
        i, j = state.graph.edges.T
        return torch.from_numpy(np.where(labels[i] != labels[j], 4.0, -4.0)).float(), None


def by_oracle(rules_text, **picture):
    pixels, truth = discs(**picture)
    rules = Rules.loads(rules_text)
    state = make_state(pixels, rules, given=blocks(truth))
    return segment(state, Oracle(truth), Scorer(rules)), truth  # type: ignore[arg-type]


def check(result, shape):
    labels, table = result.labels, result.table
    assert labels.shape == result.image.shape == shape
    assert labels.dtype == np.int32
    n = int(labels.max())
    assert np.unique(labels[labels > 0]).tolist() == list(range(1, n + 1))
    np.testing.assert_array_equal(table["label"], np.arange(1, n + 1))
    assert {len(column) for column in table.values()} == {n}
    assert {"label", "score", "area", "centroid_row", "centroid_col", "mean_intensity"} <= set(table)
    for name in ("score", *(name for name in table if name.startswith("score_"))):
        assert ((table[name] >= 0) & (table[name] <= 1)).all()
    np.testing.assert_array_equal(fill_holes(labels), labels)
    graph = result.graph
    assert result.split.shape == (graph.n_edges,)
    assert result.node_labels.shape == result.node_reward.shape == (graph.n_nodes,)
    for values in (result.split, result.node_reward):
        assert ((values >= 0) & (values <= 1)).all()


def test_a_policy_that_knows_the_truth_gives_the_truth():
    result, truth = by_oracle(BRIGHT)
    check(result, truth.shape)
    assert result.labels.max() == len(FOUR)
    for number, (row, column) in enumerate(FOUR, 1):
        label = result.labels[row, column]
        mine, disc = result.labels == label, truth == number
        assert (mine & disc).sum() / (mine | disc).sum() > 0.85
        entry = int(label) - 1
        assert result.table["centroid_row"][entry] == pytest.approx(row, abs=1)
        assert result.table["centroid_col"][entry] == pytest.approx(column, abs=1)
        assert result.table["area"][entry] == pytest.approx(disc.sum(), rel=0.2)
    i, j = result.graph.edges.T
    assert ((result.split > 0.5) == (result.node_labels[i] != result.node_labels[j])).all()


def test_the_table_describes_the_labels():
    result, _ = by_oracle(BRIGHT + "solidity: {at_least: 0.9}")
    assert {"score_area", "score_intensity", "score_solidity"} <= set(result.table)
    for label in result.table["label"]:
        row, column = np.nonzero(result.labels == label)
        assert result.table["area"][label - 1] == pytest.approx(len(row), rel=0.02)
        assert result.table["centroid_row"][label - 1] == pytest.approx(row.mean(), abs=0.1)
        assert result.table["centroid_col"][label - 1] == pytest.approx(column.mean(), abs=0.1)


def test_objects_that_score_low_are_left_out():
    # two of 380 pixels, one of a third of that
    pixels, truth = discs((64, 64), FOUR[:2])
    small_pixels, small_truth = discs((64, 64), FOUR[3:], 6.0)
    pixels, truth = np.maximum(pixels, small_pixels), truth + 3 * small_truth
    for keep_above, expected in ((0.0, 3), (0.7, 2)):
        rules = Rules.loads(BRIGHT.replace("40%", "30%") + f"keep_above: {keep_above}")
        result = segment(make_state(pixels, rules, given=blocks(truth)), Oracle(truth), Scorer(rules))  # type: ignore[arg-type]
        check(result, (64, 64))
        assert result.labels.max() == expected
        assert result.table["score"].min() >= keep_above
        assert (result.labels[FOUR[3]] > 0) == (expected == 3)


def test_cut_objects_are_dropped_only_if_the_rules_say_so():
    centres = ((4, 20), (36, 44), (30, 12))
    for border, expected in (("ignore", 3), ("drop", 2)):
        result, truth = by_oracle(BRIGHT + f"border: {border}", centres=centres)
        check(result, truth.shape)
        assert result.labels.max() == expected
        assert (result.labels[4, 20] > 0) == (border == "ignore")


def test_a_hole_in_an_object_is_filled():
    pixels, truth = discs((48, 48), ((24, 24),), 14.0)
    hole = np.hypot(*(np.indices((48, 48)) - 24)) <= 3
    pixels[hole], truth[hole] = 100, 0
    rules = Rules.loads("intensity: {brighter_than: background}\narea: {at_least: 300}")
    result = segment(make_state(pixels, rules, given=blocks(truth)), Oracle(truth), Scorer(rules))  # type: ignore[arg-type]
    assert result.labels.max() == 1
    assert result.labels[24, 24] == 1


def test_fill_holes():
    labels = np.array(
        [
            [1, 1, 1, 0, 2, 2, 2, 2],
            [1, 0, 1, 0, 2, 0, 0, 2],
            [1, 1, 1, 0, 2, 2, 2, 2],
            [0, 3, 3, 3, 4, 4, 4, 0],
            [0, 3, 0, 0, 0, 0, 4, 0],
            [0, 3, 3, 3, 4, 4, 4, 0],
        ],
        np.int32,
    )
    filled = labels.copy()
    filled[1, 1], filled[1, 5:7] = 1, 2
    np.testing.assert_array_equal(fill_holes(labels), filled)  # between 3 and 4, and at the border, it stays
    np.testing.assert_array_equal(fill_holes(np.ones((3, 3), np.int32)), np.ones((3, 3)))
    assert not fill_holes(np.zeros((3, 3), np.int32)).any()


@pytest.mark.parametrize("shape", [(2, 2), (3, 50), (40, 41)])
@pytest.mark.parametrize(
    "rules", [nuclei(), Rules.loads("area: {expect: 100}\nborder: keep")], ids=["nuclei", "no polarity"]
)
def test_a_constant_picture_gives_no_labels(policy, shape, rules):
    result = segmented(np.full(shape, 42.0, np.float32), policy, rules)
    check(result, shape)
    assert not result.labels.any()
    assert len(result.table["label"]) == 0


def test_one_superpixel_and_cut_up_constant_pictures_give_no_labels(policy):
    """Even where the rules like what they are shown."""
    rules = Rules.loads("area: {expect: 100, tolerance: 50%}\nborder: keep")
    quarters = np.indices((20, 20))[0] // 10 * 2 + np.indices((20, 20))[1] // 10
    noise = np.random.default_rng(0).random((10, 10)).astype(np.float32)
    for pixels, given in (
        (np.full((10, 10), 3.0, np.float32), None),
        (np.full((20, 20), 3.0, np.float32), quarters),
        (noise, np.zeros((10, 10), int)),
    ):
        result = segmented(pixels, policy, rules, given)
        check(result, pixels.shape)
        assert result.node_reward.min() >= 0.5
        assert not result.labels.any()


@pytest.mark.parametrize("shape", [(2, 2), (3, 50), (17, 5), (40, 41)])
def test_any_noise_is_labelled_somehow(policy, shape):
    pixels = np.random.default_rng(0).random(shape).astype(np.float32)
    for text in (BRIGHT, BRIGHT.replace("brighter", "darker"), "area: {expect: 30}\nkeep_above: 0"):
        check(segmented(pixels, policy, Rules.loads(text)), shape)


class Noise(Oracle):
    """Splits at random; by this seed so that the solvers differ."""

    def __call__(self, states):
        return torch.from_numpy(np.random.default_rng(4).normal(0, 2, states[0].graph.n_edges)).float(), None


def test_the_solver_of_the_policy_cuts():
    pixels, truth = discs()
    state, policy, found = make_state(pixels, nuclei(), given=blocks(truth)), Noise(truth), {}
    for solver in ("greedy", "kernighan-lin"):
        policy.solver = solver
        found[solver] = segment(state, policy, Scorer(nuclei())).node_labels  # type: ignore[arg-type]
        expected = multicut(state.graph, -split_logits(policy, state).astype(np.float64), solver)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found[solver], expected)
        np.testing.assert_array_equal(partition(policy, state), expected)  # type: ignore[arg-type]
    assert (found["greedy"] != found["kernighan-lin"]).any()


def test_predictions_do_not_depend_on_the_other_images(policy):
    states = [state_of(), state_of(TWO, (40, 60), 9.0), state_of(seed=1)]
    with torch.no_grad():
        together = policy(policy.network_input(states))[0].numpy()
    first = 0
    for state in states:
        last = first + state.graph.n_edges
        np.testing.assert_allclose(together[first:last], split_logits(policy, state), atol=1e-4)
        first = last


def test_same_picture_same_labels_whatever_its_units(policy):
    pixels, truth = discs()
    first, again, other = (
        segmented(values, policy, nuclei(), blocks(truth)) for values in (pixels, pixels.copy(), 8 * pixels + 100)
    )
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.split, again.split)
    np.testing.assert_array_equal(first.labels, other.labels)


def test_numbers_of_the_superpixels_do_not_matter(policy):
    pixels, truth = discs()
    first = segmented(pixels, policy, nuclei(), blocks(truth))
    second = segmented(pixels, policy, nuclei(), blocks(truth).max() - blocks(truth))
    np.testing.assert_array_equal(first.labels, second.labels)


def test_dark_objects_are_found_as_bright_ones_are():
    pixels, truth = discs()
    results = []
    for values, word in ((pixels, "brighter"), (1300 - pixels, "darker")):
        rules = Rules.loads(BRIGHT.replace("brighter", word))
        results.append(segment(make_state(values, rules, given=blocks(truth)), Oracle(truth), Scorer(rules)))  # type: ignore[arg-type]
    check(results[1], truth.shape)
    assert results[0].labels.max() == results[1].labels.max() == len(FOUR)
    assert ((results[0].labels > 0) == (results[1].labels > 0)).mean() > 0.98


def test_one_superpixel_has_no_edges_to_ask_about(policy):
    state = make_state(np.full((8, 9), 1.0, np.float32), nuclei())
    assert split_logits(policy, state).shape == (0,)
    assert dataclasses.is_dataclass(segment(state, policy, Scorer(nuclei())))
