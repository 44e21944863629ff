"""PNG, JPEG, BMP -> planes."""

import warnings
from pathlib import Path

import numpy as np

from segcritic.io.formats.planes import Planes

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp")


def read(path: Path, keep_palette: bool) -> Planes:
    """PNG, JPEG, BMP by imageio. Their resolution is a print setting, so it is not read."""
    import imageio.v3 as iio

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow calls any image above 89 Mpx a possible bomb
        mode = iio.immeta(path, plugin="pillow")["mode"]
        convert = {"P": "P" if keep_palette else "RGB", "CMYK": "RGB", "YCbCr": "RGB", "PA": "RGB"}.get(mode)
        pixels = iio.imread(path, plugin="pillow", index=0, mode=convert)
    if pixels.ndim == 2:
        return Planes(pixels[None], ["gray"], False, None)
    planes = np.moveaxis(pixels, -1, 0)
    if len(planes) < 3:  # gray and alpha
        return Planes(planes[:1], ["gray"], False, None)
    return Planes(planes[:3], ["red", "green", "blue"], True, None)
