"""Networks of a cross-validation, trained once and kept: who is held out never entered the network's training.

python benchmarks/boundary_nets.py --folds 3
python benchmarks/boundary_nets.py --folds 3 --kind contrastive
"""

import argparse
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import common

CACHE = Path("runs/boundary_nets")
KINDS = ("boundary", "contrastive")


def folder_of(
    images: int | None, fold: int | None, folds: int, cache: Path = CACHE, seed: int = 0, kind: str = "boundary"
) -> Path:
    """Where the network of a fold is kept, and beside it (name-maps) its maps."""
    name = f"all-{images}" if fold is None else f"fold{fold}of{folds}-{images}"
    return cache / f"{'' if kind == 'boundary' else f'{kind}-'}{name}-seed{seed}"


def fold_network(
    data: Path,
    images: int | None,
    fold: int | None,
    folds: int,
    cache: Path = CACHE,
    seed: int = 0,
    kind: str = "boundary",
) -> Any:
    """The network trained on the labels of the images outside of a fold (None: of all), from the cache or now.

    Returns
    -------
    segcritic.boundary_net.BoundaryNet, or of the kind "contrastive" segcritic.baselines.contrastive.ContrastiveNet
    """
    from baselines.contrastive import ContrastiveNet, train_contrastive
    from segcritic.boundary_net import BoundaryNet, train
    from segcritic.io.images import read_image, read_labels

    folder = folder_of(images, fold, folds, cache, seed, kind)
    name = folder.name
    net, learn = {"boundary": (BoundaryNet, train), "contrastive": (ContrastiveNet, train_contrastive)}[kind]
    if (folder / "settings.json").is_file():
        return net.read(folder)
    pairs = common.nuclei_pairs(data, images)
    held_out = set() if fold is None else set(range(fold, len(pairs), folds))
    chosen = [pair for number, pair in enumerate(pairs) if number not in held_out]
    start = time.process_time()

    def tell(step: int, steps: int, loss: float) -> None:
        if step % 100 == 0:
            print(f"{name}: {step} of {steps}, loss {loss:.3f}, {time.process_time() - start:.0f} s", file=sys.stderr)

    network = learn(
        [read_image(image).pixels for image, _ in chosen],
        [read_labels(labels) for _, labels in chosen],
        seed=seed,
        checkpoint=cache / f"{name}.part",
        on_step=tell,
    )
    network.save(folder)
    return network


def maps_of(network: Any, pixels: Any, folder: Path) -> Any:
    """Maps of one image, (2, H, W) float32 to three digits, from the folder of the network's maps or now."""
    import numpy as np

    path = folder / f"{hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()[:20]}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part.npy")
        np.save(unfinished, network.maps(pixels).astype(np.float16))
        unfinished.rename(path)
    return np.load(path).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=common.NUCLEI, help="folder of images/ and labels/ (or masks/)")
    parser.add_argument("--images", type=int, help="only so many images, evenly spread over the list")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--fold", type=int, help="only this one")
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=CACHE)
    arguments = parser.parse_args()
    common.use_threads(arguments.threads)
    import torch

    torch.set_num_threads(arguments.threads)
    for fold in range(arguments.folds) if arguments.fold is None else (arguments.fold,):
        fold_network(arguments.data, arguments.images, fold, arguments.folds, arguments.cache, kind=arguments.kind)


if __name__ == "__main__":
    main()
