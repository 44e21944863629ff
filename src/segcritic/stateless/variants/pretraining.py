"""Self-supervised pre-training of the U-Net's pixel features on the superpixels of the images (paper, A.1)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segcritic.graph import Edge, SuperpixelGraph
from segcritic.nn.unet import UNet, pool_superpixels
from segcritic.stateless.policy import Policy
from segcritic.stateless.state import State

PULL_LIMIT = 0.1
"""delta_var: pixels this near to the mean of their superpixel are not pulled. From the paper's published code."""

PUSH_LIMIT = 0.4
"""delta_dist: neighbouring superpixels twice this far apart are not pushed. From the paper's published code."""

LEARNING_RATE = 1e-3
"""Of Adam. From the paper's published code."""


class Pretraining:
    """Updates of a policy's U-Net by the contrastive loss, with an optimiser of their own.

    Parameters
    ----------
    policy, average : Policy
        The one that learns, with a U-Net, and the moving average of its weights, which follows at once.
    """

    def __init__(self, policy: Policy, average: Policy):
        assert policy.unet is not None, "the settings ask for pre-training without a U-Net"
        assert average.unet is not None
        self.unet, self.average = policy.unet, average.unet
        self.optimizer = torch.optim.Adam(self.unet.parameters(), LEARNING_RATE)

    def update(self, states: list[State]) -> float:
        """Take one step on the mean loss of several images, and return what that was before the step."""
        loss = torch.stack([scene_loss(self.unet, state) for state in states]).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.average.load_state_dict(self.unet.state_dict())
        return loss.item()


def scene_loss(unet: UNet, state: State) -> Tensor:
    """Contrastive loss of the U-Net's features of one image, ()."""
    device = next(unet.parameters()).device
    image = torch.as_tensor(state.image, device=device)
    superpixels = torch.as_tensor(state.graph.superpixels, dtype=torch.int64, device=device)
    edges = torch.as_tensor(state.graph.edges, dtype=torch.int64, device=device)
    weights = torch.as_tensor(push_weights(state.graph), dtype=torch.float32, device=device)
    return contrastive_loss(unet(image[None, None])[0], superpixels, edges, weights)


def push_weights(graph: SuperpixelGraph) -> NDArray[np.float64]:
    """How strongly the two ends of each edge are pushed apart, (E,), of sum 1: w of eq. 9.

    In proportion to the mean of the boundary map (without one, the gradient) on their shared boundary; all the same
    where that is 0 everywhere.
    """
    strength = np.maximum(graph.edge_sums[:, Edge.BOUNDARY] / graph.edge_length, 0)
    total = strength.sum()
    return strength / total if total > 0 else np.full(graph.n_edges, 1 / max(graph.n_edges, 1))


def contrastive_loss(
    pixel_features: Tensor,
    superpixels: Tensor,
    edges: Tensor,
    weights: Tensor,
    pull_limit: float = PULL_LIMIT,
    push_limit: float = PUSH_LIMIT,
) -> Tensor:
    r"""Pull pixels to the mean of their superpixel, push the means of neighbouring superpixels apart (eq. 8-10).

    .. math:: L = \frac1N \sum_i \frac1{m_i} \sum_{n \in i} \bigl[\lVert f_i - x_n \rVert - \delta_v\bigr]_+^2
              + \sum_{(i, j)} w_{ij} \bigl[2 \delta_d - \lVert f_i - f_j \rVert\bigr]_+^2

    Parameters
    ----------
    pixel_features : (C, H, W) float, x
    superpixels : (H, W) int64
        0..N-1, none of them without pixels.
    edges : (E, 2) int64
    weights : (E,) float, of sum 1
    pull_limit, push_limit : float
        delta_v and delta_d.

    Returns
    -------
    () float32
    """
    n_nodes = int(superpixels.max()) + 1
    means = pool_superpixels(pixel_features[None], superpixels[None], n_nodes)  # f, (N, C)
    distance = torch.linalg.vector_norm(means.T[:, superpixels] - pixel_features, dim=0)
    too_far = (distance - pull_limit).clamp(min=0) ** 2
    pull = pool_superpixels(too_far[None, None], superpixels[None], n_nodes).mean()
    between = torch.linalg.vector_norm(means[edges[:, 0]] - means[edges[:, 1]], dim=1)
    push = (weights * (2 * push_limit - between).clamp(min=0) ** 2).sum()
    return pull + push
