"""The actor and the critic: two graph neural networks over the region adjacency graph (eq. 1 and 3, App. A.9)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segcritic.stateless.batches import GraphBatch, SubgraphBatch, sum_rows
from segcritic.stateless.unet import UNet

MEAN_LIMIT = 5.0
STD_RANGE = (0.01, 5.0)
Pooling = Literal["mean", "concatenate"]


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

    def forward(self, graph: GraphBatch, actions: Tensor, subgraphs: Mapping[int, SubgraphBatch]) -> CriticOutput:
        """Judge one set of actions, (E,), or K sets, (K, E), in [0, 1].

        `subgraphs` holds the subgraphs by their size; sizes that are left out are not judged.
        """
        sets = actions if actions.ndim == 2 else actions[None]
        n_sets, n_edges = sets.shape
        copies = graph if n_sets == 1 else graph.repeat(n_sets)
        edge_features = torch.cat([copies.edge_features, sets.reshape(-1, 1)], 1)
        edges = self.network(copies.node_features, edge_features, copies.edges)
        by_set = edges.view(n_sets, n_edges, edges.shape[1])
        lead = actions.shape[:-1]
        values = {size: self.heads[str(size)](by_set, part).view(*lead, len(part)) for size, part in subgraphs.items()}
        if self.global_head is None:
            return CriticOutput(values, None)
        total = edges.new_zeros(copies.n_graphs, edges.shape[1]).index_add_(0, copies.edge_graph, edges)
        count = torch.bincount(copies.edge_graph, minlength=copies.n_graphs).clamp(min=1)
        return CriticOutput(values, self.global_head(total / count[:, None]).view(*lead, graph.n_graphs))


@dataclass(frozen=True)
class NetworkSettings:
    """How large the networks are, and of which kind. The defaults train in minutes on one CPU core.

    Attributes
    ----------
    width : int
        Length of a node's state in the GNNs, and of the critic's vector per edge. The paper does not give it.
    depth : int
        Number of graph convolutions; an edge sees its surroundings as many steps away.
    hidden_layers : int
        Hidden layers of each MLP in a GNN, at least one.
    hidden_width : int or None
        Units of each hidden layer, in GNNs and heads; None for `width`.
    head_hidden_layers : int
        Hidden layers of the critic's MLP for each subgraph size.
    pooling : {"mean", "concatenate"}
        How the critic brings a subgraph's edges together: their mean, or strung together as in the paper.
    subgraph_sizes : tuple of int
        Numbers of edges of the subgraphs that the critic judges.
    global_head : bool
        Let the critic predict a value per image as well.
    fixed_std : float or None
        Standard deviation of the policy, the same for all edges; None to learn one per edge.
    initial_std : float
        Where a learned standard deviation starts, between 0.01 and 5.
    pixel_features : int
        Channels that the U-Net learns per pixel and that are averaged over each superpixel; 0 for no U-Net.
    unet_widths : tuple of int
        Channels of the U-Net at each level, the finest first.
    freeze_unet : bool
        Keep the U-Net as it is, rather than train it end to end with actor and critic.
    hand_made : bool
        Give the networks the hand-made features of superpixels; without them a U-Net is needed.
    radial : bool
        Hand-made features relative to a centre are among those that come in; `train` sets it as the rules have it.
    warm_start : float
        Weight of the edge's standardised contrast in the policy's mean before anything is learned; 0 for none.
    """

    width: int = 64
    depth: int = 3
    hidden_layers: int = 1
    hidden_width: int | None = None
    head_hidden_layers: int = 1
    pooling: Pooling = "mean"
    subgraph_sizes: tuple[int, ...] = (6, 12, 32, 128)
    global_head: bool = False
    fixed_std: float | None = None
    initial_std: float = 1.0
    pixel_features: int = 0
    unet_widths: tuple[int, ...] = (32, 64, 128, 256)
    freeze_unet: bool = False
    hand_made: bool = True
    radial: bool = False
    warm_start: float = 0.5

    @classmethod
    def paper(cls) -> "NetworkSettings":
        """Return the sizes of App. A.9: for a GPU."""
        return cls(
            depth=2,
            hidden_layers=3,
            hidden_width=2028,
            head_hidden_layers=2,
            pooling="concatenate",
            pixel_features=16,
            hand_made=False,
            warm_start=0.0,
        )

    def actor(self, node_features: int, edge_features: int) -> Actor:
        """Return a new actor for so many features per node and per edge (the U-Net's among them)."""
        return Actor(
            node_features,
            edge_features,
            width=self.width,
            depth=self.depth,
            hidden_layers=self.hidden_layers,
            hidden_width=self.hidden_width,
            fixed_std=self.fixed_std,
            initial_std=self.initial_std,
        )

    def critic(self, node_features: int, edge_features: int) -> Critic:
        """Return a new critic for so many features per node and per edge (the U-Net's among them)."""
        return Critic(
            node_features,
            edge_features,
            self.subgraph_sizes,
            width=self.width,
            depth=self.depth,
            hidden_layers=self.hidden_layers,
            hidden_width=self.hidden_width,
            head_hidden_layers=self.head_hidden_layers,
            pooling=self.pooling,
            global_head=self.global_head,
        )

    def unet(self, in_channels: int) -> UNet | None:
        """Return a new feature extractor, or None when `pixel_features` is 0."""
        return UNet(in_channels, self.pixel_features, self.unet_widths) if self.pixel_features else None
