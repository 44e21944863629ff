"""The Python API: train, check rules, repair, evaluate, measure. Models load with `models.load` and segment themselves.

What takes long to import is imported where it is used, so that the commands answer at once.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from segcritic import metrics
from segcritic.errors import UserError
from segcritic.io.images import read_labels, stem
from segcritic.io.samples import Images, Labels, find_samples, is_one, pair_files
from segcritic.pixels.preprocess import denoise
from segcritic.rules import Rules, Scorer, load_rules
from segcritic.rules import measure_rules as measure_rules_of_arrays

if TYPE_CHECKING:
    from segcritic.models import Model, RecurrentModel
    from segcritic.recurrent.settings import RecurrentSettings
    from segcritic.search.audit import AuditResult
    from segcritic.search.repair import Repaired

__all__ = ["Checked", "check_rules", "evaluate", "measure_rules", "repair", "train"]


def train(
    images: Images,
    rules: str | os.PathLike[str] | Rules | None = None,
    *,
    labels: Labels | None = None,
    method: Literal["rules", "recurrent"] = "rules",
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
    preset: Literal["default", "paper"] | None = None,
    steps: int | None = None,
    pretraining_steps: int | None = None,
    upright: bool = False,
    batch: int | None = None,
    settings: "RecurrentSettings | None" = None,
    seed: int = 0,
    minutes: float | None = None,
    device: str = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    on_image: Callable[[int, int], None] | None = None,
    on_progress: Callable[[Any], None] | None = None,
) -> "Model | RecurrentModel":
    """Train a model: from images and rules, without annotations or with a few; or from annotated images alone.

    Parameters
    ----------
    images : path, array, or list of these
        A file, a folder, an (H, W) array of stored values; with method "recurrent" in colour, (H, W, 3).
    rules : path, str or Rules
        What the objects look like: a rules file, the name of a built-in one, or a `Rules`. Only with method "rules".
    labels : path, (H, W) integer array, or list of these, optional
        0 = background; files are paired with the images by stem. With method "recurrent" of all images. With "rules" of
        some or all (of arrays, None for an image without): there, agreement with the labels is what is rewarded; pixels
        of the number 65535 are unlabelled, so that labels of a patch will do.
    method : {"rules", "recurrent"}
        "rules" learns from rules; "recurrent" from labels alone, and draws one object after the other.
    boundaries : as images, optional
        Boundary probability of each image; needed again when the model is applied. A second plane may hold the
        probability of object (`segcritic.boundary_net` predicts both). Only with method "rules", as what follows.
    superpixels : as images, or str, optional
        The user's own; or a method (shells, watershed, mutex, boundaries) instead of the rules'. By default boundary
        maps take the place of shells.
    channel : int or str, optional
        Of the image files, as in `io.images.read_image`.
    preset : {"default", "paper"}, optional
        "default" trains in minutes on two cores; "paper" takes the sizes of Hilt et al. 2023, for a GPU.
    steps : int, optional
        Updates, instead of the preset's number.
    pretraining_steps : int, optional
        Updates of the U-Net's pixel features on superpixels alone before those, for preset "paper".
    upright : bool
        The images have an up, such as street scenes: do not turn them. Only with "recurrent", as the next two.
    batch : int, optional
        Images in an update, instead of the settings'.
    settings : RecurrentSettings, optional
        Instead of those that `recurrent.choose_settings` takes from the data.
    seed : int
        The same seed, images and rules or labels give the same model, on the same machine.
    minutes : float, optional
        Stop training after so much time.
    device : str
        Where the networks run: "cpu", "cuda", "mps", or "auto", the first of cuda, mps and cpu that is there. The model
        segments there too.
    checkpoint : path, optional
        A folder in which to keep the state of training; the same call goes on from there.
    on_image : callable, optional
        Called before an image is read, with its number from 0 and the number of images.
    on_progress : callable, optional
        Called after every step.

    Returns
    -------
    Model, or with method "recurrent" RecurrentModel

    Raises
    ------
    UserError
        When a file cannot be used (it names it), the rules have a mistake, what the method learns from is missing,
        something is given that is another method's, or no image shows anything.

    Examples
    --------
    >>> import segcritic
    >>> from skimage.data import coins
    >>> model = segcritic.train(coins()[:100, :100], "coins", steps=2)
    >>> model.segment(coins()[:100, :100]).shape
    (100, 100)
    """
    from segcritic.models.fit import train_by_rules, train_on_labels

    own = {
        "rules": {
            "boundaries": boundaries,
            "superpixels": superpixels,
            "channel": channel,
            "preset": preset,
            "steps": steps,
            "pretraining_steps": pretraining_steps,
        },
        "recurrent": {"upright": upright or None, "batch": batch, "settings": settings},
    }
    if method not in own:
        raise UserError(f"there is no method '{method}'; choose rules or recurrent")
    for other, options in own.items():
        for name, value in options.items():
            if other != method and value is not None:
                raise UserError(f"{name} (--{name.replace('_', '-')}) is for method {other}; leave it out")
    chosen: dict[str, Any] = {name: value for name, value in own[method].items() if value is not None}
    chosen |= {"seed": seed, "minutes": minutes, "device": device, "checkpoint": checkpoint}
    chosen |= {"on_image": on_image, "on_progress": on_progress}
    if method == "rules":
        if rules is None:
            raise UserError("there are no rules; give a rules file (--rules), or the name of a built-in one")
        return train_by_rules(images, rules, labels=labels, **chosen)
    if labels is None:
        raise UserError("method recurrent learns from labels; give labels (--labels) of the images")
    if rules is not None:
        raise UserError("method recurrent learns from labels alone; leave the rules out")
    return train_on_labels(images, labels, **chosen)


@dataclass(frozen=True, eq=False)
class Checked:
    """An image that rules were checked on.

    Attributes
    ----------
    name : str
    pixels : (H, W) float32
        Normalised.
    """

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
    rules, images, boundaries, superpixels, channel
        As in `train`.
    at_most : int
        Number of images, taken evenly from all.
    on_image : callable, optional
        Called before each image, with its number from 0 and their number.

    Returns
    -------
    list of Checked, AuditResult
        The images that were looked at, and the audit: candidates of each image, and warnings in plain words.

    Raises
    ------
    UserError
        As `train`.

    Examples
    --------
    >>> import segcritic
    >>> from skimage.data import coins
    >>> images, result = segcritic.check_rules("coins", coins()[:100, :100])
    >>> result.warnings
    []
    """
    from segcritic.models.stateless import choose_superpixels, warn_of_scale
    from segcritic.search.audit import audit
    from segcritic.stateless.state import make_state

    if at_most < 1:
        raise UserError(f"the number of images is {at_most}; give at least 1")
    given_rules, pieces = choose_superpixels(load_rules(rules), superpixels, boundaries is not None)
    sources = find_samples(images, None, boundaries, pieces, channel=channel)
    chosen = np.unique(np.linspace(0, len(sources) - 1, min(at_most, len(sources))).round().astype(int))
    checked, states = [], []
    for number, source in enumerate(sources[index] for index in chosen):
        if on_image is not None:
            on_image(number, len(chosen))
        sample = source.read()
        if sample.is_constant:
            raise UserError(f"nothing can be seen in {source.described}: all its pixels are equal; leave it out")
        warn_of_scale(given_rules, sample)
        state = make_state(sample.pixels, given_rules, sample.boundaries, sample.superpixels)
        checked.append(Checked(sample.name, state.image))
        states.append(state)
    result = audit(Scorer(given_rules, allow_python=True), states, [image.name for image in checked])
    return checked, result


def repair(
    labels: Images,
    images: Images,
    rules: str | os.PathLike[str] | Rules | None = None,
    *,
    model: "str | os.PathLike[str] | Model | None" = None,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
    allow_python: bool = False,
) -> "Repaired | list[Repaired]":
    """Mend labels from any tool where the rules clearly see a fault; nothing is trained. See `segcritic.search.repair`.

    Parameters
    ----------
    labels : path, (H, W) integer array, or list of these
        Labels of each image, 0 = background: a file, a folder, an array.
    images : likewise
        Files are paired by stem, arrays by order; images without labels are passed over.
    rules : path, str or Rules
        As in `train`; by default those of the model.
    model : path, str or Model, optional
        A trained model, or its name or folder, whose objects are tried as well.
    boundaries, superpixels, channel
        As in `train`.
    allow_python : bool
        Whether functions that the model's rules name may run.

    Returns
    -------
    Repaired
        ``.labels`` and ``.changes`` of one image; a list of them for folders and lists, in the order of the labels.

    Raises
    ------
    UserError
        When a file cannot be used, labels have no image or another shape, or the rules have a mistake.

    Examples
    --------
    >>> import numpy as np, segcritic
    >>> row, column = np.mgrid[:64, :64]
    >>> labels = ((row - 30) ** 2 + (column - 30) ** 2 < 150).astype(int)
    >>> segcritic.repair(labels, 100.0 * labels, "nuclei").changes
    []
    """
    from segcritic.models.repair import plan_repair

    sources, mend = plan_repair(labels, images, rules, model, boundaries, superpixels, channel, allow_python)
    results = [mend(source.read()) for source in sources]
    return results[0] if is_one(labels) else results


def evaluate(
    labels: str | os.PathLike[str] | NDArray[Any] | Sequence[NDArray[Any]],
    truth: str | os.PathLike[str] | NDArray[Any] | Sequence[NDArray[Any]],
    ignore_background: bool = False,
) -> metrics.Scores:
    """Compare segmentations with the truth: two files, two folders (paired by stem), two arrays or two lists of them.

    Parameters
    ----------
    labels, truth : path, (H, W) integer array, or list of arrays
        0 = background.
    ignore_background : bool
        Leave the pixels that are 0 in the truth out of VI, VI_split and VI_merge.

    Returns
    -------
    Scores
        ``scores["mAP"]``: the mean over the images; all of them by ``scores.as_dict()``.

    Raises
    ------
    UserError
        When a file is missing or no label image, has no partner, or a pair differs in shape.

    Examples
    --------
    >>> import numpy as np, segcritic
    >>> truth = np.array([[1, 1, 0], [0, 2, 2]])
    >>> segcritic.evaluate(truth > 1, truth)["AP50"]
    0.5
    """
    if isinstance(labels, str | os.PathLike) and isinstance(truth, str | os.PathLike):
        pairs = pair_files(labels, truth, ("segmentation", "true label image"))
        images = ((stem(second), read_labels(first), read_labels(second)) for first, second in pairs)
        return metrics.score_images(images, ignore_background)
    if isinstance(labels, str | os.PathLike) or isinstance(truth, str | os.PathLike):
        raise UserError("labels and truth must both be paths, or both be arrays")
    return metrics.evaluate(labels, truth, ignore_background=ignore_background)


def measure_rules(images: Images, labels: Images, *, channel: int | str | None = None, name: str = "") -> Rules:
    """Derive rules from a few labelled objects; see `segcritic.rules.measure_rules`.

    Parameters
    ----------
    images, labels : path, (H, W) array, or list of these
        Files are paired by stem, arrays by order; images without labels are passed over.
    channel : int or str, optional
        Of the image files, as in `io.images.read_image`.
    name : str
        Name of the rules.

    Raises
    ------
    UserError
        When a file cannot be used, labels have no image, shapes differ, or no whole object is labelled.

    Examples
    --------
    >>> import numpy as np, segcritic
    >>> row, column = np.mgrid[:64, :64]
    >>> labels = ((row - 30) ** 2 + (column - 30) ** 2 < 150).astype(int)
    >>> segcritic.measure_rules(100.0 * labels, labels).descriptors["area"].expect
    481.0
    """
    samples = [source.read() for source in find_samples(images, labels, labelled="only", channel=channel)]
    arrays = [sample.labels for sample in samples if sample.labels is not None]
    return measure_rules_of_arrays([denoise(sample.pixels) for sample in samples], arrays, name)
