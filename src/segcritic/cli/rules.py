"""`segcritic rules`: write a rules file, measure one, check one."""

from pathlib import Path

from cyclopts import App

from segcritic.cli.options import Channel

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
