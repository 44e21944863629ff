"""Generated circles on structured ground: what is learned from the built-in rules alone, against simple methods.

For each kind of image a model is trained on unlabelled images and scored on others. mAP as `segcritic.evaluate`.
"""

import argparse
import resource
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.measure import label

import segcritic
from baselines import otsu
from segcritic.datasets.circles import circles
from segcritic.graph.project import achievable_segmentation
from segcritic.pixels.preprocess import normalise
from segcritic.rules import load_builtin
from segcritic.superpixels import superpixels
from segcritic.superpixels.hough import SURE, likely_circles

KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "base": ("the generator's defaults: radius 10 to 22, nine in ten brighter than the ground", {}),
    "small": ("radius 6 to 14", {"radius": (6.0, 14.0)}),
    "large": ("radius 15 to 35", {"radius": (15.0, 35.0)}),
    "both": ("radius 8 to 30, half of them darker than the ground", {"radius": (8.0, 30.0), "bright": 0.5}),
    "ground": ("ground of stronger waves, four in ten darker", {"ground": 0.16, "bright": 0.6}),
    "texture": ("ground and circles of stronger waves", {"ground": 0.15, "texture": 0.15}),
    "faint": ("less contrast, ground of stronger waves", {"ground": 0.12, "contrast": 0.12}),
    "noise": ("three times the noise", {"noise": 0.06, "blur": 0.7}),
    "blur": ("twice the blur", {"blur": 2.0}),
    "cut": ("touching circles, some cut by the image border", {"gap": 0.0, "radius": (10.0, 20.0)}),
    "polygons": ("with six polygons, which are no objects", {"polygons": 6}),
    "128 px": ("images of 128 x 128 pixels", {"shape": (128, 128), "count": (2, 8)}),
    "512 px": ("images of 512 x 512 pixels, radius 15 to 38", {"shape": (512, 512), "radius": (15.0, 38.0)}),
}
TEST_SEED = 100_000


@dataclass
class Result:
    """Scores (mAP) of one kind of images; of the model one for each seed."""

    kind: str
    otsu: float
    mutex: float
    hough: float
    bound: float
    n_superpixels: float
    model: list[float]
    ap50: list[float]
    seconds: float
    memory: float

    def row(self) -> str:
        def spread(values: list[float]) -> str:
            return f"{np.mean(values):.3f} ± {np.std(values):.3f}"

        cells = [self.kind, f"{self.otsu:.3f}", f"{self.mutex:.3f}", f"{self.hough:.3f}"]
        cells += [f"**{spread(self.model)}**", spread(self.ap50)]
        cells += [f"{self.bound:.3f}", f"{self.n_superpixels:.0f}", f"{self.seconds:.0f}", f"{self.memory:.0f}"]
        return f"| {' | '.join(cells)} |"


def mutex_watershed(image: NDArray[np.float32]) -> NDArray[np.int32]:
    """Plain mutex watershed of the image; the largest piece is the ground."""
    pieces = superpixels(normalise(image), "mutex")
    return np.where(pieces == np.bincount(pieces.ravel()).argmax(), 0, pieces + 1).astype(np.int32)


def sure_circles(image: NDArray[np.float32]) -> NDArray[np.int32]:
    """The Hough transform behind the superpixels alone: circles with the evidence that the rules ask for."""
    rules = load_builtin("circles")
    assert rules.superpixels is not None
    wanted = rules.descriptors["boundary_map"].at_least
    found = likely_circles(normalise(image), rules.superpixels.settings["circles"]).relief(image.shape)
    sure = found.foreground * SURE >= wanted
    return label(np.where(sure, found.instances, 0), connectivity=1).astype(np.int32)


def run(kind: str, n_train: int, n_test: int, seeds: list[int], steps: int | None) -> Result:
    """Train and score on one kind of images."""
    settings = KINDS[kind][1]
    tests = circles(n_test, TEST_SEED, **settings)
    images, truth = [image for image, _ in tests], [labels for _, labels in tests]
    model_scores, ap50, seconds, pieces = [], [], [], []
    for seed in seeds:
        unlabelled = [image for image, _ in circles(n_train, seed, **settings)]
        start = time.perf_counter()
        model = segcritic.train(unlabelled, "circles", seed=seed, steps=steps)
        seconds.append(time.perf_counter() - start)
        found = [model.analyse(image) for image in images]
        pieces = [segmentation.graph.superpixels for segmentation in found]
        scores = segcritic.evaluate([segmentation.labels for segmentation in found], truth)
        model_scores.append(scores["mAP"])
        ap50.append(scores["AP50"])
    return Result(
        kind=kind,
        otsu=segcritic.evaluate([otsu(image) for image in images], truth)["mAP"],
        mutex=segcritic.evaluate([mutex_watershed(image) for image in images], truth)["mAP"],
        hough=segcritic.evaluate([sure_circles(image) for image in images], truth)["mAP"],
        bound=segcritic.evaluate([achievable_segmentation(p, t) for p, t in zip(pieces, truth, strict=True)], truth)[
            "mAP"
        ],
        n_superpixels=float(np.mean([p.max() + 1 for p in pieces])),
        model=model_scores,
        ap50=ap50,
        seconds=float(np.mean(seconds)),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def page(results: list[Result], n_train: int, n_test: int, seeds: list[int], command: str) -> str:
    """Write the Markdown page."""
    head = ["images", "Otsu", "mutex watershed", "Hough circles alone", "segcritic", "its AP50", "superpixels' bound"]
    head += ["superpixels", "training s", "memory MB"]
    lines = [
        "# Circles on structured ground",
        "",
        f"mAP on {n_test} generated images of each kind, none seen in training. segcritic learns from {n_train} images",
        "without labels and the built-in rules `circles`, the same for all kinds. Mean and standard deviation over",
        f"{len(seeds)} seed{'s' * (len(seeds) > 1)}, each with training images of its own. The bound is the best that",
        "merging the superpixels could give. Training includes making the superpixels; memory is the highest of the",
        "process up to then. Hough circles alone: those of the superpixels' likely circles that are as sure as the",
        "rules ask for, without any learning. Rules and generator were made by the same people: see the other kinds",
        "for how far the rules carry.",
        "",
        f"Made by `{command}`.",
        "",
        f"| {' | '.join(head)} |",
        "|---|" + "---:|" * (len(head) - 1),
        *(result.row() for result in results),
        "",
        "The kinds:",
        "",
        *(f"- {result.kind}: {KINDS[result.kind][0]}" for result in results),
        "",
        "Rules:",
        "",
        "```yaml",
        load_builtin("circles").to_yaml().strip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="kinds of images")
    parser.add_argument("--train", type=int, default=40, help="unlabelled training images")
    parser.add_argument("--test", type=int, default=20, help="test images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of training and its images")
    parser.add_argument("--steps", type=int, help="updates, instead of the default preset's")
    parser.add_argument("--quick", action="store_true", help="one seed, three kinds, few images and steps; no page")
    default = Path(__file__).parents[1] / "docs" / "circles.md"
    parser.add_argument("--out", type=Path, default=default, help="Markdown file to write")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.kinds, arguments.train, arguments.test = ["base", "small", "faint"], 10, 5
        arguments.seeds, arguments.steps = [0], 100
    results = []
    for kind in arguments.kinds:
        results.append(run(kind, arguments.train, arguments.test, arguments.seeds, arguments.steps))
        print(results[-1].row(), flush=True)
        if not arguments.quick:
            text = page(results, arguments.train, arguments.test, arguments.seeds, shlex.join(["python", *sys.argv]))
            arguments.out.parent.mkdir(parents=True, exist_ok=True)
            arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
