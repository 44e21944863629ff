"""Generated images of circles on structured ground, after section 4.1 and figure 4 of the stateless paper.

Ground and circles are both made of waves, over the same range of brightness: no threshold separates them (Otsu fails),
and edges run through the inside of objects. What tells a circle apart is its outline and its shape.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segcritic.datasets.folder import write_folder
from segcritic.errors import UserError

# Tries to place one circle or polygon where there is room, before it is given up.
PLACEMENT_TRIES = 200


@dataclass(frozen=True)
class CircleSettings:
    """What the images look like. Lengths in pixels, brightness in units of the full range 0..1.

    Attributes
    ----------
    shape : height and width of an image
    count : least and greatest number of circles; fewer where there is no room
    radius : least and greatest radius
    gap : least distance between the outlines of two circles, and from the image's border; negative lets them be cut
    contrast : least difference between a circle's mean brightness and that of the ground it covers
    bright : share of the circles that are brighter than the ground they cover; the others are darker
    texture : amplitude of the waves inside circles
    ground : amplitude of the waves of the ground
    noise : standard deviation of the camera's noise
    blur : sigma of the Gaussian that smooths the state before the noise
    polygons : number of three- to five-cornered distractors with a texture like the circles'; they are no objects
    """

    shape: tuple[int, int] = (256, 256)
    count: tuple[int, int] = (5, 20)
    radius: tuple[float, float] = (10.0, 22.0)
    gap: float = 3.0
    contrast: float = 0.18
    bright: float = 0.9
    texture: float = 0.08
    ground: float = 0.1
    noise: float = 0.02
    blur: float = 1.0
    polygons: int = 0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be drawn."""
        if min(self.shape) < 8:
            raise UserError(f"circles need a shape of at least 8 x 8 pixels, not {self.shape[0]} x {self.shape[1]}")
        for name, (low, high), least in (("count", self.count, 0), ("radius", self.radius, 1)):
            if not least <= low <= high:
                raise UserError(f"circles: {name} must be a range from {least} upward, not {low} to {high}")
        if not 0 <= self.bright <= 1:
            raise UserError(f"circles: bright must lie between 0 and 1, but is {self.bright}")
        for name in ("contrast", "texture", "ground", "noise", "blur", "polygons"):
            if getattr(self, name) < 0:
                raise UserError(f"circles: {name} must not be negative, but is {getattr(self, name)}")


def circles(n: int, seed: int = 0, **settings: Any) -> list[tuple[NDArray[np.float32], NDArray[np.int32]]]:
    """Generate `n` images and their true labels; `settings` are the fields of `CircleSettings`.

    Image k depends on `seed`, k and the settings alone: `circles(5, seed)` starts with `circles(3, seed)`.

    Returns
    -------
    n pairs of the image, (H, W) float32 in [0, 1], and its labels, (H, W) int32 with 0 = ground
    """
    checked = CircleSettings(**settings)
    return [draw(seed, k, checked) for k in range(n)]


def draw(seed: int, index: int, settings: CircleSettings) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw image number `index` of a seed: (H, W) float32 in [0, 1] and (H, W) int32."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng([seed, index])
    height, width = settings.shape
    row, col = np.mgrid[:height, :width].astype(np.float64)
    ground = _waves(rng, row, col, n=3, lengths=(50.0, 140.0)) * settings.ground
    ground += _waves(rng, row, col, n=2, lengths=(14.0, 30.0)) * settings.ground / 3
    state = 0.5 + ground
    labels = np.zeros(settings.shape, np.int32)

    taken: list[tuple[float, float, float]] = []
    wanted = int(rng.integers(settings.count[0], settings.count[1] + 1))
    for _ in range(wanted):
        place = _place(rng, settings, taken)
        if place is None:
            continue
        taken.append(place)
        inside = (row - place[0]) ** 2 + (col - place[1]) ** 2 <= place[2] ** 2
        labels[inside] = len(taken)
        state[inside] = _texture(rng, row, col, inside, ground, settings)
    for _ in range(settings.polygons):
        place = _place(rng, settings, taken)
        if place is None:
            continue
        taken.append(place)
        inside = _polygon(rng, row, col, *place)
        state[inside] = _texture(rng, row, col, inside, ground, settings)

    state = gaussian_filter(state, settings.blur) + rng.normal(0.0, settings.noise, settings.shape)
    return np.clip(state, 0, 1).astype(np.float32), labels


def write(folder: str | os.PathLike[str], n: int, seed: int = 0, **settings: Any) -> tuple[Path, Path]:
    """Write `n` generated images as folder/images/circles_000.tif (8 bit) and their labels under folder/labels.

    Returns
    -------
    The two folders

    Raises
    ------
    UserError
        When a folder holds other files already, which would mix two data sets, or cannot be written.
    """
    checked = CircleSettings(**settings)
    return write_folder(folder, [f"circles_{k:03d}.tif" for k in range(n)], lambda k: draw(seed, k, checked))


def _waves(
    rng: np.random.Generator,
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    n: int,
    lengths: tuple[float, float],
) -> NDArray[np.float64]:
    """Interference of `n` sine waves of random length (px), plane or about a random centre: (H, W), about -1..1."""
    total = np.zeros(row.shape)
    for _ in range(n):
        frequency = 2 * np.pi / rng.uniform(*lengths)
        phase = rng.uniform(0, 2 * np.pi)
        if rng.random() < 0.5:
            angle = rng.uniform(0, 2 * np.pi)
            distance = np.cos(angle) * row + np.sin(angle) * col
        else:
            centre = rng.uniform(-0.5, 1.5, 2) * row.shape
            distance = np.hypot(row - centre[0], col - centre[1])
        total += np.sin(frequency * distance + phase)
    return total / np.sqrt(n)


def _place(
    rng: np.random.Generator, settings: CircleSettings, taken: list[tuple[float, float, float]]
) -> tuple[float, float, float] | None:
    """Find room for a circle: row, column and radius; None when there is none."""
    radius = float(rng.uniform(*settings.radius))
    margin = radius + settings.gap if settings.gap >= 0 else 0.0
    if 2 * margin >= min(settings.shape):
        return None
    for _ in range(PLACEMENT_TRIES):
        row, col = (float(rng.uniform(margin, side - 1 - margin)) for side in settings.shape)
        if all(np.hypot(row - r, col - c) >= radius + other + settings.gap for r, c, other in taken):
            return row, col, radius
    return None


def _texture(
    rng: np.random.Generator,
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    inside: NDArray[np.bool_],
    ground: NDArray[np.float64],
    settings: CircleSettings,
) -> NDArray[np.float64]:
    """Brightness of an object's own pixels: waves about a mean that differs from the ground it covers."""
    here = 0.5 + float(ground[inside].mean())
    offset = rng.uniform(settings.contrast, 1.5 * settings.contrast)
    if rng.random() >= settings.bright:
        offset = -offset
    return here + offset + _waves(rng, row[inside], col[inside], n=2, lengths=(9.0, 24.0)) * settings.texture


def _polygon(
    rng: np.random.Generator, row: NDArray[np.float64], col: NDArray[np.float64], y: float, x: float, radius: float
) -> NDArray[np.bool_]:
    """Convex polygon of three to five corners on a circle: (H, W) bool."""
    corners = int(rng.integers(3, 6))
    angles = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.25, 0.25, corners)) / corners + rng.uniform(0, 2 * np.pi)
    tops, lefts = y + radius * np.sin(angles), x + radius * np.cos(angles)
    inside = np.ones(row.shape, bool)
    for k in range(corners):
        after = (k + 1) % corners
        # on the inner side of each edge, corners running from column to row
        inside &= (lefts[after] - lefts[k]) * (row - tops[k]) - (tops[after] - tops[k]) * (col - lefts[k]) >= 0
    return inside
