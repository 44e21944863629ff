"""`segcritic repair`: labels from any tool, the images and rules -> labels with the clear faults mended."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from segcritic.cli.each_file import check_free, counted, each_file, targets_in
from segcritic.cli.options import Boundaries, Channel, Flag, Superpixels

if TYPE_CHECKING:
    from segcritic.io.samples import Sample
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
    from segcritic.io.images import write_labels
    from segcritic.io.tables import write_measurements
    from segcritic.models.repair import plan_repair

    sources, mend = plan_repair(labels, images, rules, model, boundaries, superpixels, channel, allow_python)
    targets = targets_in(out, sources, "the repaired labels")
    check_free(targets.values(), sources, "the repaired labels", overwrite, others=[out / CHANGES])
    rows: dict[str, list[object]] = {name: [] for name in ("image", *_COLUMNS)}

    def write(sample: "Sample", result: "Repaired") -> None:
        write_labels(targets[sample.name], result.labels, sample.pixel_size)
        for change in result.changes:
            for name, value in (("image", sample.name), *_row(change).items()):
                rows[name].append(value)
        print(f"{sample.name}: {_summary(result)}")

    def at_end(n_done: int) -> str:
        if n_done:
            write_measurements(out / CHANGES, rows)
        return f"{counted(n_done, 'image')}, {counted(len(rows['image']), 'change')}: {out}"

    return each_file(sources, mend, write, at_end, "Repairing", "repaired")


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
