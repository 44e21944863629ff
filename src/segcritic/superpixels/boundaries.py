"""Superpixels from the maps of a network: probability of outline and, if it tells, of object (paper, A.12, "UNET")."""

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from segcritic.errors import UserError
from segcritic.superpixels.level_sets import relief
from segcritic.superpixels.pieces import join_slivers, relabel_connected
from segcritic.superpixels.prior import Cues, Method, ObjectPrior, split_maps
from segcritic.superpixels.seeds import prominent_basins
from segcritic.superpixels.watershed import merge_across_weak

LEVEL = 0.4
"""Probability of object at which the outline runs: below one half, as intersection over union asks for."""

_SURE_OUTLINE = 0.5

_NECK = 0.05  # of the typical radius: how much narrower than both sides a neck must be to part two likely objects
_RADIUS_RANGE = (4.0, 40.0)  # pixels


def boundary_basins(
    image: NDArray[np.float32],
    boundaries: NDArray[np.float32] | None = None,
    sigma: float = 1.0,
    background_sigma: float = 4.0,
    min_size: int = 6,
    found: ObjectPrior | None = None,
) -> NDArray[np.int32]:
    """Watershed of a boundary map, seeded at its minima, with fewer seeds in the background.

    Parameters
    ----------
    image : (H, W) float32
        Only its shape is looked at.
    boundaries : (H, W) or (2, H, W) float32
        Probability in [0, 1] of outline and, as a second plane, of object. Superpixels then keep to one side of where
        the latter is `LEVEL`: that is where the outlines run.
    sigma : float
        Pixels; smoothing of the map before seeds are sought inside of objects.
    background_sigma : float
        Pixels; the same, outside of objects.
    min_size : int
        Pixels; smaller basins join the neighbour beyond the weakest boundary.
    found : ObjectPrior, optional
        Of the image: tells where objects are likely when there is no map of it.

    Raises
    ------
    UserError
        When there is no boundary map.
    """
    outline, inside = split_maps(boundaries)
    if outline is None:
        raise UserError("the rules cut superpixels from boundary maps; give them (--boundaries, or boundaries=...)")
    inside_likely = found.foreground if inside is None and found is not None else inside
    foreground = None if inside_likely is None else inside_likely > LEVEL
    cuts = None if inside is None else (inside > LEVEL).astype(np.int32)
    height = bic.filters.gaussian_smoothing(outline, sigma)
    if foreground is not None:
        height = np.where(foreground, height, bic.filters.gaussian_smoothing(outline, background_sigma))
    minima = ndi.minimum_filter(height, 3) == height
    markers, _ = ndi.label(minima, structure=np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    basins = bic.segmentation.watershed(height, markers.astype(np.int32))
    if cuts is not None:
        basins = basins.astype(np.int64) * 2 + cuts
    return merge_across_weak(relabel_connected(basins), height, None, min_size, cuts)


def relief_of_maps(outline: NDArray[np.float32], inside: NDArray[np.float32]) -> ObjectPrior:
    """What a network says, in the form in which `shells.relief` tells what the image says.

    Parameters
    ----------
    outline, inside : (H, W) float32
        Probability of outline and of object.

    Returns
    -------
    ObjectPrior
        Its height is the probability of object; its cores are parted by outlines and by necks; its floor is zero.
    """
    foreground = inside > LEVEL
    depth = np.asarray(bic.distance.distance_transform(foreground & (outline < _SURE_OUTLINE)), np.float32)
    depth = bic.filters.gaussian_smoothing(depth, 1.0)
    radius = _RADIUS_RANGE[0]
    for _ in range(2):  # touching objects are parted by the first round: measure again
        cores = prominent_basins(depth, _NECK * radius, foreground)
        radius = _typical_radius(cores) if cores.any() else radius
    return ObjectPrior(inside, cores, np.zeros_like(inside), radius)


def _typical_radius(labels: NDArray[np.int32]) -> float:
    """Radius in pixels of the disk as large as the object that holds the median pixel of all objects."""
    area = np.sort(np.bincount(labels.ravel())[1:])
    share = np.cumsum(area)
    return float(np.clip(np.sqrt(area[np.searchsorted(share, share[-1] / 2)] / np.pi), *_RADIUS_RANGE))


def cut_at_truth(superpixels: NDArray[np.integer], truth: NDArray[np.integer]) -> NDArray[np.int32]:
    """Superpixels cut along the true outlines ("GT"), so that the truth can be reached: for controlled studies only.

    Slivers between their own outlines and the true ones join what lies on the same side of the truth: otherwise two
    outlines a pixel apart would compete, and nothing but the truth could tell which to take.

    Parameters
    ----------
    superpixels, truth : (H, W) integer
        Truth labels, 0 = background.

    Returns
    -------
    (H, W) int32, 0..N-1, each 4-connected and inside of one object or of the background.
    """
    _, number = np.unique(truth, return_inverse=True)
    number = number.reshape(truth.shape)
    return join_slivers(relabel_connected(superpixels.astype(np.int64) * (int(number.max()) + 1) + number), number)


def _look(image: NDArray[np.float32], maps: NDArray[np.float32] | None, _polarity: int, _settings: dict) -> Cues:
    outline, inside = split_maps(maps)
    if outline is not None and inside is not None:
        return Cues(relief_of_maps(outline, inside), outline, LEVEL)
    return Cues(relief(image), outline)


def _cut(
    image: NDArray[np.float32],
    maps: NDArray[np.float32] | None,
    _polarity: int,
    _level: float,
    cues: Cues,
    settings: dict,
) -> NDArray[np.int32]:
    return boundary_basins(image, maps, found=cues.prior, **settings)


METHOD = Method(_look, _cut, ("sigma", "background_sigma", "min_size"), cuts_maps=True, follows_maps=True)
