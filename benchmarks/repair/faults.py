"""True labels with the faults that segmentation networks typically make, for the repair benchmark."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi


def with_faults(truth: NDArray[np.int32], seed: int, rate: float = 0.13) -> NDArray[np.int32]:
    """Spoil true labels: of every kind, about `rate` of the objects that can have that fault.

    Merges of neighbours up to 2 pixels apart, splits by a straight cut through the middle across the long axis (turned
    by up to 30 degrees), missed objects, false ellipses in the background of a third to the whole of the median area,
    outlines shrunk or grown by one pixel. No object gets two faults.

    Parameters
    ----------
    truth : (H, W) int32, 0 = background
    seed : the same seed gives the same faults
    rate : of each kind
    """
    rng = np.random.default_rng(seed)
    labels = truth.astype(np.int32).copy()
    ids = np.unique(labels[labels > 0])
    if not len(ids):
        return labels
    areas = np.bincount(labels.ravel())[ids]
    spoilt: set[int] = set()

    for a, b in rng.permutation(_neighbours(labels)):
        if a not in spoilt and b not in spoilt and rng.random() < rate:
            bridge = ndi.binary_closing(np.isin(labels, (a, b)), np.ones((3, 3)), iterations=2)
            labels[np.isin(labels, (a, b)) | (bridge & (labels == 0))] = a
            spoilt |= {int(a), int(b)}
    number = int(labels.max())
    for label in rng.permutation(ids):
        if label in spoilt or rng.random() > 4 * rate:
            continue
        kind = rng.choice(("split", "miss", "grow", "shrink"), p=(0.25, 0.25, 0.25, 0.25))
        mask = labels == label
        spoilt.add(int(label))
        if kind == "split":
            number += 1
            labels[mask & _half(mask, rng)] = number
        elif kind == "miss":
            labels[mask] = 0
        else:
            kept = np.asarray(ndi.binary_erosion(mask, border_value=1), bool)
            around = np.asarray(ndi.binary_dilation(mask), bool) & (labels == 0)
            labels[around if kind == "grow" else mask & ~kept] = label if kind == "grow" else 0
    for _ in range(rng.binomial(len(ids), rate)):
        number += 1
        _paint_blob(labels, number, float(np.median(areas)), rng)
    return labels


def _neighbours(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Pairs of objects at most 2 pixels apart, (P, 2)."""
    grown = ndi.grey_dilation(labels, size=(3, 3))
    pairs = set()
    for shift in ((0, 1), (1, 0), (0, 2), (2, 0)):
        one, other = grown[shift[0] :, shift[1] :], labels[: labels.shape[0] - shift[0], : labels.shape[1] - shift[1]]
        touching = (one != other) & (one > 0) & (other > 0)
        pairs |= {tuple(sorted(pair)) for pair in zip(one[touching].tolist(), other[touching].tolist(), strict=True)}
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def _half(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """One side of a cut through the middle, about across the long axis."""
    row, column = np.nonzero(mask)
    points = np.stack([row - row.mean(), column - column.mean()])
    axis = np.linalg.eigh(np.cov(points) + 1e-6 * np.eye(2))[1][:, 1]
    turn = np.radians(rng.uniform(-30, 30))
    axis = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ axis
    side = np.zeros(mask.shape, bool)
    side[row, column] = axis @ points > 0
    return side


def _paint_blob(labels: NDArray[np.int32], number: int, area: float, rng: np.random.Generator) -> None:
    """Paint a false ellipse, if there is room."""
    height, width = labels.shape
    wanted = area * rng.uniform(1 / 3, 1)
    ratio = rng.uniform(0.6, 1)
    major = np.sqrt(wanted / (np.pi * ratio))
    rows, columns = np.indices(labels.shape)
    for _ in range(30):
        row, column, angle = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0, np.pi)
        y, x = rows - row, columns - column
        along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
        inside = (along / major) ** 2 + (across / (ratio * major)) ** 2 <= 1
        if inside.sum() > 0.7 * wanted and not labels[inside].any():
            labels[inside] = number
            return
