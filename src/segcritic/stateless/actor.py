"""The actor: a graph neural network that gives a Normal distribution per edge (eq. 1)."""

import math

import torch
from torch import Tensor, nn

from segcritic.stateless.batches import GraphBatch
from segcritic.stateless.gnn import GraphNetwork
from segcritic.stateless.settings import NetworkSettings

MEAN_LIMIT = 5.0
"""The mean of a policy's Normal lies within this of 0. From the paper's published code."""

STD_RANGE = (0.01, 5.0)
"""Least and largest standard deviation of a policy's Normal. From the paper's published code."""

_INITIAL_STD = 1.0  # where a learned standard deviation starts


class Actor(nn.Module):
    r"""The policy: a Normal distribution per edge, whose sample's sigmoid is the edge's action, 1 = split (eq. 1).

    .. math:: \mu_{ij}, \sigma_{ij} = \mathrm{GNN}(f_i, e_{ij}), \quad x_{ij} \sim \mathcal N(\mu_{ij}, \sigma_{ij}),
              \quad a_{ij} = \mathrm{sigmoid}(x_{ij})

    The output layer starts at zero, so that a new actor's mean is the warm start given to `forward`, or else 0.

    Parameters
    ----------
    settings : NetworkSettings
    n_node, n_edge : int
        Numbers of features per node and per edge.

    Shapes
    ------
    node features (N, n_node), edge features (E, n_edge) -> mean (E,), log of the standard deviation (E,)
    """

    def __init__(self, settings: NetworkSettings, n_node: int, n_edge: int):
        super().__init__()
        self.fixed_log_std = None if settings.fixed_std is None else math.log(settings.fixed_std)
        self.network = GraphNetwork(settings, n_node, n_edge, 2 if settings.fixed_std is None else 1)
        output = self.network.edge_head[-1]
        assert isinstance(output, nn.Linear)
        nn.init.zeros_(output.weight)
        nn.init.zeros_(output.bias)
        self.low, self.range = math.log(STD_RANGE[0]), math.log(STD_RANGE[1] / STD_RANGE[0])
        share = (math.log(_INITIAL_STD) - self.low) / self.range
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
