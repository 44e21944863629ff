"""Superpixels by the mutex watershed (Wolf et al. 2020) of affinities derived from the image."""

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray

from segcritic.superpixels.level_sets import relief
from segcritic.superpixels.merge import merge_pieces
from segcritic.superpixels.pieces import relabel_connected
from segcritic.superpixels.prior import Cues, Method, split_maps

_OFFSETS = [(-1, 0), (0, -1), (-3, 0), (0, -3), (-6, 0), (0, -6)]
_N_ATTRACTIVE = 2


def mutex(
    image: NDArray[np.float32],
    sigma: float = 1.0,
    repulsion: float = 1.3,
    min_size: int = 12,
    n_superpixels: int | None = None,
) -> NDArray[np.int32]:
    """Mutex watershed: neighbours attract where the image is alike, pixels 3 and 6 apart repel where it differs.

    Parameters
    ----------
    image : (H, W) float32
    sigma : float
        Pixels; smoothing before differences are taken.
    repulsion : float
        Weight of the long-range repulsion against the attraction; higher = more superpixels.
    min_size : int
        Pixels; smaller pieces join the neighbour of most similar intensity.
    n_superpixels : int, optional
        Merge on, by intensity, until this many are left.
    """
    smoothed = bic.filters.gaussian_smoothing(np.ascontiguousarray(image, np.float32), sigma)
    scale = max(float(np.percentile(smoothed, 98) - np.percentile(smoothed, 2)), 1e-6)
    affinities = np.zeros((len(_OFFSETS), *image.shape), np.float32)
    for k, (dy, dx) in enumerate(_OFFSETS):
        here, there = smoothed[-dy or None :, -dx or None :], smoothed[: dy or None, : dx or None]
        affinities[k, -dy or None :, -dx or None :] = np.minimum(np.abs(here - there) / scale, 1)
    affinities[:_N_ATTRACTIVE] = 1 - affinities[:_N_ATTRACTIVE]
    affinities[_N_ATTRACTIVE:] *= repulsion
    pieces = relabel_connected(bic.segmentation.mutex_watershed(affinities, _OFFSETS, _N_ATTRACTIVE).astype(np.int64))
    return relabel_connected(merge_pieces(pieces, image, n_superpixels or int(pieces.max()) + 1, min_size))


def _look(image: NDArray[np.float32], maps: NDArray[np.float32] | None, _polarity: int, _settings: dict) -> Cues:
    return Cues(relief(image), split_maps(maps)[0])


def _cut(
    image: NDArray[np.float32],
    _maps: NDArray[np.float32] | None,
    _polarity: int,
    _level: float,
    _cues: Cues,
    settings: dict,
) -> NDArray[np.int32]:
    return mutex(image, **settings)


METHOD = Method(_look, _cut, ("sigma", "repulsion", "min_size", "n_superpixels"))
