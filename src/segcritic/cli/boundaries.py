"""`segcritic boundaries`: images -> maps of outlines and objects, from a network that learned from labels."""

from pathlib import Path
from typing import Annotated

from segcritic.cli.each_file import check_free, counted, each_file, targets_in
from segcritic.cli.options import Channel, Device, Flag


def boundaries(
    images: Path,
    /,
    *,
    out: Path,
    model: str = "nuclei-boundaries",
    channel: Channel = None,
    device: Device = "auto",
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
    from segcritic.boundary_net import load, write_maps
    from segcritic.io.samples import find_samples

    network = load(model, device)
    sources = find_samples(images, channel=channel)
    targets = targets_in(out, sources, "the maps")
    check_free(targets.values(), sources, "the maps", overwrite)
    return each_file(
        sources,
        lambda sample: network.maps(sample.pixels),
        lambda sample, maps: write_maps(targets[sample.name], maps),
        lambda n_done: f"{counted(n_done, 'boundary map')}: {out}",
        "Predicting",
        "predicted",
    )
