"""How good a segmentation do superpixels allow, with how many of them, and how long do they take?

The bound gives every superpixel to the true object (or the background) that covers most of it.
"""

import sys
from argparse import Namespace
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.lib.command import command, parser, run
from benchmarks.lib.images import NUCLEI_TEXT, FilePairs, nuclei_pairs, read
from benchmarks.lib.runs import bound, scores, timed
from benchmarks.lib.tables import machine, score, table


@dataclass
class Row:
    """One way to cut superpixels, and what came out of it on each image."""

    method: str
    settings: dict[str, Any]
    numbers: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)

    def cells(self, truth: list[Any]) -> list[str]:
        found = scores(self.labels, truth, ("mAP", "AP50", "AP75"))
        name = " ".join([self.method, *(f"{key}={value}" for key, value in self.settings.items())])
        return [
            name,
            *map(score, found.values()),
            f"{median(self.numbers):,.0f}",
            f"{median(self.seconds):.3f}",
        ]


def rows(quick: bool) -> list[Row]:
    """What is compared; without settings: the defaults, which rules that name only the method get."""
    variants: list[tuple[str, str, tuple[float, ...]]] = [
        ("shells", "pieces", (4, 6, 8, 18, 24, 36)),
        ("shells", "min_size", (3, 12, 20)),
        ("watershed", "min_size", (30, 60)),
        ("mutex", "repulsion", (2.0, 3.0)),
    ]
    result = []
    for method in ("shells", "watershed", "mutex"):
        result.append(Row(method, {}))
        if not quick:
            result += [Row(name, {key: value}) for name, key, values in variants if name == method for value in values]
    return result


def measure(compared: list[Row], pairs: FilePairs) -> list[Any]:
    """Fill the rows; return the true labels."""
    from segcritic.pixels.preprocess import normalise
    from segcritic.superpixels import superpixels

    pixels, truth = read(pairs)
    images = [normalise(image) for image in pixels]
    for row in compared:

        def cut(image: Any, row: Row = row) -> Any:
            return superpixels(image, row.method, **row.settings)

        cut(images[0])  # not timed: compiles
        cuts, row.seconds = timed(cut, images)
        row.numbers = [int(found.max()) + 1 for found in cuts]
        row.labels = bound(cuts, truth)
        print(row.method, row.settings, file=sys.stderr, flush=True)
    return truth


def page(arguments: Namespace) -> str:
    """Measure, and write the text of docs/superpixels.md."""
    compared = rows(arguments.quick)
    truth = measure(compared, nuclei_pairs(arguments.data, arguments.images))
    megapixels = median(labels.size for labels in truth) / 1e6
    n_objects = median(int(labels.max()) for labels in truth)
    head = ("superpixels", "bound mAP", "AP50", "AP75", "number", "s / image")
    return f"""# Superpixels: what they allow

What superpixels join, no decision about merging can part. The bound gives each superpixel to the true object, or the
background, that covers most of it: the best that merging alone allows. (Where rules name a polarity, outlines are
settled on the image afterwards, and may pass it a little.) Numbers of superpixels and seconds are medians per image.

**Data.** {NUCLEI_TEXT}
{len(truth)} images (median {megapixels:.3f} megapixels, {n_objects:.0f} nuclei). The truth serves for the bound alone.

**Tuning.** The constants and default settings of `shells` were chosen on these same images, so its bound is slightly
optimistic here; `watershed` and `mutex` have their general defaults. Nothing is random.

**Machine.** {machine(arguments.threads, ("numpy", "numba", "bioimage-cpp", "scikit-image"))}
Seconds are of the processor, for the cut of the normalised image alone.

**Command.** `{command(arguments, "images")}`

{table(head, (row.cells(truth) for row in compared))}
"""


if __name__ == "__main__":
    options = parser(__doc__, "superpixels", page, page="superpixels.md", quick={"images": 3}, nuclei=True)
    options.add_argument("--images", type=int, help="only so many images, evenly spread over the list")
    run(options)
