"""The Python API: train a model, load one, evaluate labels. `Model.segment` applies it."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from segcritic import metrics
from segcritic.errors import InputWarning, UserError
from segcritic.io.images import read_labels
from segcritic.io.samples import Images, Ready, choose_superpixels, find_sources, warn_of_scale
from segcritic.models import InputNeeds, Model, RecurrentModel, load
from segcritic.models.cards import rules_card
from segcritic.pixels.preprocess import denoise
from segcritic.rules import Rules, Scorer, load_rules
from segcritic.rules import measure_rules as measure_rules_of_arrays
from segcritic.training.threads import few_threads

if TYPE_CHECKING:
    from segcritic.io.samples import Labels
    from segcritic.search.audit import AuditResult
    from segcritic.search.repair import Repaired
    from segcritic.stateless.train import Progress

__all__ = ["Checked", "Preset", "check_rules", "evaluate", "load", "load_rules", "measure_rules", "repair", "train"]

Preset = Literal["default", "paper"]
Method = Literal["rules", "recurrent"]


def train(
    images: Images,
    rules: str | os.PathLike[str] | Rules | None = None,
    *,
    labels: "Labels | None" = None,
    method: Method = "rules",
    **settings: Any,
) -> Model | RecurrentModel:
    """Train a model: from images and rules, without annotations or with a few; or from annotated images alone.

    Parameters
    ----------
    images, labels : see `train_by_rules` and `annotated.train_on_labels`
    rules : what the objects look like; needed by method 'rules'
    method : 'rules' learns from rules; 'recurrent' from labels alone, and draws one object after the other
    settings : further parameters of the function that does it: `train_by_rules` (boundaries, superpixels, channel,
        preset, steps, seed, minutes, ...) or `annotated.train_on_labels` (upright, batch, seed, minutes, ...)

    Returns
    -------
    Model, or with method 'recurrent' RecurrentModel

    Raises
    ------
    UserError
        When a file cannot be used (it names it), the rules have a mistake, or what the method learns from is missing.
    """
    if method == "rules":
        if rules is None:
            raise UserError("there are no rules; give a rules file (--rules), or the name of a built-in one")
        return train_by_rules(images, rules, labels=labels, **settings)
    if method != "recurrent":
        raise UserError(f"there is no method '{method}'; choose rules or recurrent")
    if labels is None:
        raise UserError("method recurrent learns from labels; give labels (--labels) of the images")
    if rules is not None:
        raise UserError("method recurrent learns from labels alone; leave the rules out")
    from segcritic.models.annotated import train_on_labels

    return train_on_labels(images, labels, **settings)  # type: ignore[arg-type]


def train_by_rules(
    images: Images,
    rules: str | os.PathLike[str] | Rules,
    *,
    labels: "Labels | None" = None,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
    preset: Preset = "default",
    steps: int | None = None,
    pretraining_steps: int | None = None,
    seed: int = 0,
    minutes: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    on_image: Callable[[int, int], None] | None = None,
    on_progress: "Callable[[Progress], None] | None" = None,
) -> Model:
    """Train a model from images and rules, without annotations or with a few.

    Parameters
    ----------
    images : a file, a folder, an (H, W) array of stored values, or a list of files and arrays
    rules : what the objects look like: a rules file, the name of a built-in one, or a `Rules`
    labels : labels of some or all images: files or a folder, paired by stem, or arrays (None for an image without).
        There, agreement with the labels is what is rewarded. 0 = background; pixels of the number 65535 are unlabelled
        (`supervision.UNLABELLED`), so that labels of a patch will do
    boundaries : boundary probability of each image, as files or arrays; needed again when the model is applied; a
        second plane may hold the probability of object (`segcritic.boundary_net` predicts both)
    superpixels : the user's own superpixels likewise; or a method (shells, watershed, mutex, boundaries) instead of the
        rules' one; by default boundary maps take the place of shells
    channel : of the image files, as in `images.read_image`
    preset : 'default' trains in minutes on two cores; 'paper' takes the sizes of Hilt et al. 2023, for a GPU
    steps : updates, instead of the preset's number
    pretraining_steps : updates of the U-Net's pixel features on superpixels alone before those; for preset 'paper', as
        the default one has no U-Net
    seed : the same seed, images and rules give the same model
    minutes : stop training after so much time
    checkpoint : a folder in which to keep the state of training; the same call goes on from there
    on_image : called before an image is made ready, with its number from 0 and the number of images
    on_progress : called after every step

    Returns
    -------
    Model

    Raises
    ------
    UserError
        When a file cannot be used (it names it), the rules have a mistake, or no image shows anything.
    """
    from segcritic.io.samples import pair_labels
    from segcritic.stateless.label_rewards import supervised
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.state import make_state
    from segcritic.stateless.train import train as train_on_states

    if preset not in ("default", "paper"):
        raise UserError(f"there is no preset '{preset}'; choose default or paper")
    if seed < 0:
        raise UserError(f"the seed is {seed}; give 0 or a whole number above it")
    if steps is not None and steps < 1:
        raise UserError(f"the number of steps is {steps}; give at least 1")
    if minutes is not None and not minutes > 0:
        raise UserError(f"minutes is {minutes:g}; give a number above 0")
    given_rules, pieces = choose_superpixels(load_rules(rules), superpixels, boundaries is not None)
    settings = TrainSettings.paper() if preset == "paper" else TrainSettings()
    settings = settings if steps is None else replace(settings, steps=steps)
    settings = settings if pretraining_steps is None else replace(settings, pretraining_steps=pretraining_steps)
    sources = find_sources(images, boundaries, pieces, channel)
    truth = {} if labels is None else pair_labels(sources, labels)

    keep_pixels = settings.network.pixel_features > 0 or bool(given_rules.functions)
    states, left_out = [], []
    for number, source in enumerate(sources):
        if on_image is not None:
            on_image(number, len(sources))
        ready = source.read()
        if ready.is_constant:
            left_out.append(source.described)
            continue
        warn_of_scale(given_rules, ready)
        state = make_state(ready.pixels, given_rules, ready.boundaries, ready.superpixels)
        states.append(supervised(state, truth.get(number), source.described).lean(keep_pixels))
    if not states:
        raise UserError(f"nothing can be seen in {sources[0].described}: all its pixels are equal; give other images")
    if left_out:
        message = f"left out of training, all pixels being equal: {', '.join(left_out)}"
        warnings.warn(message, InputWarning, stacklevel=2)
    with few_threads(settings):
        actor = train_on_states(
            states,
            Scorer(given_rules, allow_python=True),  # the rules are the user's own
            settings,
            seed=seed,
            minutes=minutes,
            checkpoint=None if checkpoint is None else Path(checkpoint),
            on_progress=on_progress,
        )
    needs = InputNeeds(boundaries is not None, pieces is not None, channel)
    card = rules_card(given_rules, len(states), actor.curve, seed, preset, len(truth))
    return Model(given_rules, actor, card, needs, allow_python=True)


@dataclass(frozen=True, eq=False)
class Checked:
    """An image that rules were checked on: its name, and its normalised pixels, (H, W) float32."""

    name: str
    pixels: NDArray[np.float32]


def check_rules(
    rules: str | os.PathLike[str] | Rules,
    images: Images,
    *,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
    at_most: int = 5,
    on_image: Callable[[int, int], None] | None = None,
) -> "tuple[list[Checked], AuditResult]":
    """Search for segmentations that the rules like, before training: do they cheat? See `segcritic.search.audit`.

    Parameters
    ----------
    rules, images, boundaries, superpixels, channel : as in `train`
    at_most : number of images, taken evenly from all
    on_image : called before each image, with its number from 0 and their number

    Returns
    -------
    The images that were looked at, and the audit: candidates of each image, and warnings in plain words.

    Raises
    ------
    UserError
        As `train`.
    """
    from segcritic.search.audit import AuditResult, audit
    from segcritic.stateless.state import make_state

    if at_most < 1:
        raise UserError(f"the number of images is {at_most}; give at least 1")
    given_rules, pieces = choose_superpixels(load_rules(rules), superpixels, boundaries is not None)
    sources = find_sources(images, boundaries, pieces, channel)
    chosen = np.unique(np.linspace(0, len(sources) - 1, min(at_most, len(sources))).round().astype(int))
    checked, states = [], []
    for number, index in enumerate(chosen):
        if on_image is not None:
            on_image(number, len(chosen))
        ready = sources[index].read()
        if ready.is_constant:
            where = sources[index].described
            raise UserError(f"nothing can be seen in {where}: all its pixels are equal; leave it out")
        warn_of_scale(given_rules, ready)
        state = make_state(ready.pixels, given_rules, ready.boundaries, ready.superpixels)
        checked.append(Checked(ready.name, state.image))
        states.append(state)
    result: AuditResult = audit(Scorer(given_rules, allow_python=True), states, [image.name for image in checked])
    return checked, result


def repair(
    labels: Images,
    images: Images,
    rules: str | os.PathLike[str] | Rules | None = None,
    *,
    model: str | os.PathLike[str] | Model | None = None,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
    allow_python: bool = False,
) -> "Repaired | list[Repaired]":
    """Mend labels from any tool where the rules clearly see a fault; nothing is trained. See `segcritic.search.repair`.

    Parameters
    ----------
    labels : labels of each image (0 = background): a file, a folder, an (H, W) integer array, or a list of them
    images : likewise; files are paired by stem, arrays by order
    rules : as in `train`; by default those of the model
    model : a trained model, or its name or folder, whose objects are tried as well
    boundaries, superpixels, channel : as in `train`
    allow_python : whether functions that the model's rules name may run

    Returns
    -------
    Repaired
        ``.labels`` and ``.changes`` of one image; a list of them for folders and lists, in the order of the labels.

    Raises
    ------
    UserError
        When a file cannot be used, labels have no image or another shape, or the rules have a mistake.
    """
    from segcritic.models import repair_job

    job = repair_job.prepare(labels, images, rules, model, boundaries, superpixels, channel, allow_python)
    results = [job.repair(pair, pair.source.read()) for pair in job.pairs]
    one = isinstance(labels, np.ndarray) or (isinstance(labels, str | os.PathLike) and not Path(labels).is_dir())
    return results[0] if one else results


def evaluate(
    labels: str | os.PathLike[str] | NDArray[Any] | Sequence[NDArray[Any]],
    truth: str | os.PathLike[str] | NDArray[Any] | Sequence[NDArray[Any]],
    ignore_background: bool = False,
) -> metrics.Scores:
    """Compare segmentations with the truth: two files, two folders (paired by stem), two arrays or two lists of them.

    Parameters
    ----------
    labels, truth : 0 = background
    ignore_background : leave the pixels that are 0 in the truth out of VI, VI_split and VI_merge

    Returns
    -------
    Scores
        ``scores["mAP"]``: the mean over the images; all of them by ``scores.as_dict()``.

    Raises
    ------
    UserError
        When a file is missing or no label image, has no partner, or a pair differs in shape.
    """
    if isinstance(labels, str | os.PathLike) and isinstance(truth, str | os.PathLike):
        return metrics.evaluate_folders(labels, truth, ignore_background)
    if isinstance(labels, str | os.PathLike) or isinstance(truth, str | os.PathLike):
        raise UserError("labels and truth must both be paths, or both be arrays")
    return metrics.evaluate(labels, truth, ignore_background=ignore_background)


def measure_rules(images: Images, labels: Images, *, channel: int | str | None = None, name: str = "") -> Rules:
    """Derive rules from a few labelled objects; see `segcritic.rules.measure_rules`.

    Parameters
    ----------
    images, labels : files, folders or arrays; of folders, the images that have labels are taken, paired by stem
    channel : of the image files, as in `images.read_image`
    name : name of the rules

    Raises
    ------
    UserError
        When a file cannot be used, labels have no image, shapes differ, or no whole object is labelled.
    """
    pairs = [(ready, _labels(other)) for ready, other in _labelled(images, labels, channel)]
    for ready, array in pairs:
        if ready.pixels.shape != array.shape:
            raise UserError(f"{ready.name}: the labels have the shape {array.shape}, the image {ready.pixels.shape}")
    arrays = [array for _, array in pairs]
    return measure_rules_of_arrays([denoise(ready.pixels) for ready, _ in pairs], arrays, name)


def _labelled(images: Images, labels: Images, channel: int | str | None) -> list[tuple[Ready, Path | NDArray[Any]]]:
    sources, others = find_sources(images, channel=channel), find_sources(labels)
    if len(sources) == len(others) and (len(sources) == 1 or not isinstance(others[0].image, Path)):
        return [(source.read(), other.image) for source, other in zip(sources, others, strict=True)]
    by_name = {source.name: source for source in sources}
    for other in others:
        if other.name not in by_name:
            raise UserError(f"{images} has no image for the labels {other.image}; the stems must be equal")
    return [(by_name[other.name].read(), other.image) for other in others]


def _labels(source: Path | NDArray[Any]) -> NDArray[np.int32]:
    return read_labels(source) if isinstance(source, Path) else np.asarray(source)
