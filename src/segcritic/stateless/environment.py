"""The environment: actions on the edges of several images -> partitions -> rewards of subgraphs."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segcritic.graph import SuperpixelGraph
from segcritic.graph.partition import Solver, multicut
from segcritic.rules import Scorer
from segcritic.stateless.batches import Movable, SubgraphBatch, collate_subgraphs
from segcritic.stateless.label_rewards import true_actions, truth_rewards
from segcritic.stateless.rewards import Credit, Rewards, edge_rewards, node_rewards, total_reward
from segcritic.stateless.state import State
from segcritic.stateless.subgraphs import dense_subgraphs

EdgeVariant = Callable[
    [SuperpixelGraph, NDArray[np.int32], NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]],
    NDArray[np.floating],
]
"""Graph, partitions (K, N), raw actions (K, E), rewards of the edges (K, E) and their weights (E,) -> other rewards."""


@dataclass(frozen=True)
class Outcome(Movable):
    """What K sets of actions on the E edges of B images earned.

    Attributes
    ----------
    edge : (K, E) float32 tensor
        Reward of each edge, in [0, 1].
    weight : (E,) float32 tensor
        Of each edge in the mean over a subgraph.
    image : (K, B) float32 tensor
        Count score of each image.
    total : (K, B) float64
        Reward of each image, for the learning curve.
    objects : (K, B) float64
        Number of foreground objects.
    action : (K, E) float32 tensor
        Split probabilities that were tried.
    true_action : (E,) float32 tensor, optional
        Where labels reward edges, from `label_rewards.true_actions`.
    """

    edge: Tensor
    weight: Tensor
    image: Tensor
    total: NDArray[np.float64]
    objects: NDArray[np.float64]
    action: Tensor
    true_action: Tensor | None

    def subgraphs(self, subgraphs: SubgraphBatch, count_weight: float = 0.0) -> Tensor:
        r"""Reward of each subgraph, (K, S), in [0, 1]: the weighted mean over its edges, and its image's count score.

        Both count as 1 : `count_weight` (paper, A.2).

        Where labels reward edges, those of known true actions t earn the Dice score of the actions a (paper, A.10),

        .. math:: (2 \sum a t + 1) / (\sum a^2 + \sum t^2 + 1)

        where the added ones keep a gradient where all is to be merged; others count by their number.
        """
        share = count_weight / (1 + count_weight)
        return (1 - share) * self._local(subgraphs) + share * self.image[:, subgraphs.graph]

    def _local(self, subgraphs: SubgraphBatch) -> Tensor:
        """Reward of each subgraph by its edges alone, (K, S)."""
        if self.true_action is None:
            return subgraphs.sums(self.edge * self.weight) / subgraphs.sums(self.weight).clamp(min=1e-9)
        known = (self.true_action >= 0).float()
        true, action, weight = self.true_action * known, self.action * known, self.weight * (1 - known)
        dice = (2 * subgraphs.sums(action * true) + 1) / (subgraphs.sums(action**2) + subgraphs.sums(true**2) + 1)
        others = subgraphs.sums(self.edge * weight) / subgraphs.sums(weight).clamp(min=1e-9)
        share = subgraphs.means(known)
        return share * dice + (1 - share) * others


def evaluate_partition(state: State, node_labels: NDArray[np.int32], scorer: Scorer) -> Rewards:
    """Rewards of one or K partitions of an image's superpixels, (N,) or (K, N); from its labels, where it has any."""
    labels = np.atleast_2d(node_labels)
    found = node_rewards(state.graph, labels, scorer, state.context, state.background, state.weight)
    if state.truth is None:
        return found
    count = np.ones_like(found.count) if state.truth.known.all() else found.count
    return replace(found, node=truth_rewards(state.graph, labels, state.truth, found.node), count=count)


def partition(states: list[State], raw: NDArray[np.floating], solver: Solver) -> list[NDArray[np.int32]]:
    """Partitions of each image, (K, N), by K sets of raw actions, (K, E) over all images.

    A raw action is the logit of the split probability, so its negative is the multicut's cost as it stands.
    """
    parts = np.split(raw, np.cumsum([state.graph.n_edges for state in states])[:-1], axis=1)
    return [multicut(s.graph, -part.astype(np.float64), solver) for s, part in zip(states, parts, strict=True)]


def step(
    states: list[State],
    raw: NDArray[np.float32],
    scorer: Scorer,
    solver: Solver = "greedy",
    credit: Credit = "share",
    labels_reward_edges: bool = True,
    edge_variant: EdgeVariant | None = None,
) -> Outcome:
    """Partition the images by K sets of actions, and judge the objects that come out.

    Parameters
    ----------
    states : list of B State
    raw : (K, E) float32
        Raw actions on the edges of all images; above 0 an edge would rather be cut.
    scorer : Scorer
    solver : {"greedy", "kernighan-lin"}
    credit : {"share", "maximum"}
        How the rewards of superpixels reach their edges, see `edge_rewards`.
    labels_reward_edges : bool
        Whether labels, where there are any, reward edges (`Outcome.true_action`) rather than objects alone.
    edge_variant : EdgeVariant, optional
        Changes the rewards of the edges (`variants.choose`).
    """
    edge, weight, image, total, objects = [], [], [], [], []
    first = 0
    for state, labels in zip(states, partition(states, raw, solver), strict=True):
        last = first + state.graph.n_edges
        rewards = evaluate_partition(state, labels, scorer)
        reward, share = edge_rewards(state.graph, rewards.node, state.weight, credit)
        if edge_variant is not None:
            reward = edge_variant(state.graph, labels, raw[:, first:last], reward, share)
        edge.append(reward)
        weight.append(share)
        image.append(rewards.count)
        total.append(total_reward(rewards, state.weight))
        objects.append(np.bincount(rewards.objects.sample, rewards.foreground, len(raw)))
        first = last
    return Outcome(
        edge=torch.as_tensor(np.concatenate(edge, 1), dtype=torch.float32),
        weight=torch.as_tensor(np.concatenate(weight), dtype=torch.float32),
        image=torch.as_tensor(np.stack(image, 1), dtype=torch.float32),
        total=np.stack(total, 1),
        objects=np.stack(objects, 1),
        action=torch.as_tensor(1 / (1 + np.exp(-raw)), dtype=torch.float32),
        true_action=_true_actions(states) if labels_reward_edges else None,
    )


def _true_actions(states: list[State]) -> Tensor:
    """True actions of the edges of all images, (E,); -1 where nothing is known."""
    unknown = [np.full(state.graph.n_edges, -1, np.float32) for state in states]
    known = [
        each if s.truth is None else true_actions(s.graph, s.truth) for s, each in zip(states, unknown, strict=True)
    ]
    return torch.as_tensor(np.concatenate(known))


def draw_subgraphs(
    states: list[State], sizes: tuple[int, ...], seed: int, device: torch.device | str = "cpu"
) -> dict[int, SubgraphBatch]:
    """Random dense subgraphs of all images by size, on the device (Algorithm 1)."""
    n_edges = [state.graph.n_edges for state in states]
    return {
        size: collate_subgraphs(
            [dense_subgraphs(s.graph.edges, s.graph.n_nodes, size, seed + i) for i, s in enumerate(states)], n_edges
        ).to(device)
        for size in sizes
    }
