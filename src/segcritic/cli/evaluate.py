"""`segcritic evaluate`: compare labels with the truth."""

import json
from pathlib import Path
from typing import Annotated

from segcritic.cli.options import Flag


def evaluate(
    labels: Path,
    truth: Path,
    /,
    *,
    json: Path | None = None,
    ignore_background: Annotated[bool, Flag] = False,
    steps: Annotated[bool, Flag] = False,
) -> None:
    """Compare label images with true ones: average precision, Dice, counts, variation of information, coverage.

    Parameters
    ----------
    labels
        Label image, or folder of label images; other files in it, such as measurements.csv, are passed over.
    truth
        The true ones, of the same stems.
    json
        Also write the scores to this file: the mean of each, and those of each image.
    ignore_background
        Leave the background of the truth out of VI, VI_split and VI_merge.
    steps
        Also tell the Dice of each step, for labels that are numbered in the order of prediction (recurrent models).
    """
    from segcritic.api import evaluate as compare

    if json is not None:
        _check_replaceable(json)
    scores = compare(labels, truth, ignore_background)
    means = scores.as_dict()
    dice, reached = scores.dice_by_step()
    by_step = {"dice_by_step": dice.tolist(), "images_by_step": reached.tolist()} if steps else {}
    if json is not None:
        _write(json, {**means, **by_step, "images": dict(zip(scores.names, map(dict, scores.rows), strict=True))})
    count = len(scores.names)
    print(f"{count} image{'s' * (count > 1)}; mean over images" if count > 1 else scores.names[0])
    for name, value in means.items():
        print(f"{name:>9}  {value:.4f}")
    for step, (value, images) in enumerate(zip(dice, reached, strict=True) if steps else (), 1):
        print(f"  step {step:>2}  {value:.4f}  ({images} image{'s' * int(images != 1)})")


def _check_replaceable(path: Path) -> None:
    """Refuse to replace a file that is not JSON: a slip of the keyboard must not cost anybody an image."""
    from segcritic.errors import UserError

    if path.is_dir():
        raise UserError(f"{path} is a folder; give the name of a JSON file")
    if path.is_file() and not path.is_symlink() and path.stat().st_size:
        try:
            json.loads(path.read_bytes())
        except ValueError:
            raise UserError(f"{path} exists and is no JSON file; choose another name, or remove it first") from None


def _write(path: Path, content: dict) -> None:
    from segcritic.errors import UserError
    from segcritic.io.atomic import atomic_text

    text = json.dumps(content, indent=1) + "\n"
    if path.exists() and (path.is_symlink() or not path.is_file()):  # /dev/stdout and its like: not to be renamed over
        try:
            with open(path, "w", encoding="utf-8") as device:
                device.write(text)
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}; write elsewhere") from error
        return
    with atomic_text(path) as file:
        file.write(text)
