"""Options that several verbs share."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

Boundaries = Annotated[
    Path | None,
    Parameter(
        help="Folder (or file) of boundary probability maps, one for each image, of the image's stem, from any network"
        " (see: segcritic boundaries). Superpixels are then cut from them."
    ),
]
Superpixels = Annotated[
    str | None,
    Parameter(
        help="shells, watershed, mutex or boundaries instead of what the rules say; or a folder of label images by"
        " stem."
    ),
]
Channel = Annotated[
    str | None,
    Parameter(
        help="Which channel of the images: its number (from 0), its name in the file, or red, green, blue, gray, hue,"
        " saturation, value."
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    Parameter(help="Where the networks run: auto is the first of cuda, mps and cpu that is there."),
]
Flag = Parameter(negative="")
"""Of a switch that is off unless given: there is no --no-... form."""
