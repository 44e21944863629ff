"""Rewards from labels: projection, agreement, pairing, and training that follows labels where rules are wrong."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import segcritic
from discs import FOUR, TWO, blocks, discs, nuclei, partition_of_labels, state_of
from segcritic.cli import main
from segcritic.errors import UserError
from segcritic.graph import build_graph
from segcritic.graph.project import UNLABELLED, Truth, project
from segcritic.rules import Rules, Scorer
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.label_rewards import supervised, truth_rewards
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.train import _draw, fingerprint

HALVES = Rules.loads("name: halves\narea: {expect: 60, tolerance: 10%}\nintensity: {brighter_than: background}")
"""Rules that a whole disc of these pictures breaks."""


def squares(side=4, rows=3, columns=4):
    """A graph of square superpixels."""
    row, column = np.indices((side * rows, side * columns))
    return build_graph(np.zeros(row.shape, np.float32), row // side * columns + column // side)


def test_a_superpixel_takes_the_object_of_most_of_its_pixels():
    graph = squares()
    labels = np.zeros(graph.shape, np.int32)
    labels[:4, :7] = 700
    labels[4:8, 8:] = 20
    labels[8:] = UNLABELLED
    np.testing.assert_array_equal(project(graph, labels).node, [2, 2, 0, 0, 0, 0, 1, 1, -1, -1, -1, -1])
    np.testing.assert_array_equal(project(graph, labels).known, [True] * 8 + [False] * 4)


def test_labels_that_say_nothing_or_do_not_fit_are_refused():
    graph = squares()
    with pytest.raises(UserError, match="which means unlabelled"):
        project(graph, np.full(graph.shape, UNLABELLED))
    with pytest.raises(UserError, match="make them equal"):
        project(graph, np.zeros((3, 3), int))
    with pytest.raises(UserError, match=r"a\.tif: the labels have the shape"):
        supervised(state_of(), np.zeros((3, 3), int), "a.tif")


def test_the_truth_earns_one_and_degenerate_partitions_little():
    state = state_of()
    truth = project(state.graph, discs()[1])
    nothing = np.zeros((1, state.graph.n_nodes))
    whole = partition_of_labels(state.graph, discs()[1])[None]
    np.testing.assert_allclose(truth_rewards(state.graph, whole, truth, nothing), 1)
    background_cut = np.where(truth.node == 0, np.arange(state.graph.n_nodes) + whole.size, whole[0])[None]
    cut = np.unique(background_cut, return_inverse=True)[1].reshape(1, -1).astype(np.int32)
    np.testing.assert_allclose(truth_rewards(state.graph, cut, truth, nothing), 1)
    inside = truth.node > 0
    merged = np.zeros((1, state.graph.n_nodes), np.int32)
    assert truth_rewards(state.graph, merged, truth, nothing)[0, inside].max() < 0.15
    split = np.arange(state.graph.n_nodes, dtype=np.int32)[None]
    assert truth_rewards(state.graph, split, truth, nothing)[0, inside].mean() < 0.3


@given(st.lists(st.integers(-1, 3), min_size=12, max_size=12), st.lists(st.integers(0, 3), min_size=12, max_size=12))
def test_agreement_is_intersection_over_union_of_what_is_labelled(true, found):
    graph, true, found = squares(), np.array(true, np.int32), np.unique(found, return_inverse=True)[1].astype(np.int32)
    if (true < 0).all():
        return
    rules_reward = np.linspace(0, 1, 12)[None]
    reward = truth_rewards(graph, found[None], Truth(true), rules_reward)[0]
    for node in range(12):
        mine = {i for i in range(12) if found[i] == found[node] and true[i] >= 0}
        other = {i for i in range(12) if true[i] == true[node]}
        if true[node] < 0:
            expected = rules_reward[0, node]
        elif true[node] == 0:
            expected = len(mine & other) / len(mine)
        else:
            expected = len(mine & other) / len(mine | other)
        assert reward[node] == pytest.approx(expected)


def test_labels_replace_the_rules_only_where_they_are():
    _, truth = discs()
    patch = truth.copy()
    patch[:, 32:] = UNLABELLED
    state = state_of()
    labelled = supervised(state, patch, "a")
    partition = np.zeros(state.graph.n_nodes, np.int32)
    by_rules, mixed = (evaluate_partition(one, partition, Scorer(nuclei())).node[0] for one in (state, labelled))
    assert labelled.truth is not None
    known = labelled.truth.known
    np.testing.assert_array_equal(by_rules[~known], mixed[~known])
    assert not np.allclose(by_rules[known], mixed[known])
    one, other = (fingerprint(TrainSettings(), nuclei(), [state], 0) for state in (state, labelled))
    assert one["labels"] != other["labels"]


def test_few_images_with_labels_are_drawn_as_often_as_asked():
    plain, labelled = state_of(), supervised(state_of(), discs()[1], "a")
    rng = np.random.default_rng(0)
    settings = TrainSettings(images_per_step=4, labelled_share=0.5)
    states = [plain] * 9 + [labelled] * 3
    for _ in range(20):
        drawn = _draw(states, settings, rng)
        assert len(set(drawn)) == 4
        assert sum(number >= 9 for number in drawn) == 2
    assert sorted(_draw([plain, labelled, labelled], settings, rng)) == [0, 1, 2]
    assert sorted(_draw([plain, plain, plain, labelled], settings, rng)) == [0, 1, 2, 3]
    half = TrainSettings(images_per_step=1, labelled_share=0.5)
    assert {_draw(states, half, rng)[0] >= 9 for _ in range(50)} == {True, False}


def test_training_follows_labels_where_rules_are_wrong():
    shape = (40, 60)
    pixels, truth = discs(shape, TWO, 9.0)
    quarters = blocks(truth, 8)
    alone = segcritic.train(pixels, HALVES, superpixels=quarters, steps=60)
    helped = segcritic.train([pixels], HALVES, labels=[truth], superpixels=[quarters], steps=60)
    state = state_of(TWO, shape, 9.0)
    node_truth = project(state.graph, truth).node
    agreement = []
    for model in (alone, helped):
        found = model.analyse(pixels, superpixels=quarters)
        edges = found.graph.edges[(node_truth[found.graph.edges] > 0).all(axis=1)]
        agreement.append((found.node_labels[edges[:, 0]] == found.node_labels[edges[:, 1]]).mean())
    assert agreement[1] > 0.95 > 0.5 > agreement[0]
    assert "1 of them with labels" in helped.card
    assert "without annotations" in alone.card


def test_a_mask_is_no_label_image():
    pixels, truth = discs(centres=FOUR)
    with pytest.raises(UserError, match="a mask, which does not tell objects apart"):
        segcritic.train(pixels, "nuclei", labels=(truth > 0) * 255, steps=1)


def test_the_verb_takes_labels_of_some_images(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate("ab"):
        pixels, truth = discs(centres=FOUR, seed=number)
        for folder, array in (("images", pixels), ("labels", truth.astype(np.uint16))):
            (tmp_path / folder).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", array)
    (tmp_path / "labels" / "a.tif").unlink()
    assert main(["train", "images", "--rules", "nuclei", "--labels", "labels", "--steps", "3", "--out", "m"]) == 0
    assert "2 images, 1 of them with labels" in segcritic.load("m").card
    (tmp_path / "labels" / "b.tif").rename(tmp_path / "labels" / "z.tif")
    capsys.readouterr()
    assert main(["train", "images", "--rules", "nuclei", "--labels", "labels", "--steps", "3", "--out", "n"]) == 2
    assert "images has no image for labels/z.tif" in capsys.readouterr().err
    assert not (tmp_path / "n").exists()
