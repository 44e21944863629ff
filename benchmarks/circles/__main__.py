"""Generated circles on structured ground: what is learned from the built-in rules alone, against simple methods.

For each kind of image a model is trained on unlabelled images and scored on others. mAP as `segcritic.evaluate`.
"""

import time
from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lib.cache import peak_megabytes
from benchmarks.lib.command import command, parser, run, write
from benchmarks.lib.images import TEST_SEED
from benchmarks.lib.runs import bound, scores
from benchmarks.lib.tables import spread, table

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
HEAD = ("images", "Otsu", "mutex watershed", "Hough circles alone", "segcritic", "its AP50", "superpixels' bound")
HEAD += ("superpixels", "training s", "memory MB")


def sure_circles(image: NDArray[np.float32]) -> NDArray[np.int32]:
    """The Hough transform behind the superpixels alone: circles with the evidence that the rules ask for."""
    from skimage.measure import label

    from segcritic.pixels.preprocess import normalise
    from segcritic.rules import load_builtin
    from segcritic.superpixels.hough import SURE, likely_circles

    rules = load_builtin("circles")
    assert rules.superpixels is not None
    wanted = rules.descriptors["boundary_map"].at_least
    assert wanted is not None
    found = likely_circles(normalise(image), rules.superpixels.settings["circles"]).relief(image.shape)
    sure = found.foreground * SURE >= wanted
    return np.asarray(label(np.where(sure, found.instances, 0), connectivity=1), np.int32)


def row(kind: str, arguments: Namespace) -> list[str]:
    """Train and score on one kind of images: scores, of the model mean and deviation over the seeds, and costs."""
    import segcritic
    from benchmarks.baselines import largest_is_ground, otsu
    from segcritic.datasets.circles import circles
    from segcritic.pixels.preprocess import normalise
    from segcritic.superpixels import superpixels

    settings = KINDS[kind][1]
    images, truth = map(list, zip(*circles(arguments.test, TEST_SEED["circles"], **settings), strict=True))
    found, seconds, pieces = [], [], []
    for seed in arguments.seeds:
        unlabelled = [image for image, _ in circles(arguments.train, seed, **settings)]
        start = time.perf_counter()
        model = segcritic.train(unlabelled, "circles", seed=seed, steps=arguments.steps)
        seconds.append(time.perf_counter() - start)
        segmented = [model.analyse(image) for image in images]
        pieces = [segmentation.graph.superpixels for segmentation in segmented]
        found.append(scores([segmentation.labels for segmentation in segmented], truth, ("mAP", "AP50")))

    def precision(labels: list[Any]) -> str:
        return f"{scores(labels, truth, ('mAP',))['mAP']:.3f}"

    return [
        kind,
        precision([otsu(image) for image in images]),
        precision([largest_is_ground(superpixels(normalise(image), "mutex")) for image in images]),
        precision([sure_circles(image) for image in images]),
        f"**{spread([each['mAP'] for each in found], '.3f')}**",
        spread([each["AP50"] for each in found], ".3f"),
        precision(bound(pieces, truth)),
        f"{np.mean([cut.max() + 1 for cut in pieces]):.0f}",
        f"{np.mean(seconds):.0f}",
        f"{peak_megabytes():.0f}",
    ]


def page(arguments: Namespace) -> str:
    """The text of docs/circles.md, which is written anew after every kind."""
    rows, text = [], ""
    for kind in arguments.kinds:
        rows.append(row(kind, arguments))
        text = written(rows, arguments)
        write(text, arguments)
    return text


def written(rows: list[list[str]], arguments: Namespace) -> str:
    from segcritic.rules import load_builtin

    n_seeds, kinds = len(arguments.seeds), (row[0] for row in rows)
    return f"""# Circles on structured ground

mAP on {arguments.test} generated images of each kind, none seen in training. segcritic learns from {arguments.train}
images without labels and the built-in rules `circles`, the same for all kinds. Mean and standard deviation over
{n_seeds} seed{"s" * (n_seeds > 1)}, each with training images of its own. The bound is the best that
merging the superpixels could give. Training includes making the superpixels; memory is the highest of the
process up to then. Hough circles alone: those of the superpixels' likely circles that are as sure as the rules
ask for, without any learning. Rules and generator were made by the same people: see the other kinds for how far the
rules carry.

Made by `{command(arguments, "kinds", "train", "test", "seeds", "steps")}`.

{table(HEAD, rows)}

The kinds:

{chr(10).join(f"- {kind}: {KINDS[kind][0]}" for kind in kinds)}

Rules:

```yaml
{load_builtin("circles").to_yaml().strip()}
```
"""


if __name__ == "__main__":
    quick = {"kinds": ["base", "small", "faint"], "train": 10, "test": 5, "seeds": [0], "steps": 100}
    options = parser(__doc__, "circles", page, page="circles.md", quick=quick, seeds=(0, 1, 2))
    options.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="kinds of images")
    options.add_argument("--train", type=int, default=40, help="unlabelled training images")
    options.add_argument("--test", type=int, default=20, help="test images")
    options.add_argument("--steps", type=int, help="updates, instead of the default preset's")
    run(options)
