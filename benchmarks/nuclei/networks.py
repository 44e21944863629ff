"""Networks of a cross-validation, trained once and kept: who is held out never entered the network's training."""

import hashlib
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.lib.images import nuclei_pairs, read

CACHE = Path("runs/boundary_nets")


def folder_of(images: int | None, fold: int | None, folds: int, kind: str = "boundary") -> Path:
    """Where the network of a fold is kept, and beside it (name-maps) its maps."""
    name = f"all-{images}" if fold is None else f"fold{fold}of{folds}-{images}"
    return CACHE / f"{'' if kind == 'boundary' else f'{kind}-'}{name}-seed0"


def fold_network(data: str, images: int | None, fold: int | None, folds: int, kind: str = "boundary") -> Any:
    """The network trained on the labels of the images outside of a fold (None: of all), from the cache or now.

    Returns
    -------
    segcritic.boundary_net.BoundaryNet, or of the kind "contrastive" benchmarks.baselines.contrastive.ContrastiveNet
    """
    from benchmarks.baselines.contrastive import ContrastiveNet, train_contrastive
    from segcritic.boundary_net import BoundaryNet, train

    folder = folder_of(images, fold, folds, kind)
    net, learn = {"boundary": (BoundaryNet, train), "contrastive": (ContrastiveNet, train_contrastive)}[kind]
    if (folder / "settings.json").is_file():
        return net.read(folder)
    pairs = nuclei_pairs(data, images)
    held_out = () if fold is None else range(fold, len(pairs), folds)
    start = time.process_time()

    def tell(step: int, steps: int, loss: float) -> None:
        if step % 100 == 0:
            seconds = time.process_time() - start
            print(f"{folder.name}: {step} of {steps}, loss {loss:.3f}, {seconds:.0f} s", file=sys.stderr)

    chosen = read([pair for number, pair in enumerate(pairs) if number not in held_out])
    network = learn(*chosen, seed=0, checkpoint=CACHE / f"{folder.name}.part", on_step=tell)
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
