"""The images that several benchmarks share: nuclei from a folder, and generated ones."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segcritic.rules import Rules
    from segcritic.stateless.state import State

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "src" / "segcritic" / "models" / "shipped"
SHIPPED_NETWORKS = ROOT / "src" / "segcritic" / "boundary_net" / "shipped"

DATA = Path(os.path.relpath(os.environ.get("SEGCRITIC_DATA") or ROOT.parent / "shared" / "data"))
"""Folder of the data sets: SEGCRITIC_DATA when that is set."""
NUCLEI = DATA / "nuclei" / "train"
NUCLEI_TEXT = """Fluorescence images of the Data Science Bowl 2018 (BBBC038, CC0): those of StarDist's selection whose
median nucleus has 250 to 1800 pixels, training list."""

CIRCLES = {"shape": (128, 128), "count": (3, 7), "ground": 0.12, "contrast": 0.12}
"""Of ablations and figures, which train often: small images and little contrast."""
TEST_SEED = {"circles": 100_000, "embryos": 300_000}

FilePairs = list[tuple[Path, Path]]
Pairs = list[tuple["State", Any]]
"""Images, made ready, and their true labels."""


def evenly(items: list[Any], at_most: int | None) -> list[Any]:
    """So many of the items, evenly spread; None = all."""
    if at_most is None or at_most >= len(items):
        return items
    return [items[round(k * (len(items) - 1) / max(at_most - 1, 1))] for k in range(at_most)]


def nuclei_pairs(data: Path | str, at_most: int | None = None) -> FilePairs:
    """Image and label files below `data`, sorted by name; `at_most` of them, evenly spread.

    Raises
    ------
    UserError
        When the folder is missing; it says where the data are to be had.
    """
    from segcritic.datasets.nuclei import ARCHIVE, PAGE, Folder
    from segcritic.errors import UserError

    data = Path(data)
    if not (data / "images").is_dir():
        raise UserError(
            f"there are no nuclei in {data}: download {ARCHIVE} (Data Science Bowl 2018, {PAGE}, CC0), unpack it, and"
            " give the folder that holds images/ and masks/ by --data, or by SEGCRITIC_DATA the one that holds"
            " nuclei/train"
        )
    return evenly(Folder(data, labels="masks" if (data / "masks").is_dir() else "labels").pairs, at_most)


def read(pairs: FilePairs) -> tuple[list[Any], list[Any]]:
    """Pixels and labels of the files."""
    from segcritic.io.images import read_image, read_labels

    return [read_image(image).pixels for image, _ in pairs], [read_labels(labels) for _, labels in pairs]


def ready(pairs: list[tuple[Any, Any]], rules: "Rules") -> Pairs:
    """Pixels and labels made ready for an actor."""
    from segcritic.stateless.state import make_state

    return [(make_state(pixels, rules), labels) for pixels, labels in pairs]
