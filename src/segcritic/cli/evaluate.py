"""`segcritic evaluate`: compare labels with the truth, or rank them by rules where there is none."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from segcritic.cli.options import Boundaries, Channel, Flag, Superpixels

if TYPE_CHECKING:
    from segcritic.models.evaluate import RuleScores


def evaluate(
    labels: Path,
    /,
    *truth: Path,
    images: Path | None = None,
    rules: str | None = None,
    json: Path | None = None,
    ignore_background: Annotated[bool, Flag] = False,
    steps: Annotated[bool, Flag] = False,
    boundaries: Boundaries = None,
    superpixels: Superpixels = None,
    channel: Channel = None,
) -> None:
    """Compare label images with true ones; or, with --images and --rules, say how well they fit rules, without a truth.

    With the truth: average precision, Dice, counts, variation of information, coverage. By rules: the reward of the
    whole image (0 to 1), the mean score of the objects, all together and by each rule, and their number; of several
    folders, such as of several tools or settings, the one that fits best comes first.

    Parameters
    ----------
    labels
        Label image, or folder of label images; other files in it, such as measurements.csv, are passed over.
    truth
        The true ones, of the same stems. With --rules instead any number of further folders of labels to be ranked.
    images
        Image, or folder of images of the same stems; only with --rules.
    rules
        Rules file, or the name of one that comes with segcritic.
    json
        Also write the scores to this file: the mean of each, and those of each image.
    ignore_background
        Leave the background of the truth out of VI, VI_split and VI_merge.
    steps
        Also tell the Dice of each step, for labels that are numbered in the order of prediction (recurrent models).
    """
    from segcritic.errors import UserError

    if json is not None:
        _check_replaceable(json)
    if images is None and rules is None:
        for name, value in (("boundaries", boundaries), ("superpixels", superpixels), ("channel", channel)):
            if value is not None:
                raise UserError(f"--{name} is for scores by rules; give --images and --rules too, or leave it out")
        if len(truth) != 1:
            given = f"there are {len(truth)} folders beside {labels}" if truth else f"there is nothing beside {labels}"
            raise UserError(f"{given}; give the truth to compare with, or --images and --rules to do without")
        _by_truth(labels, truth[0], json, ignore_background, steps)
        return
    if images is None or rules is None:
        lacking, given = ("--images", "--rules") if images is None else ("--rules", "--images")
        raise UserError(f"there is {given} but no {lacking}; give both to score labels without a truth")
    if ignore_background or steps:
        raise UserError("--ignore-background and --steps are for the truth; leave them out, or --images and --rules")
    _by_rules([labels, *truth], images, rules, boundaries, superpixels, channel, json)


def _by_truth(labels: Path, truth: Path, json: Path | None, ignore_background: bool, steps: bool) -> None:
    from segcritic.api import evaluate as compare

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


def _by_rules(
    folders: list[Path],
    images: Path,
    rules: str,
    boundaries: Path | None,
    superpixels: str | None,
    channel: str | None,
    json: Path | None,
) -> None:
    """Score each of the folders, and tell the best first."""
    from segcritic.models.evaluate import evaluate_by_rules, rank

    given = {"boundaries": boundaries, "superpixels": superpixels, "channel": channel}
    found = rank({str(each): evaluate_by_rules(each, images, rules, **given) for each in folders})
    if json is not None:
        _write(json, {"ranking": [_told(folder, scores) for folder, scores in found.items()]})
    count = len(next(iter(found.values())).fits)
    print(f"{count} image{'s' * (count > 1)}" + "; the labels that fit the rules best come first" * (len(found) > 1))
    rows = [scores.as_dict() for scores in found.values()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    width = max(map(len, found))
    print(" " * width, *(name.removeprefix("score_") for name in names), sep="  ")
    for folder, row in zip(found, rows, strict=True):
        cells = (f"{_shown(name, row.get(name, math.nan)):>{len(name.removeprefix('score_'))}}" for name in names)
        print(f"{folder:<{width}}", *cells, sep="  ")


def _shown(name: str, value: float) -> str:
    return f"{value:.0f}" if name == "objects" else "-" if math.isnan(value) else f"{value:.4f}"


def _told(folder: str, scores: "RuleScores") -> dict:
    """What the JSON file says of one folder; a score of no objects is null."""
    from segcritic.models.evaluate import means_of

    def known(means: dict[str, float]) -> dict[str, float | None]:
        return {name: None if math.isnan(value) else value for name, value in means.items()}

    of_image = {name: known(means_of(fit)) for name, fit in scores.fits.items()}
    return {"labels": folder, **known(scores.as_dict()), "images": of_image}


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
