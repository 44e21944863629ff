"""A model on disk, of either method: the folder that it is, how it is found, written and checked.

A model is a folder of files, none of which holds code: `settings.json` (format version, method, training settings,
learning curve), `weights.safetensors`, `card.md` (what it is for and how it was trained, to read), and for models that
were trained by rules `rules.yaml`. `checkpoint/`, if it is there, is what `segcritic train --resume` goes on from; a
model works without it.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segcritic.errors import UserError
from segcritic.io.atomic import atomic_dir

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
"""Version of the model folder's format that this segcritic reads and writes."""

CHECKPOINT = "checkpoint"
_SHIPPED = Path(__file__).parents[1] / "models" / "shipped"
_FILES = ("settings.json", "weights.safetensors", "rules.yaml", "card.md")


def write_folder(
    folder: str | os.PathLike[str],
    settings: Mapping[str, Any],
    weights: "Mapping[str, Tensor]",
    texts: Mapping[str, str],
) -> None:
    """Write a model, at once or not at all; one that was there before is replaced, its checkpoint stays.

    Parameters
    ----------
    folder : the model's
    settings : what settings.json holds beside format and version, JSON-able
    weights : name -> tensor
    texts : name -> content of the other files

    Raises
    ------
    UserError
        When the folder holds anything that is no model of segcritic, or cannot be written.
    """
    from safetensors.torch import save

    folder = Path(folder)
    check_target(folder, replace=True)
    told = {"format": "segcritic model", "version": VERSION, **settings}
    with atomic_dir(folder) as temporary:
        (temporary / "settings.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
        (temporary / "weights.safetensors").write_bytes(save(plain))  # save_file hides a full disk's OSError
        for name, text in texts.items():
            (temporary / name).write_text(text, encoding="utf-8")
        if (folder / CHECKPOINT).is_dir():
            shutil.copytree(folder / CHECKPOINT, temporary / CHECKPOINT)


def read_weights(folder: Path) -> "dict[str, Tensor]":
    """Read a model's weights. Raises UserError when the file is damaged or holds numbers that are not finite."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "weights.safetensors"
    try:
        weights = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path} is damaged or cut off ({error}); copy the model again") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values() if tensor.is_floating_point()):
        raise UserError(f"{path} is damaged (it holds numbers that are not finite); copy the model again")
    return weights


def shipped() -> dict[str, str]:
    """Names of the models that come with segcritic, and the first sentence of each one's card."""
    found = {}
    for folder in sorted(_SHIPPED.glob("*/")) if _SHIPPED.is_dir() else ():
        if (folder / "settings.json").is_file():
            found[folder.name] = summary((folder / "card.md").read_text(encoding="utf-8"))
    return found


def summary(card: str) -> str:
    """Return the first paragraph of a card, without its title."""
    paragraphs = [" ".join(part.split()) for part in card.split("\n\n")]
    return next((part for part in paragraphs if part and not part.startswith("#")), "")


def is_model(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds a model of segcritic (not whether all its files are sound)."""
    try:
        settings = json.loads((Path(folder) / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and settings.get("format") == "segcritic model"


def check_target(folder: str | os.PathLike[str], replace: bool) -> None:
    """Make sure that a model may be written to `folder`, before time is spent on training.

    Raises
    ------
    UserError
        When it is a file, a folder of other things, or holds a model while `replace` is False.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give the name of a new folder for the model")
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if not above.is_dir():
        raise UserError(f"cannot make the folder {folder}: {above} is a file; give another name")
    if not os.access(above, os.W_OK):
        raise UserError(f"cannot make the folder {folder}: {above} may not be written to; give another name")
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:
        raise UserError(f"cannot list the folder {folder}: {error.strerror}; check its permissions") from error
    if not names:
        return
    if not is_model(folder) and names != {CHECKPOINT}:
        raise UserError(f"{folder} holds files that are no segcritic model; give the name of a new folder")
    foreign = sorted(names - {*_FILES, CHECKPOINT})
    if foreign:
        raise UserError(f"{folder} holds '{foreign[0]}' beside a model; move it away, or give a new folder")
    if not replace:
        what = "holds a model" if is_model(folder) else "holds training that was cut off"
        raise UserError(f"{folder} {what}; go on with it by --resume, replace it by --overwrite, or give a new folder")


def find(name_or_folder: str | os.PathLike[str]) -> Path:
    """The folder of a model, given as such or by the name of a shipped one. Raises UserError when there is none."""
    folder, names = Path(name_or_folder), shipped()
    if str(name_or_folder) in names and not is_model(folder):
        return _SHIPPED / str(name_or_folder)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(f"{folder} is a file; a model is a folder, give that")
    known = f"the models that come with segcritic are {', '.join(names)}" if names else "no models come with segcritic"
    raise UserError(f"there is no model folder {folder}; {known}")


def read_settings(folder: Path) -> dict[str, Any]:
    """Read a model's settings.json. Raises UserError when a file is missing, damaged, or of a newer version."""
    if not (folder / "settings.json").is_file():
        raise UserError(f"{folder} is no segcritic model: it has no settings.json; give the folder that train wrote")
    try:
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {folder / 'settings.json'}: {error.strerror}; check its permissions") from error
    except ValueError as error:
        raise UserError(f"{folder / 'settings.json'} is damaged ({error}); copy the model again") from error
    if not isinstance(settings, dict) or settings.get("format") != "segcritic model":
        raise UserError(f"{folder} is no segcritic model: its settings.json is of another program")
    version = settings.get("version")
    if not isinstance(version, int):
        raise UserError(f"{folder / 'settings.json'} is damaged (its version is {version!r}); copy the model again")
    if version > VERSION:
        raise UserError(
            f"the model {folder} was written by a newer segcritic (format {version}, this one reads up to {VERSION}):"
            " update segcritic"
        )
    needed = [name for name in _FILES if name != "card.md" and (name != "rules.yaml" or "needs" in settings)]
    for name in needed:
        if not (folder / name).is_file():
            raise UserError(f"the model {folder} lacks {name}; copy the whole folder again")
    return settings
