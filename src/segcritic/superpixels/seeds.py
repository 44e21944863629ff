"""Likely objects as the peaks of a height map that are parted by deep enough passes."""

import bioimage_cpp as bic
import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage as ndi


def local_maxima(image: NDArray, distance: float, mask: NDArray) -> NDArray[np.int32]:
    """Markers, (H, W) int32: the pixels of `mask` that are the highest within `distance` pixels, numbered from 1."""
    size = 2 * max(1, int(distance)) + 1
    peaks = (ndi.maximum_filter(image, size) == image) & mask
    markers, _ = ndi.label(peaks, structure=np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    return markers.astype(np.int32)


def watershed(height: NDArray, markers: NDArray[np.int32], mask: NDArray | None = None) -> NDArray[np.int32]:
    """Basins of the markers, (H, W) int32; 0 outside of `mask`."""
    return bic.segmentation.watershed(np.ascontiguousarray(height, np.float32), markers, mask=mask)


@njit(cache=True)
def passes(basins, height):
    """All pixel pairs between two basins as rows (basin, basin), with the height of the lower pixel of each."""
    rows, cols = basins.shape
    pairs = np.empty((2 * rows * cols, 2), np.int32)
    heights = np.empty(2 * rows * cols, np.float32)
    n = 0
    for row in range(rows):
        for col in range(cols):
            here = basins[row, col]
            if here == 0:
                continue
            for down in range(2):
                row2, col2 = row + down, col + 1 - down
                if row2 >= rows or col2 >= cols:
                    continue
                there = basins[row2, col2]
                if there > 0 and there != here:
                    pairs[n, 0] = here
                    pairs[n, 1] = there
                    heights[n] = min(height[row, col], height[row2, col2])
                    n += 1
    return pairs[:n], heights[:n]


@njit(cache=True)
def _join(pairs, heights, order, peak, prominence):
    parent = np.arange(len(peak))
    for k in order:
        a, b = pairs[k]
        while parent[a] != a:
            a = parent[a]
        while parent[b] != b:
            b = parent[b]
        if a != b:
            if peak[a] < peak[b]:
                a, b = b, a
            if peak[b] - heights[k] < prominence:
                parent[b] = a
    for i in range(len(parent)):
        root = i
        while parent[root] != root:
            root = parent[root]
        parent[i] = root
    return parent


def prominent_basins(height: NDArray, prominence: float, mask: NDArray) -> NDArray[np.int32]:
    """Basins of the peaks of a height map that rise by `prominence` above the highest pass to a higher peak.

    The same as a watershed seeded at the h-maxima, at a fraction of the time of a morphological reconstruction: basins
    of all maxima, joined across their passes, the highest pass first.

    Parameters
    ----------
    height : (H, W) float32
    prominence : float
    mask : (H, W) bool
        Where basins may be.

    Returns
    -------
    (H, W) int32, 1..n, 0 outside of the mask.
    """
    height = np.ascontiguousarray(height, np.float32)
    basins = watershed(-height, local_maxima(height, 1, mask), mask)
    n = int(basins.max()) + 1
    peak = np.zeros(n, np.float32)
    np.maximum.at(peak, basins.ravel(), height.ravel())
    pairs, heights = passes(basins, height)
    parent = _join(pairs, heights, np.argsort(-heights, kind="stable"), peak, prominence)
    return np.unique(parent, return_inverse=True)[1].astype(np.int32)[basins]
