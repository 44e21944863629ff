"""`segcritic rules`: write a rules file, measure one, check one."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App

from segcritic.cli.options import Boundaries, Channel, Flag, Superpixels

rules = App(name="rules", help="Rules files: what the objects look like.")


@rules.command
def init(name: str, /, *, out: Path) -> None:
    """Write one of the rules files that come with segcritic, with comments, as a start for your own.

    Parameters
    ----------
    name
        nuclei, coins, circles, leaves or radial.
    out
        The new file.
    """
    from segcritic.rules import init as write

    print(f"Wrote {write(name, out)}: now change its numbers to what you know about your objects.")


@rules.command
def measure(images: Path, labels: Path, /, *, out: Path, channel: Channel = None) -> None:
    """Derive a rules file from a few labelled objects.

    Parameters
    ----------
    images
        Image, or folder of images.
    labels
        Label image, or folder of label images; each needs the image of its stem. A few labelled objects are enough.
    out
        The new file.
    """
    from segcritic.api import measure_rules
    from segcritic.errors import UserError

    if out.exists():
        raise UserError(f"{out} exists already: choose another name, or remove it first")
    found = measure_rules(images, labels, channel=channel, name=out.stem)
    found.dump(out)
    print(f"Wrote {out}. {found.description}")


@rules.command
def check(
    file: str,
    images: Path,
    /,
    *,
    out: Path | None = None,
    at_most: int = 5,
    boundaries: Boundaries = None,
    superpixels: Superpixels = None,
    channel: Channel = None,
    overwrite: Annotated[bool, Flag] = False,
) -> None:
    """Look for ways to cheat a rules file, before training does: segmentations that score well and are nonsense.

    Parameters
    ----------
    file
        Rules file, or the name of one that comes with segcritic.
    images
        Image, or folder of images.
    out
        Folder for check.html, with pictures of what the rules like.
    at_most
        Number of images to look at, taken evenly from all.
    overwrite
        Replace the check.html that is there.
    """
    from rich.console import Console

    from segcritic import api
    from segcritic.errors import UserError
    from segcritic.report import write_check
    from segcritic.rules import load_rules

    page = None if out is None else out / "check.html"
    if page is not None and page.exists() and not overwrite:
        raise UserError(f"{page} exists already; give another folder, or replace it by --overwrite")
    found = load_rules(file)
    with Console().status("Searching ...") if sys.stdout.isatty() else contextlib.nullcontext():
        checked, result = api.check_rules(
            found, images, boundaries=boundaries, superpixels=superpixels, channel=channel, at_most=at_most
        )
    for image, candidates in zip(checked, result.candidates, strict=True):
        print(f"{image.name}\n  {'start':<20} {'reward':>6} {'best found':>10} {'objects':>7}")
        for one in sorted(candidates, key=lambda candidate: -candidate.searched_reward):
            nonsense = "  degenerate" if one.degenerate else ""
            print(f"  {one.start:<20} {one.reward:6.2f} {one.searched_reward:10.2f} {one.n_objects:7d}{nonsense}")
    for warning in result.warnings:
        print(f"warning: {warning}")
    if not result.warnings:
        print("Nothing to complain about.")
    if page is not None:
        write_check(page, found, checked, result)
        print(f"See {page}")
