"""A trained actor -> labels of an image, and a table that says why each object is kept."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage as ndi

from segcritic.graph import SuperpixelGraph
from segcritic.objects import measure
from segcritic.partition import multicut
from segcritic.rules import Rules, needed_descriptors, rule_scores
from segcritic.stateless.agent import Policy
from segcritic.stateless.environment import judge_partition
from segcritic.stateless.scene import Scene, make_scene

_TABLE = (
    *("centroid_row", "centroid_col", "area", "equivalent_diameter", "major_axis", "minor_axis", "eccentricity"),
    *("orientation", "perimeter", "circularity", "solidity", "mean_intensity", "touches_border"),
)
"""Descriptors that every table of measurements has, besides those that the rules read."""


@dataclass(frozen=True)
class Segmentation:
    """Labels of one image, and how they came about.

    Attributes
    ----------
    labels : (H, W) int32
        0 = background, objects 1..M.
    table : dict of str to (M,) arrays
        'label', descriptors in pixels, 'score' in [0, 1], and 'score_<rule>' for each rule.
    graph : SuperpixelGraph
    split : (E,) float32
        Probability that the actor splits each edge.
    node_labels : (N,) int32
        Object of each superpixel before anything was dropped.
    node_reward : (N,) float64
        Reward of each superpixel.
    image : (H, W) float32
        Normalised.
    """

    labels: NDArray[np.int32]
    table: dict[str, NDArray]
    graph: SuperpixelGraph
    split: NDArray[np.float32]
    node_labels: NDArray[np.int32]
    node_reward: NDArray[np.float64]
    image: NDArray[np.float32]


def split_logits(policy: Policy, scene: Scene) -> NDArray[np.float32]:
    """Mean of the policy's Normal for each edge, (E,)."""
    if not scene.graph.n_edges:
        return np.zeros(0, np.float32)
    with torch.no_grad():
        return policy(policy.state([scene]))[0].cpu().numpy()


def segment_scene(scene: Scene, policy: Policy, rules: Rules, allow_python: bool = False) -> Segmentation:
    """Label a scene: the policy's means, the multicut, and the objects that are foreground and score high enough."""
    logits = split_logits(policy, scene)
    node_labels = multicut(scene.graph, -logits.astype(np.float64))
    rewards = judge_partition(scene, node_labels, rules, allow_python)
    objects = measure(scene.graph, node_labels, needed_descriptors(rules) | set(_TABLE))
    kept = rewards.foreground & (rewards.score >= rules.keep_above)
    if rules.border == "drop":
        kept &= objects["touches_border"] == 0
    number = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    labels = fill_holes(number[rewards.objects.node_object[0]][scene.graph.superpixels])
    each = rule_scores(rules, objects, scene.context, scene.graph, allow_python)
    table = {"label": number[kept], "score": rewards.score[kept]}
    table |= {f"score_{name}": values[kept] for name, values in each.items()}
    table |= {name: objects[name][kept] for name in objects.columns}
    split = 1 / (1 + np.exp(-logits))
    return Segmentation(labels, table, scene.graph, split, node_labels, rewards.node[0], scene.image)


def segment(
    pixels: NDArray[np.floating],
    policy: Policy,
    rules: Rules,
    boundaries: NDArray[np.floating] | None = None,
    superpixels: NDArray[np.integer] | None = None,
    allow_python: bool = False,
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
    """
    return segment_scene(make_scene(pixels, rules, boundaries, superpixels), policy, rules, allow_python)


def fill_holes(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Give background that lies wholly within one object to that object."""
    pockets, n = ndi.label(labels == 0)
    if n == 0:
        return labels
    touching = np.zeros((n + 1, 2), np.int32)  # lowest and highest label beside each pocket
    touching[:, 0] = np.iinfo(np.int32).max
    for axis in (0, 1):
        first, second = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        pocket_first, pocket_second = np.moveaxis(pockets, axis, 0)[:-1], np.moveaxis(pockets, axis, 0)[1:]
        for pocket, label in ((pocket_first, second), (pocket_second, first)):
            beside = (pocket > 0) & (label > 0)
            np.minimum.at(touching[:, 0], pocket[beside], label[beside])
            np.maximum.at(touching[:, 1], pocket[beside], label[beside])
    border = np.unique(np.concatenate([pockets[0], pockets[-1], pockets[:, 0], pockets[:, -1]]))
    enclosed = touching[:, 0] == touching[:, 1]
    enclosed[border] = False
    enclosed[0] = False
    return np.where(enclosed[pockets], touching[pockets, 1], labels)
