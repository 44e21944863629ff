"""The critic: action values of subgraphs, from a graph neural network that sees the actions (eq. 3, App. A.9)."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from segcritic.stateless.batches import GraphBatch, SubgraphBatch, sum_rows
from segcritic.stateless.gnn import GraphNetwork, mlp
from segcritic.stateless.variants.object_credit import ObjectEdges

Pooling = Literal["mean", "concatenate"]


class SubgraphHead(nn.Module):
    """Vectors of a subgraph's edges -> the subgraph's action value, for one subgraph size.

    Parameters
    ----------
    width : int
        Length of the vector per edge.
    size : int
        Number of edges of a full subgraph.
    pooling : {"mean", "concatenate"}
        "mean" takes the edges' mean and so does not depend on their order. "concatenate", the paper's way, strings them
        together in the order of `SubgraphBatch.edge_index`, with zeros for padding.
    """

    def __init__(self, width: int, size: int, pooling: Pooling, hidden_width: int, hidden_layers: int):
        super().__init__()
        self.pooling: Pooling = pooling
        self.mlp = mlp(width if pooling == "mean" else size * width, hidden_width, 1, hidden_layers)

    def forward(self, edges: Tensor, subgraphs: SubgraphBatch) -> Tensor:
        """Take edges (K, E, width) and return (K, S)."""
        n_sets, n_edges, width = edges.shape
        flat = edges.reshape(-1, width)
        index = torch.cat([subgraphs.edge_index + k * n_edges for k in range(n_sets)])
        mask = subgraphs.mask.repeat(n_sets, 1)
        if self.pooling == "mean":
            pooled = sum_rows(flat, index, mask) / mask.sum(1, keepdim=True)
        else:
            pooled = flat.index_select(0, index.flatten()).view(*index.shape, width) * mask[:, :, None]
        return self.mlp(pooled.flatten(1)).view(n_sets, len(subgraphs))


class CriticOutput(NamedTuple):
    """What the critic predicts: `subgraphs[l]`, (S,) or (K, S), for each size l; `graph`, (B,) or (K, B), or None."""

    subgraphs: dict[int, Tensor]
    graph: Tensor | None


class Critic(nn.Module):
    """The action values Q(s, a) of subgraphs: a GNN that sees the actions on the edges (eq. 3), and a head per size.

    Parameters
    ----------
    node_features, edge_features : int
        Numbers of input features; the action is not counted.
    subgraph_sizes : tuple of int
    width, depth, hidden_layers, hidden_width, head_hidden_layers, pooling, global_head
        See `NetworkSettings`.
    """

    def __init__(
        self,
        node_features: int,
        edge_features: int,
        subgraph_sizes: tuple[int, ...] = (6, 12, 32, 128),
        width: int = 64,
        depth: int = 3,
        hidden_layers: int = 1,
        hidden_width: int | None = None,
        head_hidden_layers: int = 1,
        pooling: Pooling = "mean",
        global_head: bool = False,
    ):
        super().__init__()
        hidden_width = hidden_width or width
        self.network = GraphNetwork(node_features, edge_features + 1, width, width, depth, hidden_width, hidden_layers)
        self.heads = nn.ModuleDict(
            {str(size): SubgraphHead(width, size, pooling, hidden_width, head_hidden_layers) for size in subgraph_sizes}
        )
        self.global_head = mlp(width, hidden_width, 1, head_hidden_layers) if global_head else None

    def forward(
        self,
        graph: GraphBatch,
        actions: Tensor,
        subgraphs: Mapping[int, SubgraphBatch],
        objects: ObjectEdges | None = None,
    ) -> CriticOutput:
        """Judge one set of actions, (E,), or K sets, (K, E), in [0, 1].

        `graph` has E edges, or K times as many when the states differ between the sets. `subgraphs` holds the
        subgraphs by their size; sizes that are left out are not judged. With the `objects` that the actions make, the
        vectors per edge are pooled over each object first (App. A.3).
        """
        sets = actions if actions.ndim == 2 else actions[None]
        n_sets, n_edges = sets.shape
        several = n_edges > 0 and len(graph.edges) == n_sets * n_edges
        copies = graph if n_sets == 1 or several else graph.repeat(n_sets)
        edge_features = torch.cat([copies.edge_features, sets.reshape(-1, 1)], 1)
        edges = self.network(copies.node_features, edge_features, copies.edges)
        by_set = edges.view(n_sets, n_edges, edges.shape[1])
        if objects is not None:
            by_set = objects.share(by_set)
        lead = actions.shape[:-1]
        values = {size: self.heads[str(size)](by_set, part).view(*lead, len(part)) for size, part in subgraphs.items()}
        if self.global_head is None:
            return CriticOutput(values, None)
        total = edges.new_zeros(copies.n_graphs, edges.shape[1]).index_add_(0, copies.edge_graph, edges)
        count = torch.bincount(copies.edge_graph, minlength=copies.n_graphs).clamp(min=1)
        return CriticOutput(values, self.global_head(total / count[:, None]).view(*lead, copies.n_graphs // n_sets))
