"""TIFF, OME-TIFF, ImageJ TIFF -> planes, channel names, pixel size."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.io.formats.planes import Planes

SUFFIXES = (".tif", ".tiff")
MICROMETRES = {
    "µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "\\u00b5m": 1.0, "nm": 1e-3, "å": 1e-4, "mm": 1e3, "cm": 1e4, "m": 1e6,
}  # fmt: skip
# Up to this many dots per inch a resolution is a setting for screen or print, not the size of a camera's pixel.
PRINTER_DPI = 2400


def read(path: Path, keep_palette: bool) -> Planes:
    """Read a TIFF of one image: planes, channel names and pixel size, as OME, ImageJ or its tags tell them."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        series = tiff.series[0]
        page: Any = series.keyframe
        if sum(other.shape == series.shape for other in tiff.series) > 1:
            raise UserError(f"{path} holds {len(tiff.series)} images; save each in a file of its own")
        for one in series.pages:
            # a segment beyond the end would be read as zeros, without a word
            ends = [] if one is None else [a + b for a, b in zip(one.dataoffsets, one.databytecounts, strict=False)]
            if max(ends, default=0) > tiff.filehandle.size:
                raise UserError(f"cannot read {path}: it is cut off; copy or save it again")
        planes = _channels_first(series.asarray(), series.axes, path)
        is_rgb = page.photometric == tifffile.PHOTOMETRIC.RGB and len(planes) >= 3
        if page.photometric == tifffile.PHOTOMETRIC.YCBCR and len(planes) == 3:  # JPEG inside TIFF, decoded to RGB
            is_rgb = True
        if page.photometric == tifffile.PHOTOMETRIC.PALETTE and not (keep_palette or tiff.is_imagej):
            # ImageJ writes the lookup table that it shows an image with as a palette; there the index is the value
            planes, is_rgb = np.asarray(page.colormap)[:, planes[0]], True
        alpha = [int(extra) in (1, 2) for extra in page.extrasamples]
        if any(alpha):
            samples = page.samplesperpixel - len(alpha)
            planes = planes[[k for k in range(len(planes)) if k < samples or not alpha[k - samples]]]
        if is_rgb and len(planes) == 3:
            names = ["red", "green", "blue"]
        else:
            is_rgb, names = False, _channel_names(tiff, len(planes))
        return Planes(planes, names, is_rgb, _pixel_size(tiff, page))


def _channels_first(array: NDArray[Any], axes: str, path: Path) -> NDArray[Any]:
    """Bring a TIFF's array to (C, H, W); other axes may have the length 1 only."""
    keep = [k for k, axis in enumerate(axes) if axis in "YX" or array.shape[k] > 1]
    array, axes = array.reshape([array.shape[k] for k in keep]), "".join(axes[k] for k in keep)
    if axes == "YX":
        return array[None]
    unnamed = len(axes) == 3 and axes[0] in "QI"  # an array saved without saying what its axes are
    if unnamed and array.shape[2] <= 8 < min(array.shape[:2]):
        return np.moveaxis(array, -1, 0)
    if axes in ("CYX", "SYX") or (unnamed and array.shape[0] <= 8):
        return array
    if axes in ("YXC", "YXS"):
        return np.moveaxis(array, -1, 0)
    extra = [f"{n} {_AXES.get(a, 'planes')}" for a, n in zip(axes, array.shape, strict=True) if a not in "YX"]
    raise UserError(f"{path} is a stack ({' of '.join(extra)}); save each plane, or a projection, as a 2D image")


_AXES = {"Z": "z-slices", "T": "time points", "C": "channels", "S": "samples"}


def _channel_names(tiff: Any, count: int) -> list[str]:
    """Names from the OME or ImageJ metadata; where there are none, the numbers."""
    names: Sequence[Any] = ()
    if tiff.is_ome:
        pixels = _ome_pixels(tiff)
        names = [] if pixels is None else [c.get("Name") or str(k) for k, c in enumerate(pixels.findall("{*}Channel"))]
    elif tiff.is_imagej:
        names = (tiff.imagej_metadata or {}).get("Labels") or ()
    if len(names) == count:
        return [str(name) for name in names]
    return [str(k) for k in range(count)]


def _ome_pixels(tiff: Any) -> ElementTree.Element | None:
    try:
        return ElementTree.fromstring(tiff.ome_metadata).find(".//{*}Pixels")
    except ElementTree.ParseError:
        return None


def _pixel_size(tiff: Any, page: Any) -> float | None:
    """Micrometres a pixel; of pixels that are not square, the side of the square of equal area."""
    if tiff.is_ome:
        pixels = _ome_pixels(tiff)
        if pixels is None or pixels.get("PhysicalSizeX") is None:
            return None
        units = [MICROMETRES.get(pixels.get(f"PhysicalSize{a}Unit", "µm").lower()) for a in "XY"]
        try:
            width = float(pixels.get("PhysicalSizeX", ""))
            height = float(pixels.get("PhysicalSizeY", width))
        except ValueError:
            return None
        return None if None in units else _side(width * (units[0] or 0.0), height * (units[1] or 0.0))
    tags = page.tags
    if "XResolution" not in tags or "YResolution" not in tags:
        return None
    per_unit = [top / max(bottom, 1) for top, bottom in (tags["XResolution"].value, tags["YResolution"].value)]
    if min(per_unit) <= 0:
        return None
    if tiff.is_imagej and (unit := (tiff.imagej_metadata or {}).get("unit")) is not None:
        micrometres = MICROMETRES.get(str(unit).lower())
    else:
        unit = int(tags["ResolutionUnit"].value) if "ResolutionUnit" in tags else 2
        micrometres = {2: 25_400.0, 3: 1e4, 4: 1e3, 5: 1.0}.get(unit)
        if unit == 2 and min(per_unit) <= PRINTER_DPI:
            return None
    return None if micrometres is None else _side(*(micrometres / n for n in per_unit))


def _side(width: float, height: float) -> float | None:
    area = width * height
    return math.sqrt(area) if math.isfinite(area) and area > 0 else None
