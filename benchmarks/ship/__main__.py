"""Remake a shipped model: train it as a user would, and put it with its card into the package.

python -m benchmarks.ship nuclei --data path/to/nuclei/train
python -m benchmarks.ship circles
python -m benchmarks.ship nuclei-boundaries --data path/to/nuclei/train
"""

import shutil
import tempfile
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from benchmarks.lib.command import parser, run
from benchmarks.lib.images import SHIPPED, SHIPPED_NETWORKS, nuclei_pairs
from benchmarks.nuclei.networks import fold_network

SEED = 0

CARDS = {
    "nuclei": """
## Data
{n} fluorescence images of nuclei of medium size (median area 250 to 1,800 pixels), from the training part of StarDist's
subset of the Data Science Bowl 2018 (BBBC038; CC0). Only the images were used: no label entered the training.

## Rules and their priors
`rules.yaml`. All numbers were typed by hand, but for the size, which is taken from a first rough segmentation of each
image itself. While the method was developed, its general constants (superpixels, level of the outline, tolerances) were
settled while looking at scores on labelled images of this same list; the model was never selected by them.

## Limits
Made for images that show nuclei: in an image of noise alone it finds objects of noise. Low scores in the measurements
tell doubtful objects.

## Figures
Cross-validated figures, mean and spread over 3 seeds: docs/nuclei.md.

## Remake it
`python -m benchmarks.ship nuclei --data FOLDER`, with the folder that holds images/ (seed {seed}).
""",
    "circles": """
## Data
{n} generated images of filled circles on a structured ground (`segcritic.datasets.circles`, seed {data_seed}), without
their labels.

## Rules and their priors
`rules.yaml`. All numbers were typed by hand.

## Figures
Mean and spread over 3 seeds on circles of several kinds: docs/circles.md.

## Remake it
`python -m benchmarks.ship circles` (seed {seed}).
""",
}
CIRCLES_SEED = 7

NETWORK_CARD = """# nuclei-boundaries

Tells the outlines and the insides of fluorescent nuclei: boundary maps for `segcritic train --boundaries`. A network
that learned from labels.

## Data
{n} fluorescence images of nuclei of medium size (median area 250 to 1,800 pixels) with their labels, from the training
part of StarDist's subset of the Data Science Bowl 2018 (BBBC038; CC0).

## Network and training
A U-Net of {weights:,} weights (widths {widths}); {steps} updates of {batch} crops of {crop} pixels, seed {seed}.

## Limits
Grey images of bright nuclei on a dark ground, 15 to 50 pixels across; others were never seen.

## Figures
Cross-validated figures of networks trained the same way: `python -m benchmarks.nuclei --peers`.

## Remake it
`python -m benchmarks.ship nuclei-boundaries --data FOLDER`, with the folder that holds images/ and labels/.
"""
NETWORK = "nuclei-boundaries"


def ship(arguments: Namespace) -> None:
    """Train the model and write its folder."""
    import segcritic
    from segcritic.datasets.circles import write as write_circles

    if arguments.name == NETWORK:
        ship_network(arguments.data)
        return
    with tempfile.TemporaryDirectory() as temporary:
        images = arguments.data / "images"
        if arguments.name == "circles":
            write_circles(temporary, 40, CIRCLES_SEED)
            images = Path(temporary) / "images"
        model = segcritic.train(images, rules=arguments.name, seed=SEED)
        n = len(list(images.iterdir()))
    card = model.card + CARDS[arguments.name].format(n=n, seed=SEED, data_seed=CIRCLES_SEED)
    folder = SHIPPED / arguments.name
    shutil.rmtree(folder, ignore_errors=True)
    replace(model, card=card).save(folder)
    print(f"wrote {folder}")


def ship_network(data: Path) -> None:
    """Train the boundary network on all images, or take it up where it was cut off, and put it into the package."""
    from segcritic.boundary_net import BoundaryTraining

    network = fold_network(str(data), None, None, 1)
    settings = BoundaryTraining()
    network.card = NETWORK_CARD.format(
        n=len(nuclei_pairs(data)),
        weights=sum(parameter.numel() for parameter in network.network.parameters()),
        widths=", ".join(map(str, settings.widths)),
        steps=settings.steps,
        batch=settings.batch,
        crop=settings.crop,
        seed=SEED,
    )
    folder = SHIPPED_NETWORKS / NETWORK
    network.save(folder)
    print(f"wrote {folder}")


if __name__ == "__main__":
    options = parser(__doc__, "ship", ship, nuclei=True)
    options.add_argument("name", choices=[*CARDS, NETWORK])
    run(options)
