"""How good is each mask of a method that predicts one object after the other? (figure 3 of the recurrent paper)"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from segcritic.metrics.overlap import Overlap


def dice_per_step(labels: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.float64]:
    """Dice coefficient of each step's mask with the true object that is matched to it.

    The first min(predicted, true) masks are matched one to one, so that the sum of their Dice is the greatest.

    Parameters
    ----------
    labels : (H, W) integers: 0 = background, t = the mask of step t, counted from 1; a number below the greatest one
        that no pixel bears is a mask of which nothing shows, and has Dice 0
    truth : (H, W) integers, 0 = background, every other value one object

    Returns
    -------
    (min(predicted, true),) Dice of steps 1, 2, ...

    Raises
    ------
    ValueError
        When the shapes differ or the arrays do not hold integers >= 0.

    Examples
    --------
    >>> import numpy as np
    >>> dice_per_step(np.array([[2, 2, 0, 1]]), np.array([[5, 5, 0, 7]]))
    array([1., 1.])
    """
    overlap = Overlap.of(labels, truth)
    numbers = np.unique(labels)
    numbers = numbers[numbers > 0].astype(np.int64)
    steps = min(int(numbers.max(initial=0)), overlap.n_truth)
    rows, columns, _ = overlap.pairs
    step = numbers[rows] - 1
    counted = step < steps
    dice = np.zeros((steps, overlap.n_truth))
    dice[step[counted], columns[counted]] = overlap.dice[counted]
    return dice[linear_sum_assignment(dice, maximize=True)]


def mean_dice_per_step(images: Sequence[NDArray[np.floating]]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Mean over the images that reach a step, and how many do.

    Parameters
    ----------
    images : of each image, what `dice_per_step` gives

    Returns
    -------
    (T,) mean Dice and (T,) number of images of steps 1..T, the longest image's
    """
    longest = max((len(dice) for dice in images), default=0)
    reached = [np.array([dice[t] for dice in images if len(dice) > t]) for t in range(longest)]
    return np.array([dice.mean() for dice in reached], np.float64), np.array([len(dice) for dice in reached], np.int64)
