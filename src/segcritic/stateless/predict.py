"""A trained actor -> labels of an image, and a table that says why each object is kept."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from segcritic.graph import SuperpixelGraph, build_graph
from segcritic.graph.objects import ObjectTable, measure
from segcritic.graph.partition import multicut
from segcritic.pixels.outlines import fill_holes, settle_outlines
from segcritic.rules import Scorer
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.policy import Policy
from segcritic.stateless.rewards import Rewards
from segcritic.stateless.state import State
from segcritic.stateless.variants.episode import final_means

TABLE = (
    *("centroid_row", "centroid_col", "area", "equivalent_diameter", "major_axis", "minor_axis", "eccentricity"),
    *("orientation", "perimeter", "circularity", "solidity", "mean_intensity", "touches_border"),
)
"""Descriptors of the table of measurements."""


@dataclass(frozen=True)
class Segmentation:
    """Labels of one image, and how they came about.

    Attributes
    ----------
    labels : (H, W) int32
        0 = background, objects 1..M.
    table : dict of str to (M,) arrays
        'label', 'score' and 'score_<rule>' in [0, 1], as judged on superpixels; descriptors of the labels, in pixels.
        If the rules have classes, 'class', the name of the one that each object fits best.
    graph : SuperpixelGraph
    split : (E,) float32
        Probability that the actor splits each edge.
    node_labels : (N,) int32
        Object of each superpixel before anything was dropped.
    node_reward : (N,) float64
        Reward of each superpixel.
    image : (H, W) float32
        Normalised; if the rules look at brightness, with its noise smoothed. Brightness in the table is of this image.
    """

    labels: NDArray[np.int32]
    table: dict[str, NDArray]
    graph: SuperpixelGraph
    split: NDArray[np.float32]
    node_labels: NDArray[np.int32]
    node_reward: NDArray[np.float64]
    image: NDArray[np.float32]

    def empty(self) -> "Segmentation":
        """The same without any object."""
        none = {name: column[:0] for name, column in self.table.items()}
        return replace(self, labels=np.zeros_like(self.labels), table=none)


def segment(state: State, policy: Policy, scorer: Scorer) -> Segmentation:
    """Segment an image: superpixels that the actor does not part are one object, and the rules tell which are kept.

    Parameters
    ----------
    state : State
        From `make_state`.
    policy : Policy
        From `TrainedActor.policy`.
    scorer : Scorer
        Of the rules that the policy was trained with.
    """
    logits = split_logits(policy, state)
    node_labels = multicut(state.graph, -logits.astype(np.float64), policy.solver)
    return label_partition(state, node_labels, split_probability(logits), scorer)


def split_logits(policy: Policy, state: State) -> NDArray[np.float32]:
    """Mean of the policy's Normal for each edge, (E,); of several steps, the last one's."""
    if not state.graph.n_edges:
        return np.zeros(0, np.float32)
    with torch.no_grad():
        return final_means(policy, policy.network_input([state])).cpu().numpy()


def split_probability(logits: NDArray[np.floating]) -> NDArray[np.float32]:
    """Logits (E,) -> probabilities (E,) float32."""
    return (1 / (1 + np.exp(-logits))).astype(np.float32)


def label_partition(
    state: State,
    node_labels: NDArray[np.int32],
    split: NDArray[np.float32],
    scorer: Scorer,
    chosen: NDArray[np.bool_] | None = None,
) -> Segmentation:
    """Label an image by a partition of its superpixels.

    Parameters
    ----------
    state : State
    node_labels : (N,) int32
        Object of each superpixel, background among them.
    split : (E,) float32
        Probability that each edge is split, to be told with the result.
    scorer : Scorer
    chosen : (N,) bool, optional
        Superpixels of the objects that are kept if the rules score them high enough; by default the rules tell objects
        from background as well.
    """
    rules, image = scorer.rules, state.image
    outcome = evaluate_partition(state, node_labels, scorer)
    objects, owner = outcome.objects, outcome.objects.node_object[0]
    kept = outcome.foreground.copy()
    if chosen is not None:  # of an object in two pieces one may be nothing
        kept = (np.bincount(owner, chosen, len(objects)) > 0) & (outcome.score >= rules.keep_above)
    if state.graph.n_nodes == 1 or np.ptp(image) == 0:  # there is nothing to be seen
        kept[:] = False
    if rules.border == "drop":
        kept &= objects["touches_border"] == 0
    number = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    labels = _outlined(number[owner][state.graph.superpixels], state)
    left = np.unique(labels[labels > 0])  # settling may leave nothing of an object
    labels = np.searchsorted(left, labels, "right").astype(np.int32)
    table = _table(labels, outcome, np.flatnonzero(kept)[left - 1], state, scorer)
    return Segmentation(labels, table, state.graph, split, node_labels, outcome.node[0], image)


def _outlined(labels: NDArray[np.int32], state: State) -> NDArray[np.int32]:
    """Labels whose outlines went to where the objects end, without holes."""
    if state.outline_level is None:
        return fill_holes(labels)
    assert state.prior is not None, "a lean state has no pixels to label"
    return settle_outlines(labels, state.image, state.prior.floor, state.outline_level)


def _table(
    labels: NDArray[np.int32], outcome: Rewards, rows: NDArray[np.intp], state: State, scorer: Scorer
) -> dict[str, NDArray]:
    """The table of objects 1..M, which were judged in `rows` of the outcome's table."""
    table: dict[str, NDArray] = {"label": np.arange(1, len(rows) + 1), "score": outcome.score[rows]}
    if scorer.rules.classes:
        of_class = scorer.class_scores(outcome.objects, state.context)
        table["class"] = np.array([*of_class])[np.argmax([*of_class.values()], axis=0)][rows]
    of_rule = scorer.rule_scores(outcome.objects, state.context)
    table |= {f"score_{name}": values[rows] for name, values in of_rule.items()}
    return table | measure_labels(labels, state.image, TABLE)


def partition(policy: Policy, state: State) -> NDArray[np.int32]:
    """Object of each superpixel by the policy's means and its solver, (N,), background among them."""
    return multicut(state.graph, -split_logits(policy, state).astype(np.float64), policy.solver)


def measure_labels(labels: NDArray[np.int32], image: NDArray[np.float32], names: Sequence[str]) -> dict[str, NDArray]:
    """Descriptors of the objects 1..M of a label image, as columns of M values."""
    n = int(labels.max())
    if n == 0:
        return {name: np.zeros(0) for name in names}
    objects = _label_objects(labels, image, names)
    return {name: objects[name][:n] for name in names}


def score_labels(labels: NDArray[np.int32], state: State, scorer: Scorer) -> NDArray[np.float64]:
    """Score of the objects 1..M of a label image by the rules, (M,), as if each were one superpixel."""
    n = int(labels.max())
    if n == 0:
        return np.zeros(0)
    objects = _label_objects(labels, state.image, scorer.needed)
    return scorer.object_scores(objects, state.context)[:n]


def _label_objects(labels: NDArray[np.int32], image: NDArray[np.float32], names: Collection[str]) -> ObjectTable:
    """Every object as one superpixel of a graph of its own, and the background, if there is any, as the last."""
    n = int(labels.max())
    dense = labels - 1 if (labels > 0).all() else np.where(labels > 0, labels - 1, n)
    graph = build_graph(image, dense)
    return measure(graph, np.arange(graph.n_nodes, dtype=np.int32), names)
