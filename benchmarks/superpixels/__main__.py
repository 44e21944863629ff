"""How good a segmentation do superpixels allow, with how many of them, and how long do they take?

The bound gives every superpixel to the true object (or the background) that covers most of it.
"""

import sys
from argparse import Namespace
from statistics import median
from typing import Any

from benchmarks.lib.command import command, parser, run
from benchmarks.lib.images import NUCLEI_TEXT, nuclei_pairs, read
from benchmarks.lib.runs import bound, scores, timed
from benchmarks.lib.tables import machine, score, table

VARIANTS: tuple[tuple[str, str, tuple[float, ...]], ...] = (
    ("shells", "pieces", (4, 6, 8, 18, 24, 36)),
    ("shells", "min_size", (3, 12, 20)),
    ("watershed", "min_size", (30, 60)),
    ("mutex", "repulsion", (2.0, 3.0)),
)


def compared(quick: bool) -> list[tuple[str, dict[str, Any]]]:
    """Methods and settings; without settings: the defaults, which rules that name only the method get."""
    result: list[tuple[str, dict[str, Any]]] = []
    for method in ("shells", "watershed", "mutex"):
        result.append((method, {}))
        if not quick:
            result += [(name, {key: value}) for name, key, values in VARIANTS if name == method for value in values]
    return result


def row(method: str, settings: dict[str, Any], images: list[Any], truth: list[Any]) -> list[str]:
    """Cut all images in one way; scores of the bound, numbers and seconds."""
    from segcritic.superpixels import superpixels

    def cut(image: Any) -> Any:
        return superpixels(image, method, **settings)

    name = " ".join([method, *(f"{key}={value}" for key, value in settings.items())])
    print(name, file=sys.stderr, flush=True)
    cut(images[0])  # not timed: compiles
    cuts, seconds = timed(cut, images)
    found = scores(bound(cuts, truth), truth, ("mAP", "AP50", "AP75"))
    number = median(int(each.max()) + 1 for each in cuts)
    return [name, *map(score, found.values()), f"{number:,.0f}", f"{median(seconds):.3f}"]


def page(arguments: Namespace) -> str:
    """Measure, and write the text of docs/superpixels.md."""
    from segcritic.pixels.preprocess import normalise

    pixels, truth = read(nuclei_pairs(arguments.data, arguments.images))
    images = [normalise(image) for image in pixels]
    rows = [row(*way, images, truth) for way in compared(arguments.quick)]
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

{table(head, rows)}
"""


if __name__ == "__main__":
    options = parser(__doc__, "superpixels", page, page="superpixels.md", quick={"images": 3}, nuclei=True)
    options.add_argument("--images", type=int, help="only so many images, evenly spread over the list")
    run(options)
