"""Episodes: one object after another, batched over images and states."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segcritic.recurrent.actor import Actor, Step
from segcritic.recurrent.mask_vae import DecoderImage, MaskDecoder, sample


@dataclass
class Seen:
    """What actor and decoder need of the images of a batch, computed once for all episodes and steps."""

    actor: tuple[Tensor, Tensor]
    decoder: DecoderImage


@dataclass
class Episodes:
    """What happened in `e` episodes of `t` steps.

    Attributes
    ----------
    steps : list of t `Step`
        The actor's words.
    logits : (e, t, h, w) float32
        The masks drawn.
    covered : (e, t + 1, h, w) float32
        Union of the masks before each step, and after the last.
    """

    steps: list[Step]
    logits: Tensor
    covered: Tensor

    @property
    def masks(self) -> Tensor:
        """(e, t, h, w) float32 in [0, 1]."""
        return self.logits.sigmoid()


def cover(covered: Tensor, mask: Tensor) -> Tensor:
    """Union of soft masks, 1 - (1 - M)(1 - m): as max(M, m) of eq. 3 for hard masks, with a gradient everywhere."""
    return 1 - (1 - covered) * (1 - mask)


def roll_out(
    actor: Actor,
    decoder: MaskDecoder,
    seen: Seen,
    owner: Tensor,
    start: Tensor,
    n_steps: int,
    *,
    explore: bool,
    through_time: bool,
    generator: torch.Generator | None = None,
) -> Episodes:
    """Let the actor draw `n_steps` masks in every episode.

    Parameters
    ----------
    owner : (e,) int64
        The image of each episode.
    start : (e, h, w) float
        What is covered already.
    explore : bool
        Draw actions from the actor's distribution; otherwise take its mean.
    through_time : bool
        Whether gradients pass from step to step, by the covered part and by the memory.
    """
    covered, memory = start, actor.start(len(owner))
    steps, logits, union = [], [], [start]
    for _ in range(n_steps):
        step = actor(covered, seen.actor, owner, memory)
        action = sample(step.mean, step.log_variance, generator) if explore else step.mean
        drawn = decoder(action, seen.decoder, owner)
        covered = cover(covered, drawn.sigmoid())
        memory = step.memory
        if not through_time:
            covered, memory = covered.detach(), (memory[0].detach(), memory[1].detach())
        steps.append(step)
        logits.append(drawn)
        union.append(covered)
    return Episodes(steps, torch.stack(logits, 1), torch.stack(union, 1))


def draw_starts(
    masks: Tensor, n_objects: NDArray[np.int64], remaining: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Tensor, NDArray[np.bool_]]:
    """Begin episodes where all but some random objects are covered by their true masks.

    Parameters
    ----------
    masks : (e, n, h, w) float
        True masks, the first `n_objects` of each episode's are there.
    n_objects, remaining : (e,) int64
        Number of objects, and how many of them stay uncovered.

    Returns
    -------
    covered : (e, h, w) float
    available : (e, n) bool
        The objects that are left to find.
    """
    n_episodes, most = masks.shape[:2]
    available = np.zeros((n_episodes, most), bool)
    for episode in range(n_episodes):
        left = rng.permutation(n_objects[episode])[: remaining[episode]]
        available[episode, left] = True
    given = torch.from_numpy((~available).astype(np.float32)).to(masks.device)
    covered = torch.einsum("enhw,en->ehw", masks, given).clamp(max=1)
    return covered, available
