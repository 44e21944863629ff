"""The actor: a graph neural network that gives a Normal distribution per edge (eq. 1)."""

import math

import torch
from torch import Tensor, nn

from segcritic.stateless.batches import GraphBatch
from segcritic.stateless.gnn import GraphNetwork

MEAN_LIMIT = 5.0


STD_RANGE = (0.01, 5.0)


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
