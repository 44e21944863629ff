"""The graph neural network of actor and critic (eq. 1 and 3, App. A.9)."""

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segcritic.stateless.settings import NetworkSettings


def mlp(n_in: int, hidden_width: int, n_out: int, hidden_layers: int) -> nn.Sequential:
    """Return a multi-layer perceptron: `hidden_layers` times linear and ReLU, then linear."""
    widths = [n_in] + [hidden_width] * hidden_layers
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], n_out))


class Neighbours(NamedTuple):
    """The E undirected edges as 2E directed ones: receiving and sending node, (2E,) each; and degrees, (N, 1) float."""

    receiver: Tensor
    sender: Tensor
    degree: Tensor

    @classmethod
    def of(cls, edges: Tensor, n_nodes: int) -> "Neighbours":
        receiver, sender = torch.cat([edges, edges.flip(1)]).unbind(1)
        degree = torch.bincount(receiver, minlength=n_nodes).float()[:, None]
        return cls(receiver.contiguous(), sender.contiguous(), degree)


class MessagePassing(nn.Module):
    r"""One graph convolution (eq. 1; with actions among the edge features, eq. 3).

    .. math:: f_i \leftarrow f_i + \gamma\bigl(\bar f_i, \tfrac{1}{|N(i)|}
              \textstyle\sum_{j \in N(i)} \phi(\bar f_i, \bar f_j, e_{ij})\bigr), \quad \bar f = \mathrm{LayerNorm}(f)

    The mean over no neighbours is zero. The residual and the normalisation are not in the paper. The published code
    normalises over the batch; a layer norm keeps each prediction free of the other images.
    """

    def __init__(self, width: int, edge_features: int, hidden_width: int, hidden_layers: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.phi = mlp(2 * width + edge_features, hidden_width, width, hidden_layers)
        self.gamma = mlp(2 * width, hidden_width, width, hidden_layers)

    def forward(self, nodes: Tensor, edge_features: Tensor, neighbours: Neighbours) -> Tensor:
        """Take nodes (N, width) and edge_features (E, Fe) and return the new nodes (N, width)."""
        normed = self.norm(nodes)
        return nodes + self.gamma(torch.cat([normed, self.mean_message(normed, edge_features, neighbours)], 1))

    def mean_message(self, nodes: Tensor, edge_features: Tensor, neighbours: Neighbours) -> Tensor:
        """Return the mean of phi over the neighbours of each node, (N, width)."""
        first, last = self.phi[0], self.phi[-1]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        # A linear layer of a concatenation is a sum of linear layers: W (f_i, f_j, e) = W_i f_i + W_j f_j + W_e e.
        # Applied before the gather, it costs N products instead of 2E, and the edge's share is computed once for both
        # directions. The last layer is linear as well, so it commutes with the mean, and again acts on nodes.
        width = nodes.shape[1]
        weight_i, weight_j, weight_edge = first.weight.split([width, width, edge_features.shape[1]], 1)
        receiver, sender, degree = neighbours
        hidden = F.linear(nodes, weight_i, first.bias).index_select(0, receiver)
        hidden = hidden + F.linear(nodes, weight_j).index_select(0, sender)
        hidden = hidden.view(2, len(edge_features), first.out_features) + F.linear(edge_features, weight_edge)
        hidden = self.phi[1:-1](hidden.flatten(0, 1))
        total = nodes.new_zeros(len(nodes), hidden.shape[1]).index_add_(0, receiver, hidden)
        return F.linear(total / degree.clamp(min=1), last.weight) + last.bias * (degree > 0)


class GraphNetwork(nn.Module):
    """Node and edge features -> one vector per edge, the same whichever end of the edge is named first.

    Parameters
    ----------
    settings : NetworkSettings
        Of which `width`, `depth`, `hidden_units` and `hidden_layers` are read.
    n_node, n_edge, n_out : int
        Numbers of features that come in per node and per edge, and that go out per edge.

    Shapes
    ------
    (N, n_node), (E, n_edge), edges (E, 2) int64 -> (E, n_out)
    """

    def __init__(self, settings: NetworkSettings, n_node: int, n_edge: int, n_out: int):
        super().__init__()
        width, hidden = settings.width, (settings.hidden_units, settings.hidden_layers)
        self.encoder = nn.Linear(n_node, width)
        self.layers = nn.ModuleList(MessagePassing(width, n_edge, *hidden) for _ in range(settings.depth))
        self.norm = nn.LayerNorm(width)
        self.edge_head = mlp(2 * width + n_edge, settings.hidden_units, n_out, settings.hidden_layers)

    def forward(self, node_features: Tensor, edge_features: Tensor, edges: Tensor) -> Tensor:
        """Take (N, n_node), (E, n_edge), (E, 2) and return (E, n_out)."""
        neighbours = Neighbours.of(edges, len(node_features))
        nodes = self.encoder(node_features)
        for layer in self.layers:
            nodes = layer(nodes, edge_features, neighbours)
        nodes = self.norm(nodes)
        end_i, end_j = nodes.index_select(0, edges[:, 0]), nodes.index_select(0, edges[:, 1])
        return self.edge_head(torch.cat([end_i + end_j, (end_i - end_j).abs(), edge_features], 1))
