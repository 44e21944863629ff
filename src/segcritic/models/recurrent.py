"""A trained model of the mask-by-mask method: apply it, keep it. Its rule-driven sibling is `models.Model`."""

import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import InputWarning, UserError
from segcritic.io.samples import Images, Ready, Source, find_sources
from segcritic.training.folder import write_folder

if TYPE_CHECKING:
    from segcritic.recurrent.networks import Networks
    from segcritic.recurrent.predict import Ablation
    from segcritic.recurrent.train import TrainedAgent

METHOD = "recurrent"


@dataclass(frozen=True)
class Sequence:
    """Objects in the order in which they were found.

    Attributes
    ----------
    labels : (H, W) int32, 0 = background, 1..n in that order
    table : column -> values, one an object: label, step, confidence, area, centroid, box
    image : (H, W, 3) float32 in [0, 1]
    context : (9, h, w) float32: foreground and angles, in the view that the networks saw
    """

    labels: NDArray[np.int32]
    table: dict[str, NDArray[Any]]
    image: NDArray[np.float32]
    context: NDArray[np.float32]


@dataclass
class RecurrentModel:
    """A trained model that draws one object after another.

    Attributes
    ----------
    agent : weights, training settings, learning curve
    card : Markdown: what it is for, how it was trained
    ablate : take a part of its state away (the paper's table 2): "lstm" or "mask" is what stays
    """

    agent: "TrainedAgent"
    card: str
    ablate: "Ablation | None" = None

    method: ClassVar[str] = METHOD

    def segment(self, image: str | os.PathLike[str] | NDArray[Any]) -> NDArray[np.int32]:
        """Segment one image.

        Parameters
        ----------
        image : file, or (H, W, 3) array of RGB: integers, or floats in [0, 1]; (H, W) for a grey one

        Returns
        -------
        (H, W) int32, 0 = background, objects 1..n in the order in which they were found

        Raises
        ------
        UserError
            When the file cannot be used.
        """
        return self.analyse(image).labels

    def analyse(self, image: str | os.PathLike[str] | NDArray[Any]) -> Sequence:
        """Segment one image and keep everything that led there. Parameters and errors as `segment`."""
        _, sources = self.prepare(image)
        if len(sources) > 1:
            raise UserError(f"{image} holds {len(sources)} images; give one, or use `segcritic segment` for a folder")
        return self.apply(sources[0].read())

    def prepare(
        self,
        images: Images,
        boundaries: Images | None = None,
        superpixels: Images | None = None,
        channel: int | str | None = None,
    ) -> tuple["RecurrentModel", list[Source]]:
        """List the images. Raises UserError when something is given that only rule-driven models take."""
        for option, given in (("boundaries", boundaries), ("superpixels", superpixels), ("channel", channel)):
            if given is not None:
                raise UserError(f"--{option} is for models trained by rules; this model looks at colour images alone")
        return self, find_sources(images, colour=True)

    def apply(self, image: Ready) -> Sequence:
        """Segment an image that was read in colour. One of equal pixels gives no objects, and an `InputWarning`."""
        from segcritic.recurrent.predict import segment

        found = segment(image.pixels, self._networks, self.ablate)
        labels, steps, confidence = found.labels, found.steps, found.confidence
        if image.is_constant:
            warnings.warn(f"{image.name}: all pixels are equal; there are no objects", InputWarning, stacklevel=2)
            labels, steps, confidence = np.zeros_like(labels), steps[:0], confidence[:0]
        return Sequence(labels, _measure(labels, steps, confidence), image.pixels, found.context)

    @cached_property
    def _networks(self) -> "Networks":
        return self.agent.networks()

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model as a folder, at once or not at all; errors as `models.Model.save`."""
        settings = {"method": METHOD, "settings": self.agent.settings.to_dict(), "curve": self.agent.curve}
        write_folder(folder, settings, self.agent.weights, {"card.md": self.card})


def read_agent(settings: dict[str, Any], weights: dict[str, Any]) -> "TrainedAgent":
    """Put an agent together from settings.json and weights. Raises what PyTorch raises if they do not fit."""
    from segcritic.recurrent.settings import RecurrentSettings
    from segcritic.recurrent.train import TrainedAgent

    agent = TrainedAgent(weights, RecurrentSettings.from_dict(settings["settings"]), list(settings["curve"]))
    agent.networks()
    return agent


def _measure(
    labels: NDArray[np.int32], steps: NDArray[np.int64], confidence: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    from skimage.measure import regionprops_table

    columns = ("label", "area", "centroid", "bbox")
    measured = regionprops_table(labels, properties=columns)
    number = np.asarray(measured["label"])
    return {
        "label": number,
        "step": steps[number - 1],
        "confidence": confidence[number - 1],
        "area": np.asarray(measured["area"]),
        "centroid_row": np.asarray(measured["centroid-0"]),
        "centroid_col": np.asarray(measured["centroid-1"]),
        "bbox_min_row": np.asarray(measured["bbox-0"]),
        "bbox_min_col": np.asarray(measured["bbox-1"]),
        "bbox_max_row": np.asarray(measured["bbox-2"]),
        "bbox_max_col": np.asarray(measured["bbox-3"]),
    }
