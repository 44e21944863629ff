"""The shipped nuclei model on images as other microscopes might have taken them, against methods that learn nothing."""

from argparse import Namespace
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from benchmarks.lib.command import command, parser, run
from benchmarks.lib.images import NUCLEI_TEXT, evenly, nuclei_pairs, read
from benchmarks.lib.runs import scores
from benchmarks.lib.tables import score, table

Image = NDArray[np.float32]


def span(image: Image) -> float:
    """What the changes below are relative to: from the ground to the brightest objects."""
    low, high = np.percentile(image, (5, 99.5))
    return float(high - low)


def noisy(share: float) -> Callable[[Image], Image]:
    """Add noise that differs from image to image, and is the same for each whenever it is asked for."""

    def change(image: Image) -> Image:
        seed = [round(1000 * share), *np.asarray(image[::7, ::7], np.float64).view(np.uint32).ravel()[:99]]
        return (image + np.random.default_rng(seed).normal(0, share * span(image), image.shape)).astype(np.float32)

    return change


def ramp(share: float) -> Callable[[Image], Image]:
    def change(image: Image) -> Image:
        return (image + share * span(image) * np.linspace(0, 1, image.shape[1])).astype(np.float32)

    return change


def vignette(image: Image) -> Image:
    row, col = (np.linspace(-1, 1, length) for length in image.shape)
    return (image * (1 - 0.35 * (row[:, None] ** 2 + col**2))).astype(np.float32)


def gamma(power: float) -> Callable[[Image], Image]:
    return lambda image: (((image - image.min()) / max(np.ptp(image), 1e-9)) ** power).astype(np.float32)


CHANGES: dict[str, Callable[[Image], Image]] = {
    "as they are": lambda image: image,
    "noise of 0.05": noisy(0.05),
    "noise of 0.1": noisy(0.1),
    "noise of 0.25": noisy(0.25),
    "noise of 0.5": noisy(0.5),
    "vignette": vignette,
    "ramp of 0.3": ramp(0.3),
    "ramp of 1": ramp(1.0),
    "blur of 2 pixels": lambda image: np.asarray(ndi.gaussian_filter(image, 2.0), np.float32),
    "gamma 0.5": gamma(0.5),
    "gamma 2": gamma(2.0),
}
ZOOMS = (0.5, 2.0, 3.0)


def page(options: Namespace) -> str:
    """Score everything and write the Markdown page."""
    from benchmarks import baselines
    from segcritic import models

    model = models.load("nuclei")
    others = [pair for number, pair in enumerate(nuclei_pairs(options.data)) if number % 7 != 1]  # see "Changes"
    pixels, true = read(evenly(others, options.images))
    methods = {"segcritic": model.segment, "watershed": baselines.distance_watershed, "Otsu": baselines.otsu}

    def cells(images: list[Image], truth: list[NDArray[np.integer]]) -> list[str]:
        found = []
        for method in methods.values():
            found += map(score, scores([method(image) for image in images], truth, ("mAP", "AP50")).values())
        return found

    rows = []
    for name, change in CHANGES.items():
        rows.append([name, *cells([change(image) for image in pixels], true)])
    for zoom in ZOOMS:
        images = [np.asarray(ndi.zoom(image, zoom, order=1)) for image in pixels]
        truth = [np.asarray(ndi.zoom(labels, zoom, order=0)) for labels in true]
        rows.append([f"{zoom:g} times as large", *cells(images, truth)])
    head = ["images", *(f"{name} {metric}" for name in methods for metric in ("mAP", "AP50"))]
    return f"""# Nuclei as others might see them

Images of other laboratories were not at hand. Instead, images of nuclei are changed: noise, uneven light, blur, other
gradation, other magnification; and labelled by the shipped model `nuclei` without any change to it, by the distance
watershed (with the settings that are best on the unchanged list), and by Otsu's threshold.

**Data.** {NUCLEI_TEXT}
{len(pixels)} images, evenly spread over the list. The model was trained on this list without labels, and its constants
were settled while looking at scores on it: what matters here is how much is lost from row to row.

**Changes.** Noise is normal and white, its standard deviation given as a share of what lies between percentiles 5 and
99.5. A ramp is added light, from none at the left to that share at the right; a vignette dims the corners by 70 %. How
much noise `segcritic.pixels.preprocess` tolerates was chosen by scores on every seventh image of this list, from the
second on, with noise of 0 to 0.5; those are not among the images here.

**Command.** `{command(options, "images")}`

{table(head, rows)}
"""


if __name__ == "__main__":
    arguments = parser(__doc__, "robustness", page, page="robustness.md", quick={"images": 2}, nuclei=True)
    arguments.add_argument("--images", type=int, default=22, help="only so many, evenly spread")
    run(arguments)
