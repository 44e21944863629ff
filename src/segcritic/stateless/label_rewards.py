"""Rewards from labels, for the images (or parts of images) that have any (paper, A.10): direct and mixed supervision.

Labels may cover some of the images, and of an image a patch only: pixels of the number `UNLABELLED` are judged by the
rules, as is every image without labels.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.graph import Node, SuperpixelGraph
from segcritic.graph.project import Truth, project
from segcritic.stateless.state import State


def true_actions(graph: SuperpixelGraph, truth: Truth) -> NDArray[np.float32]:
    """What the truth does with each edge, (E,): 1 = split, 0 = merge, -1 where an end is unlabelled."""
    ends = truth.node[graph.edges]
    return np.where((ends >= 0).all(axis=1), ends[:, 0] != ends[:, 1], -1).astype(np.float32)


def truth_rewards(
    graph: SuperpixelGraph, node_labels: NDArray[np.int32], truth: Truth, rules_reward: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Reward the superpixels of K partitions by how well their objects agree with the true ones.

    A superpixel of a true object earns the intersection over union of its object and that true object; one of the
    background, the part of its object's area that is background. Superpixels without labels keep what the rules give,
    and count for nothing in the areas.

    Parameters
    ----------
    graph : SuperpixelGraph
    node_labels : (K, N) int32
        Partitions; each row 0..M-1.
    truth : Truth
    rules_reward : (K, N) float64

    Returns
    -------
    (K, N) float64
        In [0, 1]; 1 for all labelled superpixels of a partition that equals the truth there, however the background is
        cut.
    """
    known = truth.known
    area = graph.node_sums[:, Node.AREA] * known
    n_true = int(truth.node.max()) + 1
    true_area = np.bincount(truth.node[known], area[known], n_true)
    reward = rules_reward.copy()
    for k, row in enumerate(node_labels):
        found_area = np.bincount(row, area)
        pair = row[known].astype(np.int64) * n_true + truth.node[known]
        shared = np.bincount(pair, area[known], len(found_area) * n_true)[pair]
        mine, true = found_area[row[known]], true_area[truth.node[known]]
        agreement = np.where(truth.node[known] > 0, shared / (mine + true - shared), shared / mine)
        reward[k, known] = agreement
    return reward


def supervised(state: State, labels: NDArray[np.integer] | None, name: str) -> State:
    """Return the state with the labels of its image, if there are any; `name` is the image's, for error messages."""
    if labels is None:
        return state
    try:
        return replace(state, truth=project(state.graph, labels))
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
