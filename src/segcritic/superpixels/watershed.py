"""Superpixels as basins of a height map: the image's gradient, or a boundary map from any network."""

from collections.abc import Sequence
from typing import Any

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from segcritic.superpixels.hough import Circles, likely_circles
from segcritic.superpixels.level_sets import relief
from segcritic.superpixels.lines import Lines, line_relief, line_strength
from segcritic.superpixels.pieces import relabel_connected
from segcritic.superpixels.prior import Cues, Method, split_maps

_ACROSS = 1e6  # cost of a merge across a likely circle's outline: after all others


def watershed(
    image: NDArray[np.float32],
    boundaries: NDArray[np.float32] | None = None,
    sigma: float = 1.0,
    min_size: int = 12,
    n_superpixels: int | None = None,
    mean_size: float | None = None,
    circles: Sequence[float] | None = None,
    lines: Lines | None = None,
    found: Circles | None = None,
) -> NDArray[np.int32]:
    """Watershed seeded at the minima of the height map (paper, A.12, "RAW" and "UNET").

    Parameters
    ----------
    image : (H, W) float32
    boundaries : (H, W) float32, optional
        Boundary probability in [0, 1]; the Gaussian gradient of the image when not given.
    sigma : float
        Pixels; scale of the gradient, or smoothing of the boundary map before seeds are sought.
    min_size : int
        Pixels; smaller basins join the neighbour beyond the weakest boundary.
    n_superpixels : int, optional
        Merge on across the weakest boundaries until this many are left.
    mean_size : float, optional
        Pixels; the same, by the superpixels' mean area.
    circles : (low, high), optional
        Pixels; cut the basins along likely circles with radii in this range as well: where the outline of a round
        object fades, the gradient alone loses it.
    lines : {"bright", "dark"}, optional
        Outlines are lines of their own, such as membranes: without `boundaries`, flood their strength, of which `sigma`
        is the scale, instead of the gradient, which is highest on both sides of a line.
    found : Circles, optional
        The image's likely circles, if they are known already.
    """
    image = np.ascontiguousarray(image, np.float32)
    if boundaries is None and lines is not None:
        height = line_strength(image, lines, sigma)
    elif boundaries is None:
        height = bic.filters.gaussian_gradient_magnitude(image, sigma)
    else:
        height = bic.filters.gaussian_smoothing(np.ascontiguousarray(boundaries, np.float32), sigma)
    minima = ndi.minimum_filter(height, 3) == height
    markers, _ = ndi.label(minima, structure=np.ones((3, 3)))  # pyright: ignore[reportGeneralTypeIssues]
    basins = bic.segmentation.watershed(height, markers.astype(np.int32))
    cuts = None
    if circles is not None:
        found = found or likely_circles(image, (circles[0], circles[1]))
        cuts = found.cuts(image.shape)
        basins = basins.astype(np.int64) * (int(cuts.max()) + 1) + cuts
    if mean_size is not None:
        n_superpixels = max(2, round(image.size / mean_size))
    return merge_across_weak(relabel_connected(basins), height, n_superpixels, min_size, cuts)


def merge_across_weak(
    pieces: NDArray[np.int32],
    height: NDArray[np.float32],
    n_target: int | None = None,
    min_size: int = 12,
    cuts: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """Merge neighbouring pieces, weak boundaries between small pieces first, until `n_target` are left.

    The cost of a merge is h^2 ab / (a + b), with the mean height h on the boundary and the areas a and b: Ward's, with
    the height in the place of the difference of the means. In rounds, each of which merges the cheaper half of the
    pairs that are each other's best.

    Parameters
    ----------
    pieces : (H, W) int32
        Over-segmentation, values 0..N-1.
    height : (H, W) float32
        Strength of the boundary at every pixel.
    n_target : int, optional
        Number of superpixels wanted; by default only small pieces are merged.
    min_size : int
        Pixels; smaller pieces are merged even below `n_target`.
    cuts : (H, W) int32, optional
        Parts of the image; only small pieces are merged across them, and only if there is no other way.

    Returns
    -------
    (H, W) int32, values 0..M-1, each superpixel 4-connected if the pieces were.
    """
    number = np.arange(int(pieces.max()) + 1)  # of each piece's superpixel
    size = np.bincount(pieces.ravel()).astype(np.float64)
    part = np.zeros(len(number), np.int64)
    if cuts is not None:
        part[pieces.ravel()] = cuts.ravel()
    one = np.concatenate([pieces[1:].ravel(), pieces[:, 1:].ravel()])
    other = np.concatenate([pieces[:-1].ravel(), pieces[:, :-1].ravel()])
    total = np.concatenate([(height[1:] + height[:-1]).ravel(), (height[:, 1:] + height[:, :-1]).ravel()])
    total = 0.5 * total.astype(np.float64)
    length = np.ones(len(total))
    while True:
        # Join the boundaries between the same two superpixels.
        low, high = np.minimum(one, other).astype(np.int64), np.maximum(one, other).astype(np.int64)
        kept = low != high
        keys, pair = np.unique(low[kept] * len(size) + high[kept], return_inverse=True)
        if not len(keys):
            break
        total, length = np.bincount(pair, total[kept]), np.bincount(pair, length[kept])
        one, other = np.divmod(keys, len(size))

        small = np.minimum(size[one], size[other]) < min_size
        across = part[one] != part[other]
        excess = len(size) - n_target if n_target is not None and not small.any() else 0
        cost = (total / length) ** 2 * size[one] * size[other] / (size[one] + size[other]) + _ACROSS * across
        allowed = np.flatnonzero(small | ~across & (excess > 0))
        order = allowed[np.argsort(cost[allowed], kind="stable")]
        rank = np.full(len(cost), len(cost))
        rank[order] = np.arange(len(order))
        first = np.full(len(size), len(cost))
        np.minimum.at(first, one[order], rank[order])
        np.minimum.at(first, other[order], rank[order])
        mutual = order[(first[one[order]] == rank[order]) & (first[other[order]] == rank[order])]
        if not len(mutual):
            break
        chosen = mutual[: max(1, min(len(mutual) // 2, excess if excess > 0 else len(mutual)))]
        part[one[chosen]] = np.where(size[one[chosen]] >= size[other[chosen]], part[one[chosen]], part[other[chosen]])
        size[one[chosen]] += size[other[chosen]]
        joined = np.arange(len(size))
        joined[other[chosen]] = one[chosen]
        left, joined = np.unique(joined, return_inverse=True)
        size, part = size[left], part[left]
        number, one, other = joined[number], joined[one], joined[other]
    return number.astype(np.int32)[pieces]


def _look(
    image: NDArray[np.float32], maps: NDArray[np.float32] | None, polarity: int, settings: dict[str, Any]
) -> Cues:
    boundaries, lines = split_maps(maps)[0], _lines_seen(settings, polarity)
    if lines and boundaries is None:
        boundaries = line_strength(image, lines, settings.get("sigma", 1.0))
    if settings.get("circles"):
        # Likely circles serve as the likely objects, and unless a boundary map is given, their outlines as one.
        circles = likely_circles(image, settings["circles"])
        boundaries = circles.outlines(image.shape) if boundaries is None else boundaries
        return Cues(circles.relief(image.shape), boundaries, kept=circles)
    if lines and boundaries is not None and not polarity:
        return Cues(line_relief(image, boundaries), boundaries)  # objects lie between lines, bright or dark
    return Cues(relief(image), boundaries)


def _cut(
    image: NDArray[np.float32],
    maps: NDArray[np.float32] | None,
    polarity: int,
    _level: float,
    cues: Cues,
    settings: dict[str, Any],
) -> NDArray[np.int32]:
    told: dict[str, Any] = {**settings, "lines": _lines_seen(settings, polarity), "found": cues.kept}
    return watershed(image, split_maps(maps)[0], **told)


def _lines_seen(settings: dict[str, Any], polarity: int) -> Lines | None:
    """How lines look in the image at hand, which is inverted where rules say that objects are dark."""
    lines = settings.get("lines")
    if lines is None or polarity >= 0:
        return lines
    return "dark" if lines == "bright" else "bright"


METHOD = Method(_look, _cut, ("sigma", "min_size", "n_superpixels", "mean_size", "circles", "lines"), cuts_maps=True)
