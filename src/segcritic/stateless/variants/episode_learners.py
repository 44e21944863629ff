"""The learners with several steps per episode (App. A.8): every step is held to the reward of the last partition."""

import torch

from segcritic.rules import Scorer
from segcritic.stateless.actor_critic import ActorCriticLearner
from segcritic.stateless.environment import Outcome, draw_subgraphs
from segcritic.stateless.losses import action_log_prob, normal_log_prob, sampled_policy_loss
from segcritic.stateless.sampled import SampledLearner
from segcritic.stateless.state import State
from segcritic.stateless.variants.episode import rollout


class EpisodicSampledLearner(SampledLearner):
    """K episodes per image; no critic."""

    def update(self, states: list[State], scorer: Scorer, fraction: float, seed: int) -> Outcome:
        """As `SampledLearner.update`, with the mean of the steps' losses."""
        settings = self.settings
        noise = torch.Generator(self.device).manual_seed(seed)
        episode = rollout(self.policy, self.policy.network_input(states), settings.samples, noise)
        subgraphs = draw_subgraphs(states, settings.network.subgraph_sizes, seed, self.device)
        outcome = self.step(states, episode[-1].raw, scorer)
        count = scorer.rules.count.weight if scorer.rules.count else 0.0
        rewards = {size: outcome.subgraphs(part, count) for size, part in subgraphs.items()}
        losses = []
        for at in episode:
            log_prob = normal_log_prob(at.raw.detach(), at.mean, at.log_std)
            of_sizes = [sampled_policy_loss(log_prob, rewards[size], part) for size, part in subgraphs.items()]
            losses.append(torch.stack(of_sizes).mean())
        self.descend(torch.stack(losses).mean(), fraction)
        return outcome


class EpisodicActorCriticLearner(ActorCriticLearner):
    """K episodes per image, with a critic that judges the actions of each step."""

    def update(self, states: list[State], scorer: Scorer, fraction: float, seed: int) -> Outcome:
        """As `ActorCriticLearner.update`, with the means of the steps' losses."""
        settings = self.settings
        noise = torch.Generator(self.device).manual_seed(seed)
        graphs = self.policy.network_input(states)
        episode = rollout(self.policy, graphs.detach(), settings.samples, noise)
        subgraphs = draw_subgraphs(states, settings.network.subgraph_sizes, seed, self.device)
        outcome = self.step(states, episode[-1].raw, scorer)
        rewards = self.subgraph_rewards(outcome, subgraphs, scorer)
        critic_losses, actor_losses, temperature_losses = [], [], []
        for at in episode:
            # The first step's graphs once more, now with the gradient to the U-Net.
            seen = graphs if at is episode[0] else at.graphs
            predicted = self.criticise(self.critic, seen, at.raw.detach(), states, subgraphs)
            critic_losses.append(self.critic_loss(predicted, rewards, outcome))
            log_prob = action_log_prob(at.raw, at.mean, at.log_std)
            advised = self.criticise(self.critic_copy, at.graphs, at.raw, states, subgraphs)
            actor_losses.append(self.actor_loss(log_prob, advised, subgraphs))
            temperature_losses.append(self.temperature_loss(log_prob, subgraphs))
        all_losses = (critic_losses, actor_losses, temperature_losses)
        of_critic, of_actor, of_temperature = (torch.stack(losses).mean() for losses in all_losses)
        self.descend(of_critic, of_actor, of_temperature, fraction)
        return outcome
