"""A value per image beside those of its subgraphs, with a head and a loss of its own (App. A.2)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from segcritic.rules import Scorer
from segcritic.stateless.actor_critic import ActorCriticLearner, Values
from segcritic.stateless.batches import GraphBatch, SubgraphBatch
from segcritic.stateless.critic import Critic
from segcritic.stateless.environment import Outcome
from segcritic.stateless.gnn import mlp
from segcritic.stateless.settings import NetworkSettings

IMAGE = 0
"""The size under which `GlobalCritic` gives the images' values: no subgraph has 0 edges."""


class GlobalCritic(Critic):
    r"""A critic that predicts the reward of each image as well, (K, B), from the mean of its edges' vectors.

    .. math:: Q_\text{image} = \mathrm{MLP}\bigl(\tfrac1{|E|} \textstyle\sum_{e \in E} v_e\bigr)
    """

    def __init__(self, settings: NetworkSettings, n_node: int, n_edge: int):
        super().__init__(settings, n_node, n_edge)
        self.global_head = mlp(settings.width, settings.hidden_units, 1, settings.head_hidden_layers)

    def forward(self, graph: GraphBatch, actions: Tensor, subgraphs: Mapping[int, SubgraphBatch]) -> dict[int, Tensor]:
        """As `Critic.forward`, and the images' values as those of size `IMAGE`: (K, B), or (B,) for actions (E,)."""
        vectors = self.edge_vectors(graph, actions)
        values = self.values(vectors, subgraphs) | {IMAGE: self.image_values(vectors, graph)}
        return values if actions.ndim == 2 else {size: value[0] for size, value in values.items()}

    def image_values(self, vectors: Tensor, graph: GraphBatch) -> Tensor:
        """Values of the images, (K, B), from the vectors of the edges, (K, E, width)."""
        n_sets, n_edges, width = vectors.shape
        n_graphs = graph.n_graphs if len(graph.edges) == n_edges else graph.n_graphs // n_sets
        edge_graph = torch.cat([graph.edge_graph[:n_edges] + k * n_graphs for k in range(n_sets)])
        total = vectors.new_zeros(n_sets * n_graphs, width).index_add_(0, edge_graph, vectors.reshape(-1, width))
        count = torch.bincount(edge_graph, minlength=n_sets * n_graphs).clamp(min=1)
        return self.global_head(total / count[:, None]).view(n_sets, n_graphs)


class GlobalRewardLearner(ActorCriticLearner):
    """The soft actor-critic whose critic predicts the count score of each image, and whose actor climbs that too."""

    critic_class = GlobalCritic

    def subgraph_rewards(self, outcome: Outcome, subgraphs: dict[int, SubgraphBatch], scorer: Scorer) -> Values:
        """Reward of each subgraph; without the count score, where that reaches the critic by the images' values."""
        if self.settings.global_reward == "critic":
            return {size: outcome.subgraphs(part) for size, part in subgraphs.items()}
        return super().subgraph_rewards(outcome, subgraphs, scorer)

    def critic_loss(self, predicted: Values, rewards: Values, outcome: Outcome) -> Tensor:
        """Eq. 4, and half the squared error of the images' values."""
        of_images = 0.5 * ((predicted[IMAGE] - outcome.image) ** 2).mean()
        return super().critic_loss(predicted, rewards, outcome) + of_images

    def actor_loss(self, log_prob: Tensor, predicted: Values, subgraphs: dict[int, SubgraphBatch]) -> Tensor:
        """Eq. 2, less the images' values."""
        return super().actor_loss(log_prob, predicted, subgraphs) - predicted[IMAGE].mean()
