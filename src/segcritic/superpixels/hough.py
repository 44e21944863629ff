"""Likely circles of an image, by a Hough transform of its gradient directions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy import ndimage as ndi

from segcritic.superpixels.prior import ObjectPrior

_SIGMA = 1.0  # pixels, of the gradient
_LEAST_EVIDENCE = 0.15  # of a circle; random directions give 0, faint circles in strong texture 0.3
_DOUBT = 25.0  # pixels of outline; a circle of so short an outline has half the evidence
SURE = 0.7  # evidence that counts as the top of the relief
_PIXELS_PER_CIRCLE = 1000  # of the image, at least, for each circle that is returned
_STEP = 1.08  # ratio of successive radii
_LEAST_INSIDE = 0.3  # of a circle's outline must lie inside the image
_TWIN_DISTANCE = 0.3  # of the larger radius: circles that differ less (centre and radius together) are one
_NESTED_DISTANCE = 0.5  # of the smaller radius: circles of similar radius about nearly the same centre are one
_SIMILAR_RADIUS = 0.5
_OUTLINE_WIDTH = 1.2  # pixels to both sides: the pixels that an outline passes between
_NO_RADIUS = 10.0  # pixels, of the typical circle, in an image without any


@dataclass(frozen=True)
class Circles:
    """Likely circles, the best first; each an array (C,) float64, the first three in pixels."""

    row: NDArray[np.float64]
    col: NDArray[np.float64]
    radius: NDArray[np.float64]
    evidence: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.row)

    def cuts(self, shape: tuple[int, int]) -> NDArray[np.int32]:
        """Parts (H, W) int32 into which the outlines cut an image; 0 = outside of all circles."""
        part = np.zeros(shape, np.uint64)
        codes = np.random.default_rng(0).integers(1, 2**63, len(self), np.uint64)  # their xors tell all subsets apart
        for k, code in enumerate(codes):
            window, inside = self._inside(k, shape)
            part[window][inside] ^= code
        return np.unique(part, return_inverse=True)[1].reshape(shape).astype(np.int32)

    def relief(self, shape: tuple[int, int]) -> ObjectPrior:
        """The circles as likely objects: the evidence of the best circle around a pixel is its height."""
        height = np.zeros(shape, np.float32)
        cores = np.zeros(shape, np.int32)
        for k in range(len(self) - 1, -1, -1):
            window, inside = self._inside(k, shape)
            height[window][inside] = self.evidence[k] / SURE
            cores[window][inside] = k + 1
        radius = float(np.median(self.radius[: max(1, len(self) // 3)])) if len(self) else _NO_RADIUS
        return ObjectPrior(height, cores, np.zeros(shape, np.float32), radius)

    def outlines(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """A boundary map, (H, W) float32 in [0, 1]: on the outline of each circle its evidence, elsewhere 0."""
        drawn = np.zeros(shape, np.float32)
        row, col = np.ogrid[: shape[0], : shape[1]]
        for k in range(len(self) - 1, -1, -1):
            reach = self.radius[k] + _OUTLINE_WIDTH
            window = tuple(slice(max(int(c - reach), 0), int(c + reach) + 2) for c in (self.row[k], self.col[k]))
            distance = np.hypot(row[window[0]] - self.row[k], col[:, window[1]] - self.col[k])
            drawn[window][np.abs(distance - self.radius[k]) <= _OUTLINE_WIDTH] = self.evidence[k]
        return drawn

    def _inside(self, k: int, shape: tuple[int, int]) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
        """A window of the image that holds circle k, and which of its pixels lie in the circle."""
        y, x, radius = self.row[k], self.col[k], self.radius[k]
        rows = slice(max(int(y - radius), 0), min(int(y + radius) + 2, shape[0]))
        window = rows, slice(max(int(x - radius), 0), min(int(x + radius) + 2, shape[1]))
        row, col = np.ogrid[window]
        return window, (row - y) ** 2 + (col - x) ** 2 <= radius**2  # pyright: ignore[reportReturnType]


def likely_circles(image: NDArray[np.float32], radii: tuple[float, float] = (5.0, 40.0)) -> Circles:
    r"""Find circles along whose outline the gradient points to the centre, or away from it.

    The evidence for a circle is the mean over its outline of :math:`g_r^2 - g_t^2`, with the radial and the tangential
    part of the gradient :math:`g / (|g| + c)`, c the median of |g|: 1 for a strong edge all around, 0 for random
    directions. Squares, because an outline may be bright on one side here and on the other there; and as a linear
    function of the gradient's products it is a convolution with a ring, for all centres at once. A short outline is
    easily aligned by chance: the mean is taken with 25 px of no evidence added to the outline.

    Parameters
    ----------
    image : (H, W) float32
    radii : (low, high)
        Pixels; radii to look for.
    """
    low, high = float(radii[0]), float(min(radii[1], 0.5 * max(image.shape)))
    steps = max(2, int(np.ceil(np.log(max(high / low, 1.01)) / np.log(_STEP))))
    tried = np.concatenate([[low / _STEP], np.geomspace(low, max(high, low), steps + 1), [high * _STEP]])
    rings = _Rings(image, tried[-1])
    before, here = rings.alignment(tried[0]), rings.alignment(tried[1])
    found = []
    for k in range(1, len(tried) - 1):
        outline = 2 * np.pi * tried[k]
        trust = outline / (outline + _DOUBT)
        after = rings.alignment(tried[k + 1])
        peak = (here == ndi.maximum_filter(here, 5)) & (here >= before) & (here >= after)
        peak &= trust * here > _LEAST_EVIDENCE
        for y, x in np.argwhere(peak).tolist():
            shift = _vertex(before[y, x], here[y, x], after[y, x])
            neighbour = tried[k + 1] if shift > 0 else tried[k - 1]
            row, col = y, x
            if 0 < y < image.shape[0] - 1 and 0 < x < image.shape[1] - 1:
                row = y + _vertex(here[y - 1, x], here[y, x], here[y + 1, x])
                col = x + _vertex(here[y, x - 1], here[y, x], here[y, x + 1])
            found.append((row, col, tried[k] + abs(shift) * (neighbour - tried[k]), trust * here[y, x]))
        before, here = here, after
    return _best(np.array(found, np.float64).reshape(-1, 4), max(1, round(image.size / _PIXELS_PER_CIRCLE)))


def _vertex(left: float, middle: float, right: float) -> float:
    """Where the parabola through three equally spaced values has its top, in steps from the middle."""
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


class _Rings:
    """Convolutions of an image's gradient directions with rings of any radius up to `largest`."""

    def __init__(self, image: NDArray[np.float32], largest: float):
        self.shape = image.shape
        self.pad = int(np.ceil(largest)) + 2
        image = np.asarray(image, np.float32)
        down, right = (ndi.gaussian_filter(image, _SIGMA, order=order) for order in ((1, 0), (0, 1)))  # pyright: ignore
        strength = np.hypot(down, right)
        scale = strength + max(float(np.median(strength)), 1e-6)
        down, right = down / scale, right / scale
        self.size = [fft.next_fast_len(side + 2 * self.pad, True) for side in image.shape]
        maps = (right * right - down * down, 2 * right * down, np.ones(image.shape, np.float32))
        self.maps = [np.asarray(fft.rfft2(m, self.size)) for m in maps]
        self.row, self.col = np.mgrid[-self.pad : self.pad + 1, -self.pad : self.pad + 1].astype(np.float32)
        self.distance = np.hypot(self.row, self.col)

    def alignment(self, radius: float) -> NDArray[np.float32]:
        """Mean alignment along the circle of this radius about every pixel, (H, W)."""
        ring = np.maximum(0, 1 - np.abs(self.distance - radius))
        ring /= ring.sum()
        distance2 = np.maximum(self.distance**2, 1e-6)
        double = (self.col**2 - self.row**2) / distance2, 2 * self.col * self.row / distance2  # cos, sin of 2 theta
        kernels = ring * double[0], ring * double[1], ring
        one, other, ones = (np.conj(np.asarray(fft.rfft2(kernel, self.size))) for kernel in kernels)
        height, width = self.shape

        def centred(spectrum: NDArray) -> NDArray[np.float32]:
            return np.roll(np.asarray(fft.irfft2(spectrum, self.size)), (self.pad, self.pad), (0, 1))[:height, :width]

        inside = centred(self.maps[2] * ones)
        aligned = centred(self.maps[0] * one + self.maps[1] * other)
        return np.where(inside > _LEAST_INSIDE, aligned / np.maximum(inside, _LEAST_INSIDE), 0)


def _best(found: NDArray[np.float64], most: int) -> Circles:
    """The circles of most evidence, (row, col, radius, evidence) each, without those that repeat a better one."""
    kept = np.empty((0, 4))
    for circle in found[np.argsort(-found[:, 3], kind="stable")]:
        if len(kept) == most:
            break
        distance = np.hypot(kept[:, 0] - circle[0], kept[:, 1] - circle[1])
        change = np.abs(kept[:, 2] - circle[2])
        smaller, larger = np.minimum(kept[:, 2], circle[2]), np.maximum(kept[:, 2], circle[2])
        twin = distance + change < _TWIN_DISTANCE * larger
        nested = (distance < _NESTED_DISTANCE * smaller) & (change < _SIMILAR_RADIUS * larger)
        if not (twin | nested).any():
            kept = np.concatenate([kept, circle[None]])
    return Circles(*kept.T)
