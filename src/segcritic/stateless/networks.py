"""The actor, and the graph neural network that it shares with the critic (eq. 1 and 3, App. A.9)."""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segcritic.stateless.batches import GraphBatch

MEAN_LIMIT = 5.0
STD_RANGE = (0.01, 5.0)


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
    node_features, edge_features, out_features : int
        Numbers of features that come in per node and per edge, and that go out per edge.
    width, depth, hidden_width, hidden_layers
        See `NetworkSettings`.
    """

    def __init__(
        self,
        node_features: int,
        edge_features: int,
        out_features: int,
        width: int,
        depth: int,
        hidden_width: int,
        hidden_layers: int,
    ):
        super().__init__()
        self.encoder = nn.Linear(node_features, width)
        self.layers = nn.ModuleList(
            MessagePassing(width, edge_features, hidden_width, hidden_layers) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.edge_head = mlp(2 * width + edge_features, hidden_width, out_features, hidden_layers)

    def forward(self, node_features: Tensor, edge_features: Tensor, edges: Tensor) -> Tensor:
        """Take (N, Fn), (E, Fe), (E, 2) and return (E, out_features)."""
        neighbours = Neighbours.of(edges, len(node_features))
        nodes = self.encoder(node_features)
        for layer in self.layers:
            nodes = layer(nodes, edge_features, neighbours)
        nodes = self.norm(nodes)
        end_i, end_j = nodes.index_select(0, edges[:, 0]), nodes.index_select(0, edges[:, 1])
        return self.edge_head(torch.cat([end_i + end_j, (end_i - end_j).abs(), edge_features], 1))


class Actor(nn.Module):
    """The policy: a Normal distribution per edge, whose sample's sigmoid is the edge's action, 1 = split (eq. 1).

    The output layer starts at zero, so that a new actor's mean is the warm start given to `forward`, or else 0.

    Parameters
    ----------
    node_features, edge_features : int
        Numbers of input features.
    width, depth, hidden_layers, hidden_width, fixed_std, initial_std
        See `NetworkSettings`.
    """

    def __init__(
        self,
        node_features: int,
        edge_features: int,
        width: int = 64,
        depth: int = 3,
        hidden_layers: int = 1,
        hidden_width: int | None = None,
        fixed_std: float | None = None,
        initial_std: float = 1.0,
    ):
        super().__init__()
        self.fixed_log_std = None if fixed_std is None else math.log(fixed_std)
        n_out = 2 if fixed_std is None else 1
        hidden_width = hidden_width or width
        self.network = GraphNetwork(node_features, edge_features, n_out, width, depth, hidden_width, hidden_layers)
        output = self.network.edge_head[-1]
        assert isinstance(output, nn.Linear)
        nn.init.zeros_(output.weight)
        nn.init.zeros_(output.bias)
        self.low, self.range = math.log(STD_RANGE[0]), math.log(STD_RANGE[1] / STD_RANGE[0])
        share = (math.log(initial_std) - self.low) / self.range
        self.std_offset = math.log(share / (1 - share))

    def forward(self, graph: GraphBatch, prior_logit: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the means and the logarithms of the standard deviations of the edges' Normals, (E,) each.

        The mean lies in [-5, 5] and the standard deviation in [0.01, 5]. `prior_logit`, (E,), is added to the mean
        before it is bounded: a warm start, such as the contrast across the edge.
        """
        output = self.network(graph.node_features, graph.edge_features, graph.edges)
        logit = output[:, 0] if prior_logit is None else output[:, 0] + prior_logit
        mean = MEAN_LIMIT * torch.tanh(logit / MEAN_LIMIT)
        if self.fixed_log_std is not None:
            return mean, torch.full_like(mean, self.fixed_log_std)
        return mean, self.low + self.range * torch.sigmoid(output[:, 1] + self.std_offset)
