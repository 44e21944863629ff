"""A trained actor -> labels of an image, and a table that says why each object is kept."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from segcritic.graph import SuperpixelGraph, build_graph
from segcritic.graph.objects import ObjectTable, measure
from segcritic.graph.partition import Solver, connected_components, multicut
from segcritic.pixels.outlines import fill_holes, settle_outlines
from segcritic.rules import Scorer
from segcritic.rules.rule import BackgroundRule
from segcritic.search.local_search import Judge, search
from segcritic.search.moves import REFINED, Proposer
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.policy import Policy
from segcritic.stateless.state import State, make_state
from segcritic.stateless.variants.episode import final_means

_TABLE = (
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


def split_logits(policy: Policy, state: State) -> NDArray[np.float32]:
    """Mean of the policy's Normal for each edge, (E,); of several steps, the last one's."""
    if not state.graph.n_edges:
        return np.zeros(0, np.float32)
    with torch.no_grad():
        return final_means(policy, policy.network_input([state])).cpu().numpy()


def partition(policy: Policy, state: State) -> NDArray[np.int32]:
    """Object of each superpixel by the policy's means and its solver, (N,), background among them."""
    return multicut(state.graph, -split_logits(policy, state).astype(np.float64), policy.solver)


def segment_state(state: State, policy: Policy, scorer: Scorer, refine: bool = False) -> Segmentation:
    """Label a state by the policy's means; otherwise as `label_state`."""
    return label_state(state, split_logits(policy, state), scorer, refine, policy.solver)


def label_state(
    state: State,
    logits: NDArray[np.floating],
    scorer: Scorer,
    refine: bool = False,
    solver: Solver = "greedy",
) -> Segmentation:
    """Label a state by logits of the split probabilities (E,): the multicut, and the objects that are foreground.

    With `refine`, a local search on the rules goes on from there (see `local_search`).
    """
    rules = scorer.rules
    node_labels = multicut(state.graph, -logits.astype(np.float64), solver)
    rewards = evaluate_partition(state, node_labels, scorer)
    kept = rewards.foreground.copy()
    if refine:
        start = np.where(kept[rewards.objects.node_object[0]], node_labels + 1, 0).astype(np.int32)
        caution = replace(REFINED, least_score=max(REFINED.least_score, rules.keep_above))
        found = search(Judge(state, scorer), start, Proposer(state, thorough_for=rules), caution)
        within = found[state.graph.edges[:, 0]] == found[state.graph.edges[:, 1]]
        node_labels = connected_components(state.graph, within)
        rewards = evaluate_partition(state, node_labels, scorer)
        kept = np.bincount(rewards.objects.node_object[0], found > 0, len(rewards.objects)) > 0
        kept &= rewards.score >= rules.keep_above  # of an object in two pieces one may be nothing
    objects = measure(state.graph, node_labels, scorer.needed)
    if state.graph.n_nodes == 1 or np.ptp(state.image) == 0:  # there is nothing to be seen
        kept[:] = False
    if rules.border == "drop":
        kept &= objects["touches_border"] == 0
    number = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    labels = number[rewards.objects.node_object[0]][state.graph.superpixels]
    # A network's maps decide where outlines run: what its annotators saw is not where an intensity level lies.
    follows_maps = rules.superpixels is not None and rules.superpixels.method == "boundaries"
    if rules.polarity and not follows_maps:
        assert state.prior is not None, "a lean state has no pixels to label"
        level = (rules.background or BackgroundRule()).level
        labels = settle_outlines(labels, state.image, state.prior.floor, level)
    else:
        labels = fill_holes(labels)
    found = np.unique(labels[labels > 0])  # settling may leave nothing of an object
    kept_rows = np.flatnonzero(kept)[found - 1]
    labels = np.searchsorted(found, labels, "right").astype(np.int32)
    each = scorer.rule_scores(objects, state.context)
    table = {"label": np.arange(1, len(found) + 1), "score": rewards.score[kept_rows]}
    if rules.classes:
        as_each = scorer.class_scores(objects, state.context)
        table["class"] = np.array([*as_each])[np.argmax([*as_each.values()], axis=0)][kept_rows]
    table |= {f"score_{name}": values[kept_rows] for name, values in each.items()}
    table |= measure_labels(labels, state.image, _TABLE)
    split = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return Segmentation(labels, table, state.graph, split, node_labels, rewards.node[0], state.image)


def segment(
    pixels: NDArray[np.floating],
    policy: Policy,
    scorer: Scorer,
    boundaries: NDArray[np.floating] | None = None,
    superpixels: NDArray[np.integer] | None = None,
    refine: bool = False,
) -> Segmentation:
    """Label an image.

    Parameters
    ----------
    pixels : (H, W) float
        Raw intensities.
    policy : Policy
        From `TrainedActor.policy`.
    scorer : Scorer
        Of the rules that the policy was trained with.
    boundaries, superpixels : (H, W), optional
        As in `make_state`.
    refine : bool
        Whether a local search on the rules goes on from the actor's partition.
    """
    return segment_state(make_state(pixels, scorer.rules, boundaries, superpixels), policy, scorer, refine)


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
