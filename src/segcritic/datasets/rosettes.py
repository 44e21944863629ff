"""Generated top views of rosette plants (such as Arabidopsis) on soil, as a leaf counting camera sees them.

Leaves stand about the centre at the golden angle, the oldest outside and below, the youngest in the middle and on top.
What a leaf shows that is not covered is one object, its stalk included, even where a younger leaf cuts it in two.
Soil, moss, the pot and the tray are no objects, though moss is as green as a leaf.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segcritic.datasets.folder import write_folder
from segcritic.datasets.soil import Floats, Tint, ground, noise, tint
from segcritic.errors import UserError

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
LEAF = Tint((0.42, 0.62, 0.14), 0.1, 0.025)
STALK = Tint((0.50, 0.62, 0.30), 0.1, 0.025)


@dataclass(frozen=True)
class RosetteSettings:
    """What the images look like. Lengths in shares of the image's shorter side unless pixels are said.

    Attributes
    ----------
    shape : height and width of an image, pixels
    count : least and greatest number of leaves that grow; those that hardly show are left out
    reach : least and greatest distance from the plant's centre to the tip of its longest leaf
    least : fewest visible pixels of a leaf
    pot : share of the images that show a round pot on a tray; the others show soil alone
    moss : share of the images with moss on the soil
    noise : greatest standard deviation of the camera's noise, in units of the full range 0..1
    blur : greatest sigma, in pixels, of the Gaussian that smooths the scene before the noise
    """

    shape: tuple[int, int] = (128, 128)
    count: tuple[int, int] = (3, 20)
    reach: tuple[float, float] = (0.25, 0.5)
    least: int = 5
    pot: float = 0.6
    moss: float = 0.4
    noise: float = 0.03
    blur: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings that cannot be drawn."""
        if min(self.shape) < 16:
            raise UserError(f"rosettes need a shape of at least 16 x 16, not {self.shape[0]} x {self.shape[1]}")
        if not 1 <= self.count[0] <= self.count[1]:
            raise UserError(f"rosettes: count must be a range from 1 upward, not {self.count[0]} to {self.count[1]}")
        if not 0 < self.reach[0] <= self.reach[1] <= 1:
            raise UserError(f"rosettes: reach must be a range within 0 to 1, not {self.reach[0]} to {self.reach[1]}")
        for name in ("pot", "moss"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"rosettes: {name} must lie between 0 and 1, but is {getattr(self, name)}")
        for name in ("least", "noise", "blur"):
            if getattr(self, name) < 0:
                raise UserError(f"rosettes: {name} must not be negative, but is {getattr(self, name)}")


def rosettes(
    n: int, size: int | tuple[int, int] = 128, seed: int = 0, **settings: Any
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
    """Generate `n` images and their true labels one after the other; `settings` are those of `RosetteSettings`.

    Image k depends on `size`, `seed`, k and the settings alone: `rosettes(5)` starts with `rosettes(3)`.

    Parameters
    ----------
    size : side of a square image, or height and width, in pixels

    Returns
    -------
    Iterator of pairs: the image, (H, W, 3) float32 in [0, 1], and its labels, (H, W) int32, 0 = ground
    and 1..n = leaves, oldest first
    """
    checked = RosetteSettings(shape=(size, size) if isinstance(size, int) else size, **settings)
    return (draw(seed, k, checked) for k in range(n))


def draw(seed: int, index: int, settings: RosetteSettings) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw image number `index` of a seed: (H, W, 3) float32 in [0, 1] and (H, W) int32."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng([seed, index])
    side = min(settings.shape)
    reach = side * rng.uniform(*settings.reach)
    # a plant of full reach stands in the middle, so that its tips are not cut off
    slack = np.clip(np.array(settings.shape) / 2 - 0.9 * reach, 0, 0.15 * side)
    centre = (np.array(settings.shape) - 1) / 2 + rng.uniform(-1, 1, 2) * slack
    leaves = list(_grow(rng, settings, centre, reach))
    labels = _paint(leaves, settings.shape)
    shown = np.bincount(labels.ravel(), minlength=len(leaves) + 1)[1:]
    # a leaf that is left out bares more of those below it, never less
    leaves = [leaf for leaf, area in zip(leaves, shown, strict=True) if area >= max(settings.least, 1)]
    labels = _paint(leaves, settings.shape)

    texture = noise(rng, settings.shape, side / 40)
    moss, potted = rng.random() < settings.moss, rng.random() < settings.pot
    pot = (centre + reach * rng.normal(0, 0.12, 2), max(reach * rng.uniform(0.9, 1.4), 0.3 * side)) if potted else None
    scene = ground(rng, settings.shape, moss, pot)
    green, stalk = tint(rng, LEAF), tint(rng, STALK)
    light = rng.uniform(0, 2 * np.pi)
    offset = np.round(reach * rng.uniform(0.02, 0.08) * np.array([np.sin(light), np.cos(light)])).astype(int)
    for leaf in leaves:
        leaf.shade(scene, offset, strength=rng.uniform(0.2, 0.5))
        leaf.colour(rng, scene, green, stalk, texture)

    row, col = (np.linspace(-0.5, 0.5, n, dtype=np.float32) for n in settings.shape)
    slope = math.sin(light) * row[:, None] + math.cos(light) * col
    balance = (rng.uniform(0.85, 1.12) * rng.normal(1, 0.04, 3)).astype(np.float32)
    scene *= (1 - rng.uniform(0, 0.25) * slope)[..., None] * balance
    sigma = rng.uniform(0.3, 1) * settings.blur
    scene = gaussian_filter(scene, (sigma, sigma, 0), truncate=3)
    scene += rng.uniform(0.2, 1) * settings.noise * rng.standard_normal(scene.shape, np.float32)
    return np.clip(scene, 0, 1).astype(np.float32, copy=False), labels


def write(folder: str | os.PathLike[str], n: int, seed: int = 0, **settings: Any) -> tuple[Path, Path]:
    """Write `n` generated images as folder/images/rosette_000.tif (8 bit RGB) and their labels under folder/labels.

    Returns
    -------
    The two folders

    Raises
    ------
    UserError
        When a folder holds other files already, which would mix two data sets, or cannot be written.
    """
    checked = RosetteSettings(**settings)
    return write_folder(folder, [f"rosette_{k:03d}.tif" for k in range(n)], lambda k: draw(seed, k, checked))


@dataclass(frozen=True, eq=False)
class _Leaf:
    """A leaf in a box of the image, in coordinates of its own: `along` its axis, 0 at the base and 1 at the tip.

    Attributes
    ----------
    box : rows and columns of the image
    along, across : (h, w) coordinates of the pixels, in units of the leaf's length
    breadth : (h, w) half the leaf's breadth at `along`, in the same unit
    depth : (h, w) distance to the outline in pixels, negative outside
    length : pixels
    stalk : where the blade begins, of `along`
    age : 0 for the youngest to 1 for the oldest
    """

    box: tuple[slice, slice]
    along: Floats
    across: Floats
    breadth: Floats
    depth: Floats
    length: float
    stalk: float
    age: float

    def shade(self, scene: Floats, offset: NDArray[np.int_], strength: float) -> None:
        """Darken what lies below, soft-edged and moved by `offset` pixels."""
        softness = 1 + 0.05 * self.length
        shadow = strength * np.clip((self.depth + softness) / (2 * softness), 0, 1)
        into, out_of = zip(
            *(_shifted(place, int(d), side) for place, d, side in zip(self.box, offset, scene.shape[:2], strict=True)),
            strict=True,
        )
        scene[into] *= 1 - shadow[out_of][..., None]

    def colour(self, rng: np.random.Generator, scene: Floats, green: Floats, stalk: Floats, texture: Floats) -> None:
        """Lay the leaf over the scene: blade, veins, fold along the midrib, gloss, and the paler stalk."""
        at = np.nonzero(self.depth > -0.5)
        along, across = self.along[at], self.across[at]
        sideways = across / np.maximum(self.breadth[at], 0.02)
        spread = rng.uniform(size=7).tolist()
        shade = 1 + rng.normal(0, 0.08) * np.tanh(3 * sideways) - 0.12 * spread[0] * np.minimum(sideways**2, 1)
        shade += (0.02 + 0.06 * spread[1]) * texture[self.box][at]
        veins = 0.04 * spread[2] * np.cos(2 * np.pi * (5 + 4 * spread[3]) * (along - 0.8 * np.abs(across)))
        midrib = 0.2 * spread[4] * np.exp(-((across * self.length / max(0.8, 0.012 * self.length)) ** 2))
        shade += (veins + midrib) * (along > self.stalk)
        spot, width = rng.uniform([self.stalk, -0.1], [1, 0.1]).tolist(), 0.08 + 0.12 * spread[5]
        gloss = np.exp(-((along - spot[0]) ** 2 + (across - spot[1]) ** 2) / (2 * width**2))
        hue = green * rng.normal(1, 0.09) + (1 - self.age) * rng.uniform(0, [0.09, 0.09, 0.045])
        hue = hue.astype(np.float32)
        blade = np.clip((along - self.stalk) / 0.15 + 0.7, 0, 1)[:, None]
        paint = (stalk + (hue - stalk) * blade) * shade[:, None] + 0.14 * spread[6] * gloss[:, None]
        cover = np.clip(self.depth[at] + 0.5, 0, 1)[:, None]
        below = scene[self.box]
        below[at] += cover * (paint - below[at])


class _Outline(NamedTuple):
    """The form of a leaf, in units of its length, base to tip: where the stalk ends, and the blade about its axis.

    Attributes
    ----------
    stalk : where the blade begins
    breadth : half the greatest breadth of the blade
    taper : how far the blade is drawn out towards the stalk; 1 is an ellipse
    thick : half the breadth of the stalk
    bend : how far the tip lies sideways
    teeth, waves, phase : height, number and phase of the waves of the margin
    """

    stalk: float
    breadth: float
    taper: float
    thick: float
    bend: float
    teeth: float
    waves: float
    phase: float


def _grow(
    rng: np.random.Generator, settings: RosetteSettings, centre: NDArray[np.float64], reach: float
) -> Iterator[_Leaf]:
    """Grow the leaves of one plant, oldest first."""
    n = int(rng.integers(settings.count[0], settings.count[1] + 1))
    turn = rng.uniform(0, 2 * np.pi) + rng.choice([-1, 1]) * GOLDEN_ANGLE * np.arange(n)
    turn += rng.normal(0, rng.uniform(0.1, 0.4), n)
    age = np.linspace(1, 0, n) if n > 1 else np.ones(1)
    length = (rng.uniform(0.12, 0.3) + age ** rng.uniform(0.4, 1.1) - rng.uniform(0, 0.4) * age**2) * rng.uniform(
        0.8, 1.1, n
    )
    length[: int(rng.integers(0, 3))] *= rng.uniform(0.4, 0.8)  # seed leaves are the oldest, but stay small
    length *= reach / length.max()
    # each plant has leaves of a kind, each leaf strays from it
    stalk = np.clip((rng.uniform(0.25, 0.6) + rng.normal(0, 0.06, n)) * (0.3 + 0.7 * age**0.5), 0.05, 0.7)
    aspect = np.clip(rng.uniform(0.5, 0.9) + rng.normal(0, 0.07, n), 0.4, 1.0)
    taper = np.clip(rng.uniform(1.0, 1.7) + rng.normal(0, 0.1, n), 0.9, 2.0)
    thick = np.maximum(reach * rng.uniform(0.018, 0.035) * (0.5 + 0.5 * age), 0.6)
    teeth, waves = rng.uniform(0, 0.06), rng.uniform(3, 7)
    bend = rng.normal(0, 0.12, n)
    base = centre + reach * rng.normal(0, 0.02, (n, 2))
    for k in range(n):
        form = stalk[k], (1 - stalk[k]) * aspect[k] / 2, taper[k], thick[k] / length[k], bend[k]
        margin = teeth, waves, rng.uniform(0, 2 * np.pi)
        outline = _Outline(*map(float, (*form, *margin)))
        yield _leaf(settings.shape, base[k], float(turn[k]), float(length[k]), outline, float(age[k]))


def _leaf(
    shape: tuple[int, int], base: NDArray[np.float64], turn: float, length: float, form: _Outline, age: float
) -> _Leaf:
    """Outline one leaf from its `base` (row, column) in the direction `turn`: an egg-shaped blade on a stalk."""
    down, right = math.sin(turn), math.cos(turn)
    tip = base + length * np.array([down, right])
    margin = length * (form.breadth + abs(form.bend) + form.thick) + 2
    low = np.clip(np.floor(np.minimum(base, tip) - margin), 0, shape).astype(int)
    high = np.clip(np.ceil(np.maximum(base, tip) + margin), 0, shape).astype(int)
    box = slice(low[0], high[0]), slice(low[1], high[1])
    row, col = (
        (np.arange(a, b) - start).astype(np.float32) / length for a, b, start in zip(low, high, base, strict=True)
    )
    along = down * row[:, None] + right * col
    across = right * row[:, None] - down * col - form.bend * along**2
    blade = np.clip((along - form.stalk) / (1 - form.stalk), 0, 1)
    # an ellipse whose ends are at 0 and 1; a power above 1 draws out the end at the stalk
    ellipse = np.sqrt(np.maximum(1 - (2 * blade**form.taper - 1) ** 2, 0))
    outline = form.breadth * ellipse * (1 + form.teeth * np.sin(2 * math.pi * form.waves * blade + form.phase))
    on_stalk = along < form.stalk + 0.3 * (1 - form.stalk)
    outline = np.maximum(outline, np.where(on_stalk, np.float32(form.thick), 0))
    depth = length * np.minimum(outline - np.abs(across), np.minimum(1 - along, along + form.thick))
    return _Leaf(box, along, across, outline, depth, length, form.stalk, age)


def _paint(leaves: list[_Leaf], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Label what each leaf shows: later leaves cover earlier ones."""
    labels = np.zeros(shape, np.int32)
    for k, leaf in enumerate(leaves, 1):
        labels[leaf.box][leaf.depth > 0] = k
    return labels


def _shifted(place: slice, offset: int, side: int) -> tuple[slice, slice]:
    """Move a slice of an axis of length `side`: the moved slice, and which part of the old one lands there."""
    low, high = max(place.start + offset, 0), min(place.stop + offset, side)
    high = max(low, high)
    start = low - offset - place.start
    return slice(low, high), slice(start, start + high - low)
