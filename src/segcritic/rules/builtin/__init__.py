"""Rules files that come with segcritic, as starting points to copy and change."""

import difflib
import os
from pathlib import Path

from segcritic.errors import UserError
from segcritic.files import atomic_text
from segcritic.rules.schema import Rules

_FOLDER = Path(__file__).parent

BUILTIN: tuple[str, ...] = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))
"""Names of the rules files that come with segcritic."""


def load_builtin(name: str) -> Rules:
    """Return the built-in rules `name`. Raises UserError, with the list of names, when there are none of that name."""
    return Rules.loads(_text(name), f"built-in rules '{name}'")


def init(name: str, path: str | os.PathLike[str]) -> Path:
    """Write the built-in rules `name`, comments and all, to `path` and return it.

    A `path` that is a folder gets ``name.yaml``.

    Raises
    ------
    UserError
        When there are no rules of that name, the file exists already, or cannot be written.
    """
    text = _text(name)
    path = Path(path) / f"{name}.yaml" if Path(path).is_dir() else Path(path)
    if path.exists():
        raise UserError(f"{path} exists already: choose another name, or remove it first")
    with atomic_text(path) as file:
        file.write(text)
    return path


def _text(name: str) -> str:
    if name not in BUILTIN:
        close = difflib.get_close_matches(name, BUILTIN, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        raise UserError(f"there are no built-in rules '{name}' (there are: {', '.join(BUILTIN)}){hint}")
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
