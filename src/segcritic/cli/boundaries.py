"""`segcritic boundaries`: images -> maps of outlines and objects, from a network that learned from labels."""

import sys
from pathlib import Path
from typing import Annotated

from segcritic.cli.options import Channel, Flag


def boundaries(
    images: Path,
    /,
    *,
    out: Path,
    model: str = "nuclei-boundaries",
    channel: Channel = None,
    overwrite: Annotated[bool, Flag] = False,
) -> int:
    """Predict how likely each pixel is outline, and object: maps for --boundaries of train, segment and rules check.

    Parameters
    ----------
    images
        Image, or folder of images.
    out
        Folder for the maps: 16-bit TIFF of the image's stem, outline in the first channel and object in the second.
    model
        A boundary network's folder, or the name of one that comes with segcritic (see: segcritic models).
    overwrite
        Replace maps that are there.
    """
    from rich.console import Console
    from rich.progress import track

    from segcritic.boundary_net import load, write_maps
    from segcritic.errors import UserError
    from segcritic.io.samples import find_sources

    network = load(model)
    sources = find_sources(images, channel=channel)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is not a folder; give the name of a folder for the maps")
    targets = {source.name: out / f"{source.name}.tif" for source in sources}
    given = {source.image.resolve() for source in sources if isinstance(source.image, Path)}
    for target in targets.values():
        if target.resolve() in given:
            raise UserError(f"the maps would replace the image {target}; give another folder")
        if target.exists() and not overwrite:
            raise UserError(f"{target} exists already; give another folder, or replace it by --overwrite")
    failed: list[str] = []
    console = Console()
    for source in track(sources, "Predicting", console=console, disable=not console.is_terminal, transient=True):
        try:
            pixels = source.read().pixels
        except UserError as error:
            failed.append(str(error))
            continue
        write_maps(targets[source.name], network.maps(pixels))
    done = len(sources) - len(failed)
    if done:
        print(f"{done} boundary map{'s' * (done != 1)}: {out}")
    for sentence in failed:
        print(f"segcritic: {sentence}", file=sys.stderr)
    return 2 if failed else 0
