"""One run of the nuclei benchmark, each in a process of its own, kept as JSON."""

import hashlib
import json
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import common

SAMPLES = {"samples": 16, "critic": 2, "samples+critic": 4}
"""Partitions per image and step of each learner: a critic judges each of them, at the cost of an actor each."""


@dataclass(frozen=True)
class Run:
    """What determines a result.

    Attributes
    ----------
    method : 'rules only' (whatever is trained), 'bound', or one of `nuclei_peers.STILL`, `BY_NETWORK`, `CONTRASTIVE`,
        `PRETRAINED`
    data : folder
    images : only so many of them; None = all
    rules : rules file, or the name of a built-in one
    fold, folds : which part of the images is held out; fold None = all images are labelled, none trained on
    seed : of the training
    steps : updates; None = the default number
    seconds : wall time of the updates, instead of a number of steps
    learner : None = the default one
    superpixels : None = the rules' own; 'network' = of the fold's boundary network; 'truth-cut' = those, cut along the
        true outlines
    labelled : number of training images whose labels are used; None = none, -1 = all
    weights : file or folder of a network that the user has
    """

    method: str
    data: str
    images: int | None
    rules: str
    fold: int | None = None
    folds: int = 1
    seed: int | None = None
    steps: int | None = None
    seconds: float | None = None
    learner: str | None = None
    superpixels: str | None = None
    labelled: int | None = None
    weights: str | None = None

    def file_name(self) -> str:
        """A name to recognise, and a digest of all that determines the result (but code, and where the data lie)."""
        from segcritic.api import load_rules

        settings = asdict(self) | {"rules": load_rules(self.rules).to_yaml(), "data": None}
        for later in ("superpixels", "labelled", "weights"):  # results from before there were these keep their names
            if settings[later] is None:
                del settings[later]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:10]
        labels = None if self.labelled is None else f"labelled{self.labelled}"
        parts = [self.method, self.learner, self.superpixels, labels, f"fold{self.fold}", f"seed{self.seed}"]
        named = [part.replace(" ", "_") for part in parts if part and not part.endswith("None")]
        return "-".join([*named, digest]) + ".json"


def code_digest() -> str:
    """A digest of the source that labels depend on, to tell results of different states of it apart."""
    import segcritic

    folder = Path(segcritic.__file__).parent
    parts = ("superpixels", "rules", "stateless", "metrics", "baselines", "boundary_net")
    files = [path for part in parts for path in folder.joinpath(part).glob("*.py")]
    names = ("images", "graph", "pixel_sums", "hulls", "outlines", "partition", "objects", "rewards", "contours")
    names = (*names, "supervision")
    files += [folder / f"{name}.py" for name in names]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def run_all(runs: list[Run], cache: Path, threads: int, from_cache: bool = False) -> dict[Run, dict[str, Any]]:
    """Results of the runs, from the cache or made now (unless `from_cache`), in their order."""
    results = {}
    for number, run in enumerate(runs):
        path = cache / run.file_name()
        if not path.exists():
            if from_cache:
                continue
            print(f"run {number + 1} of {len(runs)}: {path.stem}", file=sys.stderr, flush=True)
        results[run] = common.kept(path, lambda run=run: {"run": asdict(run)} | alone(run, threads))
    return results


def alone(run: Run, threads: int) -> dict[str, Any]:
    """`measured` in a process of its own, so that its peak memory is this run's."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, run, threads).result()


def measured(run: Run, threads: int) -> dict[str, Any]:
    """Do one run; return its scores and costs, JSON-able."""
    import resource

    import torch

    torch.set_num_threads(threads)
    result = train_and_label(run) if run.method == "rules only" else label(run)
    unit = 1024 if sys.platform != "darwin" else 1  # Linux counts in kB, macOS in bytes
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return result | {"seed": run.seed, "peak_megabytes": peak, "code": code_digest()}


def _read(pairs: list[tuple[Path, Path]]) -> tuple[list[Any], list[Any]]:
    from segcritic.images import read_image, read_labels

    return [read_image(image).pixels for image, _ in pairs], [read_labels(labels) for _, labels in pairs]


def _scores(labels: list[Any], truth: list[Any], pairs: list[tuple[Path, Path]]) -> list[dict[str, Any]]:
    from segcritic.metrics import evaluate

    found = evaluate(labels, truth, [image.stem for image, _ in pairs])
    return [
        {"name": name, "mAP": row["mAP"], "AP50": row["AP50"], "AP75": row["AP75"]}
        for name, row in zip(found.names, found.rows, strict=True)
    ]


def label(run: Run) -> dict[str, Any]:
    """Label all images by a method that learns nothing (for the bound: by the truth on superpixels)."""
    import numpy as np

    from nuclei_peers import network_of, worker
    from segcritic.superpixels import bound

    pairs = common.nuclei_pairs(Path(run.data), run.images)
    pairs = pairs if run.fold is None else pairs[run.fold :: run.folds]
    images, truth = _read(pairs)
    work = worker(run, network_of(run))
    work(images[0], truth[0])  # not timed: imports and compiles
    labels, seconds, numbers = [], [], []
    for pixels, true in zip(images, truth, strict=True):
        start = time.process_time()
        found = work(pixels, true)
        seconds.append(time.process_time() - start)
        numbers.append(int(found.max()) + 1)
        labels.append(bound(found, true) if run.method == "bound" else found)
    return {
        "scores": _scores(labels, truth, pairs),
        "superpixels": float(np.median(numbers)) if run.method == "bound" else None,
        "training_seconds": None,
        "image_seconds": seconds,
    }


def train_and_label(run: Run) -> dict[str, Any]:
    """Train on the images of the other folds, without their labels or with those of some; label the held-out ones."""
    from dataclasses import replace

    import numpy as np

    from nuclei_peers import inputs_of, network_of, rules_of
    from segcritic.stateless.predict import segment
    from segcritic.stateless.scene import make_scene
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.train import train
    from segcritic.supervision import supervised

    pairs = common.nuclei_pairs(Path(run.data), run.images)
    held_out = pairs[run.fold :: run.folds]
    training = [pair for pair in pairs if pair not in held_out]
    rules, network = rules_of(run), network_of(run)
    settings = TrainSettings()
    assert run.fold is not None
    if run.learner is not None:
        settings = replace(settings, learner=run.learner, samples=SAMPLES[run.learner])
    if run.steps is not None:
        settings = replace(settings, steps=run.steps)
    if run.seconds is not None:
        settings = replace(settings, steps=10**9)  # the time ends it

    images, truth = _read(training)
    make_scene(images[0], rules, *inputs_of(run, network, images[0], truth[0]))  # not timed: compiles
    start, wall = time.process_time(), time.monotonic()
    n_labelled = len(images) if run.labelled == -1 else run.labelled or 0
    labelled = set(np.random.default_rng(run.seed or 0).choice(len(images), n_labelled, replace=False))
    scenes = []
    for number, (pixels, true) in enumerate(zip(images, truth, strict=True)):
        scene = make_scene(pixels, rules, *inputs_of(run, network, pixels, true))
        known = true if number in labelled else None
        scenes.append(supervised(scene, known, training[number][0].stem).lean(keep_pixels=False))
    steps = []
    minutes = None if run.seconds is None else run.seconds / 60
    actor = train(
        scenes, rules, settings, seed=run.seed or 0, minutes=minutes, on_progress=lambda now: steps.append(now.reward)
    )
    if actor.interrupted:
        raise KeyboardInterrupt
    training_seconds, training_wall = time.process_time() - start, time.monotonic() - wall

    images, truth = _read(held_out)
    policy = actor.policy()
    segment(images[0], policy, rules, *inputs_of(run, network, images[0], truth[0]))  # not timed: compiles
    labels, seconds = [], []
    for pixels, true in zip(images, truth, strict=True):
        start = time.process_time()
        labels.append(segment(pixels, policy, rules, *inputs_of(run, network, pixels, true)).labels)
        seconds.append(time.process_time() - start)
    return {
        "scores": _scores(labels, truth, held_out),
        "training_seconds": training_seconds,
        "training_wall_seconds": training_wall,
        "image_seconds": seconds,
        "steps": len(steps),
        "reward": steps[-1] if steps else None,
        "settings": settings.to_dict(),
    }
