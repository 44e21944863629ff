import numpy as np
import pytest
import torch

from segcritic.recurrent.settings import RecurrentSettings
from segcritic.recurrent.views import (
    Example,
    Frame,
    around,
    back_to_image,
    draw_batch,
    look,
    masks_of,
    to_tensor,
    whole,
)


def squares(height=60, width=90):
    labels = np.zeros((height, width), np.uint16)
    labels[10:30, 20:44] = 3
    labels[30:50, 40:70] = 7
    pixels = np.repeat((labels > 0)[..., None], 3, 2).astype(np.float32)
    return pixels, labels


def test_an_example_numbers_its_objects_densely():
    assert Example.of(*squares()).n_objects == 2
    full = np.ones((8, 8), int)
    assert Example.of(np.zeros((8, 8, 3), np.float32), full).n_objects == 1  # no background at all


def test_a_whole_view_holds_the_image_in_its_proportions():
    frame = whole((60, 90), (64, 64))
    view = look(to_tensor(squares()[0]), frame, (64, 64))
    assert view.shape == (3, 64, 64)
    lit = (view[0] > 0.5).numpy()
    rows, columns = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
    assert np.ptp(rows) + 1 == pytest.approx(40 / frame.pixels, abs=1.5)
    assert np.ptp(columns) + 1 == pytest.approx(50 / frame.pixels, abs=1.5)


def test_a_box_shows_all_the_foreground_as_large_as_it_fits():
    _, labels = squares()
    frame = around(labels > 0, (64, 64))
    masks = masks_of(torch.from_numpy(labels.astype(np.int16)), frame, (64, 64))
    assert masks.shape == (2, 32, 32)
    assert masks.sum().item() * (2 * frame.pixels) ** 2 == pytest.approx((labels > 0).sum(), rel=0.05)
    assert masks.sum(0)[[0, -1]].sum() == 0
    assert masks.sum(0)[:, [0, -1]].sum() == 0
    assert around(np.zeros((5, 5), bool), (64, 64)) is None


def test_turning_and_mirroring_move_image_and_truth_alike():
    pixels, labels = squares()
    for turn, mirrored in ((0.0, True), (1.0, False), (2.5, True)):
        frame = Frame((30, 45), 1.6, turn, mirrored)
        view = look(to_tensor(pixels), frame, (64, 64))
        masks = masks_of(torch.from_numpy(labels.astype(np.int16)), frame, (64, 64))
        shrunk = torch.nn.functional.avg_pool2d(view[:1], 2)[0]
        assert (shrunk - masks.sum(0)).abs().mean() < 0.03
    straight = masks_of(torch.from_numpy(labels.astype(np.int16)), Frame((30, 45), 1.6), (64, 64))
    mirrored = masks_of(torch.from_numpy(labels.astype(np.int16)), Frame((30, 45), 1.6, 0.0, True), (64, 64))
    torch.testing.assert_close(mirrored, straight.flip(-1))


def test_masks_come_back_to_where_they_were_in_the_image():
    _, labels = squares()
    for frame in (whole(labels.shape, (64, 96)), around(labels > 0, (64, 96))):
        masks = masks_of(torch.from_numpy(labels.astype(np.int16)), frame, (64, 96))
        found = back_to_image((masks - 0.5) * 20, frame, labels.shape) > 0
        for mask, value in zip(found.numpy(), (3, 7), strict=True):
            truth = labels == value
            assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.95


def test_rows_of_the_image_are_the_same_alone():
    _, labels = squares()
    frame = around(labels > 0, (64, 96))
    logits = masks_of(torch.from_numpy(labels.astype(np.int16)), frame, (64, 96)) - 0.5
    everything = back_to_image(logits, frame, labels.shape)
    torch.testing.assert_close(back_to_image(logits, frame, labels.shape, slice(7, 19)), everything[:, 7:19])


def test_what_lies_outside_the_view_belongs_to_no_mask():
    found = back_to_image(torch.full((1, 4, 4), 5.0), Frame((4.0, 4.0), 1.0), (40, 40))
    assert (found[0, 1:7, 1:7] > 0).all()
    assert (found[0, 10:] < 0).all()
    assert (found[0, :, 10:] < 0).all()


def test_batches_are_of_one_size_whatever_the_images():
    examples = [Example.of(*squares()), Example.of(*squares(50, 71))]
    settings = RecurrentSettings(height=64, width=96, batch=5)
    batch = draw_batch(examples, settings, np.random.default_rng(0))
    assert batch.views.shape == (5, 3, 64, 96)
    assert batch.masks.shape[0] == 5
    assert batch.masks.shape[2:] == (32, 48)
    assert batch.views.min() >= 0
    assert batch.views.max() <= 1
    for masks, n in zip(batch.masks, batch.n_objects, strict=True):
        assert (masks[:n].sum((1, 2)) > 0).all()
        assert (masks[n:] == 0).all()
    again = draw_batch(examples, settings, np.random.default_rng(0))
    assert torch.equal(batch.views, again.views)
    assert torch.equal(batch.masks, again.masks)


def test_upright_images_stay_upright():
    """A bright upper half stays above, however often it is drawn; otherwise it is turned."""
    pixels = np.zeros((64, 64, 3), np.float32)
    pixels[:32] = 1
    example = Example.of(pixels, (pixels[..., 0] > 0).astype(int))
    for upright in (True, False):
        settings = RecurrentSettings(height=64, width=64, batch=20, zoom=False, upright=upright)
        views = draw_batch([example], settings, np.random.default_rng(0)).views.mean(1)
        above = views[:, :20].mean((1, 2)) > views[:, -20:].mean((1, 2)) + 0.2
        assert bool(above.all()) == upright
