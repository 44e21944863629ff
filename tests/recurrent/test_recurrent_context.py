import numpy as np
import pytest
import torch

from segcritic.recurrent.context import angle_bins, context_loss, context_maps


def formula(row, column, center_row, center_column):
    """Bin of one pixel, as the published release computes it: v = (y - cy, x - cx), y down."""
    turn = np.arctan2(row - center_row, column - center_column)
    return int(np.floor((turn + np.pi / 8 + np.pi) * 8 / (2 * np.pi))) % 8


def disk(height=21, width=25, row=10, column=12, radius=8):
    rows, columns = np.mgrid[:height, :width]
    return (rows - row) ** 2 + (columns - column) ** 2 <= radius**2


def test_the_release_s_table():
    bins = angle_bins(torch.tensor(disk()[None]).float())
    assert [bins[10, 5], bins[3, 12], bins[10, 19], bins[17, 12]] == [0, 2, 4, 6]  # left, up, right, down
    assert [bins[5, 7], bins[5, 17], bins[15, 17], bins[15, 7]] == [1, 3, 5, 7]
    assert (bins[~torch.tensor(disk())] == -1).all()


def test_every_pixel_by_the_formula_about_its_own_centroid():
    masks = np.stack([disk(), disk(row=4, column=22, radius=3)])
    masks[0] &= ~masks[1]
    bins = angle_bins(torch.tensor(masks).float()).numpy()
    for mask in masks:
        rows, columns = np.nonzero(mask)
        for row, column in zip(rows, columns, strict=True):
            turn = np.arctan2(row - rows.mean(), column - columns.mean()) * 8 / (2 * np.pi) + 4.5
            if abs(turn - round(turn)) > 1e-4:  # not on the line between two bins
                assert bins[row, column] == formula(row, column, rows.mean(), columns.mean())


def test_batches_are_images_one_by_one():
    masks = torch.stack([torch.tensor(disk(radius=r))[None].float() for r in (3, 6)])
    both = angle_bins(masks)
    for k in range(2):
        assert torch.equal(both[k], angle_bins(masks[k]))


def test_a_right_guess_costs_nothing_and_background_has_no_angle():
    masks = torch.tensor(disk()[None, None]).float()
    logits = torch.zeros(1, 9, 21, 25)
    logits[:, 0] = torch.where(masks[:, 0] > 0, 30.0, -30.0)
    bins = angle_bins(masks)
    logits[:, 1:].scatter_(1, bins.clamp(min=0)[:, None], 30.0)
    assert context_loss(logits, masks).item() == pytest.approx(0, abs=1e-5)
    changed = logits.clone()
    changed[:, 1:, 0, 0] = torch.randn(8)  # a pixel of background
    assert context_loss(changed, masks).item() == pytest.approx(0, abs=1e-5)
    changed[:, 1:, 10, 5] = 0
    assert context_loss(changed, masks).item() > 1e-3


def test_maps_are_probabilities():
    maps = context_maps(torch.randn(2, 9, 4, 5))
    torch.testing.assert_close(maps[:, 1:].sum(1), maps[:, 0])


def test_no_objects_is_a_finite_loss():
    assert torch.isfinite(context_loss(torch.randn(1, 9, 8, 8), torch.zeros(1, 1, 8, 8)))
