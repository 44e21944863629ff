"""A model trained from labels alone, which draws one object after another: apply it, keep it as a folder."""

import os
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops_table

from segcritic.errors import InputWarning, UserError
from segcritic.io.samples import Images, Labels, Sample, Source, find_samples
from segcritic.models.base import Segmenter
from segcritic.recurrent import predict
from segcritic.recurrent.networks import Networks
from segcritic.recurrent.train import TrainedAgent
from segcritic.training.device import choose_device
from segcritic.training.folder import write_folder

METHOD = "recurrent"


@dataclass(frozen=True)
class Segmentation:
    """Objects in the order in which they were found.

    Attributes
    ----------
    labels : (H, W) int32
        0 = background, 1..M in that order.
    table : dict of str to (M,) arrays
        label, step, confidence, area, centroid, box.
    image : (H, W, 3) float32 in [0, 1]
    context : (9, h, w) float32
        Probability of foreground and of the angles, in the view that the networks saw; zeros where nothing was to be
        seen.
    """

    labels: NDArray[np.int32]
    table: dict[str, NDArray[Any]]
    image: NDArray[np.float32]
    context: NDArray[np.float32]


@dataclass
class RecurrentModel(Segmenter):
    """A trained model that draws one object after another.

    It takes colour images alone; `segment` raises UserError when it is given boundary maps, superpixels, a channel, or
    told to refine.

    Attributes
    ----------
    agent : TrainedAgent
        Weights, training settings, learning curve.
    card : str
        Markdown: what it is for, how it was trained.
    ablate : {"lstm", "mask"}, optional
        Take a part of its state away (the paper's table 2): what stays.
    device : str
        Where its networks run; see `training.device.choose_device`.
    """

    agent: TrainedAgent
    card: str
    ablate: predict.Ablation | None = None
    device: str = "auto"

    method: ClassVar[str] = METHOD

    def to_samples(
        self,
        images: Images,
        boundaries: Images | None = None,
        superpixels: Images | None = None,
        channel: int | str | None = None,
        labels: Labels | None = None,
    ) -> tuple["RecurrentModel", list[Source]]:
        for option, given in (("boundaries", boundaries), ("superpixels", superpixels), ("channel", channel)):
            if given is not None:
                raise UserError(f"--{option} is for models trained by rules; this model looks at colour images alone")
        return self, find_samples(images, labels, labelled="only", colour=True)

    def apply(self, sample: Sample, refine: bool = False) -> Segmentation:
        if refine:
            raise UserError("--refine goes by rules, and this model, which learned from labels, has none; leave it out")
        if sample.is_constant:
            warnings.warn(f"{sample.name}: all pixels are equal; there are no objects", InputWarning, stacklevel=2)
            labels, context = np.zeros(sample.pixels.shape[:2], np.int32), (9, *self.agent.settings.mask_shape)
            nothing = _measure(labels, np.zeros(0, np.int64), np.zeros(0, np.float32))
            return Segmentation(labels, nothing, sample.pixels, np.zeros(context, np.float32))
        found = predict.segment(sample.pixels, self._networks, self.ablate)
        table = _measure(found.labels, found.steps, found.confidence)
        return Segmentation(found.labels, table, sample.pixels, found.context)

    @cached_property
    def _networks(self) -> Networks:
        return self.agent.networks().to(choose_device(self.device))

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the model as a folder, at once or not at all; errors as `models.Model.save`."""
        settings = {"method": METHOD, "settings": self.agent.settings.to_dict(), "curve": self.agent.curve}
        write_folder(folder, settings, self.agent.weights, {"card.md": self.card})


def _measure(
    labels: NDArray[np.int32], steps: NDArray[np.int64], confidence: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
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
