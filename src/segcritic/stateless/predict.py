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
from segcritic.rules import Rules, class_scores, needed_descriptors, object_scores, rule_scores
from segcritic.rules.rule import BackgroundRule
from segcritic.search.local_search import Judge, search
from segcritic.search.moves import REFINED, Proposer
from segcritic.stateless.environment import judge_partition
from segcritic.stateless.policy import Policy
from segcritic.stateless.state import Scene, make_scene
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


def split_logits(policy: Policy, scene: Scene) -> NDArray[np.float32]:
    """Mean of the policy's Normal for each edge, (E,); of several steps, the last one's."""
    if not scene.graph.n_edges:
        return np.zeros(0, np.float32)
    with torch.no_grad():
        return final_means(policy, policy.state([scene])).cpu().numpy()


def partition(policy: Policy, scene: Scene) -> NDArray[np.int32]:
    """Object of each superpixel by the policy's means and its solver, (N,), background among them."""
    return multicut(scene.graph, -split_logits(policy, scene).astype(np.float64), policy.solver)


def segment_scene(
    scene: Scene, policy: Policy, rules: Rules, allow_python: bool = False, refine: bool = False
) -> Segmentation:
    """Label a scene by the policy's means; otherwise as `label_scene`."""
    return label_scene(scene, split_logits(policy, scene), rules, allow_python, refine, policy.solver)


def label_scene(
    scene: Scene,
    logits: NDArray[np.floating],
    rules: Rules,
    allow_python: bool = False,
    refine: bool = False,
    solver: Solver = "greedy",
) -> Segmentation:
    """Label a scene by logits of the split probabilities (E,): the multicut, and the objects that are foreground.

    With `refine`, a local search on the rules goes on from there (see `local_search`).
    """
    node_labels = multicut(scene.graph, -logits.astype(np.float64), solver)
    rewards = judge_partition(scene, node_labels, rules, allow_python)
    kept = rewards.foreground.copy()
    if refine:
        start = np.where(kept[rewards.objects.node_object[0]], node_labels + 1, 0).astype(np.int32)
        caution = replace(REFINED, least_score=max(REFINED.least_score, rules.keep_above))
        found = search(Judge(scene, rules, allow_python), start, Proposer(scene, thorough_for=rules), caution)
        within = found[scene.graph.edges[:, 0]] == found[scene.graph.edges[:, 1]]
        node_labels = connected_components(scene.graph, within)
        rewards = judge_partition(scene, node_labels, rules, allow_python)
        kept = np.bincount(rewards.objects.node_object[0], found > 0, len(rewards.objects)) > 0
        kept &= rewards.score >= rules.keep_above  # of an object in two pieces one may be nothing
    objects = measure(scene.graph, node_labels, needed_descriptors(rules) | {"touches_border"})
    if scene.graph.n_nodes == 1 or np.ptp(scene.image) == 0:  # there is nothing to be seen
        kept[:] = False
    if rules.border == "drop":
        kept &= objects["touches_border"] == 0
    number = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    labels = number[rewards.objects.node_object[0]][scene.graph.superpixels]
    # A network's maps decide where outlines run: what its annotators saw is not where an intensity level lies.
    follows_maps = rules.superpixels is not None and rules.superpixels.method == "boundaries"
    if rules.polarity and not follows_maps:
        assert scene.relief is not None, "a lean scene has no pixels to label"
        level = (rules.background or BackgroundRule()).level
        labels = settle_outlines(labels, scene.image, scene.relief.floor, level)
    else:
        labels = fill_holes(labels)
    found = np.unique(labels[labels > 0])  # settling may leave nothing of an object
    kept_rows = np.flatnonzero(kept)[found - 1]
    labels = np.searchsorted(found, labels, "right").astype(np.int32)
    each = rule_scores(rules, objects, scene.context, scene.graph, allow_python)
    table = {"label": np.arange(1, len(found) + 1), "score": rewards.score[kept_rows]}
    if rules.classes:
        as_each = class_scores(rules, objects, scene.context, scene.graph, allow_python)
        table["class"] = np.array([*as_each])[np.argmax([*as_each.values()], axis=0)][kept_rows]
    table |= {f"score_{name}": values[kept_rows] for name, values in each.items()}
    table |= measure_labels(labels, scene.image, _TABLE)
    split = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return Segmentation(labels, table, scene.graph, split, node_labels, rewards.node[0], scene.image)


def segment(
    pixels: NDArray[np.floating],
    policy: Policy,
    rules: Rules,
    boundaries: NDArray[np.floating] | None = None,
    superpixels: NDArray[np.integer] | None = None,
    allow_python: bool = False,
    refine: bool = False,
) -> Segmentation:
    """Label an image.

    Parameters
    ----------
    pixels : (H, W) float
        Raw intensities.
    policy : Policy
        From `TrainedActor.policy`.
    rules : Rules
        The rules that the policy was trained with.
    boundaries, superpixels : (H, W), optional
        As in `make_scene`.
    allow_python : bool
        Whether rules may call functions of the user's own.
    refine : bool
        Whether a local search on the rules goes on from the actor's partition.
    """
    return segment_scene(make_scene(pixels, rules, boundaries, superpixels), policy, rules, allow_python, refine)


def measure_labels(labels: NDArray[np.int32], image: NDArray[np.float32], names: Sequence[str]) -> dict[str, NDArray]:
    """Descriptors of the objects 1..M of a label image, as columns of M values."""
    n = int(labels.max())
    if n == 0:
        return {name: np.zeros(0) for name in names}
    objects, _ = _label_objects(labels, image, names)
    return {name: objects[name][:n] for name in names}


def score_labels(
    labels: NDArray[np.int32], scene: Scene, rules: Rules, allow_python: bool = False
) -> NDArray[np.float64]:
    """Score of the objects 1..M of a label image by the rules, (M,), as if each were one superpixel."""
    n = int(labels.max())
    if n == 0:
        return np.zeros(0)
    objects, graph = _label_objects(labels, scene.image, needed_descriptors(rules) | {"touches_border"})
    return object_scores(rules, objects, scene.context, graph, allow_python)[:n]


def _label_objects(
    labels: NDArray[np.int32], image: NDArray[np.float32], names: Collection[str]
) -> tuple[ObjectTable, SuperpixelGraph]:
    """Every object as one superpixel of a graph of its own, and the background, if there is any, as the last."""
    n = int(labels.max())
    dense = labels - 1 if (labels > 0).all() else np.where(labels > 0, labels - 1, n)
    graph = build_graph(image, dense)
    return measure(graph, np.arange(graph.n_nodes, dtype=np.int32), names), graph
