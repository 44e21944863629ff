"""A trained model -> the same, adapted to the very images that it is to segment, by its own rules alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from segcritic.errors import UserError
from segcritic.io.samples import Ready
from segcritic.models import Model
from segcritic.rules import Scorer
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.policy import Policy
from segcritic.stateless.predict import partition
from segcritic.stateless.rewards import total_reward
from segcritic.stateless.state import State, make_state
from segcritic.stateless.train import train
from segcritic.training.threads import few_threads

if TYPE_CHECKING:
    from segcritic.stateless.train import Progress

_SLOWER = 0.25  # learning rate, of the one in training: the actor is nearly there
_ENDLESS = 10**9  # steps: the time ends it


@dataclass(frozen=True)
class Adapted:
    """The model, and the mean reward of the images before and after; equal where the old model was kept."""

    model: Model
    before: float
    after: float


def adapt(
    model: Model,
    images: Sequence[Ready],
    seconds: float,
    seed: int = 0,
    on_progress: "Callable[[Progress], None] | None" = None,
) -> Adapted:
    """Train a model's actor on these images for some seconds, from its weights and with its rules.

    Where the images then earn no more reward than before, by the actor's mean actions, the model stays as it was.

    Parameters
    ----------
    model : Model
    images : sequence of Ready
        Those of equal pixels are left out.
    seconds : float
        Of training; making the images ready comes on top.
    seed : int
    on_progress : callable, optional
        Called after every step.

    Raises
    ------
    UserError
        When `seconds` is not above 0.
    """
    if not seconds > 0:
        raise UserError(f"the seconds of adaptation are {seconds:g}; give a number above 0")
    settings, rules = model.actor.settings, model.rules
    keep_pixels = settings.network.pixel_features > 0 or bool(rules.functions)
    states = []
    for image in images:
        if not image.is_constant:
            state = make_state(image.pixels, rules, image.boundaries, image.superpixels)
            states.append(state.lean(keep_pixels))
    states = [state for state in states if state.graph.n_edges]
    if not states:
        return Adapted(model, 0.0, 0.0)
    with few_threads(settings):
        before = mean_reward(model.actor.policy(), states, model.scorer)
        longer = replace(settings, steps=_ENDLESS, learning_rate=_SLOWER * settings.learning_rate)
        actor = train(
            states,
            model.scorer,
            longer,
            seed=seed,
            minutes=seconds / 60,
            on_progress=on_progress,
            pretrained=model.actor,
        )
        after = mean_reward(actor.policy(), states, model.scorer)
    if after <= before:
        return Adapted(model, before, before)
    note = f"Adapted to {len(states)} image{'s' * (len(states) != 1)}: reward {before:.3f} -> {after:.3f}.\n"
    actor = replace(actor, settings=settings, curve=model.actor.curve)
    return Adapted(replace(model, actor=actor, card=f"{model.card}\n{note}"), before, after)


def mean_reward(policy: Policy, states: Sequence[State], scorer: Scorer) -> float:
    """Mean over the images of the reward that the policy's mean actions earn, in [0, 1]."""
    rewards = []
    for state in states:
        found = evaluate_partition(state, partition(policy, state), scorer)
        rewards.append(total_reward(found, state.weight)[0])
    return float(np.mean(rewards))
