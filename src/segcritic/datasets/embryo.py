"""Embryos in cross-section: a ring of long cells around the yolk, generated, or read from the data of the paper.

The generated ones look like an early fly embryo with stained membranes (section 4.3 and figure 5 of the stateless
paper): bright membranes, dark cells, membranes that fade towards the middle, inner ends that are open in places, yolk
with droplets inside of the ring, and dark liquid outside.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from segcritic.datasets.folder import Pairs, write_folder
from segcritic.errors import UserError
from segcritic.io.images import Image

Floats = NDArray[np.float64]

PAGE = "https://zenodo.org/record/4899944"
"""Light-sheet images of Bhide et al. 2020, as Hilt et al. used them; the terms are those that the page names."""

IMAGE, LABELS = "raw", "gt"
"""Datasets of an HDF5 file with one image, as the published code of the paper reads them."""

_OUTLINE_WAVES = 4  # harmonics of the embryo's outline


@dataclass(frozen=True)
class EmbryoSettings:
    """What the images look like. Shares are between 0 and 1, brightness in units of the full range 0..1.

    Attributes
    ----------
    shape : height and width of an image, pixels
    cells : least and greatest number of cells in the ring
    radius : least and greatest radius of the embryo, as a share of half the image's shorter side
    length : least and greatest length of a cell, as a share of the embryo's radius
    bend : greatest sideways shift of a cell's inner end, in cell widths
    uneven : standard deviation of the cells' widths, as a share of their mean
    off_centre : greatest distance of the embryo from the image's middle, as a share of the room there is
    fade : least and greatest share of its brightness that a membrane loses from the outer to the inner end
    open : share of the cells without a membrane at the inner end
    gaps : depth of the random gaps along membranes
    membrane : standard deviation of a membrane's profile, pixels
    haze : brightness of the light from above and below the plane of focus
    yolk : least and greatest mean brightness of the yolk
    noise : standard deviation of the camera's noise at full brightness
    """

    shape: tuple[int, int] = (192, 192)
    cells: tuple[int, int] = (26, 34)
    radius: tuple[float, float] = (0.82, 0.94)
    length: tuple[float, float] = (0.36, 0.46)
    bend: float = 0.7
    uneven: float = 0.12
    off_centre: float = 0.8
    fade: tuple[float, float] = (0.4, 0.75)
    open: float = 0.3
    gaps: float = 0.5
    membrane: float = 1.1
    haze: float = 0.16
    yolk: tuple[float, float] = (0.14, 0.3)
    noise: float = 0.06

    def __post_init__(self) -> None:
        """Refuse settings that cannot be drawn."""
        if min(self.shape) < 48:
            raise UserError(f"embryos need a shape of at least 48 x 48 pixels, not {self.shape[0]} x {self.shape[1]}")
        if not 3 <= self.cells[0] <= self.cells[1]:
            raise UserError(f"embryos: cells must be a range from 3 upward, not {self.cells[0]} to {self.cells[1]}")
        for name in ("radius", "length", "fade", "yolk"):
            low, high = getattr(self, name)
            if not 0 < low <= high < 1:
                raise UserError(f"embryos: {name} must be a range within 0 to 1, not {low} to {high}")
        for name in ("off_centre", "open", "gaps", "haze"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"embryos: {name} must lie between 0 and 1, but is {getattr(self, name)}")
        for name in ("bend", "uneven", "noise"):
            if getattr(self, name) < 0:
                raise UserError(f"embryos: {name} must not be negative, but is {getattr(self, name)}")
        if self.membrane <= 0:
            raise UserError(f"embryos: membrane must be above 0, but is {self.membrane}")


def embryos(n: int, seed: int = 0, **settings: Any) -> list[tuple[NDArray[np.float32], NDArray[np.int32]]]:
    """Generate `n` images and their true labels; `settings` are the fields of `EmbryoSettings`.

    Image k depends on `seed`, k and the settings alone: `embryos(5, seed)` starts with `embryos(3, seed)`.

    Returns
    -------
    n pairs of the image, (H, W) float32 in [0, 1], and its labels, (H, W) int32: 0 = yolk and liquid, cells 1..m
    """
    checked = EmbryoSettings(**settings)
    return [draw(seed, k, checked) for k in range(n)]


def draw(seed: int, index: int, settings: EmbryoSettings) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw image number `index` of a seed: (H, W) float32 in [0, 1] and (H, W) int32."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng([seed, index])
    half = min(settings.shape) / 2
    radius = half * rng.uniform(*settings.radius)
    middle = (np.array(settings.shape) - 1) / 2
    centre = middle + rng.uniform(-1, 1, 2) * settings.off_centre * (half - radius) / np.sqrt(2)
    row, col = np.mgrid[: settings.shape[0], : settings.shape[1]] - centre[:, None, None]
    angle, distance = np.arctan2(row, col), np.hypot(row, col)
    outline = radius * _waves(rng, angle, 0.035)
    depth = outline - distance  # pixels from the outline of the embryo inwards

    ring = _ring(rng, angle, depth, distance, radius, settings)
    inside = (depth >= 0) & (depth < ring.length[ring.cell])
    labels = np.where(inside, ring.cell + 1, 0).astype(np.int32)

    # Membranes: between neighbours (the lateral ones), at the outer end, and at the inner end of closed cells.
    fade = rng.uniform(*settings.fade)
    along = np.clip(depth / ring.length[ring.cell], 0, 1)
    patchy = 1 - settings.gaps * np.clip(_noise(rng, settings.shape, 5.0), 0, 2)
    lateral = ring.strength * (1 - fade * along) * _line(ring.to_side, settings.membrane)
    lateral *= (depth > -settings.membrane) & (depth < ring.length[ring.cell])
    closed = np.where(rng.random(len(ring.length)) < settings.open, 0.0, rng.uniform(0.5, 1.0, len(ring.length)))
    inner = closed[ring.cell] * (1 - fade) * _line(depth - ring.length[ring.cell], settings.membrane)
    outer = 0.9 * _line(depth, settings.membrane)
    membranes = np.maximum(np.maximum(lateral, inner) * np.clip(patchy, 0.1, 1), outer)

    yolk = np.clip((depth - ring.length[ring.cell]) / 3, 0, 1)
    droplets = 1 + 0.45 * _noise(rng, settings.shape, 2.2) + 0.3 * _noise(rng, settings.shape, 6.0)
    state = 0.62 * membranes + yolk * rng.uniform(*settings.yolk) * np.clip(droplets, 0, 2)
    state += np.clip(depth, 0, 1) * (1 - yolk) * 0.05 * (1 + 0.3 * _noise(rng, settings.shape, 2.0))
    state = gaussian_filter(state, 0.6)
    state += settings.haze * (0.5 * gaussian_filter(state, 0.08 * radius) + 0.5 * (depth > -1) * state.mean())
    slope = rng.normal(0, 0.12, 2) / half
    state *= 1 + slope[0] * row + slope[1] * col  # one side of the embryo lies nearer to the light
    # Photons: the noise grows with the square root of the light.
    state = 0.06 + np.clip(state, 0, None)
    state += settings.noise * np.sqrt(state) * rng.standard_normal(settings.shape)
    return np.clip(state, 0, 1).astype(np.float32), labels


def write(folder: str | os.PathLike[str], n: int, seed: int = 0, **settings: Any) -> tuple[Path, Path]:
    """Write `n` generated images as folder/images/embryo_000.tif (8 bit) and their labels under folder/labels.

    Returns
    -------
    The two folders

    Raises
    ------
    UserError
        When a folder holds other files already, which would mix two data sets, or cannot be written.
    """
    checked = EmbryoSettings(**settings)
    return write_folder(folder, [f"embryo_{k:03d}.tif" for k in range(n)], lambda k: draw(seed, k, checked))


class _Ring(NamedTuple):
    """The cells about the centre.

    Attributes
    ----------
    cell : (H, W) int, the cell in whose sector a pixel lies, 0..m-1, of yolk and liquid too
    to_side : (H, W), pixels to the nearest border between two sectors
    strength : (H, W), brightness of that border's membrane
    length : (m,), pixels
    """

    cell: NDArray[np.int64]
    to_side: Floats
    strength: Floats
    length: Floats


def _ring(
    rng: np.random.Generator, angle: Floats, depth: Floats, distance: Floats, radius: float, settings: EmbryoSettings
) -> _Ring:
    """Cut the plane into bent sectors, one for each cell."""
    m = int(rng.integers(settings.cells[0], settings.cells[1] + 1))
    widths = np.clip(rng.normal(1, settings.uneven, m), 0.5, 1.5)
    borders = 2 * np.pi * np.cumsum(widths) / widths.sum() + rng.uniform(0, 2 * np.pi)
    length = radius * rng.uniform(*settings.length) * np.clip(rng.normal(1, 0.06, m), 0.8, 1.2)
    # Neighbouring borders bend alike: else they would cross.
    turn = 2 * np.pi * np.arange(m) / m
    bend = settings.bend * (2 * np.pi / m) * (_waves(rng, turn, 1.0) - 1) * 0.5
    strength = rng.uniform(0.7, 1.0, m)

    share = np.clip(depth / length.mean(), 0, 1.2)
    cell = np.zeros(angle.shape, np.int64)
    to_side = np.full(angle.shape, np.inf)
    nearest = np.zeros(angle.shape)
    first = np.full(angle.shape, np.inf)
    for k in range(m):
        ahead = np.mod(angle - borders[k] - bend[k] * share**2, 2 * np.pi)  # how far behind border k a pixel lies
        cell[ahead < first] = k
        first = np.minimum(first, ahead)
        side = distance * np.minimum(ahead, 2 * np.pi - ahead)
        nearest[side < to_side] = strength[k]
        to_side = np.minimum(to_side, side)
    return _Ring(cell, to_side, nearest, length)


def _waves(rng: np.random.Generator, angle: Floats, amplitude: float) -> Floats:
    """1 plus a few random harmonics of an angle, about `amplitude` high, the higher ones lower."""
    total = np.ones(angle.shape)
    for k in range(1, _OUTLINE_WAVES + 1):
        total += amplitude * rng.normal() / k * np.sin((k + 1) * angle + rng.uniform(0, 2 * np.pi))
    return total


def _line(distance: Floats, sigma: float) -> Floats:
    return np.exp(-0.5 * (distance / sigma) ** 2)


def _noise(rng: np.random.Generator, shape: tuple[int, int], sigma: float) -> Floats:
    """Smooth noise of mean 0 and standard deviation 1: (H, W)."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return field / max(field.std(), 1e-9)


def embryo_slices(path: str | os.PathLike[str]) -> Pairs:
    """Open the embryos of the paper in `path`, the folder that unpacking the record makes.

    The layout is that which the paper's published code reads; the record itself could not be looked at when this was
    written.

    Parameters
    ----------
    path : folder with HDF5 files of one image each (*.h5, in sub-folders too), with the datasets 'raw', (H, W) or
        (1, H, W), and 'gt', (H, W) labels; files without 'gt' are left out. Reading them takes the package h5py.

    Raises
    ------
    UserError
        When there are no such files, in which case it says where the data are to be had, or h5py is missing.
    """
    path = Path(path)
    files = sorted(path.rglob("*.h5")) if path.is_dir() else []
    if not files:
        raise UserError(
            f"there are no embryos (*.h5) in {path}; download them from {PAGE}, under the terms named on that page, "
            "and unpack them there"
        )
    labelled = [file for file in files if LABELS in _datasets(file)]
    if not labelled:
        raise UserError(
            f"none of the {len(files)} HDF5 files in {path} has true labels: expected the datasets '{IMAGE}' and "
            f"'{LABELS}' in a file, but {files[0].name} has {', '.join(_datasets(files[0])) or 'none'}"
        )
    return Pairs([(file, file) for file in labelled], _read_image, _read_labels)


def _h5py() -> Any:
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError("the embryos are HDF5 files; to read them: pip install 'segcritic[embryo]'") from None
    return h5py


def _datasets(path: Path) -> list[str]:
    try:
        with _h5py().File(path, "r") as file:
            return sorted(file)
    except OSError as error:
        raise UserError(f"{path} is damaged or no HDF5 file ({error}); download it again") from error


def _read(path: Path, name: str) -> NDArray[Any]:
    if name not in _datasets(path):
        raise UserError(f"{path} has no dataset '{name}'; it has {', '.join(_datasets(path)) or 'none'}")
    with _h5py().File(path, "r") as file:
        values = np.squeeze(np.asarray(file[name]))
    if values.ndim != 2 or values.dtype.kind not in "buif" or not np.isfinite(values).all():
        raise UserError(f"'{name}' of {path} is {values.dtype} of shape {values.shape}; expected numbers, (H, W)")
    return values


def _read_image(path: Path) -> Image:
    return Image(_read(path, IMAGE).astype(np.float32), path.stem, None, path)


def _read_labels(path: Path) -> NDArray[np.int32]:
    """Labels as stored, but numbered 1..n; 0 is background."""
    stored = _read(path, LABELS)
    values, numbers = np.unique(stored, return_inverse=True)
    first = int(values[0] != 0)
    return (numbers.reshape(stored.shape) + first).astype(np.int32)
