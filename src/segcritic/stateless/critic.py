r"""The critic: action values of subgraphs, from a graph neural network that sees the actions (eq. 3, App. A.9)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from segcritic.stateless.batches import GraphBatch, SubgraphBatch, sum_rows
from segcritic.stateless.gnn import GraphNetwork, mlp
from segcritic.stateless.settings import NetworkSettings


class SubgraphHead(nn.Module):
    r"""The action value of a subgraph from the vectors of its edges, for one subgraph size.

    .. math:: Q_g = \mathrm{MLP}\bigl(\tfrac1{|g|} \textstyle\sum_{e \in g} v_e\bigr), \quad \text{or of the paper's }
              \mathrm{MLP}\bigl(v_{e_1} \Vert \dots \Vert v_{e_l}\bigr)

    The mean does not depend on the order of the edges. The paper strings them together, here in the order of
    `SubgraphBatch.edge_index`, with zeros for padding.

    Parameters
    ----------
    settings : NetworkSettings
        Of which `width`, `pooling` ("mean" or "concatenate"), `hidden_units` and `head_hidden_layers` are read.
    size : int
        l, the number of edges of a full subgraph.

    Shapes
    ------
    edges (K, E, width), S subgraphs -> (K, S)
    """

    def __init__(self, settings: NetworkSettings, size: int):
        super().__init__()
        self.pooling = settings.pooling
        n_in = settings.width if self.pooling == "mean" else size * settings.width
        self.mlp = mlp(n_in, settings.hidden_units, 1, settings.head_hidden_layers)

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


class Critic(nn.Module):
    r"""The action values of subgraphs (eq. 3): a GNN that sees the actions on the edges, and a head per size.

    .. math:: v = \mathrm{GNN}(f_i,\; e_{ij} \Vert a_{ij}), \qquad Q_g(s, a) = \mathrm{head}_{|g|}(\{v_e : e \in g\})

    Parameters
    ----------
    settings : NetworkSettings
    n_node, n_edge : int
        Numbers of features per node and per edge; the action is not counted.

    Shapes
    ------
    node features (N, n_node), edge features (E, n_edge), actions (E,) or (K, E), S subgraphs of size l
    -> {l: (S,) or (K, S)}
    """

    def __init__(self, settings: NetworkSettings, n_node: int, n_edge: int):
        super().__init__()
        self.network = GraphNetwork(settings, n_node, n_edge + 1, settings.width)
        self.heads = nn.ModuleDict({str(size): SubgraphHead(settings, size) for size in settings.subgraph_sizes})

    def forward(self, graph: GraphBatch, actions: Tensor, subgraphs: Mapping[int, SubgraphBatch]) -> dict[int, Tensor]:
        """Judge one set of actions, (E,), or K sets, (K, E), in [0, 1].

        `graph` has E edges, or K times as many when the states differ between the sets. `subgraphs` holds the
        subgraphs by their size; sizes that are left out are not judged.
        """
        values = self.values(self.edge_vectors(graph, actions), subgraphs)
        return values if actions.ndim == 2 else {size: value[0] for size, value in values.items()}

    def edge_vectors(self, graph: GraphBatch, actions: Tensor) -> Tensor:
        """One vector per edge and set of actions, (K, E, width); K = 1 for actions (E,)."""
        sets = actions if actions.ndim == 2 else actions[None]
        n_sets, n_edges = sets.shape
        several = n_edges > 0 and len(graph.edges) == n_sets * n_edges
        copies = graph if n_sets == 1 or several else graph.repeat(n_sets)
        edge_features = torch.cat([copies.edge_features, sets.reshape(-1, 1)], 1)
        vectors = self.network(copies.node_features, edge_features, copies.edges)
        return vectors.view(n_sets, n_edges, vectors.shape[1])

    def values(self, vectors: Tensor, subgraphs: Mapping[int, SubgraphBatch]) -> dict[int, Tensor]:
        """Action values by size, (K, S) each, from the vectors of the edges, (K, E, width)."""
        return {size: self.heads[str(size)](vectors, part) for size, part in subgraphs.items()}
