"""A model trained by rules: apply it, adapt it to images, keep it as a folder; and what rules ask of the images."""

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from segcritic.errors import InputWarning, UserError
from segcritic.io.samples import Images, Labels, Sample, Source, find_samples
from segcritic.models.base import Segmenter
from segcritic.rules import Rules, Scorer, SuperpixelRule
from segcritic.search.refine import refine as search_on
from segcritic.stateless.adapt import Adapted, adapt, check_seconds
from segcritic.stateless.label_rewards import supervised
from segcritic.stateless.policy import Policy
from segcritic.stateless.predict import Segmentation, segment
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.state import State, make_state
from segcritic.stateless.train import Progress, TrainedActor
from segcritic.superpixels import DEFAULT, METHODS
from segcritic.training.device import choose_device
from segcritic.training.folder import write_folder
from segcritic.training.threads import few_threads

METHOD = "stateless"


@dataclass(frozen=True)
class InputNeeds:
    """What a model was shown beside the image in training, and therefore needs when it is applied.

    Attributes
    ----------
    boundaries, superpixels : bool
        Whether it was given boundary maps, superpixels of the user's own.
    channel : int, str or None
        The channel of the image files that it was trained on; None = the only one, or the luminance.
    """

    boundaries: bool = False
    superpixels: bool = False
    channel: int | str | None = None


@dataclass
class Model(Segmenter):
    """A model trained by rules.

    Attributes
    ----------
    rules : Rules
        What its objects look like.
    actor : TrainedActor
        Weights, training settings, learning curve.
    card : str
        Markdown: what it is for, how it was trained.
    needs : InputNeeds
        What it takes beside an image.
    allow_python : bool
        Whether functions named in its rules may run; never set by loading unless asked for.
    device : str
        Where its network runs; see `training.device.choose_device`.
    """

    rules: Rules
    actor: TrainedActor
    card: str
    needs: InputNeeds = field(default_factory=InputNeeds)
    allow_python: bool = False
    device: str = "auto"

    method: ClassVar[str] = METHOD

    def to_samples(
        self,
        images: Images,
        boundaries: Images | None = None,
        superpixels: Images | None = None,
        channel: int | str | None = None,
        labels: Labels | None = None,
    ) -> tuple["Model", list[Source]]:
        rules, pieces = choose_superpixels(self.rules, superpixels)
        for what, option, needed, given in (
            ("boundary maps", "boundaries", self.needs.boundaries, boundaries),
            ("superpixels of the user's own", "superpixels", self.needs.superpixels, superpixels),
        ):
            if needed and given is None:
                raise UserError(f"the model was trained with {what}; give them here too (--{option}, or {option}=...)")
        channel = self.needs.channel if channel is None else channel
        sources = find_samples(images, labels, boundaries, pieces, labelled="only", channel=channel)
        if rules is self.rules:
            return self, sources
        model = replace(self, rules=rules)
        model.policy = self.policy  # a network is built once
        return model, sources

    def apply(self, sample: Sample, refine: bool = False) -> Segmentation:
        state = state_of(sample, self.rules)
        with few_threads(self.actor.settings.small):
            found = segment(state, self.policy, self.scorer)
        return search_on(state, found, self.scorer) if refine else found

    @cached_property
    def scorer(self) -> Scorer:
        """What scores objects by the model's rules."""
        return Scorer(self.rules, self.allow_python)

    @cached_property
    def policy(self) -> Policy:
        """The actor's network with its trained weights, on the model's device."""
        return self.actor.policy().to(choose_device(self.device))

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

        Images are read one at a time, and of each only its graph is kept. No labels are needed; the other parameters
        are those of `segment`, for several images.

        Returns
        -------
        Model
            A new one, or this one where nothing was gained (see `stateless.adapt`).

        Raises
        ------
        UserError
            As `segment`, and when `seconds` is not above 0.
        """
        check_seconds(seconds)
        model, sources = self.to_samples(images, boundaries, superpixels, channel)
        samples = (source.read() for source in sources)
        states = [model.lean_state(sample) for sample in samples if not sample.is_constant]
        return model.adapted(states, seconds, seed)[0]

    def lean_state(self, sample: Sample) -> State:
        """What `adapted` needs of a sample."""
        return lean_state(sample, self.rules, self.actor.settings)

    def adapted(
        self,
        states: Sequence[State],
        seconds: float,
        seed: int = 0,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> tuple["Model", Adapted]:
        """As `adapt`, of states from `lean_state`: the model, and how the mean reward of the images rose."""
        with few_threads(self.actor.settings.small):
            found = adapt(self.actor, states, self.scorer, seconds, seed, on_progress, self.device)
        if found.actor is self.actor:
            return self, found
        images = f"{found.n_images} image{'s' * (found.n_images != 1)}"
        note = f"Adapted to {images}: reward {found.before:.3f} -> {found.after:.3f}.\n"
        return replace(self, actor=found.actor, card=f"{self.card}\n{note}"), found

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


def choose_superpixels(
    rules: Rules, superpixels: Images | None, has_boundaries: bool = False
) -> tuple[Rules, Images | None]:
    """Tell a method's name from files of superpixels: the rules that ask for the method, and None; or as given.

    With boundary maps, superpixels come from the maps where the rules' method has one for maps.

    Raises
    ------
    UserError
        When `superpixels` is neither a method nor a path that exists.
    """
    if has_boundaries and superpixels is None:
        superpixels = METHODS[DEFAULT if rules.superpixels is None else rules.superpixels.method].with_maps
    if superpixels is None or not isinstance(superpixels, str):
        return rules, superpixels
    if superpixels in METHODS:
        if rules.superpixels is None or rules.superpixels.method != superpixels:
            chosen = SuperpixelRule.model_validate({"method": superpixels})
            rules = rules.model_copy(update={"superpixels": chosen})
        return rules, None
    if not Path(superpixels).exists():
        methods = ", ".join(METHODS)
        raise UserError(f"superpixels: '{superpixels}' is neither a method ({methods}) nor a folder that exists")
    return rules, superpixels


def warn_of_scale(rules: Rules, sample: Sample) -> None:
    """Warn when an image's pixels are not of the size on which rules in micrometres count."""
    stated, real = rules.pixel_size, sample.pixel_size
    if stated is not None and real is not None and not 0.95 < stated / real < 1.05:
        message = f"{sample.name}: the file says {real:.3g} micrometres a pixel, the rules {stated:.3g}; rules in um go"
        warnings.warn(f"{message} by the latter", InputWarning, stacklevel=3)


def state_of(sample: Sample, rules: Rules) -> State:
    """The state of a sample that is to be labelled; of one of equal pixels with a warning that it has no objects."""
    warn_of_scale(rules, sample)
    superpixels = sample.superpixels
    if sample.is_constant:
        warnings.warn(f"{sample.name}: all pixels are equal; there are no objects", InputWarning, stacklevel=3)
        superpixels = np.zeros(sample.pixels.shape, np.int32)  # a single one, so that there is nothing to compute
    return make_state(sample.pixels, rules, sample.boundaries, superpixels)


def lean_state(sample: Sample, rules: Rules, settings: TrainSettings, described: str = "") -> State:
    """The state of a sample that training needs, with its labels if it has any, in little memory.

    `described` names the sample in messages about its labels.
    """
    warn_of_scale(rules, sample)
    state = make_state(sample.pixels, rules, sample.boundaries, sample.superpixels)
    keep_pixels = settings.network.pixel_features > 0 or bool(rules.functions)
    return supervised(state, sample.labels, described or sample.name).lean(keep_pixels)
