"""The policy as one module: features per superpixel and the actor; and the images' graphs as its input."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from segcritic.errors import UserError
from segcritic.graph.partition import Solver
from segcritic.nn.unet import UNet, pool_superpixels
from segcritic.stateless.actor import Actor
from segcritic.stateless.batches import GraphBatch, collate
from segcritic.stateless.features import N_EDGE_FEATURES, N_NODE_FEATURES
from segcritic.stateless.radial import N_RADIAL_EDGE_FEATURES, N_RADIAL_NODE_FEATURES
from segcritic.stateless.settings import NetworkSettings
from segcritic.stateless.state import State

_CONTRAST, _BETWEEN_CORES = 7, 11  # edge features: gradient on the boundary; whether it parts two likely objects


@dataclass(frozen=True)
class FeatureScale:
    """Mean and standard deviation of the hand-made features over the training images."""

    node: tuple[np.ndarray, np.ndarray]
    edge: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, states: list[State]) -> "FeatureScale":
        def scale(arrays: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
            values = np.concatenate(arrays)
            return values.mean(0), np.maximum(values.std(0), 1e-3)

        return cls(scale([s.node_features for s in states]), scale([s.edge_features for s in states]))


class Policy(nn.Module):
    """Image and superpixel graph -> Normal(mean, std) per edge: features (hand-made, learned or both) and actor.

    Parameters
    ----------
    settings : NetworkSettings
    scale : FeatureScale, optional
        Kept as buffers with the weights; identity by default, to be overwritten by `load_state_dict`.
    solver : Solver
        Of the multicut, for whoever cuts by this policy.
    """

    node_mean: Tensor
    node_std: Tensor
    edge_mean: Tensor
    edge_std: Tensor

    def __init__(self, settings: NetworkSettings, scale: FeatureScale | None = None, solver: Solver = "greedy"):
        super().__init__()
        self.settings = settings
        self.solver: Solver = solver
        learned = settings.pixel_features
        self.unet = UNet(1, learned, settings.unet_widths) if learned else None
        hand_made = N_NODE_FEATURES + (N_RADIAL_NODE_FEATURES if settings.radial else 0)
        self.n_node = (hand_made if settings.hand_made else 0) + learned
        hand_made_edge = N_EDGE_FEATURES + (N_RADIAL_EDGE_FEATURES if settings.radial else 0)
        self.n_edge = hand_made_edge + (settings.episode_steps > 1)  # the logit that the edge has come to
        self.actor = Actor(settings, self.n_node, self.n_edge)
        for name, size in (("node", hand_made), ("edge", hand_made_edge)):
            mean, std = getattr(scale, name) if scale else (np.zeros(size), np.ones(size))
            self.register_buffer(f"{name}_mean", torch.as_tensor(mean, dtype=torch.float32))
            self.register_buffer(f"{name}_std", torch.as_tensor(std, dtype=torch.float32))

    def network_input(self, states: list[State]) -> GraphBatch:
        """The graphs of several images with their standardised features, as one batch on the policy's device.

        Each image goes through the U-Net alone, so that a prediction never depends on the other images of the batch.
        """
        device = self.node_mean.device
        graphs = []
        for state in states:
            if state.edge_features.shape[1] != len(self.edge_mean):
                trained = "with" if self.settings.radial else "without"
                raise UserError(
                    f"the model was trained {trained} a centre in its rules, which have changed: train anew"
                )
            parts: list[Tensor] = []
            if self.settings.hand_made:
                hand_made = torch.as_tensor(state.node_features, device=device)
                parts.append(((hand_made - self.node_mean) / self.node_std).clamp(-5, 5))
            if self.unet is not None:
                image = torch.as_tensor(state.image, device=device)[None, None]
                labels = torch.as_tensor(state.graph.superpixels, dtype=torch.int64, device=device)[None]
                with torch.set_grad_enabled(torch.is_grad_enabled() and not self.settings.freeze_unet):
                    parts.append(pool_superpixels(self.unet(image), labels, state.graph.n_nodes))
            edge = torch.as_tensor(state.edge_features, device=device)
            edge = ((edge - self.edge_mean) / self.edge_std).clamp(-5, 5)
            if self.settings.episode_steps > 1:
                edge = torch.cat([edge, self._start(edge)[:, None]], 1)
            edges = torch.as_tensor(state.graph.edges, dtype=torch.int64, device=device)
            graphs.append(GraphBatch.single(torch.cat(parts, 1), edge, edges))
        return collate(graphs)

    def forward(self, graph: GraphBatch) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of each edge's Normal, (E,) each; split is the positive direction.

        A policy that has learned nothing yet splits where the gradient is high and between likely objects: from there
        rewards are found that a random partition would hardly ever earn. With several steps per episode the mean moves
        on from what the edge has come to (see `episode`).
        """
        several = self.settings.episode_steps > 1
        return self.actor(graph, graph.edge_features[:, -1] if several else self._start(graph.edge_features))

    def _start(self, edge_features: Tensor) -> Tensor:
        return self.settings.warm_start * (edge_features[:, _CONTRAST] + edge_features[:, _BETWEEN_CORES])
