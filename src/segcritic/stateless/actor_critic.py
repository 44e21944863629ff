"""Learner "critic": the paper's soft actor-critic (section 3, eq. 2 and 4)."""

import copy
import math

import torch
from torch import Tensor

from segcritic.rules import Scorer
from segcritic.stateless.batches import GraphBatch, SubgraphBatch
from segcritic.stateless.critic import Critic
from segcritic.stateless.environment import EdgeVariant, Outcome, draw_subgraphs, step
from segcritic.stateless.losses import action_log_prob, actor_loss, critic_loss, sample_actions, temperature_loss
from segcritic.stateless.policy import FeatureScale, Policy
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.state import State

_FIRST_TEMPERATURE = 0.05

Values = dict[int, Tensor]
"""Of each subgraph by its size, (K, S)."""


class ActorCriticLearner:
    """Policy, critic, temperatures and their optimisers.

    The U-Net, where there is one, learns with the critic: through the actor it does not learn anything useful (seen
    with the paper's published code), so no gradient of the actor's loss reaches it.

    Parameters
    ----------
    settings : TrainSettings
    scale : FeatureScale
        Of the hand-made features, over the training images.
    seed : int
        Of the first weights; torch's global generator is left as it is.
    device : torch.device
    edge_variant : EdgeVariant, optional
        Changes the rewards of the edges (`variants.choose`).
    """

    critic_class = Critic

    def __init__(
        self,
        settings: TrainSettings,
        scale: FeatureScale,
        seed: int,
        device: torch.device,
        edge_variant: EdgeVariant | None = None,
    ):
        self.settings, self.device, self.edge_variant = settings, device, edge_variant
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.policy = Policy(settings.network, scale).to(device)
            self.critic = self.critic_class(settings.network, self.policy.n_node, self.policy.n_edge).to(device)
        self.average = copy.deepcopy(self.policy).requires_grad_(False)
        self.critic_copy = copy.deepcopy(self.critic).requires_grad_(False)
        n_sizes = len(settings.network.subgraph_sizes)
        self.log_temperature = torch.nn.Parameter(torch.full((n_sizes,), math.log(_FIRST_TEMPERATURE), device=device))

        unet = list(self.policy.unet.parameters()) if self.policy.unet is not None else []
        self.networks = [list(self.policy.actor.parameters()), list(self.critic.parameters()), unet]
        self.actor_optimizer = torch.optim.Adam(self.networks[0], settings.learning_rate)
        self.critic_optimizer = torch.optim.Adam(self.networks[1] + unet, settings.learning_rate)
        self.temperature_optimizer = torch.optim.Adam([self.log_temperature], settings.temperature_rate)

    def modules(self) -> dict[str, torch.nn.Module]:
        """The parts a checkpoint keeps, besides optimisers."""
        return {
            "policy": self.policy,
            "average": self.average,
            "critic": self.critic,
            "critic_copy": self.critic_copy,
            "temperatures": torch.nn.ParameterDict({"log": self.log_temperature}),
        }

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers a checkpoint keeps."""
        return {
            "actor_optimizer": self.actor_optimizer,
            "critic_optimizer": self.critic_optimizer,
            "temperature_optimizer": self.temperature_optimizer,
        }

    def update(self, states: list[State], scorer: Scorer, fraction: float, seed: int) -> Outcome:
        """Try K partitions of each image, judge them, and take one step of critic, actor and temperatures.

        `fraction` is how much of the training has passed, in [0, 1].
        """
        settings = self.settings
        noise = torch.Generator(self.device).manual_seed(seed)
        graphs = self.policy.network_input(states)
        subgraphs = draw_subgraphs(states, settings.network.subgraph_sizes, seed, self.device)

        # actions ~ policy (eq. 1) -> partitions -> rewards of subgraphs
        mean, log_std = self.policy(graphs.detach())
        raw = sample_actions(mean, log_std, settings.samples, settings.samples > 1, noise)
        outcome = self.step(states, raw, scorer)
        rewards = self.subgraph_rewards(outcome, subgraphs, scorer)

        # critic (eq. 4), actor (eq. 2), temperatures
        predicted = self.criticise(self.critic, graphs, raw.detach(), states, subgraphs)
        critic_loss = self.critic_loss(predicted, rewards, outcome)
        log_prob = action_log_prob(raw, mean, log_std)
        advised = self.criticise(self.critic_copy, graphs.detach(), raw, states, subgraphs)
        actor_loss = self.actor_loss(log_prob, advised, subgraphs)
        temperature_loss = self.temperature_loss(log_prob, subgraphs)

        self.descend(critic_loss, actor_loss, temperature_loss, fraction)
        return outcome

    def step(self, states: list[State], raw: Tensor, scorer: Scorer) -> Outcome:
        """What raw actions (K, E) earn, by the settings."""
        settings = self.settings
        labels_reward_edges = settings.label_reward == "edges" and settings.credit_by == "subgraph"
        actions = raw.detach().cpu().numpy()
        found = step(states, actions, scorer, settings.solver, settings.credit, labels_reward_edges, self.edge_variant)
        return found.to(self.device)

    def subgraph_rewards(self, outcome: Outcome, subgraphs: dict[int, SubgraphBatch], scorer: Scorer) -> Values:
        """Reward of each subgraph, with the image's count score shared out as A.2 says."""
        count = scorer.rules.count.weight if scorer.rules.count else 0.0
        return {size: outcome.subgraphs(part, count) for size, part in subgraphs.items()}

    def criticise(
        self,
        critic: Critic,
        graphs: GraphBatch,
        raw: Tensor,
        states: list[State],
        subgraphs: dict[int, SubgraphBatch],
    ) -> Values:
        """Q(s, a) of each subgraph for raw actions, (K, E) (eq. 3)."""
        return critic(graphs, torch.sigmoid(raw), subgraphs)

    def critic_loss(self, predicted: Values, rewards: Values, outcome: Outcome) -> Tensor:
        """Eq. 4, averaged over the sizes."""
        return torch.stack([critic_loss(predicted[size], rewards[size]) for size in rewards]).mean()

    def actor_loss(self, log_prob: Tensor, predicted: Values, subgraphs: dict[int, SubgraphBatch]) -> Tensor:
        """Eq. 2, averaged over the sizes.

        The joint log-probability grows with the subgraph, its mean reward does not: with a temperature per edge, one
        range of temperatures serves all sizes.
        """
        temperature = self.log_temperature.detach().exp()
        losses = [
            actor_loss(log_prob, predicted[size], part, temperature[index] / size)
            for index, (size, part) in enumerate(subgraphs.items())
        ]
        return torch.stack(losses).mean()

    def temperature_loss(self, log_prob: Tensor, subgraphs: dict[int, SubgraphBatch]) -> Tensor:
        """What holds the entropy per edge at its target, summed over the sizes, each with its own temperature."""
        losses = [
            temperature_loss(self.log_temperature[index], log_prob / size, part, self.settings.target_entropy / size)
            for index, (size, part) in enumerate(subgraphs.items())
        ]
        return torch.stack(losses).sum()

    def descend(self, critic_loss: Tensor, actor_loss: Tensor, temperature_loss: Tensor, fraction: float) -> None:
        """One step of each optimiser down its loss; the critic's copy and the average of the weights follow."""
        rate = self.settings.learning_rate * (0.55 + 0.45 * math.cos(math.pi * fraction))
        for optimizer in (self.critic_optimizer, self.actor_optimizer):
            optimizer.param_groups[0]["lr"] = rate
            optimizer.zero_grad()
        self.temperature_optimizer.zero_grad()
        (critic_loss + actor_loss + temperature_loss).backward()  # no two of them reach the same weights
        for parameters in self.networks:
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        self.critic_optimizer.step()
        self.actor_optimizer.step()
        self.temperature_optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(self.critic_copy.parameters(), self.critic.parameters(), strict=True):
                mine.lerp_(theirs, self.settings.critic_target)
            for mine, theirs in zip(self.average.parameters(), self.policy.parameters(), strict=True):
                mine.lerp_(theirs, 1 - self.settings.ema)
