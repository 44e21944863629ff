"""Every loss of the mask-by-mask method, stage by stage, in the order of the paper's section 5."""

import copy
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from segcritic.recurrent.context import context_loss
from segcritic.recurrent.critic import Critic
from segcritic.recurrent.episode import Episodes, cover, draw_starts, roll_out
from segcritic.recurrent.mask_vae import MaskEncoder, mask_loss, prior_divergence, sample
from segcritic.recurrent.networks import Networks
from segcritic.recurrent.rewards import match, prefix_matches, returns, soft_scores
from segcritic.recurrent.settings import RecurrentSettings
from segcritic.recurrent.views import Batch

STAGES = ("context", "masks", "first", "episodes")
"""Image encoder with its heads; mask VAE; actor on short episodes; actor, and critic, on growing episodes."""

_LOOK = 0.1
"""Weight of the attention's cross-entropy with the matched object, in the supervised stages."""
_STOP = 0.5
"""Weight of the termination's cross-entropy."""
_CONTEXT = 0.5
"""Weight of foreground and angles wherever the image encoder is trained for more."""


class Learner:
    """The networks, what trains them, and the moving average that is kept."""

    def __init__(self, settings: RecurrentSettings, seed: int, device: torch.device):
        self.settings, self.device = settings, device
        with torch.random.fork_rng(devices=[]):  # the user's random numbers go on as if nothing had been
            torch.default_generator.manual_seed(seed)
            self.networks = Networks(settings)
            self.mask_encoder = MaskEncoder(settings)
            self.critic = Critic(settings)
        for part in (self.networks, self.mask_encoder, self.critic):
            part.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.networks).requires_grad_(False)
        self._optimizers: dict[str, torch.optim.Optimizer] = {}

    def modules(self) -> dict[str, nn.Module]:
        """The parts a checkpoint keeps, besides optimisers."""
        return {
            "networks": self.networks,
            "mask_encoder": self.mask_encoder,
            "critic": self.critic,
            "average": self.average,
        }

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """The optimisers of the stage that runs."""
        return self._optimizers

    def begin(self, stage: str) -> None:
        """Make the stage's optimisers, and let it train what it may."""
        networks = self.networks
        trained = {
            "context": [networks.encoder],
            "masks": [networks.encoder, networks.decoder, self.mask_encoder],
            "first": [networks.actor],
            "episodes": [networks] if self.settings.end_to_end else [networks.actor],
        }[stage]
        networks.requires_grad_(False)
        for part in trained:
            part.requires_grad_(True)
        rate = self.settings.learning_rate * (self.settings.episodes_rate if stage == "episodes" else 1.0)
        self._optimizers = {"agent_optimizer": _adam(trained, rate)}
        if stage == "episodes" and self.settings.objective == "actor-critic":
            self._optimizers["critic_optimizer"] = _adam([self.critic], self.settings.learning_rate)

    def end(self) -> None:
        """End the stage: what it trained becomes its average."""
        self.networks.load_state_dict(self.average.state_dict())
        self._optimizers = {}

    def update(
        self, stage: str, step: int, fraction: float, batch: Batch, rng: np.random.Generator
    ) -> dict[str, float]:
        """One update of a stage; `fraction` is how much of the stage has passed. Returns what is worth a curve."""
        warm = min(1.0, (step + 1) / 50)
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                rate = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * fraction))
                group["lr"] = group["initial_lr"] * rate * warm
        noise = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        # A processor computes bfloat16 faster; on a graphics card the many small steps wait for their launch, and casts
        # to and fro would be as many again.
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cpu"):
            loss, told = {
                "context": self._context,
                "masks": self._masks,
                "first": self._first,
                "episodes": self._episodes,
            }[stage](batch, step, fraction, rng, noise)
        for optimizer in self._optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self._optimizers.values():
            for group in optimizer.param_groups:
                nn.utils.clip_grad_norm_(group["params"], 1.0)
            optimizer.step()
        decay = min(self.settings.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.networks.parameters(), strict=True):
                mine.lerp_(theirs, 1 - decay)
        return told

    def _context(self, batch: Batch, *unused: Any) -> tuple[Tensor, dict[str, float]]:
        """Section 5.4: foreground and angles."""
        context = self.networks.pyramid(batch.views)[1]
        loss = context_loss(context.float(), batch.masks)
        return loss, {"loss": float(loss.detach())}

    def _masks(
        self, batch: Batch, step: int, fraction: float, rng: np.random.Generator, noise: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Section 5.2: random true masks, through the bottleneck, to masks again."""
        owner, chosen = _draw_objects(batch, self.settings.states, rng)
        truth = batch.masks[owner, chosen]
        pyramid, context = self.networks.pyramid(batch.views)
        if not len(owner):
            return context_loss(context.float(), batch.masks), {}
        mean, log_variance = self.mask_encoder(truth)
        action = sample(mean, log_variance, noise)
        logits = self.networks.decoder(action, self.networks.decoder.prepare(pyramid), owner)
        divergence = prior_divergence(mean, log_variance).mean()
        loss = mask_loss(logits, truth).mean() + self.settings.mask_kl * divergence
        dice = _dice(logits.detach().sigmoid(), truth).mean()
        told = {"loss": float(loss.detach()), "dice": float(dice.detach()), "nats": float(divergence.detach())}
        return loss + _CONTEXT * context_loss(context.float(), batch.masks), told

    def _first(
        self, batch: Batch, step: int, fraction: float, rng: np.random.Generator, noise: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Short episodes from several states of each image, supervised: any of the objects that are left will do.

        They grow; the longer they are, the fewer there are.
        """
        longest = min(self.settings.first_length, self.settings.max_objects)
        n_steps = 1 + math.floor(min(1.0, fraction / 0.7) * (longest - 1))
        states = max(1, round(self.settings.states / n_steps))
        owner = torch.arange(len(batch.n_objects), device=self.device).repeat_interleave(states)
        n_objects = batch.n_objects[owner.cpu().numpy()]
        remaining = np.minimum(rng.integers(0, self.settings.max_objects + 1, len(n_objects)), n_objects)
        return self._supervised(batch, owner, remaining, n_steps, noise, rng)

    def _episodes(
        self, batch: Batch, step: int, fraction: float, rng: np.random.Generator, noise: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Episodes that grow: all but the last k objects are given, k grows to all."""
        shortest = min(self.settings.first_length, self.settings.max_objects)
        length = shortest + min(1.0, fraction / 0.6) * (self.settings.max_objects - shortest)
        remaining = np.minimum(batch.n_objects, math.ceil(length))
        owner = torch.arange(len(batch.n_objects), device=self.device)
        n_steps = int(remaining.max()) + 1
        if self.settings.objective != "actor-critic":
            return self._supervised(batch, owner, remaining, n_steps, noise, rng)
        alone = fraction < self.settings.critic_steps / max(1, self.settings.episodes_steps)
        return self._actor_critic(batch, owner, remaining, n_steps, noise, rng, alone)

    def _roll_out(
        self, batch: Batch, owner: Tensor, start: Tensor, n_steps: int, through_time: bool, noise: torch.Generator
    ) -> tuple[Episodes, list[Tensor], Tensor]:
        """Episodes, the state pyramid, and the loss of foreground and angles if the image encoder is trained."""
        learns = next(self.networks.encoder.parameters()).requires_grad
        with torch.set_grad_enabled(learns):
            pyramid, context = self.networks.pyramid(batch.views)
        context_part = _CONTEXT * context_loss(context.float(), batch.masks) if learns else batch.views.new_zeros(())
        seen = self.networks.see(pyramid)
        explore = self.settings.exploration > 0
        episodes = roll_out(
            self.networks.actor,
            self.networks.decoder,
            seen,
            owner,
            start,
            n_steps,
            explore=explore,
            through_time=through_time,
            generator=noise,
        )
        return episodes, pyramid, context_part

    def _supervised(
        self,
        batch: Batch,
        owner: Tensor,
        remaining: NDArray[np.int64],
        n_steps: int,
        noise: torch.Generator,
        rng: np.random.Generator,
    ) -> tuple[Tensor, dict[str, float]]:
        """The baselines: every mask against the true one that it is matched to."""
        truth = batch.masks[owner]
        start, available = draw_starts(truth, batch.n_objects[owner.cpu().numpy()], remaining, rng)
        through_time = self.settings.objective != "truncated-bce"
        episodes, _, context_part = self._roll_out(batch, owner, start, n_steps, through_time, noise)
        scores = soft_scores(episodes.masks.detach(), truth, self.settings.reward).cpu().numpy()
        scores = scores + self.settings.matching_noise * rng.standard_normal(scores.shape)
        matched = np.full(scores.shape[:2], -1)
        for episode, left in enumerate(remaining):  # a mask more than there are objects teaches termination only
            matched[episode, :left] = match(scores[episode, :left], available[episode])
        episode, step = np.nonzero(matched >= 0)
        target = truth[episode, matched[episode, step]]
        per_mask = mask_loss(episodes.logits[episode, step], target)
        looked = self._looking_loss(episodes, episode, step, target)
        loss = (per_mask.sum() + _LOOK * looked) / max(1, len(episode)) + self._ending_loss(episodes, remaining)
        told = {"loss": float(loss.detach())}
        if len(episode):
            told["dice"] = float(_dice(episodes.masks.detach()[episode, step], target).mean())
        return loss + self._divergence(episodes) + context_part, told

    def _actor_critic(
        self,
        batch: Batch,
        owner: Tensor,
        remaining: NDArray[np.int64],
        n_steps: int,
        noise: torch.Generator,
        rng: np.random.Generator,
        critic_alone: bool,
    ) -> tuple[Tensor, dict[str, float]]:
        """Section 5.3: the critic learns the returns, the actor climbs what the critic expects."""
        truth = batch.masks[owner]
        start, available = draw_starts(truth, batch.n_objects, remaining, rng)
        episodes, pyramid, context_part = self._roll_out(batch, owner, start, n_steps, False, noise)
        pyramid = [features.detach() for features in pyramid]
        scores = soft_scores(episodes.masks, truth, self.settings.reward)
        plain = scores.detach().cpu().numpy()
        rewards = np.zeros(plain.shape[:2], np.float32)
        matched = np.zeros(plain.shape[:2], np.int64)
        for episode in range(len(plain)):
            potential, matched[episode] = prefix_matches(plain[episode], available[episode])
            rewards[episode] = np.diff(potential)
        active = np.arange(n_steps) < np.maximum(remaining, 1)[:, None]
        rewards[~active] = 0  # an image's rewards must not depend on how long the others' episodes are
        earned = returns(torch.from_numpy(rewards).to(self.device), self.settings.discount)
        episode, step = np.nonzero(active)

        before, mask = episodes.covered[:, :-1][episode, step], episodes.masks[episode, step]
        at = owner[episode]
        image = self.critic.prepare(pyramid)
        if self.settings.critic == "future":
            shown = cover(before.detach(), mask)[:, None]
            later = torch.cat([earned[:, 1:], torch.zeros_like(earned[:, :1])], 1)
            target = later[episode, step]
        else:
            shown = torch.stack([before.detach(), mask], 1)
            target = earned[episode, step]
        value = self.critic(shown.detach(), image, at)
        critic_loss = ((value - target) ** 2).mean()
        told = {"reward": float(rewards.sum(1).mean()), "critic": float(critic_loss.detach())}
        told["dice"] = float(rewards.sum(1).sum() / max(1, remaining.sum()))
        if critic_alone:
            return critic_loss, told

        self.critic.requires_grad_(False)
        expected = self.critic(shown, image.detach(), at)
        self.critic.requires_grad_(True)
        if self.settings.critic == "future":
            # The next state and the reward are known: only what follows is the critic's word. Of the reward, the part
            # that depends on the action is its mask's score with the true mask that it is matched to.
            which = torch.from_numpy(matched[episode, step]).to(self.device)
            own = scores[episode, step].gather(1, which.clamp(min=0)[:, None])[:, 0] * (which >= 0)
            expected = own + self.settings.discount * expected
        loss = -expected.mean() + self._ending_loss(episodes, remaining) + self._divergence(episodes)
        return loss + critic_loss + context_part, told

    def _looking_loss(self, episodes: Episodes, episode: NDArray, step: NDArray, target: Tensor) -> Tensor:
        """How unlikely the actor was to look at the object that it drew; sum over masks."""
        if not len(episode) or episodes.steps[0].attention is None:
            return episodes.logits.new_zeros(())
        attention = torch.stack([s.attention for s in episodes.steps if s.attention is not None], 1)[episode, step]
        inside = functional.avg_pool2d(target[:, None], 4).flatten(1)
        return -(((attention * inside).sum(1)) + 1e-4).log().sum()

    def _ending_loss(self, episodes: Episodes, remaining: NDArray[np.int64]) -> Tensor:
        """Cross-entropy of termination: an episode ends when no object is left."""
        stop = torch.stack([step.stop for step in episodes.steps], 1)
        steps = torch.arange(stop.shape[1], device=stop.device)
        left = torch.from_numpy(remaining).to(stop.device)[:, None]
        crossed = functional.binary_cross_entropy_with_logits(stop, (steps >= left).float(), reduction="none")
        counts = (steps <= left).float()
        return _STOP * (crossed * counts).sum() / counts.sum()

    def _divergence(self, episodes: Episodes) -> Tensor:
        """KL divergence of the actions from the prior, weighted: keeps them spread, and the actor exploring."""
        divergences = torch.stack([prior_divergence(s.mean, s.log_variance).mean() for s in episodes.steps])
        return self.settings.exploration * divergences.mean()


def _adam(parts: list[nn.Module], rate: float) -> torch.optim.Optimizer:
    optimizer = torch.optim.AdamW([p for part in parts for p in part.parameters()], rate, weight_decay=0.01)
    for group in optimizer.param_groups:
        group["initial_lr"] = rate
    return optimizer


def _draw_objects(batch: Batch, most: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Up to `most` random objects of every image: the image, and the object's number in it, (m,) int64 each."""
    drawn = [(i, k) for i, n in enumerate(batch.n_objects) for k in rng.permutation(n)[:most]]
    owner, chosen = np.array(drawn, np.int64).reshape(-1, 2).T
    return torch.from_numpy(owner.copy()), torch.from_numpy(chosen.copy())


def _dice(masks: Tensor, truth: Tensor) -> Tensor:
    both = (masks * truth).sum((-2, -1))
    return (2 * both + 1e-6) / (masks.sum((-2, -1)) + truth.sum((-2, -1)) + 1e-6)
