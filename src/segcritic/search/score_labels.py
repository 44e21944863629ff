"""Labels from any tool -> how well they fit the rules, object by object and as a whole; no truth is needed."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import InputWarning
from segcritic.graph.objects import measure
from segcritic.io.samples import Sample
from segcritic.rules import Scorer
from segcritic.search.objective import Objective
from segcritic.stateless.state import State, make_state


@dataclass(frozen=True)
class Fit:
    """How well labels of one image fit rules.

    Attributes
    ----------
    reward : float
        Of the whole image, in [0, 1]: objects earn their scores, background its likelihood (`search.objective`).
    score : (M,) float64
        Of each object, in [0, 1], by all rules together.
    rules : dict of str to (M,) float64
        Of each object by each rule alone.
    """

    reward: float
    score: NDArray[np.float64]
    rules: dict[str, NDArray[np.float64]]


def fit_labels(labels: NDArray[np.integer], sample: Sample, scorer: Scorer) -> Fit:
    """Score labels by rules.

    Superpixels are cut along the labels, so that every object is judged exactly as it is drawn, with all that can be
    seen inside of it.

    Parameters
    ----------
    labels : (H, W) integer
        0 = background, any other number one object.
    sample : Sample
        The image.
    scorer : Scorer

    Returns
    -------
    Fit
        Objects in ascending order of their number.

    Examples
    --------
    >>> from segcritic.rules import load_rules
    >>> row, column = np.mgrid[:64, :64]
    >>> labels = ((row - 30) ** 2 + (column - 30) ** 2 < 150).astype(int)
    >>> fit = fit_labels(labels, Sample("a", 100.0 * labels.astype(np.float32)), Scorer(load_rules("nuclei")))
    >>> fit.score.round(2), sorted(fit.rules)[:3]
    (array([1.]), ['area', 'boundary_level', 'circularity'])
    """
    if sample.is_constant:
        message = f"{sample.name}: all pixels are equal; nothing in it can be judged"
        warnings.warn(message, InputWarning, stacklevel=2)
        return Fit(0.0, np.zeros(0), {})
    state = make_state(sample.pixels, scorer.rules, sample.boundaries, sample.superpixels, along=labels)
    node = np.zeros(state.graph.n_nodes, np.int64)
    node[state.graph.superpixels.ravel()] = labels.ravel()
    node = np.unique(np.append(0, node), return_inverse=True)[1][1:].astype(np.int32)
    return Fit(Objective(state, scorer).reward(node), *score_nodes(node, state, scorer))


def score_nodes(
    node: NDArray[np.int32], state: State, scorer: Scorer
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Score objects 1..M of superpixels (N,), 0 = background: by all rules together (M,), and by each alone."""
    n = int(node.max(initial=0))
    table = measure(state.graph, np.where(node > 0, node - 1, n) if (node == 0).any() else node - 1, scorer.needed)
    row = np.zeros(n, np.int64)
    row[node[node > 0] - 1] = table.node_object[0, node > 0]
    rules = {name: score[row] for name, score in scorer.rule_scores(table, state.context).items()}
    return scorer.object_scores(table, state.context)[row], rules
