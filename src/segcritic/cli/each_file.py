"""The loop over files that verbs share: where results go, what must not be replaced, and what could not be done."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segcritic.io.samples import Sample, Source


def targets_in(out: Path, sources: "Sequence[Source]", what: str) -> dict[str, Path]:
    """Name of each source -> its file in the folder `out`. Raises UserError when `out` is a file."""
    from segcritic.errors import UserError

    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is not a folder; give a folder for {what}")
    return {source.name: out / f"{source.name}.tif" for source in sources}


def check_free(
    targets: Iterable[Path], sources: "Sequence[Source]", what: str, overwrite: bool, others: Iterable[Path] = ()
) -> None:
    """Raise UserError when a file would replace what is read, or, without `overwrite`, any other."""
    from segcritic.errors import UserError

    targets = list(targets)
    inputs = {path.resolve() for source in sources for path in source.files}
    for target in targets:
        if target.resolve() in inputs:
            raise UserError(f"{what} would replace {target}, which is read; give another folder")
    there = [path for path in (*targets, *others) if path.exists()]
    if there and not overwrite:
        raise UserError(f"{there[0]} exists already; give another folder, or replace it by --overwrite")


def each_file(
    sources: "Sequence[Source]",
    work: "Callable[[Sample], Any]",
    write: "Callable[[Sample, Any], None]",
    at_end: Callable[[int], str],
    doing: str,
    done: str,
) -> int:
    """Do the work on each image and write what came of it; images that cannot be used are told when all are through.

    Parameters
    ----------
    sources : sequence of Source
    work : function of a sample
        When it raises UserError, or the sample cannot be read, the image counts as failed.
    write : function of a sample and its result
    at_end : function of the number of images done
        Called after Ctrl-C too; returns the sentence to print.
    doing, done : str
        What is done, for the progress bar and for messages: "Segmenting", "segmented".

    Returns
    -------
    int
        The exit code: 0, or 2 when images failed.
    """
    from rich.console import Console
    from rich.progress import track

    from segcritic.errors import UserError

    failed: list[str] = []
    n_done = 0
    console = Console()
    try:
        for source in track(sources, doing, console=console, disable=not console.is_terminal, transient=True):
            try:
                sample = source.read()
                result = work(sample)
            except UserError as error:
                failed.append(str(error))
                continue
            write(sample, result)
            n_done += 1
    finally:
        sentence = at_end(n_done)
    if n_done:
        print(sentence)
    for complaint in failed:
        print(f"segcritic: {complaint}", file=sys.stderr)
    if failed and len(sources) > 1:
        print(f"segcritic: {len(failed)} of {len(sources)} images could not be {done}", file=sys.stderr)
    return 2 if failed else 0


def counted(number: int, what: str) -> str:
    """'1 image', '2 images'."""
    return f"{number} {what}{'s' * (number != 1)}"
