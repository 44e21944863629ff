"""What rules ask of the images beside their pixels: superpixels by which method, boundary maps, a scale; and states."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from segcritic.errors import InputWarning, UserError
from segcritic.io.samples import Images, Sample
from segcritic.rules import Rules, SuperpixelRule
from segcritic.stateless.label_rewards import supervised
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.state import State, make_state

SUPERPIXEL_METHODS: tuple[str, ...] = get_args(SuperpixelRule.model_fields["method"].annotation)


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


def choose_superpixels(
    rules: Rules, superpixels: Images | None, has_boundaries: bool = False
) -> tuple[Rules, Images | None]:
    """Tell a method's name from files of superpixels: the rules that ask for the method, and None; or as given.

    With boundary maps, superpixels come from the maps where the rules would take shells of the image.

    Raises
    ------
    UserError
        When `superpixels` is neither a method nor a path that exists.
    """
    if has_boundaries and superpixels is None and (rules.superpixels is None or rules.superpixels.method == "shells"):
        superpixels = "boundaries"
    if superpixels is None or not isinstance(superpixels, str):
        return rules, superpixels
    if superpixels in SUPERPIXEL_METHODS:
        if rules.superpixels is None or rules.superpixels.method != superpixels:
            chosen = SuperpixelRule.model_validate({"method": superpixels})
            rules = rules.model_copy(update={"superpixels": chosen})
        return rules, None
    if not Path(superpixels).exists():
        methods = ", ".join(SUPERPIXEL_METHODS)
        raise UserError(f"superpixels: '{superpixels}' is neither a method ({methods}) nor a folder that exists")
    return rules, superpixels


def warn_of_scale(rules: Rules, sample: Sample) -> None:
    """Warn when an image's pixels are not of the size on which rules in micrometres count."""
    stated, real = rules.pixel_size, sample.pixel_size
    if stated is not None and real is not None and not 0.95 < stated / real < 1.05:
        message = f"{sample.name}: the file says {real:.3g} micrometres a pixel, the rules {stated:.3g}; rules in um go"
        warnings.warn(f"{message} by the latter", InputWarning, stacklevel=3)


def lean_state(sample: Sample, rules: Rules, settings: TrainSettings, described: str = "") -> State:
    """The state of a sample that training needs, with its labels if it has any, in little memory.

    `described` names the sample in messages about its labels.
    """
    warn_of_scale(rules, sample)
    state = make_state(sample.pixels, rules, sample.boundaries, sample.superpixels)
    keep_pixels = settings.network.pixel_features > 0 or bool(rules.functions)
    return supervised(state, sample.labels, described or sample.name).lean(keep_pixels)
