"""`segcritic repair`: labels from any tool, the images and rules -> labels with the clear faults mended."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from segcritic.cli.options import Boundaries, Channel, Flag, Superpixels

if TYPE_CHECKING:
    from segcritic.search.repair import Change, Repaired

CHANGES = "changes.csv"


def repair(
    labels: Path,
    images: Path,
    /,
    *,
    out: Path,
    rules: str | None = None,
    model: str | None = None,
    boundaries: Boundaries = None,
    superpixels: Superpixels = None,
    channel: Channel = None,
    overwrite: Annotated[bool, Flag] = False,
    allow_python: Annotated[bool, Flag] = False,
) -> int:
    """Mend labels from any other tool where the rules clearly see a fault. What they like stays, pixel for pixel.

    Merges, splits, removes and adds objects; where the labels come from one threshold for the whole image, outlines are
    drawn anew. Nothing is trained. A broken file is told at the end, with exit code 2; the others are done.

    Parameters
    ----------
    labels
        Label image, or folder of label images (0 = background).
    images
        Image, or folder of images of the same stems.
    out
        Folder for the labels (16-bit TIFF, of the stem) and changes.csv, which lists every change with the scores
        before and after. Objects that are not in it keep their number and their pixels.
    rules
        Rules file, or the name of one that comes with segcritic; by default those of the model.
    model
        A trained model whose objects are tried as well: its folder, or the name of one that comes with segcritic.
    overwrite
        Replace files that are there.
    allow_python
        Let rules of the model run the Python code that they name. Only for models that you trust.
    """
    from rich.console import Console
    from rich.progress import track

    from segcritic.errors import UserError
    from segcritic.io.images import write_labels
    from segcritic.io.tables import write_measurements
    from segcritic.models import repair_job

    job = repair_job.prepare(labels, images, rules, model, boundaries, superpixels, channel, allow_python)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is not a folder; give a folder for the repaired labels")
    targets = {pair.source.name: out / f"{pair.source.name}.tif" for pair in job.pairs}
    inputs = {
        path.resolve() for pair in job.pairs for path in (pair.labels, pair.source.image) if isinstance(path, Path)
    }
    for target in targets.values():
        if target.resolve() in inputs:
            raise UserError(f"the repaired labels would replace {target}; give another folder")
    there = [path for path in (*targets.values(), out / CHANGES) if path.exists()]
    if there and not overwrite:
        raise UserError(f"{there[0]} exists already; give another folder, or replace it by --overwrite")

    failed: list[str] = []
    rows: dict[str, list[object]] = {name: [] for name in ("image", *_COLUMNS)}
    console = Console()
    progress = track(job.pairs, "Repairing", console=console, disable=not console.is_terminal, transient=True)
    try:
        for pair in progress:
            try:
                ready = pair.source.read()
                result = job.repair(pair, ready)
            except UserError as error:
                failed.append(str(error))
                continue
            write_labels(targets[pair.source.name], result.labels, ready.pixel_size)
            for change in result.changes:
                for name, value in (("image", pair.source.name), *_row(change).items()):
                    rows[name].append(value)
            console.print(f"{pair.source.name}: {_summary(result)}", highlight=False, markup=False, soft_wrap=True)
    finally:  # after Ctrl-C too: what was repaired is listed
        if len(failed) < len(job.pairs):
            write_measurements(out / CHANGES, rows)
    done = len(job.pairs) - len(failed)
    if done:
        changes = len(rows["image"])
        print(f"{done} image{'s' * (done != 1)}, {changes} change{'s' * (changes != 1)}: {out}")
    for sentence in failed:
        print(f"segcritic: {sentence}", file=sys.stderr)
    if failed and len(job.pairs) > 1:
        print(f"segcritic: {len(failed)} of {len(job.pairs)} images could not be repaired", file=sys.stderr)
    return 2 if failed else 0


_COLUMNS = ("change", "given", "result", "centroid_row", "centroid_col", "score_before", "score_after")


def _row(change: "Change") -> dict[str, object]:
    names = (" ".join(map(str, numbers)) for numbers in (change.given, change.result))
    values = (change.kind, *names, change.row, change.col, change.score_before, change.score_after)
    return dict(zip(_COLUMNS, values, strict=True))


def _summary(result: "Repaired") -> str:
    """One line: what was changed, and the reward before and after."""
    count = Counter(change.kind for change in result.changes)
    said = [f"{n} {kind}{'s' * (n != 1)}" for kind, n in count.items()]
    if not said:
        return "nothing to repair"
    return f"{', '.join(said)}; reward {result.reward_before:.2f} -> {result.reward_after:.2f}"
