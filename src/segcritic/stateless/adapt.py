"""A trained actor -> the same, adapted to the very images that it is to segment, by its rules alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from segcritic.errors import UserError
from segcritic.rules import Scorer
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.policy import Policy
from segcritic.stateless.predict import partition
from segcritic.stateless.rewards import total_reward
from segcritic.stateless.state import State
from segcritic.stateless.train import Progress, TrainedActor, train

_SLOWER = 0.25  # learning rate, of the one in training: the actor is nearly there
_ENDLESS = 10**9  # steps: the time ends it


@dataclass(frozen=True)
class Adapted:
    """What came of adapting.

    Attributes
    ----------
    actor : TrainedActor
        The given one itself where nothing was gained.
    before, after : float
        Mean reward of the images, in [0, 1]; equal where the given actor was kept.
    n_images : int
        With anything to decide on.
    """

    actor: TrainedActor
    before: float
    after: float
    n_images: int


def adapt(
    actor: TrainedActor,
    states: Sequence[State],
    scorer: Scorer,
    seconds: float,
    seed: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
    device: str = "auto",
) -> Adapted:
    """Train an actor on these images for some seconds, from its weights and by its rules.

    Where the images then earn no more reward than before, by the actor's mean actions, the actor stays as it was.

    Parameters
    ----------
    actor : TrainedActor
    states : sequence of State
        Lean ones will do. Those of a single superpixel are left out.
    scorer : Scorer
        Of the rules that the actor was trained with.
    seconds : float
        Of training.
    seed : int
    on_progress : callable, optional
        Called after every step.
    device : str
        As in `training.device.choose_device`.

    Raises
    ------
    UserError
        When `seconds` is not above 0.
    """
    check_seconds(seconds)
    states = [state for state in states if state.graph.n_edges]
    if not states:
        return Adapted(actor, 0.0, 0.0, 0)
    before = mean_reward(actor.policy(), states, scorer)
    longer = replace(actor.settings, steps=_ENDLESS, learning_rate=_SLOWER * actor.settings.learning_rate)
    found = train(
        states,
        scorer,
        longer,
        seed=seed,
        minutes=seconds / 60,
        on_progress=on_progress,
        pretrained=actor,
        device=device,
    )
    after = mean_reward(found.policy(), states, scorer)
    if after <= before:
        return Adapted(actor, before, before, len(states))
    return Adapted(replace(found, settings=actor.settings, curve=actor.curve), before, after, len(states))


def check_seconds(seconds: float) -> None:
    """Raise UserError when the time for adapting is not above 0."""
    if not seconds > 0:
        raise UserError(f"the seconds of adaptation are {seconds:g}; give a number above 0")


def mean_reward(policy: Policy, states: Sequence[State], scorer: Scorer) -> float:
    """Mean over the images of the reward that the policy's mean actions earn, in [0, 1]."""
    rewards = []
    for state in states:
        found = evaluate_partition(state, partition(policy, state), scorer)
        rewards.append(total_reward(found, state.weight)[0])
    return float(np.mean(rewards))
