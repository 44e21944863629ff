"""Labels and what was measured on them -> files for other programs."""

import csv
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from segcritic.io.atomic import atomic_text


def write_measurements(path: str | os.PathLike[str], columns: Mapping[str, Sequence[Any] | np.ndarray]) -> None:
    """Write a table as CSV: one header line, one line an object, floats with 6 significant digits.

    Parameters
    ----------
    path : the file; it is replaced in one step
    columns : name -> values, equally many in each; written in the given order. NaN and None become empty cells.

    Raises
    ------
    ValueError
        When the columns differ in length.
    UserError
        When the file cannot be written.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the columns must be equally long, not {lengths}")
    with atomic_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*([_cell(value) for value in values] for values in columns.values()), strict=True))


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float | np.floating) else value
