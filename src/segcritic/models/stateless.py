"""A trained model: apply it, keep it as a folder (see `model_folder`), load it back."""

import os
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import InputWarning, UserError
from segcritic.io.samples import Images, Ready, Source, choose_superpixels, find_sources, warn_of_scale
from segcritic.models.recurrent import METHOD as RECURRENT
from segcritic.models.recurrent import RecurrentModel, read_agent
from segcritic.rules import Rules, Scorer
from segcritic.training.folder import find, read_settings, read_weights, write_folder
from segcritic.training.threads import few_threads

if TYPE_CHECKING:
    from torch import Tensor

    from segcritic.stateless.policy import Policy
    from segcritic.stateless.predict import Segmentation
    from segcritic.stateless.train import TrainedActor

METHOD = "stateless"


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
    """A model trained by rules.

    Attributes
    ----------
    rules : what its objects look like
    actor : weights, training settings, learning curve
    card : Markdown: what it is for, how it was trained
    needs : what it takes beside an image
    allow_python : whether functions named in its rules may run; never set by loading unless asked for
    """

    rules: Rules
    actor: "TrainedActor"
    card: str
    needs: InputNeeds = field(default_factory=InputNeeds)
    allow_python: bool = False

    method: ClassVar[str] = METHOD

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
        from segcritic.models.adapt import adapt

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
            found = segment(image.pixels, self.policy, self.scorer, *maps, refine)
        if not image.is_constant:
            return found
        warnings.warn(f"{image.name}: all pixels are equal; there are no objects", InputWarning, stacklevel=2)
        return found.empty()

    @cached_property
    def scorer(self) -> Scorer:
        """What scores objects by the model's rules."""
        return Scorer(self.rules, self.allow_python)

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
        settings = {
            "method": METHOD,
            "needs": asdict(self.needs),
            "settings": self.actor.settings.to_dict(),
            "curve": self.actor.curve,
        }
        write_folder(folder, settings, self.actor.weights, {"rules.yaml": self.rules.to_yaml(), "card.md": self.card})


def load(name_or_folder: str | os.PathLike[str], allow_python: bool = False) -> "Model | RecurrentModel":
    """Load a model folder, or a model that comes with segcritic by its name.

    Parameters
    ----------
    name_or_folder : a model folder, else one of `model_folder.shipped`
    allow_python : whether functions that the model's rules name (``python: module:function``) may run

    Raises
    ------
    UserError
        When there is no such model, a file of it is missing or damaged, it was written by a newer version, or its rules
        ask for Python that is not allowed.
    """
    folder = find(name_or_folder)
    settings = read_settings(folder)
    try:
        method = str(settings["method"])
        if method not in (METHOD, RECURRENT):
            raise UserError(
                f"the model {folder} is of the method '{method}', which this segcritic lacks: update segcritic"
            )
        rules = Rules.load(folder / "rules.yaml") if method == METHOD else None
        if rules is not None and rules.functions and not allow_python:
            raise UserError(
                f"the rules of the model {folder} ask to run code of their own (python: {', '.join(rules.functions)});"
                " if you trust where they come from, allow it with --allow-python, or allow_python=True"
            )
        weights = read_weights(folder)
        card = folder / "card.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else ""
        if rules is None:
            return RecurrentModel(_fitting(folder, read_agent, settings, weights), text)
        actor = _fitting(folder, _read_actor, settings, weights)
        return Model(rules, actor, text, InputNeeds(**settings["needs"]), allow_python)
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise UserError(f"{folder / 'settings.json'} is damaged ({error}); copy the model again") from error
    except OSError as error:
        raise UserError(f"cannot read {error.filename or folder}: {error.strerror}; check its permissions") from error


def load_rule_driven(name_or_folder: str | os.PathLike[str], allow_python: bool = False) -> Model:
    """As `load`, for what needs a model with rules. Raises UserError when it is one that was trained from labels."""
    model = load(name_or_folder, allow_python)
    if isinstance(model, RecurrentModel):
        raise UserError(f"the model {name_or_folder} learned from labels and has no rules; give one trained by rules")
    return model


_Trained = TypeVar("_Trained")


def _fitting(
    folder: Path,
    read: "Callable[[dict[str, Any], dict[str, Tensor]], _Trained]",
    settings: dict[str, Any],
    weights: "dict[str, Tensor]",
) -> _Trained:
    """What `read` makes of settings and weights. Raises UserError when they are damaged or do not fit each other."""
    try:
        return read(settings, weights)
    except UserError as error:
        raise UserError(f"{folder / 'settings.json'} is damaged ({error}); copy the model again") from error
    except (RuntimeError, ValueError) as error:  # names and shapes, over many lines
        path = folder / "weights.safetensors"
        raise UserError(f"{path} does not fit the model's settings.json; copy the whole model again") from error


def _read_actor(settings: dict[str, Any], weights: "dict[str, Tensor]") -> "TrainedActor":
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.train import TrainedActor

    actor = TrainedActor(weights, TrainSettings.from_dict(settings["settings"]), list(settings["curve"]))
    try:
        actor.policy()
    except KeyError as error:
        raise ValueError(error) from error
    return actor
