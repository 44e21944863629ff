"""Several models of the same rules -> one segmentation, and how far the models agree on each of its objects."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.io.samples import Images, Ready, Source, warn_of_scale
from segcritic.metrics.overlap import Overlap
from segcritic.models import Model
from segcritic.training.threads import few_threads

if TYPE_CHECKING:
    from segcritic.stateless.predict import Segmentation

_SURE = 1e-6  # split probabilities stay this far from 0 and 1


class Ensemble:
    """Models that differ in their weights alone, such as of several seeds.

    Parameters
    ----------
    models : sequence of Model
        At least one, all of the same rules (superpixels among them) and needs.
    names : sequence of str, optional
        Of the models, for messages.

    Raises
    ------
    UserError
        When two models differ in what they need or in their rules; it names them.
    """

    def __init__(self, models: Sequence[Model], names: Sequence[str] = ()):
        first = models[0]
        names = names or [f"number {k + 1}" for k in range(len(models))]
        for model, name in zip(models, names, strict=True):
            if model.needs != first.needs:
                raise UserError(
                    f"the models {names[0]} and {name} take different input (channel, boundary maps, superpixels);"
                    " models used together must be trained on the same"
                )
            if _meaning(model) != _meaning(first):
                raise UserError(
                    f"the models {names[0]} and {name} have different rules or superpixels; models used together must"
                    " share them: train them with the same rules file and other seeds"
                )
        self.models = list(models)

    def prepare(
        self, images: Images, boundaries: Images | None, superpixels: Images | None, channel: int | str | None
    ) -> tuple["Ensemble", list[Source]]:
        """As `Model.prepare`."""
        prepared = [model.prepare(images, boundaries, superpixels, channel) for model in self.models]
        return Ensemble([model for model, _ in prepared]), prepared[0][1]

    def apply(self, image: Ready, refine: bool = False) -> "Segmentation":
        """Segment an image that was read and checked by the mean of the models' split probabilities.

        The table has a further column, 'confidence': the mean over the models of the best intersection over union of
        the object with one that the model finds alone, in [0, 1]. Otherwise as `Model.apply`.
        """
        from segcritic.stateless.predict import label_state, split_logits
        from segcritic.stateless.state import make_state

        first = self.models[0]
        warn_of_scale(first.rules, image)
        if image.is_constant:
            found = first.apply(image)
            return replace(found, table=_with_confidence(found.table, np.zeros(0)))
        state = make_state(image.pixels, first.rules, image.boundaries, image.superpixels)
        with few_threads(first.actor.settings):
            logits = [split_logits(model.policy, state) for model in self.models]
        split = np.clip(np.mean([1 / (1 + np.exp(-each.astype(np.float64))) for each in logits], 0), _SURE, 1 - _SURE)
        mean = np.log(split / (1 - split))

        def labelled(each: NDArray, model: Model) -> "Segmentation":
            return label_state(state, each, first.scorer, refine, model.policy.solver)

        found = labelled(mean, first)
        alone = [labelled(each, model).labels for each, model in zip(logits, self.models, strict=True)]
        overlaps = [Overlap.of(found.labels, labels) for labels in alone]
        confidence = np.mean([overlap.best_per_label(overlap.iou) for overlap in overlaps], axis=0)
        return replace(found, table=_with_confidence(found.table, confidence))


def _with_confidence(table: dict[str, NDArray], confidence: NDArray[np.float64]) -> dict[str, NDArray]:
    """The table with the confidence after the label and the score."""
    return {"label": table["label"], "score": table["score"], "confidence": confidence} | table


def _meaning(model: Model) -> dict:
    return model.rules.model_dump(exclude={"name", "description"})
