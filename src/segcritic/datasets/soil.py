"""What a generated rosette grows on: soil with crumbs and moss, a round pot, the tray and the bench below it."""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating]  # float32 wherever it is large


class Tint(NamedTuple):
    """A colour and how far it strays (standard deviations).

    Attributes
    ----------
    mean : red, green and blue in [0, 1]
    brightness : of the three together, as a share
    hue : of each alone, in [0, 1]
    """

    mean: tuple[float, float, float]
    brightness: float
    hue: float


SOIL = Tint((0.25, 0.21, 0.17), 0.25, 0.01)
MOSS = Tint((0.42, 0.46, 0.08), 0.2, 0.05)
TRAY = Tint((0.74, 0.37, 0.24), 0.1, 0.05)
RIM = Tint((0.17, 0.17, 0.18), 0.3, 0.01)
BENCH = Tint((0.38, 0.39, 0.41), 0.3, 0.015)


def ground(
    rng: np.random.Generator, shape: tuple[int, int], moss: bool, pot: tuple[NDArray[np.float64], float] | None
) -> Floats:
    """Draw soil with crumbs, stones and, if asked for, moss.

    Parameters
    ----------
    shape : height and width, pixels
    pot : centre (row, column) and radius, in pixels, of the pot that holds the soil; None for soil everywhere

    Returns
    -------
    (H, W, 3) float32, positive
    """
    # two fields of noise, turned about, serve for all: drawing each anew would take most of an image's time
    fine, patches = noise(rng, shape, rng.uniform(0.5, 0.9)), noise(rng, shape, min(shape) / 10)
    bright = 1 + rng.uniform(0.08, 0.25) * fine + rng.uniform(0.05, 0.2) * patches
    state = tint(rng, SOIL) * bright[..., None]
    state[fine[::-1] > 2.8] = rng.uniform(0.35, 0.6) * np.array([1, 0.92, 0.8])  # stones
    if moss:
        speckles = fine[:, ::-1] + rng.uniform(0.5, 2) * patches[::-1]
        cover = np.clip(2 * (speckles - rng.uniform(0.5, 2)), 0, 1) * np.float32(rng.uniform(0.5, 1))
        _blend(state, cover, tint(rng, MOSS) * bright[..., None])
    if pot is not None:
        state = _pot(rng, state, *pot, fine, patches)
    return np.maximum(state, 0.02)


def _pot(
    rng: np.random.Generator, soil: Floats, centre: NDArray[np.float64], radius: float, fine: Floats, patches: Floats
) -> Floats:
    """Lay the soil into a round pot with a dark rim, on a tray with ridges, beside a strip of bench: (H, W, 3)."""
    height, width = fine.shape
    row, col = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)
    light = 1 + 0.04 * patches[:, ::-1] + 0.02 * fine[::-1, ::-1]
    for _ in range(int(rng.integers(0, 4))):
        slant, place, thick = rng.normal(0, 0.05), rng.uniform(0, max(fine.shape)), rng.uniform(1, 3) * width / 100
        across = row + slant * col if rng.random() < 0.5 else col + slant * row
        light = light * (1 + rng.uniform(-0.35, 0.25) * np.exp(-(((across - place) / thick) ** 2)))
    middle = centre + radius * rng.normal(0, 0.12, 2)
    distance = np.hypot((row - float(middle[0])) * rng.uniform(0.97, 1.1), col - float(middle[1]))
    rim = radius * rng.uniform(1.03, 1.09)
    shadow = 1 - rng.uniform(0.1, 0.5) * np.clip(1 - (distance - rim) / (0.12 * radius), 0, 1)
    tray = tint(rng, TRAY)
    if rng.random() < 0.2:  # a tray of any colour
        tray = (rng.uniform(0.1, 0.7) + rng.normal(0, 0.06, 3)).astype(np.float32)
    state = tray * (light * shadow)[..., None]
    if rng.random() < 0.4:
        edge, slant = rng.uniform(0.05, 0.2) * height, rng.normal(0, 0.03)
        stripe = np.clip(edge - row + slant * col, 0, 1)
        _blend(state, stripe, tint(rng, BENCH) * ((1 + 0.1 * fine) * shadow)[..., None])
    _blend(state, np.clip(rim - distance + 0.5, 0, 1), tint(rng, RIM))
    _blend(state, np.clip(radius - distance + 0.5, 0, 1), soil)
    return state


def _blend(state: Floats, cover: Floats, paint: Floats) -> None:
    """Lay `paint` (H, W, 3) or (3,) over the state in place, by the share `cover` (H, W)."""
    state += cover[..., None] * (paint - state)


def tint(rng: np.random.Generator, colour: Tint) -> Floats:
    """Draw a colour: (3,) red, green and blue."""
    drawn = np.array(colour.mean) * rng.normal(1, colour.brightness) + rng.normal(0, colour.hue, 3)
    return np.maximum(drawn, 0.03).astype(np.float32)


def noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Floats:
    """Gaussian noise, smoothed by a Gaussian of `sigma` pixels, of mean 0 and standard deviation 1: (H, W)."""
    from scipy.ndimage import gaussian_filter, zoom

    step = max(1, int(sigma / 1.5))  # smooth noise is made coarse and enlarged
    coarse = rng.standard_normal([side // step + 2 for side in shape], np.float32)
    coarse = gaussian_filter(coarse, sigma / step, truncate=3)
    coarse = (coarse - coarse.mean()) / (coarse.std() + np.float32(1e-6))
    enlarged = np.asarray(zoom(coarse, step, order=1)) if step > 1 else coarse
    return enlarged[: shape[0], : shape[1]]
