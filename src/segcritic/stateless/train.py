"""The course of a rule-driven training, from states to a trained actor, with checkpoints."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from segcritic.errors import UserError
from segcritic.rules import Scorer
from segcritic.stateless.identity import identity
from segcritic.stateless.policy import FeatureScale, Policy
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.state import State
from segcritic.stateless.variants.choose import AnyLearner, new_learner
from segcritic.stateless.variants.pretraining import Pretraining
from segcritic.training import checkpoint as checkpoints
from segcritic.training.device import choose_device
from segcritic.training.interrupts import TornError, held_back

_CHECKPOINT_SECONDS = 30.0
_CURVE_POINTS = 200
_PRETRAINING_SHARE = 0.25
"""Part of the time of a training that is limited in time, at most, for the pre-training of the pixel features."""


@dataclass
class Progress:
    """Where training stands: `reward` and `objects_per_image` are means over the last steps' samples.

    In the pre-training of the pixel features, `step` and `steps` count its updates, and `pretraining_loss` is set.
    """

    step: int
    steps: int
    reward: float
    objects_per_image: float
    seconds: float
    seconds_left: float
    curve: list[dict[str, float]]
    pretraining_loss: float | None = None

    @property
    def note(self) -> str:
        """What a user wants to know, in a few words."""
        if self.pretraining_loss is not None:
            return f"pre-training of the pixel features, loss {self.pretraining_loss:.3f}"
        return f"reward {self.reward:.3f}, {self.objects_per_image:.1f} objects per image"


@dataclass
class TrainedActor:
    """What training leaves: the averaged weights of the policy, how it was trained, and its learning curve."""

    weights: dict[str, Tensor]
    settings: TrainSettings
    curve: list[dict[str, float]] = field(default_factory=list)
    interrupted: bool = False

    def policy(self) -> Policy:
        """The policy with these weights, ready to predict."""
        policy = Policy(self.settings.network, solver=self.settings.solver)
        policy.load_state_dict(self.weights)
        return policy.eval()


@dataclass(frozen=True)
class _Parts:
    """What a checkpoint keeps of a learner, and of the pre-training before it."""

    learner: AnyLearner
    pretraining: Pretraining | None

    def modules(self) -> dict[str, torch.nn.Module]:
        return self.learner.modules()

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        first = {} if self.pretraining is None else {"pretraining": self.pretraining.optimizer}
        return self.learner.optimizers() | first


def train(
    states: list[State],
    scorer: Scorer,
    settings: TrainSettings | None = None,
    *,
    seed: int = 0,
    minutes: float | None = None,
    checkpoint: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    pretrained: TrainedActor | None = None,
    device: str = "auto",
) -> TrainedActor:
    """Train an actor on images without annotations, or with labels of some (`State.truth`).

    Parameters
    ----------
    states : list of State
        The training images, from `make_state`.
    scorer : Scorer
        What the objects look like.
    settings : TrainSettings, optional
    seed : int
        The same seed, images, rules and settings give the same weights on the same machine, unless `minutes` cuts in.
    minutes : float, optional
        Stop after so long even if `settings.steps` are not done; the learning rate falls accordingly.
    checkpoint : Path, optional
        A folder: training goes on from what it holds, and leaves its state there twice a minute and at the end.
        The same training may be asked for more steps than before.
    on_progress : callable, optional
        Called after every step.
    pretrained : TrainedActor, optional
        The policy starts from its weights and keeps its scale of the features; there is no pre-training.
    device : str
        As in `training.device.choose_device`.

    Returns
    -------
    TrainedActor
        After Ctrl-C, what was learned so far, with `interrupted` set.

    Raises
    ------
    UserError
        When no image has two superpixels to merge, or the checkpoint belongs to another training.
    """
    settings = settings or TrainSettings()
    settings = replace(settings, network=replace(settings.network, radial=scorer.rules.radial))
    usable = [state for state in states if state.graph.n_edges]
    if not usable:
        raise UserError("no image has anything to segment: all are of constant brightness, or one superpixel each")
    learner = new_learner(settings, FeatureScale.of(usable), seed, choose_device(device))
    pretraining = Pretraining(learner.policy, learner.average) if settings.pretraining_steps else None
    parts = _Parts(learner, pretraining)
    if pretrained is not None:
        learner.policy.load_state_dict(pretrained.weights)
        learner.average.load_state_dict(pretrained.weights)
    training = identity(settings, scorer.rules, usable, seed)
    curve: list[dict[str, float]] = []
    # The updates of the pre-training have numbers below 0, so that the actor's are the same with and without it.
    n_before = 0 if pretrained is not None else settings.pretraining_steps
    first = -n_before
    seconds_before = 0.0
    found = None if checkpoint is None else checkpoints.load(checkpoint, training)
    if found is not None:
        assert isinstance(found.step, int)
        first, seconds_before, curve = found.step, found.seconds, found.curve
        if first > settings.steps:
            raise UserError(
                f"the checkpoint in {checkpoint} has {first} steps already, more than {settings.steps}:"
                f" {checkpoints.ADVICE}"
            )
        found.into(parts)
    start = saved = time.monotonic()
    interrupted = torn = False
    reward = objects = float("nan")
    done = first
    try:
        for step in range(first, settings.steps):
            spent = time.monotonic() - start + seconds_before
            fraction = max(step, 0) / settings.steps
            if minutes is not None:
                share = _PRETRAINING_SHARE if n_before else 0.0
                if step < 0 and spent > share * 60 * minutes:
                    continue  # the rest of the time is the actor's
                fraction = max(fraction, (spent / (60 * minutes) - share) / (1 - share))
            if fraction >= 1:
                break
            entropy = [seed, step] if step >= 0 else [seed, -step, 1]
            chosen = [usable[i] for i in _draw(usable, settings, np.random.default_rng(entropy))]
            loss, outcome = None, None
            with held_back():
                if step < 0:
                    assert pretraining is not None
                    loss = pretraining.update(chosen)
                else:
                    outcome = learner.update(chosen, scorer, fraction, seed * 1_000_003 + step)
                done, now = step + 1, time.monotonic()
                spent = now - start + seconds_before
                if outcome is not None:
                    mean_reward, mean_objects = float(outcome.total.mean()), float(outcome.objects.mean())
                    reward = mean_reward if math.isnan(reward) else 0.9 * reward + 0.1 * mean_reward
                    objects = mean_objects if math.isnan(objects) else 0.9 * objects + 0.1 * mean_objects
                    if step % max(1, settings.steps // _CURVE_POINTS) == 0 or step == settings.steps - 1:
                        curve.append(
                            {"step": step + 1, "seconds": spent, "reward": reward, "objects_per_image": objects}
                        )
            if on_progress is not None:
                left = spent / (step + 1 + n_before) * (settings.steps - step - 1)
                left = left if minutes is None else min(left, max(0.0, 60 * minutes - spent))
                at = (step + 1, settings.steps) if step >= 0 else (step + 1 + n_before, n_before)
                on_progress(Progress(*at, reward, objects, spent, left, curve, loss))
            if checkpoint is not None and now - saved > _CHECKPOINT_SECONDS:
                checkpoints.save(checkpoint, parts, step + 1, spent, curve, training)
                saved = now
    except KeyboardInterrupt as stop:
        interrupted, torn = True, isinstance(stop, TornError)
    if checkpoint is not None and not torn:
        checkpoints.save(checkpoint, parts, done, time.monotonic() - start + seconds_before, curve, training)
    weights = {name: value.detach().cpu().contiguous() for name, value in learner.average.state_dict().items()}
    return TrainedActor(weights, settings, curve, interrupted)


def _draw(states: list[State], settings: TrainSettings, rng: np.random.Generator) -> list[int]:
    """Numbers of the images of one step, none twice; of few with labels among many without, `labelled_share`."""
    n = min(settings.images_per_step, len(states))
    labelled = [number for number, state in enumerate(states) if state.truth is not None]
    others = [number for number, state in enumerate(states) if state.truth is None]
    if not labelled or not others:
        return rng.choice(len(states), n, replace=False).tolist()
    share = settings.labelled_share * n
    n_labelled = int(share) + int(rng.random() < share % 1)
    n_labelled = min(max(n_labelled, n - len(others)), len(labelled))
    return [*rng.choice(labelled, n_labelled, replace=False), *rng.choice(others, n - n_labelled, replace=False)]
