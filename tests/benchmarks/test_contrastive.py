"""The contrastive peer: its loss, its clustering, and that it learns."""

import functools

import numpy as np
import pytest
import torch

from benchmarks.baselines.contrastive import (
    CHANNELS,
    PULL_LIMIT,
    PUSH_LIMIT,
    SHRINKING,
    SPACING,
    ContrastiveNet,
    contrastive_clusters,
    discriminative_loss,
    loss,
    mean_shift,
    positions,
    train_contrastive,
)
from discs import discs
from segcritic.boundary_net import BoundaryNet, BoundaryTraining
from segcritic.boundary_net.network import MapNet
from segcritic.boundary_net.train import crop_pair
from segcritic.errors import UserError
from segcritic.metrics import evaluate

TINY = BoundaryTraining(widths=(8, 16), steps=80, batch=2, crop=48, ema=0.8)
TOUCHING = ((20, 18), (20, 40), (46, 30))


@functools.cache
def trained():
    """A network, and its mean loss after each step."""
    losses = []
    net = train_contrastive(*pairs(), TINY, on_step=lambda step, steps, loss: losses.append(loss))
    return net, losses


def pairs():
    drawn = [discs(centres=TOUCHING, seed=seed) for seed in range(2)]
    return [pixels for pixels, _ in drawn], [truth for _, truth in drawn]


def by_hand(embeddings, labels):
    """The publication's three terms, pixel by pixel and pair by pair."""
    numbers = [number for number in np.unique(labels) if number]
    points = {number: [embeddings[:, r, c] for r, c in np.argwhere(labels == number)] for number in numbers}
    means = {number: np.mean(points[number], 0) for number in numbers}
    pull = push = shrink = 0.0
    for i in numbers:
        far = [max(float(np.linalg.norm(means[i] - x)) - PULL_LIMIT, 0) ** 2 for x in points[i]]
        pull += sum(far) / len(far) / len(numbers)
        shrink += float(np.linalg.norm(means[i])) / len(numbers)
        for j in numbers:
            if i != j:
                gap = max(2 * PUSH_LIMIT - float(np.linalg.norm(means[i] - means[j])), 0)
                push += gap**2 / (len(numbers) * (len(numbers) - 1))
    return pull, push, SHRINKING * shrink


def test_the_loss_is_the_publications():
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 3, 4, 900], (9, 11))
    embeddings = rng.normal(0, 1, (3, 9, 11))
    terms = by_hand(embeddings, labels)
    assert min(terms) > 1e-4
    found = discriminative_loss(torch.tensor(embeddings, dtype=torch.float32), torch.tensor(labels))
    assert found.item() == pytest.approx(sum(terms), rel=1e-5)


def test_embeddings_apart_cost_nothing_but_their_distance_from_the_origin():
    labels = torch.tensor(discs()[1])
    places = 2 * PUSH_LIMIT * torch.eye(5, CHANNELS)
    embeddings = places[labels.long()].permute(2, 0, 1)
    assert discriminative_loss(embeddings, labels).item() == pytest.approx(SHRINKING * 2 * PUSH_LIMIT, rel=1e-5)
    assert discriminative_loss(0.5 * embeddings, labels).item() > 0.1


@pytest.mark.parametrize("side", [0, 1, 3])
def test_no_object_or_one_can_be_learned_from(side):
    labels = torch.zeros(1, 1, 6, 6)
    labels[..., :side, :side] = 5
    outputs = torch.zeros(1, 1 + CHANNELS, 6, 6, requires_grad=True)
    value = loss(outputs, labels)
    value.backward()
    assert value.item() == pytest.approx(np.log(2), abs=SHRINKING)
    assert outputs.grad is not None
    assert torch.isfinite(outputs.grad).all()


def test_embeddings_know_where_their_pixel_is():
    """Like objects in like surroundings: only the place tells them apart."""
    row = np.zeros((16, 90), np.int32)
    row[4:12, 4:12], row[4:12, 74:82] = 1, 2
    embeddings = positions(*row.shape)
    assert embeddings.shape == (CHANNELS, *row.shape)
    near, far = (embeddings[:, row == number].mean(1) for number in (1, 2))
    assert torch.linalg.vector_norm(near - far).item() == pytest.approx(70 / SPACING)
    without = MapNet.maps(net := ContrastiveNet.new((4, 8)), row)
    np.testing.assert_allclose(net.maps(row)[1:] - without[1:], embeddings.numpy(), atol=1e-5)
    np.testing.assert_array_equal(net.maps(row)[0], without[0])


def test_a_mean_shift_finds_the_heaps():
    rng = np.random.default_rng(0)
    places = np.array([[0, 0], [3, 0], [0, 3]])
    points = np.concatenate([place + rng.normal(0, 0.3, (50, 2)) for place in places] + [[[9, 9]]])
    centres = mean_shift(points[rng.permutation(len(points))], 1.5, 5)
    assert len(centres) == 3
    for place in places:
        assert np.linalg.norm(centres - place, axis=1).min() < 0.2
    np.testing.assert_allclose(mean_shift(points, 1.5, 1000), points.mean(0)[None])


def test_clusters_part_what_touches_and_pieces_what_does_not():
    truth = np.zeros((40, 60), np.int32)
    truth[5:35, 5:20], truth[5:35, 20:40] = 1, 2
    truth[5:35, 45:55] = 3
    places = 2 * PUSH_LIMIT * np.eye(4, CHANNELS)
    places[3] = places[1]  # far away, so this may be
    maps = np.concatenate([(truth > 0)[None], places[truth].transpose(2, 0, 1)]).astype(np.float32)
    maps[1:] += np.random.default_rng(0).normal(0, 0.1, maps[1:].shape)
    maps[1:, 12:15, 10:13] = 9  # strays: too few for an object
    labels = contrastive_clusters(maps)
    assert labels.dtype == np.int32
    assert evaluate(labels, truth)["mAP"] == 1
    np.testing.assert_array_equal(labels > 0, truth > 0)
    assert contrastive_clusters(maps, bandwidth=99).max() == 2
    assert contrastive_clusters(maps, min_area=400).max() == 2
    assert not contrastive_clusters(0 * maps).any()


def test_crops_of_labels_hold_no_number_that_is_none():
    pixels, truth = discs()
    crop = crop_pair(
        np.stack([pixels, pixels]), 7 * truth[None].astype(np.float32), TINY, np.random.default_rng(0), "nearest-exact"
    )
    assert crop.shape == (3, 48, 48)
    assert set(np.unique(crop[2])) <= {0, 7, 14, 21, 28}


def test_a_short_training_lowers_the_loss_and_tells_objects_from_ground():
    net, losses = trained()
    assert losses[-1] < 0.5 * losses[0]
    pixels, truth = discs(centres=TOUCHING, seed=5)
    found = net.maps(pixels)
    assert found.shape == (1 + CHANNELS, *pixels.shape)
    assert found[0][truth > 0].mean() > found[0][truth == 0].mean() + 0.2


def test_the_same_seed_gives_the_same_labels():
    short = BoundaryTraining(widths=(4, 8), steps=6, batch=2, crop=32)
    maps = [train_contrastive(*pairs(), short, seed=seed).maps(pairs()[0][0]) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(maps[0], maps[1])
    np.testing.assert_array_equal(contrastive_clusters(maps[0]), contrastive_clusters(maps[1]))
    assert np.abs(maps[0] - maps[2]).max() > 1e-3


def test_a_network_is_a_folder_that_others_do_not_take_for_theirs(tmp_path):
    net = ContrastiveNet.new((4, 8))
    net.save(tmp_path / "net")
    pixels = pairs()[0][0]
    np.testing.assert_array_equal(ContrastiveNet.read(tmp_path / "net").maps(pixels), net.maps(pixels))
    with pytest.raises(UserError, match="is no boundary network"):
        BoundaryNet.read(tmp_path / "net")
    BoundaryNet.new((4, 8)).save(tmp_path / "other")
    with pytest.raises(UserError, match="no contrastive network"):
        net.save(tmp_path / "other")


def test_bad_pairs_are_refused():
    with pytest.raises(UserError, match="0 images and 0 label images"):
        train_contrastive([], [])
