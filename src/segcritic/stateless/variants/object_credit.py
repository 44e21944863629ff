"""Credit by object instead of by subgraph (App. A.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segcritic.graph import SuperpixelGraph


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
