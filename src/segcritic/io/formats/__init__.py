"""Image file -> planes (C, H, W): each suffix has its reader.

A new format is a file here with `SUFFIXES` and `read(path, keep_palette) -> Planes`, named in `_FORMATS`.
"""

from pathlib import Path

from segcritic.errors import UserError
from segcritic.io.formats import plain, tiff
from segcritic.io.formats.planes import Planes

_FORMATS = (tiff, plain)
READERS = {suffix: form.read for form in _FORMATS for suffix in form.SUFFIXES}
SUFFIXES = tuple(READERS)

__all__ = ["READERS", "SUFFIXES", "Planes", "read_planes"]


def read_planes(path: Path, keep_palette: bool = False) -> Planes:
    """Read an image file of any known kind.

    Parameters
    ----------
    path : Path
    keep_palette : bool
        Whether the indices of a palette are the values, as in label images; else its colours are.

    Raises
    ------
    UserError
        When the file is missing, a folder, of an unknown kind, damaged, or a stack.
    """
    if path.is_dir():
        raise UserError(f"{path} is a folder; give an image file")
    if not path.is_file():
        raise UserError(f"{path} does not exist; check the name")
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise UserError(f"{path} is not of a known image type; convert it to TIFF or PNG")
    try:
        return READERS[suffix](path, keep_palette)
    except UserError:
        raise
    except Exception as error:  # decoders raise anything from struct.error to SyntaxError on a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        kind = "TIFF" if suffix in tiff.SUFFIXES else "image"
        raise UserError(f"cannot read {path}: it is damaged or no valid {kind} ({reason[:200]})") from error
