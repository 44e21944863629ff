"""Leaves on one graphics card, in minutes: several seeds at once, each a process; and a model of all images to ship.

    python -m benchmarks.leaves pack --data path/to/leaves --to leaves.npz     # on any machine
    python -m benchmarks.leaves train leaves.npz --minutes 8 --out runs/leaves-gpu

`pack` crops the rosettes and puts them into one file that is quick to move. Image i of the sorted list of A1 belongs to
fold i mod 5; fold 0 is held out, as in compare.py. The other rosettes (`extra`) are drawn a third of the time. Where an
episode ends (`stop_at`) is chosen on training images, turned by a right angle, before the held-out ones are looked at.
"""

import hashlib
import io
import json
import multiprocessing
import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from benchmarks.leaves.scores import drawn, evaluated
from benchmarks.lib.command import parser
from benchmarks.lib.tables import spread

SHIP = -1  # the run that trains on all images
_MARGIN = 0.35  # of the plant's box, kept around it on every side: more than any view of training shows
_REPEAT = 4  # times that an image of A1 is listed for one of `extra`
_STOPS = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
_CALIBRATION = 30  # images
_ENDLESS = 20_000  # updates of each stage: the time ends it


def options(verbs: Any) -> None:
    packing = parser("Crop the rosettes and put them into one file that is quick to move.", "pack", pack, verbs=verbs)
    packing.add_argument("--data", type=Path, required=True, help="folder that holds train/ and extra/")
    packing.add_argument("--to", type=Path, required=True)
    training = parser(__doc__, "train", train_all, seeds=(0, 1, 2, SHIP), verbs=verbs)
    training.add_argument("packed", type=Path)
    training.add_argument("--minutes", type=float, required=True, help="of training; what follows takes about one more")
    training.add_argument("--size", type=int, default=224, help="side of the view, pixels")
    training.add_argument("--batch", type=int, default=12)
    training.add_argument(
        "--start", type=Path, help="weights.safetensors to go on from: the last stage alone is trained"
    )
    training.add_argument("--images", type=int, help="only so many of each set, to try it out")
    training.add_argument("--out", type=Path, default=Path("runs/leaves-gpu"))


def train_all(arguments: Namespace) -> None:
    """Train every seed (-1: the model of all images, to ship) in a process of its own, and print their scores."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    told = Namespace(**{name: getattr(arguments, name) for name in ("packed", "minutes", "size", "batch", "start")})
    told.images, told.out = arguments.images, arguments.out
    context = multiprocessing.get_context("spawn")
    runs = [context.Process(target=run, args=(seed, told)) for seed in arguments.seeds]
    for process in runs:
        process.start()
    for process in runs:
        process.join()
    report(arguments)


def pack(arguments: Namespace) -> None:
    """Write all rosettes, cropped, as JPEG of the best quality and PNG labels; held-out images whole and lossless."""
    data, to = arguments.data, arguments.to
    packed, seen = {}, {}
    for name in ("train", "extra"):
        for number, path in enumerate(sorted((data / name / "images").iterdir())):
            pixels, labels = iio.imread(path)[..., :3], iio.imread(data / name / "labels" / path.name)
            digest = hashlib.sha256(pixels.tobytes()).hexdigest()
            if digest in seen:
                raise SystemExit(f"{path} is the same image as {seen[digest]}")
            seen[digest] = path
            held_out = name == "train" and number % 5 == 0
            if not held_out:
                pixels, labels = _cropped(pixels, labels)
            packed[f"{name}{number:03}.image"] = _encoded(pixels, ".png" if held_out else ".jpg")
            packed[f"{name}{number:03}.labels"] = _encoded(labels.astype(np.uint16), ".png")
    np.savez(to, **packed)
    print(f"{to}: {to.stat().st_size / 1e6:.1f} MB, {len(seen)} rosettes, no two equal")


def _cropped(pixels: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(labels)
    margin = _MARGIN * max(np.ptp(rows), np.ptp(columns))
    box = tuple(slice(max(0, int(values.min() - margin)), int(values.max() + margin) + 1) for values in (rows, columns))
    return pixels[box], labels[box]


def _encoded(array: np.ndarray, suffix: str) -> np.ndarray:
    buffer = io.BytesIO()
    options: Any = {"quality": 97} if suffix == ".jpg" else {}
    iio.imwrite(buffer, array, extension=suffix, **options)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def unpack(packed: Path, only: int | None) -> dict[str, list[Any]]:
    """Examples of the sets 'train' (folds 1 to 4), 'held out' (fold 0) and 'extra'."""
    from segcritic.recurrent.views import Example

    found: dict[str, list[Any]] = {"train": [], "held out": [], "extra": []}
    with np.load(packed) as stored:
        for key in stored.files:
            name, what = key.split(".")
            if what == "image":
                pixels, labels = (iio.imread(stored[f"{name}.{part}"].tobytes()) for part in ("image", "labels"))
                held_out = name.startswith("train") and int(name[5:]) % 5 == 0
                kind = "held out" if held_out else name[:5]
                found[kind].append(Example.of(np.asarray(pixels, np.float32) / np.float32(255), labels))
    return {name: examples[:only] for name, examples in found.items()}


def run(seed: int, arguments: Namespace) -> None:
    """Train one seed, choose where its episodes end, score it, and leave model and scores."""
    import torch
    from safetensors.torch import load_file, save_file

    from segcritic.recurrent.train import train

    torch.set_num_threads(3)
    sets = unpack(arguments.packed, arguments.images)
    a1 = sets["train"] + (sets["held out"] if seed == SHIP else [])
    settings, before = _settings(arguments), None
    if arguments.start is not None:
        settings = replace(settings, context_steps=0, masks_steps=0, first_steps=0)
        before = enlarged(load_file(arguments.start), settings)
    start = time.monotonic()

    def tell(progress: Any) -> None:
        if progress.step % 100 == 0:
            print(f"seed {seed}: {progress.note}, step {progress.step}, {progress.seconds:.0f} s", flush=True)

    examples = a1 * _REPEAT + sets["extra"]
    how = {"seed": max(seed, 0), "minutes": arguments.minutes, "pretrained": before, "on_progress": tell}
    agent = train(examples, settings, **how)
    updates = {point["stage"]: point["step"] for point in agent.curve}
    stop_at, counts = calibrated(agent, a1[:: max(1, len(a1) // _CALIBRATION)])
    name = "ship" if seed == SHIP else f"seed{seed}"
    result = {"updates": updates, "seconds": time.monotonic() - start, "stop_at": stop_at, "calibration": counts}
    if seed != SHIP:
        result["held out"] = scored(agent, stop_at, sets["held out"])
        result["held out, stop at .5"] = scored(agent, 0.5, sets["held out"])
    weights = {key: value.contiguous() for key, value in agent.weights.items()}
    save_file(weights, arguments.out / f"{name}.safetensors")
    told = {"settings": replace(agent.settings, stop_at=stop_at).to_dict(), "curve": agent.curve, "result": result}
    (arguments.out / f"{name}.json").write_text(json.dumps(told))
    print(f"seed {seed}: {result}", flush=True)


def _settings(arguments: Namespace) -> Any:
    from segcritic.recurrent.settings import RecurrentSettings

    stages = dict.fromkeys(("context_steps", "masks_steps", "first_steps", "episodes_steps"), _ENDLESS)
    side = arguments.size
    return RecurrentSettings(height=side, width=side, max_objects=22, batch=arguments.batch, **stages)


def enlarged(weights: dict[str, Any], settings: Any) -> Any:
    """An agent of another size of view with these weights: what the decoder lays on a grid is interpolated."""
    from torch.nn.functional import interpolate

    from segcritic.recurrent.networks import Networks
    from segcritic.recurrent.train import TrainedAgent

    wanted = Networks(settings).state_dict()
    for name, new in wanted.items():
        old = weights[name]
        if old.shape == new.shape:
            continue
        grids = settings.height // (32 if ".start." in name else 8), settings.width // (32 if ".start." in name else 8)
        channels = len(new) // (grids[0] * grids[1])
        side = round((len(old) // channels) ** 0.5)  # it was square
        columns = old.reshape(channels, side, side, -1).permute(3, 0, 1, 2)
        resized = interpolate(columns, grids, mode="bilinear", align_corners=False).permute(1, 2, 3, 0)
        weights[name] = resized.reshape(new.shape)
    return TrainedAgent(weights, settings)


def calibrated(agent: Any, examples: list[Any]) -> tuple[float, dict[str, float]]:
    """The probability of termination with the least mean error in count, on training images turned by 90 degrees."""
    errors = {}
    for stop_at in _STOPS:
        networks = replace(agent, settings=replace(agent.settings, stop_at=stop_at)).networks()
        errors[stop_at] = float(np.mean([abs(drawn(networks, e, turns=1).max() - e.n_objects) for e in examples]))
    best = min(errors.values())
    tied = [stop_at for stop_at, error in errors.items() if error <= best + 1e-9]
    return tied[len(tied) // 2], {f"{stop_at:g}": error for stop_at, error in errors.items()}


def scored(agent: Any, stop_at: float, examples: list[Any]) -> dict[str, float]:
    """SBD and errors in count on images that training never saw."""
    networks = replace(agent, settings=replace(agent.settings, stop_at=stop_at)).networks()
    scores = evaluated(networks, examples)
    return {name: float(scores[name]) for name in ("SBD", "DiC", "abs_dic")}


def report(arguments: Namespace) -> None:
    """Print the table of all seeds that finished."""
    rows = []
    for seed in arguments.seeds:
        path = arguments.out / f"seed{seed}.json"
        if seed != SHIP and path.exists():
            rows.append(json.loads(path.read_text())["result"]["held out"])
    for name in rows[0] if rows else ():
        values = [row[name] for row in rows]
        print(f"{name}: {spread(values, '.3f')}  {values}")
