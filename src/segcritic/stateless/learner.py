"""What learns: policy, critic, their optimisers, and one update of them (paper, section 3)."""

import copy
import math

import torch
from torch import Tensor

from segcritic.rules import Rules, Scorer
from segcritic.stateless.batches import GraphBatch, SubgraphBatch
from segcritic.stateless.critic import Critic, CriticOutput
from segcritic.stateless.environment import Outcome, draw_subgraphs, objects_of, step
from segcritic.stateless.losses import (
    action_log_prob,
    actor_loss,
    critic_loss,
    normal_log_prob,
    sampled_policy_loss,
    temperature_loss,
)
from segcritic.stateless.policy import FeatureScale, Policy
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.state import State
from segcritic.stateless.variants.episode import Step, rollout
from segcritic.stateless.variants.pretraining import Pretraining


class Learner:
    """Policy, critic and their optimisers: everything that changes while training goes on."""

    def __init__(self, settings: TrainSettings, scale: FeatureScale, seed: int, device: torch.device):
        torch.manual_seed(seed)
        self.settings = settings
        self.policy = Policy(settings.network, scale).to(device)
        self.average = copy.deepcopy(self.policy).requires_grad_(False)
        self.critic: Critic | None = None
        parameters = [p for p in self.policy.parameters()]
        if settings.learner != "samples":
            self.critic = settings.network.critic(self.policy.n_node, self.policy.n_edge).to(device)
            self.critic_copy = copy.deepcopy(self.critic).requires_grad_(False)
            parameters += list(self.critic.parameters())
        self.optimizer = torch.optim.Adam(parameters, settings.learning_rate)
        sizes = settings.network.subgraph_sizes
        self.log_temperature = torch.nn.Parameter(torch.full((len(sizes),), math.log(0.05), device=device))
        self.temperatures = torch.nn.ParameterDict({"log": self.log_temperature})
        self.temperature_optimizer = torch.optim.Adam([self.log_temperature], settings.temperature_rate)
        self.pretraining = Pretraining(self.policy, self.average) if settings.pretraining_steps else None

    def modules(self) -> dict[str, torch.nn.Module]:
        """The parts a checkpoint keeps, besides optimisers."""
        parts: dict[str, torch.nn.Module] = {
            "policy": self.policy,
            "average": self.average,
            "temperatures": self.temperatures,
        }
        return parts | ({"critic": self.critic, "critic_copy": self.critic_copy} if self.critic else {})

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers a checkpoint keeps."""
        parts: dict[str, torch.optim.Optimizer] = {"optimizer": self.optimizer}
        parts["temperature_optimizer"] = self.temperature_optimizer
        return parts | ({"pretraining": self.pretraining.optimizer} if self.pretraining else {})

    def update(self, states: list[State], scorer: Scorer, fraction: float, seed: int) -> Outcome:
        """One step: sample K partitions per image, judge them, and learn from the rewards.

        `fraction` is how much of the training has passed, in [0, 1].
        """
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * (0.55 + 0.45 * math.cos(math.pi * fraction))
        device = self.log_temperature.device
        noise = torch.Generator(device).manual_seed(seed)

        graphs = self.policy.network_input(states)
        episode = rollout(self.policy, graphs, settings.samples, noise)
        outcome = step(states, episode[-1].raw.detach().cpu().numpy(), scorer, settings)
        drawn = draw_subgraphs(states, settings.network.subgraph_sizes, seed)
        drawn = {size: part.to(device) for size, part in drawn.items() if len(part)}
        rewards = {size: self._rewards(outcome, part, scorer.rules).to(device) for size, part in drawn.items()}

        losses = []
        for at in episode:
            if self.critic is None:
                losses.append(self._samples_loss(at, drawn, rewards, {}))
                continue
            loss = self._critic_loss(self.critic, at, states, drawn, rewards, outcome)
            if settings.learner == "critic":
                losses.append(loss + self._actor_loss(at, states, drawn))
            else:
                with torch.no_grad():
                    expected = self._judge(self.critic_copy, at.graphs, at.mean, states, drawn).subgraphs
                losses.append(loss + self._samples_loss(at, drawn, rewards, expected))
        loss = torch.stack(losses).mean()

        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.policy.parameters(), strict=True):
                mine.lerp_(theirs, 1 - settings.ema)
            if self.critic is not None:
                for mine, theirs in zip(self.critic_copy.parameters(), self.critic.parameters(), strict=True):
                    mine.lerp_(theirs, settings.critic_target)
        return outcome

    def _rewards(self, outcome: Outcome, subgraphs: SubgraphBatch, rules: Rules) -> Tensor:
        """Reward of each subgraph, (K, S); with the image's count score shared out as A.2 says."""
        local = outcome.subgraphs(subgraphs)
        if rules.count is None or self.settings.global_reward == "critic":
            return local
        share = rules.count.weight / (1 + rules.count.weight)
        return (1 - share) * local + share * outcome.image[:, subgraphs.graph]

    def _judge(
        self, critic: Critic, graphs: GraphBatch, raw: Tensor, states: list[State], drawn: dict[int, SubgraphBatch]
    ) -> CriticOutput:
        """What a critic expects of raw actions, (E,) or (K, E); with credit by object it sees the objects they make."""
        by_object = self.settings.credit_by == "object"
        objects = objects_of(states, raw, self.settings.solver) if by_object else None
        return critic(graphs, torch.sigmoid(raw), drawn, objects)

    def _samples_loss(
        self,
        step: Step,
        drawn: dict[int, SubgraphBatch],
        rewards: dict[int, Tensor],
        expected: dict[int, Tensor],
    ) -> Tensor:
        """Score-function loss: partitions that earn more than expected become more likely."""
        log_prob = normal_log_prob(step.raw.detach(), step.mean, step.log_std)
        losses = [sampled_policy_loss(log_prob, rewards[size], drawn[size], expected.get(size)) for size in drawn]
        return torch.stack(losses).mean() - self.settings.entropy_bonus * step.log_std.mean()

    def _critic_loss(
        self,
        critic: Critic,
        step: Step,
        states: list[State],
        drawn: dict[int, SubgraphBatch],
        rewards: dict[int, Tensor],
        outcome: Outcome,
    ) -> Tensor:
        """Eq. 4, averaged over the sizes; with the squared error of the image's value if the critic predicts it."""
        predicted = self._judge(critic, step.graphs, step.raw.detach(), states, drawn)
        losses = [critic_loss(predicted.subgraphs[size], rewards[size], drawn[size]) for size in drawn]
        loss = torch.stack(losses).mean()
        if predicted.graph is not None:
            loss = loss + 0.5 * ((predicted.graph - outcome.image.to(step.raw.device)) ** 2).mean()
        return loss

    def _actor_loss(self, step: Step, states: list[State], drawn: dict[int, SubgraphBatch]) -> Tensor:
        """Eq. 2, averaged over the sizes, and a step of the temperatures towards the target entropy."""
        log_prob = action_log_prob(step.raw, step.mean, step.log_std)
        predicted = self._judge(self.critic_copy, step.graphs, step.raw, states, drawn)
        losses, temperature_losses = [], []
        for index, (size, subgraphs) in enumerate(drawn.items()):
            # The joint log-probability grows with the subgraph, its mean reward does not: per edge, one temperature
            # range serves all sizes.
            temperature = self.log_temperature[index].detach().exp() / size
            losses.append(actor_loss(log_prob, predicted.subgraphs[size], subgraphs, temperature))
            target_entropy = self.settings.target_entropy / size
            temperature_losses.append(
                temperature_loss(self.log_temperature[index], log_prob / size, subgraphs, target_entropy)
            )
        loss = torch.stack(losses).mean()
        if predicted.graph is not None:
            loss = loss - predicted.graph.mean()
        self.temperature_optimizer.zero_grad()
        torch.stack(temperature_losses).sum().backward()
        self.temperature_optimizer.step()
        return loss
