"""`segcritic combine`: label images of several tools -> the best object of each place."""

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from segcritic.cli.each_file import check_free, counted, each_file, targets_in
from segcritic.cli.options import Boundaries, Channel, Flag, Superpixels

if TYPE_CHECKING:
    from segcritic.io.samples import Sample
    from segcritic.search.combine import Combined

MEASUREMENTS = "measurements.csv"


def combine(
    *labels: Path,
    images: Path,
    out: Path,
    rules: str | None = None,
    boundaries: Boundaries = None,
    superpixels: Superpixels = None,
    channel: Channel = None,
    overwrite: Annotated[bool, Flag] = False,
) -> int:
    """Choose the best object of each place from the labels of several tools: by their agreement, and by rules.

    Nothing is trained. A broken file is told at the end, with exit code 2; the others are done.

    Parameters
    ----------
    labels
        Folders (or files) of label images of the same images, one of each tool, at least two (0 = background). Of
        objects worth the same the first tool's is taken: name the one that you trust most first.
    images
        Image, or folder of images of the same stems.
    out
        Folder for the labels (16-bit TIFF, of the stem) and measurements.csv, which tells of every object which tool it
        is from (column tool: the folder's name), how many tools have it (supported_by), and how far they agree
        (confidence, 0 to 1); with rules also its scores.
    rules
        Rules file, or the name of one that comes with segcritic: what fits them is worth more.
    overwrite
        Replace files that are there.
    """
    from segcritic.errors import UserError
    from segcritic.io.images import write_labels
    from segcritic.io.tables import write_measurements
    from segcritic.models.combine import plan_combine

    for folder in (*labels, images):
        if folder.is_dir() and folder.resolve() == out.resolve():
            raise UserError(f"the combined labels would go into {out}, which is read; give another folder")
    sources, best_of = plan_combine(labels, images, rules, boundaries, superpixels, channel)
    targets = targets_in(out, sources, "the combined labels")
    check_free(targets.values(), sources, "the combined labels", overwrite, others=[out / MEASUREMENTS])
    rows: dict[str, list[Any]] = defaultdict(list)

    def write(sample: "Sample", result: "Combined") -> None:
        write_labels(targets[sample.name], result.labels, sample.pixel_size)
        count = len(result.table["label"])
        for name, values in {"image": [sample.name] * count, **result.table}.items():
            rows[name] += list(values)

    def at_end(n_done: int) -> str:
        if rows:
            write_measurements(out / MEASUREMENTS, rows)
        of_tool = ", ".join(f"{number} of {tool}" for tool, number in Counter(map(str, rows["tool"])).items())
        taken = f" ({of_tool})" * bool(of_tool)
        return f"{counted(n_done, 'image')}, {counted(len(rows['image']), 'object')}{taken}: {out}"

    return each_file(sources, best_of, write, at_end, "Combining", "combined")
