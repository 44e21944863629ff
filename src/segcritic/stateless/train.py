"""The course of a rule-driven training, from states to a trained actor, with checkpoints."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from segcritic.errors import UserError
from segcritic.rules import Rules, Scorer
from segcritic.stateless.policy import FeatureScale, Policy
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.state import State
from segcritic.stateless.variants.choose import AnyLearner, new_learner
from segcritic.stateless.variants.pretraining import Pretraining
from segcritic.training import loop
from segcritic.training.device import choose_device
from segcritic.training.loop import Stage

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

    @classmethod
    def of(cls, tick: loop.Tick) -> Self:
        """From where the loop stands."""
        reward, objects = (tick.told.get(name, math.nan) for name in ("reward", "objects_per_image"))
        curve, loss = _of_actor(tick.curve), tick.told.get("loss")
        return cls(tick.step, tick.steps, reward, objects, tick.seconds, tick.seconds_left, curve, loss)

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
        with torch.random.fork_rng(devices=[]):  # weights that are drawn only to be replaced
            policy = Policy(self.settings.network, solver=self.settings.solver)
        policy.load_state_dict(self.weights)
        return policy.eval()


class _Task:
    """The updates of a training, as `training.loop` asks for them."""

    def __init__(self, learner: AnyLearner, states: list[State], scorer: Scorer, seed: int):
        self.learner, self.states, self.scorer, self.seed = learner, states, scorer, seed
        self.pretraining = Pretraining(learner.policy, learner.average) if learner.settings.pretraining_steps else None

    def modules(self) -> dict[str, torch.nn.Module]:
        return self.learner.modules()

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        first = {} if self.pretraining is None else {"pretraining": self.pretraining.optimizer}
        return self.learner.optimizers() | first

    def begin(self, stage: str) -> None:
        """Nothing changes from stage to stage but the updates."""

    def end(self, stage: str) -> None:
        """As `begin`."""

    def update(self, stage: str, step: int, fraction: float) -> dict[str, float]:
        settings = self.learner.settings
        if stage == "pixels":
            assert self.pretraining is not None
            drawn = _draw(
                self.states, settings, np.random.default_rng([self.seed, settings.pretraining_steps - step, 1])
            )
            return {"loss": self.pretraining.update([self.states[i] for i in drawn])}
        drawn = _draw(self.states, settings, np.random.default_rng([self.seed, step]))
        chosen = [self.states[i] for i in drawn]
        outcome = self.learner.update(chosen, self.scorer, fraction, self.seed * 1_000_003 + step)
        return {"reward": float(outcome.total.mean()), "objects_per_image": float(outcome.objects.mean())}


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
    task = _Task(learner, usable, scorer, seed)
    stages = [Stage("actor", settings.steps, 1 - _PRETRAINING_SHARE)]
    if pretrained is not None:
        learner.policy.load_state_dict(pretrained.weights)
        learner.average.load_state_dict(pretrained.weights)
    elif settings.pretraining_steps:
        stages.insert(0, Stage("pixels", settings.pretraining_steps, _PRETRAINING_SHARE))
    course = loop.run(
        task,
        stages,
        training=fingerprint(settings, scorer.rules, usable, seed),
        minutes=minutes,
        checkpoint=checkpoint,
        points=_CURVE_POINTS,
        extendable=True,
        on_tick=None if on_progress is None else lambda tick: on_progress(Progress.of(tick)),
    )
    curve = [{name: value for name, value in point.items() if name != "stage"} for point in _of_actor(course.curve)]
    weights = {name: value.detach().cpu().contiguous() for name, value in learner.average.state_dict().items()}
    return TrainedActor(weights, settings, curve, course.interrupted)


def _of_actor(curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [point for point in curve if "reward" in point]


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


def fingerprint(settings: TrainSettings, rules: Rules, states: list[State], seed: int) -> dict[str, Any]:
    """What a training must share with the checkpoint that it goes on from, JSON-able. The number of steps may change.

    `states` are the images that are drawn from: their number and their features, which tell other images, channels,
    boundary maps and superpixels apart.
    """
    features = hashlib.sha256()
    for state in states:
        features.update(state.node_features.tobytes() + state.edge_features.tobytes())
    plain = {name: value for name, value in settings.to_dict().items() if name != "steps"}
    truths = [(number, state.truth.node.tobytes()) for number, state in enumerate(states) if state.truth is not None]
    return {
        "seed": seed,
        "settings": plain,
        "rules": hashlib.sha256(rules.to_yaml().encode()).hexdigest(),
        "images": [len(states), features.hexdigest()],
        "labels": hashlib.sha256(repr(truths).encode()).hexdigest() if truths else None,
    }
