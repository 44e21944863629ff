"""How good a segmentation do superpixels allow, with how many of them, and how long do they take?

The bound gives every superpixel to the true object (or the background) that covers most of it.
"""

import sys
import time
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import common


@dataclass
class Row:
    """One way to cut superpixels, and what came out of it on each image."""

    method: str
    settings: dict[str, Any]
    numbers: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    labels: list[Any] = field(default_factory=list)

    def cells(self, truth: list[Any]) -> list[str]:
        from statistics import median

        from segcritic.metrics import evaluate

        scores = evaluate(self.labels, truth)
        name = " ".join([self.method, *(f"{key}={value}" for key, value in self.settings.items())])
        return [
            name,
            *(common.score(scores[key]) for key in ("mAP", "AP50", "AP75")),
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


def measure(compared: list[Row], pairs: list[tuple[Path, Path]]) -> list[Any]:
    """Fill the rows; return the true labels."""
    from segcritic.graph.project import achievable_segmentation
    from segcritic.io.images import read_image, read_labels
    from segcritic.pixels.preprocess import normalise
    from segcritic.superpixels import superpixels

    truth = []
    for number, (image_path, labels_path) in enumerate(pairs):
        image = normalise(read_image(image_path).pixels)
        truth.append(read_labels(labels_path))
        for row in compared:
            if number == 0:
                superpixels(image, row.method, **row.settings)  # not timed: compiles
            start = time.process_time()
            cut = superpixels(image, row.method, **row.settings)
            row.seconds.append(time.process_time() - start)
            row.numbers.append(int(cut.max()) + 1)
            row.labels.append(achievable_segmentation(cut, truth[-1]))
        print(f"\r{number + 1} of {len(pairs)} images", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return truth


def page(compared: list[Row], truth: list[Any], arguments: Namespace) -> str:
    """The text of docs/superpixels.md."""
    from statistics import median

    megapixels = median(labels.size for labels in truth) / 1e6
    n_objects = median(int(labels.max()) for labels in truth)
    machine = common.machine(arguments.threads, ("numpy", "numba", "bioimage-cpp", "scikit-image"))
    head = ("superpixels", "bound mAP", "AP50", "AP75", "number", "s / image")
    return f"""# Superpixels: what they allow

What superpixels join, no decision about merging can part. The bound gives each superpixel to the true object, or the
background, that covers most of it: the best that merging alone allows. (Where rules name a polarity, outlines are
settled on the image afterwards, and may pass it a little.) Numbers of superpixels and seconds are medians per image.

**Data.** {common.NUCLEI_TEXT}
{len(truth)} images (median {megapixels:.3f} megapixels, {n_objects:.0f} nuclei). The truth serves for the bound alone.

**Tuning.** The constants and default settings of `shells` were chosen on these same images, so its bound is slightly
optimistic here; `watershed` and `mutex` have their general defaults. Nothing is random.

**Machine.** {machine}
Seconds are of the processor, for the cut of the normalised image alone.

**Command.** `{common.command(arguments, ("quick", "images"))}`

{common.table(head, (row.cells(truth) for row in compared))}
"""


def main() -> int:
    parser = common.parser(__doc__, "superpixels.md")
    parser.add_argument("--data", type=Path, default=common.NUCLEI, help="folder of images/ and labels/ (or masks/)")
    parser.add_argument("--images", type=int, help="only so many images, evenly spread over the list")
    arguments = parser.parse_args()
    common.use_threads(arguments.threads)
    from segcritic.errors import UserError

    try:
        pairs = common.nuclei_pairs(arguments.data, arguments.images or (3 if arguments.quick else None))
    except UserError as error:
        print(f"superpixels.py: {error}", file=sys.stderr)
        return 2
    compared = rows(arguments.quick)
    truth = measure(compared, pairs)
    common.write_page(page(compared, truth, arguments), arguments, "superpixels.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
