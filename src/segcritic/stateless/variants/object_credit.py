"""Credit by object instead of by subgraph (App. A.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segcritic.graph import SuperpixelGraph
from segcritic.graph.partition import Solver
from segcritic.stateless.actor_critic import ActorCriticLearner, Values
from segcritic.stateless.batches import GraphBatch, SubgraphBatch
from segcritic.stateless.critic import Critic
from segcritic.stateless.environment import partition
from segcritic.stateless.state import State


@dataclass(frozen=True)
class ObjectEdges:
    """The objects of K partitions of B graphs, as sets of edges: all that have at least one end in the object.

    In the paper's A.3 an object's reward gathers those of its edges (figure 7), and the critic predicts it from a GNN
    whose output is pooled over them. Both are `share`. What is left out is the paper's loss per object: the losses here
    stay per edge, an edge answering for the mean of the objects at its ends, as a subgraph of one edge. So one set of
    losses serves every learner. Without a critic an object of one partition has no counterpart in the others to be held
    against; an edge has.

    Attributes
    ----------
    ends : (K, E, 2) int64
        Object at both ends of each edge, 0..M-1 over all partitions and graphs.
    n_objects : int
        M.
    """

    ends: Tensor
    n_objects: int

    @classmethod
    def of(cls, graphs: Sequence[SuperpixelGraph], node_labels: Sequence[NDArray[np.int32]]) -> Self:
        """From the partitions of each graph, (K, N) each, numbered 0.. in each row."""
        ends, first = [], 0
        for graph, labels in zip(graphs, node_labels, strict=True):
            offset = first + np.cumsum([0, *(labels.max(axis=1) + 1)])
            ends.append((labels + offset[:-1, None])[:, graph.edges])
            first = int(offset[-1])
        return cls(torch.from_numpy(np.concatenate(ends, axis=1).astype(np.int64)), first)

    def share(self, values: Tensor, weight: Tensor | None = None) -> Tensor:
        """Give every edge the mean over its object's edges; of two objects, the mean of both.

        Parameters
        ----------
        values : (K, E) or (K, E, C) float
        weight : (E,) float, optional
            Of each edge in the mean over an object.

        Returns
        -------
        As `values`.
        """
        ends = self.ends.to(values.device)
        i, j = ends.reshape(-1, 2).unbind(1)
        flat = values.reshape(len(i), -1)
        each = flat.new_ones(ends.shape[:2]) if weight is None else weight.to(flat).expand(ends.shape[:2])
        each = each.reshape(-1, 1)
        other = each * (i != j)[:, None]  # an edge inside counts once
        total = flat.new_zeros(self.n_objects, flat.shape[1])
        total = total.index_add(0, i, each * flat).index_add(0, j, other * flat)
        count = flat.new_zeros(self.n_objects, 1).index_add(0, i, each).index_add(0, j, other)
        mean = total / count.clamp(min=1e-9)
        return ((mean[i] + mean[j]) / 2).view(values.shape)


def share_over_objects(
    graph: SuperpixelGraph,
    node_labels: NDArray[np.int32],
    raw: NDArray[np.float32],
    reward: NDArray[np.floating],
    weight: NDArray[np.float64],
) -> NDArray[np.floating]:
    """An `EdgeVariant`: every edge earns the mean over the edges of its objects."""
    values = (torch.as_tensor(part, dtype=torch.float32) for part in (reward, weight))
    return ObjectEdges.of([graph], [node_labels]).share(*values).numpy()


def segments_of(states: list[State], raw: Tensor, solver: Solver) -> ObjectEdges:
    """The objects that raw actions make, (E,) or (K, E) over all images."""
    labels = partition(states, np.atleast_2d(raw.detach().cpu().numpy()), solver)
    return ObjectEdges.of([state.graph for state in states], labels)


class ObjectCreditLearner(ActorCriticLearner):
    """The soft actor-critic whose critic pools its vectors of the edges over the objects that the actions make."""

    def criticise(
        self,
        critic: Critic,
        graphs: GraphBatch,
        raw: Tensor,
        states: list[State],
        subgraphs: dict[int, SubgraphBatch],
    ) -> Values:
        """Q(s, a) of each edge, as that of a subgraph of one edge, (K, E)."""
        segments = segments_of(states, raw, self.settings.solver)
        return critic.values(segments.share(critic.edge_vectors(graphs, torch.sigmoid(raw))), subgraphs)
