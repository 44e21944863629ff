"""Labels, images and rules -> how well the labels fit the rules; no truth is needed."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from segcritic.errors import UserError
from segcritic.io.samples import Images, find_samples
from segcritic.models.stateless import choose_superpixels, warn_of_scale
from segcritic.rules import Rules, Scorer, load_rules
from segcritic.search.score_labels import Fit, fit_labels


@dataclass(frozen=True)
class RuleScores:
    """How well the labels of a set of images fit rules.

    Attributes
    ----------
    fits : mapping of str to Fit
        Of each image, by its name, in the order of the labels.
    """

    fits: Mapping[str, Fit]

    def __getitem__(self, name: str) -> float:
        return self.as_dict()[name]

    def as_dict(self) -> dict[str, float]:
        """Means over the images; see `means_of`."""
        return means_of(*self.fits.values())


def means_of(*fits: Fit) -> dict[str, float]:
    """Sum up how labels fit.

    Returns
    -------
    dict of str to float
        'reward': mean over the images, in [0, 1]; 'objects': their number in all images; 'score' and 'score_<rule>':
        mean over the objects, in [0, 1], NaN where there are none.
    """
    found = {"reward": float(np.mean([fit.reward for fit in fits])), "objects": sum(len(fit.score) for fit in fits)}
    columns = {"score": [fit.score for fit in fits]}
    for fit in fits:
        for name, scores in fit.rules.items():
            columns.setdefault(f"score_{name}", []).append(scores)
    for name, scores in columns.items():
        together = np.concatenate(scores)
        found[name] = float(together.mean()) if len(together) else float("nan")
    return found


def evaluate_by_rules(
    labels: Images,
    images: Images,
    rules: str | os.PathLike[str] | Rules,
    *,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
) -> RuleScores:
    """Score labels from any tool by rules; no truth is needed. Higher rewards mean labels that fit the rules better.

    Parameters
    ----------
    labels : path, (H, W) integer array, or list of these
        0 = background: a file, a folder, an array.
    images : likewise
        Files are paired by stem, arrays by order; images without labels are passed over.
    rules : path, str or Rules
        As in `segcritic.train`.
    boundaries, superpixels, channel
        As in `segcritic.train`.

    Returns
    -------
    RuleScores
        ``scores["reward"]``, mean over the images; all by ``scores.as_dict()``; of each image in ``scores.fits``.

    Raises
    ------
    UserError
        When a file cannot be used, labels have no image or another shape, or the rules have a mistake.

    Examples
    --------
    >>> import segcritic
    >>> row, column = np.mgrid[:64, :64]
    >>> labels = ((row - 30) ** 2 + (column - 30) ** 2 < 150).astype(int)
    >>> scores = segcritic.evaluate_by_rules(labels, 100.0 * labels, "nuclei")
    >>> round(scores["score"], 2), scores["objects"]
    (1.0, 1)
    """
    own, pieces = choose_superpixels(load_rules(rules), superpixels, boundaries is not None)
    scorer = Scorer(own, allow_python=True)  # the rules are the user's own
    fits = {}
    for source in find_samples(images, labels, boundaries, pieces, labelled="only", channel=channel):
        sample = source.read()
        warn_of_scale(own, sample)
        assert sample.labels is not None
        fits[source.name] = fit_labels(sample.labels, sample, scorer)
    return RuleScores(fits)


def rank(scores: Mapping[str, RuleScores]) -> dict[str, RuleScores]:
    """Order labels of several tools or settings by their reward, the best first.

    Raises
    ------
    UserError
        When they are not labels of the same images.
    """
    first, *others = scores
    for other in others:
        for one, two in ((first, other), (other, first)):
            lacking = set(scores[one].fits) - set(scores[two].fits)
            if lacking:
                what = f"{two} has no labels for {min(lacking)}, which {one} has"
                raise UserError(f"{what}; rank labels of the same images")
    return dict(sorted(scores.items(), key=lambda item: -item[1]["reward"]))
