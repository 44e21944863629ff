"""Rules by name or from a file; the files that come with segcritic, as starting points to copy and change."""

import difflib
import os
from pathlib import Path

from segcritic.errors import UserError
from segcritic.io.atomic import atomic_text
from segcritic.rules.schema import Rules

_FOLDER = Path(__file__).parent / "builtin"

BUILTIN: tuple[str, ...] = tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))
"""Names of the rules files that come with segcritic."""


def load_builtin(name: str) -> Rules:
    """Return the built-in rules `name`. Raises UserError, with the list of names, when there are none of that name.

    >>> load_builtin("nuclei").polarity
    1
    """
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


def load_rules(rules: str | os.PathLike[str] | Rules) -> Rules:
    """Return rules given as such, as a file, or by the name of a built-in file (a file of that name comes first).

    Raises
    ------
    UserError
        When there is neither such a file nor such built-in rules, or the file has a mistake; it names the line.

    Examples
    --------
    >>> load_rules("coins").name
    'coins'
    """
    if isinstance(rules, Rules):
        return rules
    if not Path(rules).exists() and str(rules) in BUILTIN:
        return load_builtin(str(rules))
    if not Path(rules).exists():
        raise UserError(f"there is no rules file {rules}, and no built-in rules of that name ({', '.join(BUILTIN)})")
    if Path(rules).is_dir():
        raise UserError(f"{rules} is a folder; give a rules file")
    return Rules.load(rules)
