"""Remake a shipped model: train it as a user would, and put it with its card into the package.

    python benchmarks/ship.py nuclei --data path/to/nuclei/train
    python benchmarks/ship.py circles
"""

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import common
import segcritic
from segcritic.datasets.circles import write as write_circles

SHIPPED = common.ROOT / "src" / "segcritic" / "shipped"
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
`python benchmarks/ship.py nuclei --data FOLDER`, with the folder that holds images/ (seed {seed}).
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
`python benchmarks/ship.py circles` (seed {seed}).
""",
}
CIRCLES_SEED = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=CARDS)
    parser.add_argument("--data", type=Path, default=common.NUCLEI, help="folder with images/")
    arguments = parser.parse_args()
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


if __name__ == "__main__":
    main()
