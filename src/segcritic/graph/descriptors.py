"""What can be measured of an object: one row for each descriptor. Rules, measurements and docs/rules.md follow it.

``python -m segcritic.graph.descriptors docs/rules.md`` writes the table of that page anew.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["length", "area", "fraction", "angle", "intensity", "ratio", "boundary", "number"]

UNITS: dict[Kind, str] = {
    "length": "px, um",
    "area": "px, um2",
    "fraction": "0 to 1",
    "angle": "deg",
    "intensity": "intensity",
    "ratio": "ratio",
    "boundary": "0 to 1",
    "number": "number",
}
"""Units and ranges in which rules are written. Lengths are measured in pixels, angles in radians; intensities are those
of the normalised image, ratios are relative to the object's mean intensity, boundaries in units of the boundary map."""

WhenCut = Literal["judged", "not judged", "if too large"]


@dataclass(frozen=True)
class Descriptor:
    """One property of an object.

    Attributes
    ----------
    name : str
        As in rules files and tables.
    meaning : str
        One line, for whoever writes rules.
    kind : str
        What it is, a key of `UNITS`; from it follow the valid units and range.
    when_cut : 'judged', 'not judged' or 'if too large'
        How rules treat it for an object cut by the image border: as for all others; not at all, since a part says
        nothing about the whole; or above its bounds only, since a part shows at most the true value.
    dims : tuple of int
        Numbers of axes of the images in which it can be measured.
    """

    name: str
    meaning: str
    kind: Kind
    when_cut: WhenCut = "judged"
    dims: tuple[int, ...] = (2,)


# fmt: off
_ROWS = (
    Descriptor("area", "number of pixels", "area", "if too large"),
    Descriptor("equivalent_diameter", "diameter of the disk of the same area", "length", "if too large"),
    Descriptor("major_axis", "major axis of the ellipse with the same second moments", "length", "not judged"),
    Descriptor("minor_axis", "minor axis of the ellipse with the same second moments", "length", "not judged"),
    Descriptor("eccentricity", "of that ellipse: 0 = circle, 1 = line", "fraction", "not judged"),
    Descriptor("orientation", "angle between the vertical and the major axis, counter-clockwise, -90 to 90", "angle",
               "not judged"),
    Descriptor("extent", "area / area of the upright bounding box", "fraction", "not judged"),
    Descriptor("perimeter", "length of the border (Crofton, 4 directions), holes and image border included", "length",
               "not judged"),
    Descriptor("circularity", "4 pi area / perimeter^2, at most 1: 1 = a perfect disk", "fraction", "not judged"),
    Descriptor("bbox_min_row", "first row of the bounding box", "length"),
    Descriptor("bbox_min_col", "first column of the bounding box", "length"),
    Descriptor("bbox_max_row", "row after the last of the bounding box", "length"),
    Descriptor("bbox_max_col", "column after the last of the bounding box", "length"),
    Descriptor("centroid_row", "row of the middle, from the top", "length"),
    Descriptor("centroid_col", "column of the middle, from the left", "length"),
    Descriptor("center_distance", "from the middle to the image's middle / half the image diagonal", "fraction"),
    Descriptor("border_distance", "from the middle to the nearest side of the image", "length"),
    Descriptor("touches_border", "share of the object's border that lies on the image border; 0 = does not touch",
               "fraction"),
    Descriptor("mean_intensity", "mean of the object's pixels", "intensity"),
    Descriptor("min_intensity", "lowest of the object's pixels", "intensity"),
    Descriptor("max_intensity", "highest of the object's pixels", "intensity"),
    Descriptor("sd_intensity", "standard deviation of the object's pixels", "intensity"),
    Descriptor("boundary_level", "intensity on both sides of the outline / mean intensity: low = dark rim; 1 without"
               " an outline", "ratio"),
    Descriptor("boundary_gradient", "steepness on the outline / mean intensity: high = sharp edge", "ratio"),
    Descriptor("boundary_map", "mean of the boundary map (`--boundaries`; else the gradient) on the outline",
               "boundary"),
    Descriptor("interior_gradient", "mean steepness of all pixels / mean intensity: high = texture", "ratio"),
    Descriptor("inner_boundary_map", "mean of the boundary map on lines inside the object: high = two objects in one",
               "boundary"),
    Descriptor("valley", "depth of dark lines inside the object / mean intensity: high = two objects in one", "ratio"),
    Descriptor("contrast", "(inside - outside, at the outline) / mean intensity; 0 without an outline", "ratio"),
    Descriptor("outside_intensity", "mean just outside of the outline; the mean intensity without an outline",
               "intensity"),
    Descriptor("solidity", "area / area of the convex hull of the pixel corners: 1 = no dents", "fraction",
               "not judged"),
    Descriptor("radial_distance", "from the middle to the [centre](#objects-about-a-centre)", "length"),
    Descriptor("radial_angle", "between the major axis and the direction to the centre, 0 to 90", "angle",
               "not judged"),
    Descriptor("box_length", "length of the box around the object that is turned to its major axis", "length",
               "not judged"),
    Descriptor("box_width", "width of that box, across the major axis", "length", "not judged"),
    Descriptor("box_fill", "share of that box that is filled: 1 = a rectangle", "fraction", "not judged"),
    Descriptor("neighbours", "number of other objects (the background among them) that it touches", "number",
               "if too large"),
    Descriptor("circle_hough", "share of 32 directions in which the outline lies on the circle of the same area",
               "fraction", "not judged"),
)
# fmt: on

DESCRIPTORS: dict[str, Descriptor] = {row.name: row for row in _ROWS}
"""Every descriptor by its name. The outline excludes the image border unless said otherwise."""


def table() -> str:
    """Return the table of all descriptors for docs/rules.md, as Markdown.

    >>> print(table()[:93])
    | name | what it is | unit | cut by the image border |
    |---|---|---|---|
    | `area` | number of
    """
    rows = [f"| `{row.name}` | {row.meaning} | {UNITS[row.kind]} | {row.when_cut} |" for row in DESCRIPTORS.values()]
    return "\n".join(["| name | what it is | unit | cut by the image border |", "|---|---|---|---|", *rows]) + "\n"


def write_table(page: Path) -> None:
    """Put `table` in the place of the table that stands on a page of docs/."""
    text = page.read_text(encoding="utf-8")
    start = text.index(table().splitlines()[0])
    end = text.index("\n\n", start) + 1
    page.write_text(text[:start] + table() + text[end:], encoding="utf-8")


if __name__ == "__main__":
    write_table(Path(sys.argv[1]))
