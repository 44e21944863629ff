"""Several models of the same rules -> one segmentation, and how far the models agree on each of its objects."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.graph.partition import multicut
from segcritic.io.samples import Images, Labels, Sample, Source
from segcritic.metrics.overlap import Overlap
from segcritic.models.base import Segmenter
from segcritic.models.stateless import Model, warn_of_scale
from segcritic.search.refine import refine as search_on
from segcritic.stateless.adapt import check_seconds
from segcritic.stateless.predict import Segmentation, label_partition, split_logits, split_probability
from segcritic.stateless.state import make_state
from segcritic.training.threads import few_threads

_SURE = 1e-6  # split probabilities stay this far from 0 and 1


class Ensemble(Segmenter):
    """Models that differ in their weights alone, such as of several seeds, and decide together.

    The table of a segmentation has a further column, 'confidence': the mean over the models of the best intersection
    over union of the object with one that the model finds alone, in [0, 1].

    Parameters
    ----------
    models : sequence of Model
        At least one, all of the same rules (superpixels among them) and needs.
    names : sequence of str, optional
        Of the models, for messages.

    Raises
    ------
    UserError
        When there is none, or two differ in what they need or in their rules; it names them.

    Examples
    --------
    >>> import segcritic
    >>> model = segcritic.load("nuclei")
    >>> both = segcritic.Ensemble([model, model])  # or load(["nuclei", "another-model/"])
    """

    def __init__(self, models: Sequence[Segmenter], names: Sequence[str] = ()):
        if not models:
            raise UserError("there are no models; give at least one")
        names = names or [f"number {k + 1}" for k in range(len(models))]
        self.models: list[Model] = []
        for model, name in zip(models, names, strict=True):
            if not isinstance(model, Model):
                raise UserError(f"the model {name} learned from labels and has no rules; give models trained by rules")
            first = self.models[0] if self.models else model
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
            self.models.append(model)

    def to_samples(
        self,
        images: Images,
        boundaries: Images | None = None,
        superpixels: Images | None = None,
        channel: int | str | None = None,
        labels: Labels | None = None,
    ) -> tuple["Ensemble", list[Source]]:
        found = [model.to_samples(images, boundaries, superpixels, channel, labels) for model in self.models]
        return Ensemble([model for model, _ in found]), found[0][1]

    def apply(self, sample: Sample, refine: bool = False) -> Segmentation:
        first = self.models[0]
        if sample.is_constant:
            found = first.apply(sample)
            return replace(found, table=_with_confidence(found.table, np.zeros(0)))
        warn_of_scale(first.rules, sample)
        state = make_state(sample.pixels, first.rules, sample.boundaries, sample.superpixels)
        with few_threads(first.actor.settings.small):
            logits = [split_logits(model.policy, state) for model in self.models]
        split = np.clip(np.mean([1 / (1 + np.exp(-own.astype(np.float64))) for own in logits], 0), _SURE, 1 - _SURE)
        mean = np.log(split / (1 - split))

        def labelled(logits: NDArray, model: Model) -> Segmentation:
            node_labels = multicut(state.graph, -logits.astype(np.float64), model.policy.solver)
            found = label_partition(state, node_labels, split_probability(logits), first.scorer)
            return search_on(state, found, first.scorer) if refine else found

        found = labelled(mean, first)
        alone = [labelled(own, model).labels for own, model in zip(logits, self.models, strict=True)]
        overlaps = [Overlap.of(found.labels, labels) for labels in alone]
        confidence = [overlap.best_per_label(overlap.iou) for overlap in overlaps]
        return replace(found, table=_with_confidence(found.table, np.mean(confidence, axis=0)))

    def adapt(
        self,
        images: Images,
        seconds: float,
        *,
        boundaries: Images | None = None,
        superpixels: Images | None = None,
        channel: int | str | None = None,
        seed: int = 0,
    ) -> "Ensemble":
        """Adapt each of the models, each for so many seconds, as `Model.adapt`."""
        check_seconds(seconds)
        ensemble, sources = self.to_samples(images, boundaries, superpixels, channel)
        first = ensemble.models[0]
        samples = (source.read() for source in sources)
        states = [first.lean_state(sample) for sample in samples if not sample.is_constant]
        return Ensemble([model.adapted(states, seconds, seed)[0] for model in ensemble.models])


def _with_confidence(table: dict[str, NDArray], confidence: NDArray[np.float64]) -> dict[str, NDArray]:
    """The table with the confidence after the label and the score."""
    return {"label": table["label"], "score": table["score"], "confidence": confidence} | table


def _meaning(model: Model) -> dict:
    return model.rules.model_dump(exclude={"name", "description"})
