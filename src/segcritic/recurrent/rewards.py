"""Masks and truth -> scores, matchings, potentials and rewards (eq. 4 and 5)."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from segcritic.recurrent.settings import Measure


def soft_scores(masks: Tensor, truth: Tensor, measure: Measure) -> Tensor:
    """Soft Dice or soft IoU of every mask with every true mask, as one product.

    Parameters
    ----------
    masks : (e, t, h, w) float in [0, 1]
    truth : (e, n, h, w) float in [0, 1]
    measure : "dice" or "iou"

    Returns
    -------
    (e, t, n) float32 in [0, 1]; two empty masks score 0
    """
    masks, truth = masks.flatten(2).float(), truth.flatten(2).float()
    both = masks @ truth.transpose(1, 2)
    total = masks.sum(2)[:, :, None] + truth.sum(2)[:, None]
    if measure == "dice":
        return 2 * both / total.clamp(min=1e-6)
    return both / (total - both).clamp(min=1e-6)


def match(scores: NDArray[np.floating], available: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Best matching of masks to true masks (Kuhn-Munkres).

    Parameters
    ----------
    scores : (t, n) float
    available : (n,) bool
        True masks that may be matched.

    Returns
    -------
    (t,) int64
        Index of the true mask of each mask, -1 without one.
    """
    found = np.full(len(scores), -1, np.int64)
    columns = np.flatnonzero(available)
    rows, chosen = linear_sum_assignment(scores[:, columns], maximize=True)
    found[rows] = columns[chosen]
    return found


def prefix_matches(scores: NDArray[np.floating], available: NDArray[np.bool_]) -> tuple[NDArray, NDArray]:
    """Potential of each prefix of a sequence of masks, and the mask that each step's own one is matched to in it.

    Parameters
    ----------
    scores : (t, n) float
    available : (n,) bool

    Returns
    -------
    potential : (t + 1,) float64
        phi of the first 0..t masks, eq. 4. It never falls, scores being at least 0.
    matched : (t,) int64
        The true mask of step i in the best matching of the first i + 1 masks, -1 without one.
    """
    potential = np.zeros(len(scores) + 1)
    matched = np.full(len(scores), -1, np.int64)
    for step in range(len(scores)):
        found = match(scores[: step + 1], available)
        rows = np.flatnonzero(found >= 0)
        potential[step + 1] = scores[rows, found[rows]].sum()
        matched[step] = found[step]
    return potential, matched


def returns(rewards: Tensor, discount: float) -> Tensor:
    """Discounted sums of the rewards from each step on: (e, t) -> (e, t), R_t = r_t + gamma R_(t+1).

    (The published release's factors fall as .9, .81, .656, .43 by mistake.)
    """
    total = torch.zeros_like(rewards[:, 0])
    sums = []
    for step in range(rewards.shape[1] - 1, -1, -1):
        total = rewards[:, step] + discount * total
        sums.append(total)
    return torch.stack(sums[::-1], 1)
