"""A trained model: apply it, keep it as a folder, load it back.

A model is a folder of four files, none of which holds code: `settings.json` (format version, training settings,
learning curve), `weights.safetensors`, `rules.yaml` and `card.md` (what it is for and how it was trained, to read).
`checkpoint/`, if it is there, is what `segcritic train --resume` goes on from; a model works without it.
"""

import json
import os
import shutil
import warnings
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.files import atomic_dir
from segcritic.inputs import Images, InputWarning, Ready, Source, choose_superpixels, find_sources, warn_of_scale
from segcritic.rules import Rules
from segcritic.threads import few_threads

if TYPE_CHECKING:
    from segcritic.stateless.agent import Policy
    from segcritic.stateless.predict import Segmentation
    from segcritic.stateless.train import TrainedActor

VERSION = 1
"""Version of the model folder's format that this segcritic reads and writes."""

CHECKPOINT = "checkpoint"
_SHIPPED = Path(__file__).parent / "shipped"
_FILES = ("settings.json", "weights.safetensors", "rules.yaml")


@dataclass(frozen=True)
class InputNeeds:
    """What a model was shown beside the image in training, and therefore needs when it is applied.

    Attributes
    ----------
    boundaries, superpixels : whether it was given boundary maps, superpixels of the user's own
    channel : the channel of the image files that it was trained on; None = the only one, or the luminance
    """

    boundaries: bool = False
    superpixels: bool = False
    channel: int | str | None = None


@dataclass
class Model:
    """A trained model.

    Attributes
    ----------
    method : 'stateless', the method that trained it
    rules : what its objects look like
    actor : weights, training settings, learning curve
    card : Markdown: what it is for, how it was trained
    needs : what it takes beside an image
    allow_python : whether functions named in its rules may run; never set by loading unless asked for
    """

    method: str
    rules: Rules
    actor: "TrainedActor"
    card: str
    needs: InputNeeds = field(default_factory=InputNeeds)
    allow_python: bool = False

    def segment(
        self,
        image: str | os.PathLike[str] | NDArray[Any],
        *,
        boundaries: str | os.PathLike[str] | NDArray[Any] | None = None,
        superpixels: str | os.PathLike[str] | NDArray[Any] | None = None,
        channel: int | str | None = None,
    ) -> NDArray[np.int32]:
        """Segment one image.

        Parameters
        ----------
        image : file, or (H, W) array of stored values (it is normalised here)
        boundaries : file or (H, W) array, boundary probability; needed when the model was trained with them
        superpixels : file or (H, W) array of the user's own superpixels; or a method (shells, watershed, mutex)
        channel : of the image file, as in `images.read_image`; by default the one of the training images

        Returns
        -------
        (H, W) int32, 0 = background, objects 1..n

        Raises
        ------
        UserError
            When a file cannot be used, shapes differ, or what the model needs is missing.
        """
        return self.analyse(image, boundaries=boundaries, superpixels=superpixels, channel=channel).labels

    def analyse(
        self,
        image: str | os.PathLike[str] | NDArray[Any],
        *,
        boundaries: str | os.PathLike[str] | NDArray[Any] | None = None,
        superpixels: str | os.PathLike[str] | NDArray[Any] | None = None,
        channel: int | str | None = None,
    ) -> "Segmentation":
        """Segment one image and keep everything that led there. Parameters and errors as `segment`."""
        model, sources = self.prepare(image, boundaries, superpixels, channel)
        if len(sources) > 1:
            where = image if isinstance(image, str | os.PathLike) else "what was given"
            raise UserError(f"{where} holds {len(sources)} images; give one, or use `segcritic segment` for a folder")
        return model.apply(sources[0].read())

    def prepare(
        self,
        images: Images,
        boundaries: Images | None = None,
        superpixels: Images | None = None,
        channel: int | str | None = None,
    ) -> tuple["Model", list[Source]]:
        """Pair images with what goes with them; return that, and the model that cuts superpixels as asked.

        Parameters as `inputs.find_sources`; `superpixels` may also be a method's name. Raises UserError when something
        is missing.
        """
        rules, pieces = choose_superpixels(self.rules, superpixels)
        for what, option, needed, given in (
            ("boundary maps", "boundaries", self.needs.boundaries, boundaries),
            ("superpixels of the user's own", "superpixels", self.needs.superpixels, superpixels),
        ):
            if needed and given is None:
                raise UserError(f"the model was trained with {what}; give them here too (--{option}, or {option}=...)")
        channel = self.needs.channel if channel is None else channel
        return replace(self, rules=rules), find_sources(images, boundaries, pieces, channel)

    def adapt(
        self,
        images: Images,
        seconds: float,
        *,
        boundaries: Images | None = None,
        superpixels: Images | None = None,
        channel: int | str | None = None,
        seed: int = 0,
    ) -> "Model":
        """Go on learning from this model's rules on the very images that are to be segmented, for so many seconds.

        Parameters as `prepare` and `train`; no labels are needed. Returns a new model, or this one where nothing was
        gained (see `adapt.adapt`). Raises UserError as `segment`.
        """
        from segcritic.adapt import adapt

        model, sources = self.prepare(images, boundaries, superpixels, channel)
        return adapt(model, [source.read() for source in sources], seconds, seed).model

    def apply(self, image: Ready, refine: bool = False) -> "Segmentation":
        """Segment an image that was read and checked. One of equal pixels gives no objects, and an `InputWarning`.

        With `refine`, a local search on the rules goes on from the actor's partition.
        """
        from segcritic.stateless.predict import segment

        warn_of_scale(self.rules, image)
        maps = image.boundaries, image.superpixels
        with few_threads(self.actor.settings):
            found = segment(image.pixels, self.policy, self.rules, *maps, self.allow_python, refine)
        if not image.is_constant:
            return found
        warnings.warn(f"{image.name}: all pixels are equal; there are no objects", InputWarning, stacklevel=2)
        return found.empty()

    @cached_property
    def policy(self) -> "Policy":
        """The actor's network with its trained weights."""
        return self.actor.policy()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model as a folder, at once or not at all; a model that was there before is replaced.

        Raises
        ------
        UserError
            When the folder holds anything that is no model of segcritic, or cannot be written.
        """
        from safetensors.torch import save

        folder = Path(folder)
        check_target(folder, replace=True)
        settings = {
            "format": "segcritic model",
            "version": VERSION,
            "method": self.method,
            "needs": asdict(self.needs),
            "settings": self.actor.settings.to_dict(),
            "curve": self.actor.curve,
        }
        with atomic_dir(folder) as temporary:
            (temporary / "settings.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
            weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.actor.weights.items()}
            (temporary / "weights.safetensors").write_bytes(save(weights))  # save_file hides a full disk's OSError
            (temporary / "rules.yaml").write_text(self.rules.to_yaml(), encoding="utf-8")
            (temporary / "card.md").write_text(self.card, encoding="utf-8")
            if (folder / CHECKPOINT).is_dir():
                shutil.copytree(folder / CHECKPOINT, temporary / CHECKPOINT)


def load(name_or_folder: str | os.PathLike[str], allow_python: bool = False) -> Model:
    """Load a model folder, or a model that comes with segcritic by its name.

    Parameters
    ----------
    name_or_folder : a model folder, else one of `shipped`
    allow_python : whether functions that the model's rules name (``python: module:function``) may run

    Raises
    ------
    UserError
        When there is no such model, a file of it is missing or damaged, it was written by a newer version, or its rules
        ask for Python that is not allowed.
    """
    folder = _find(name_or_folder)
    settings = _read_settings(folder)
    rules = Rules.load(folder / "rules.yaml")
    if rules.python and not allow_python:
        raise UserError(
            f"the rules of the model {folder} ask to run code of their own (python: {', '.join(rules.python)}); if you"
            " trust where they come from, allow it with --allow-python, or allow_python=True"
        )
    card = folder / "card.md"
    try:
        actor = _read_actor(folder, settings)
        needs = InputNeeds(**settings["needs"])
        method = str(settings["method"])
        text = card.read_text(encoding="utf-8") if card.is_file() else ""
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise UserError(f"{folder / 'settings.json'} is damaged ({error}); copy the model again") from error
    except OSError as error:
        raise UserError(f"cannot read {error.filename or folder}: {error.strerror}; check its permissions") from error
    if method != "stateless":
        raise UserError(f"the model {folder} is of the method '{method}', which this segcritic lacks: update segcritic")
    return Model(method, rules, actor, text, needs, allow_python)


def shipped() -> dict[str, str]:
    """Names of the models that come with segcritic, and the first sentence of each one's card."""
    found = {}
    for folder in sorted(_SHIPPED.glob("*/")) if _SHIPPED.is_dir() else ():
        if (folder / "settings.json").is_file():
            found[folder.name] = summary((folder / "card.md").read_text(encoding="utf-8"))
    return found


def summary(card: str) -> str:
    """Return the first paragraph of a card, without its title."""
    paragraphs = [" ".join(part.split()) for part in card.split("\n\n")]
    return next((part for part in paragraphs if part and not part.startswith("#")), "")


def is_model(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds a model of segcritic (not whether all its files are sound)."""
    try:
        settings = json.loads((Path(folder) / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(settings, dict) and settings.get("format") == "segcritic model"


def check_target(folder: str | os.PathLike[str], replace: bool) -> None:
    """Make sure that a model may be written to `folder`, before time is spent on training.

    Raises
    ------
    UserError
        When it is a file, a folder of other things, or holds a model while `replace` is False.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; give the name of a new folder for the model")
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if not above.is_dir():
        raise UserError(f"cannot make the folder {folder}: {above} is a file; give another name")
    if not os.access(above, os.W_OK):
        raise UserError(f"cannot make the folder {folder}: {above} may not be written to; give another name")
    try:
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    except OSError as error:
        raise UserError(f"cannot list the folder {folder}: {error.strerror}; check its permissions") from error
    if not names:
        return
    if not is_model(folder) and names != {CHECKPOINT}:
        raise UserError(f"{folder} holds files that are no segcritic model; give the name of a new folder")
    foreign = sorted(names - {*_FILES, "card.md", CHECKPOINT})
    if foreign:
        raise UserError(f"{folder} holds '{foreign[0]}' beside a model; move it away, or give a new folder")
    if not replace:
        what = "holds a model" if is_model(folder) else "holds training that was cut off"
        raise UserError(f"{folder} {what}; go on with it by --resume, replace it by --overwrite, or give a new folder")


def _find(name_or_folder: str | os.PathLike[str]) -> Path:
    folder, names = Path(name_or_folder), shipped()
    if str(name_or_folder) in names and not is_model(folder):
        return _SHIPPED / str(name_or_folder)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(f"{folder} is a file; a model is a folder, give that")
    known = f"the models that come with segcritic are {', '.join(names)}" if names else "no models come with segcritic"
    raise UserError(f"there is no model folder {folder}; {known}")


def _read_settings(folder: Path) -> dict[str, Any]:
    if not (folder / "settings.json").is_file():
        raise UserError(f"{folder} is no segcritic model: it has no settings.json; give the folder that train wrote")
    try:
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {folder / 'settings.json'}: {error.strerror}; check its permissions") from error
    except ValueError as error:
        raise UserError(f"{folder / 'settings.json'} is damaged ({error}); copy the model again") from error
    if not isinstance(settings, dict) or settings.get("format") != "segcritic model":
        raise UserError(f"{folder} is no segcritic model: its settings.json is of another program")
    version = settings.get("version")
    if not isinstance(version, int):
        raise UserError(f"{folder / 'settings.json'} is damaged (its version is {version!r}); copy the model again")
    if version > VERSION:
        raise UserError(
            f"the model {folder} was written by a newer segcritic (format {version}, this one reads up to {VERSION}):"
            " update segcritic"
        )
    for name in _FILES:
        if not (folder / name).is_file():
            raise UserError(f"the model {folder} lacks {name}; copy the whole folder again")
    return settings


def _read_actor(folder: Path, settings: dict[str, Any]) -> "TrainedActor":
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.train import TrainedActor

    path = folder / "weights.safetensors"
    try:
        weights = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{path} is damaged or cut off ({error}); copy the model again") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values() if tensor.is_floating_point()):
        raise UserError(f"{path} is damaged (it holds numbers that are not finite); copy the model again")
    try:
        training = TrainSettings.from_dict(settings["settings"])
    except UserError as error:
        raise UserError(f"{folder / 'settings.json'} is damaged ({error}); copy the model again") from error
    actor = TrainedActor(weights, training, list(settings["curve"]))
    try:
        actor.policy()
    except (RuntimeError, KeyError, ValueError) as error:  # names and shapes, over many lines
        raise UserError(f"{path} does not fit the model's settings.json; copy the whole model again") from error
    return actor
