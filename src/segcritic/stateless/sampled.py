"""Learner "samples": several partitions per image, each subgraph's reward against the mean of the others. No critic."""

import copy
import math

import torch
from torch import Tensor

from segcritic.rules import Scorer
from segcritic.stateless.environment import EdgeVariant, Outcome, draw_subgraphs, step
from segcritic.stateless.losses import normal_log_prob, sample_actions, sampled_policy_loss
from segcritic.stateless.policy import FeatureScale, Policy
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.state import State


class SampledLearner:
    """The policy and its optimiser.

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
        self.average = copy.deepcopy(self.policy).requires_grad_(False)
        self.optimizer = torch.optim.Adam(self.policy.parameters(), settings.learning_rate)

    def modules(self) -> dict[str, torch.nn.Module]:
        """The parts a checkpoint keeps, besides optimisers."""
        return {"policy": self.policy, "average": self.average}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers a checkpoint keeps."""
        return {"optimizer": self.optimizer}

    def update(self, states: list[State], scorer: Scorer, fraction: float, seed: int) -> Outcome:
        """Try K partitions of each image, judge them, and make likelier what earned more than the others.

        `fraction` is how much of the training has passed, in [0, 1].
        """
        settings = self.settings
        noise = torch.Generator(self.device).manual_seed(seed)
        graphs = self.policy.network_input(states)
        subgraphs = draw_subgraphs(states, settings.network.subgraph_sizes, seed, self.device)

        # actions ~ policy (eq. 1) -> partitions -> rewards of subgraphs
        mean, log_std = self.policy(graphs)
        raw = sample_actions(mean, log_std, settings.samples, generator=noise).detach()
        outcome = self.step(states, raw, scorer)
        count = scorer.rules.count.weight if scorer.rules.count else 0.0
        rewards = {size: outcome.subgraphs(part, count) for size, part in subgraphs.items()}

        log_prob = normal_log_prob(raw, mean, log_std)
        losses = [sampled_policy_loss(log_prob, rewards[size], part) for size, part in subgraphs.items()]
        self.descend(torch.stack(losses).mean(), fraction)
        return outcome

    def step(self, states: list[State], raw: Tensor, scorer: Scorer) -> Outcome:
        """What raw actions (K, E) earn, by the settings."""
        settings = self.settings
        labels_reward_edges = settings.label_reward == "edges" and settings.credit_by == "subgraph"
        actions = raw.detach().cpu().numpy()
        found = step(states, actions, scorer, settings.solver, settings.credit, labels_reward_edges, self.edge_variant)
        return found.to(self.device)

    def descend(self, loss: Tensor, fraction: float) -> None:
        """One step of the optimiser down the loss; the average of the weights follows."""
        rate = self.settings.learning_rate * (0.55 + 0.45 * math.cos(math.pi * fraction))
        self.optimizer.param_groups[0]["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.policy.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.policy.parameters(), strict=True):
                mine.lerp_(theirs, 1 - self.settings.ema)
