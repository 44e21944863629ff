"""Several region adjacency graphs, and their subgraphs, as one: the form in which networks and losses take them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from segcritic.stateless.subgraphs import Subgraphs


class Movable:
    """A dataclass whose tensors move between devices together."""

    def to(self, device: torch.device | str) -> Self:
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        moved = {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **moved)  # type: ignore[type-var]


@dataclass(frozen=True)
class GraphBatch(Movable):
    """B graphs side by side: one graph of B unconnected parts, with N nodes and E edges altogether.

    Attributes
    ----------
    node_features : (N, Fn) float32
    edge_features : (E, Fe) float32
        Must not depend on which end of an edge is named first: the networks read each edge in both directions.
    edges : (E, 2) int64
        Each undirected edge once, as numbers of nodes of the batch.
    node_graph, edge_graph : (N,), (E,) int64
        The graph of each node and of each edge, 0..B-1.
    n_graphs : int
        B. A graph may be without edges, so the number is not always to be read off the tensors.
    """

    node_features: Tensor
    edge_features: Tensor
    edges: Tensor
    node_graph: Tensor
    edge_graph: Tensor
    n_graphs: int

    @classmethod
    def single(cls, node_features, edge_features, edges) -> Self:
        """Return a batch of one graph, from numpy arrays or tensors of the shapes named above."""
        node_features = torch.as_tensor(node_features, dtype=torch.float32)
        edges = torch.as_tensor(edges, dtype=torch.int64, device=node_features.device).reshape(-1, 2)
        edge_features = torch.as_tensor(edge_features, dtype=torch.float32, device=node_features.device)
        node_graph, edge_graph = edges.new_zeros(len(node_features)), edges.new_zeros(len(edges))
        return cls(node_features, edge_features, edges, node_graph, edge_graph, 1)

    def detach(self) -> Self:
        """Return the same graphs, through whose features no gradient flows back to what made them (the U-Net)."""
        return replace(self, node_features=self.node_features.detach(), edge_features=self.edge_features.detach())

    def repeat(self, times: int) -> "GraphBatch":
        """Return `times` copies of the batch side by side, as needed to judge as many sets of actions at once."""
        return collate([self] * times)


def collate(graphs: Sequence[GraphBatch]) -> GraphBatch:
    """Put graphs (or batches of graphs) side by side, in the order given."""
    node_offset = np.cumsum([0, *(len(graph.node_features) for graph in graphs)]).tolist()
    graph_offset = np.cumsum([0, *(graph.n_graphs for graph in graphs)]).tolist()
    return GraphBatch(
        node_features=torch.cat([graph.node_features for graph in graphs]),
        edge_features=torch.cat([graph.edge_features for graph in graphs]),
        edges=torch.cat([graph.edges + offset for graph, offset in zip(graphs, node_offset, strict=False)]),
        node_graph=torch.cat([graph.node_graph + offset for graph, offset in zip(graphs, graph_offset, strict=False)]),
        edge_graph=torch.cat([graph.edge_graph + offset for graph, offset in zip(graphs, graph_offset, strict=False)]),
        n_graphs=graph_offset[-1],
    )


@dataclass(frozen=True)
class SubgraphBatch(Movable):
    """The S subgraphs of one size l of all graphs of a batch.

    Attributes
    ----------
    edge_index : (S, l) int64
        Numbers of edges of the batch. Where `mask` is 0 the number is 0 and means nothing.
    mask : (S, l) float32
        1 for an edge, 0 for the padding of a subgraph of fewer than l edges.
    weights : (S, l) float32
        One over the number of subgraphs that use the edge; 0 for padding. See `Subgraphs.weights`.
    graph : (S,) int64
        The graph of each subgraph.
    """

    edge_index: Tensor
    mask: Tensor
    weights: Tensor
    graph: Tensor

    def __len__(self) -> int:
        return len(self.edge_index)

    @property
    def size(self) -> int:
        """l, the number of edges of a full subgraph."""
        return self.edge_index.shape[1]

    @property
    def n_edges(self) -> Tensor:
        """How many edges each subgraph has, (S,) float32; l but for padded ones."""
        return self.mask.sum(1)

    def sums(self, values: Tensor) -> Tensor:
        """Sum of the values of each subgraph's edges: (..., E) -> (..., S)."""
        return self._sums(values, self.mask)

    def means(self, values: Tensor) -> Tensor:
        """Mean of the values of each subgraph's edges: (..., E) -> (..., S)."""
        return self._sums(values, self.mask) / self.n_edges

    def weighted_sums(self, values: Tensor) -> Tensor:
        """Sum of `weights` times values over each subgraph's edges: (..., E) -> (..., S)."""
        return self._sums(values, self.weights)

    def _sums(self, values: Tensor, weights: Tensor) -> Tensor:
        columns = values.reshape(math.prod(values.shape[:-1]), values.shape[-1]).T
        return sum_rows(columns, self.edge_index, weights).T.reshape(*values.shape[:-1], len(self))


def sum_rows(values: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    """Return out[s] = sum over t of weights[s, t] * values[index[s, t]]: (E, C), (S, l), (S, l) -> (S, C)."""
    if len(index) == 0:
        return values.new_zeros(0, values.shape[1])
    # One fused kernel; gathering the (S, l, C) rows first takes twice the time and l times the memory.
    return F.embedding_bag(index, values.contiguous(), mode="sum", per_sample_weights=weights.to(values.dtype))


def collate_subgraphs(subgraphs: Sequence[Subgraphs], n_edges: Sequence[int]) -> SubgraphBatch:
    """Put the subgraphs of one size of several graphs together.

    Parameters
    ----------
    subgraphs : sequence of B Subgraphs
        One for each graph of the batch, in its order, all of the same size.
    n_edges : sequence of B int
        The number of edges of each graph.
    """
    offsets = np.cumsum([0, *n_edges[:-1]])
    index = np.concatenate([part.edge_index for part in subgraphs]).astype(np.int64)
    graph = np.repeat(np.arange(len(subgraphs)), [len(part) for part in subgraphs])
    mask = index >= 0
    index = np.where(mask, index + offsets[graph][:, None], 0)
    return SubgraphBatch(
        edge_index=torch.from_numpy(index),
        mask=torch.from_numpy(mask.astype(np.float32)),
        weights=torch.from_numpy(np.concatenate([part.weights for part in subgraphs])),
        graph=torch.from_numpy(graph),
    )
