"""The course of a training, from annotated images to a trained agent: stage after stage, with checkpoints."""

import hashlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from segcritic.errors import UserError
from segcritic.recurrent.learner import STAGES, Learner
from segcritic.recurrent.networks import Networks
from segcritic.recurrent.settings import RecurrentSettings
from segcritic.recurrent.views import Batch, Example, draw_batch
from segcritic.training import loop
from segcritic.training.device import choose_device
from segcritic.training.loop import Stage

_CURVE_POINTS = 100  # of a stage
_AHEAD = 4  # batches that are drawn while a graphics card computes
_SHARES = {"context": 0.08, "masks": 0.17, "first": 0.25, "episodes": 0.50}
"""Parts of the stages in a training that is limited in time."""


@dataclass
class Progress:
    """Where training stands: stage, step in it, and its loss and mean Dice (or reward) over the last steps.

    The time that is left is known when training is limited in time; otherwise it is a rough guess.
    """

    stage: str
    step: int
    steps: int
    told: dict[str, float]
    seconds: float
    seconds_left: float

    @classmethod
    def of(cls, tick: loop.Tick) -> Self:
        """From where the loop stands."""
        return cls(tick.stage, tick.step, tick.steps, tick.told, tick.seconds, tick.seconds_left)

    @property
    def note(self) -> str:
        """What a user wants to know, in a few words."""
        return ", ".join([f"stage {self.stage}", *(f"{name} {value:.3f}" for name, value in self.told.items())])


@dataclass
class TrainedAgent:
    """What training leaves: the averaged weights, how it was trained, and the learning curve of each stage."""

    weights: dict[str, Tensor]
    settings: RecurrentSettings
    curve: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False

    def networks(self) -> Networks:
        """The networks with these weights, ready to draw."""
        with torch.random.fork_rng(devices=[]):  # weights that are drawn only to be replaced
            networks = Networks(self.settings)
        networks.load_state_dict(self.weights)
        return networks.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def train(
    examples: list[Example],
    settings: RecurrentSettings,
    *,
    seed: int = 0,
    minutes: float | None = None,
    checkpoint: Path | None = None,
    pretrained: TrainedAgent | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    device: str = "auto",
) -> TrainedAgent:
    """Train an agent on annotated images.

    Parameters
    ----------
    examples : list of Example
    settings : RecurrentSettings
    seed : int
        The same seed, images and settings give the same weights on the same machine, unless `minutes` cuts in.
    minutes : float, optional
        Stop after so long even if not all steps are done: every stage gets its share of the time.
    checkpoint : Path, optional
        A folder: training goes on from what it holds, and leaves its state there twice a minute and after each stage.
    pretrained : TrainedAgent, optional
        Begin with its weights; stages of no steps are left as they are in it.
    on_progress : callable, optional
        Called after every step.
    device : str
        As in `training.device.choose_device`.

    Returns
    -------
    TrainedAgent
        After Ctrl-C, what was learned so far, with `interrupted` set.

    Raises
    ------
    UserError
        When there is no object in any image, an image holds more than `settings.max_objects`, the checkpoint belongs
        to another training, or the graphics card's memory does not suffice.
    """
    _check(examples, settings)
    learner = Learner(settings, seed, choose_device(device))
    if pretrained is not None:
        for part in (learner.networks, learner.average):
            part.load_state_dict(pretrained.weights)
    told_settings = {name: value for name, value in settings.to_dict().items() if name != "batch"}  # it may change
    course = loop.run(
        _Task(learner, examples, seed),
        [Stage(name, getattr(settings, f"{name}_steps"), share) for name, share in _SHARES.items()],
        training={"seed": seed, "settings": told_settings, "images": _digest(examples)},
        minutes=minutes,
        checkpoint=checkpoint,
        points=_CURVE_POINTS,
        on_tick=None if on_progress is None else lambda tick: on_progress(Progress.of(tick)),
    )
    weights = {name: value.detach().cpu().contiguous() for name, value in learner.average.state_dict().items()}
    return TrainedAgent(weights, settings, course.curve, course.interrupted)


class _Task:
    """The updates of a training, as `training.loop` asks for them."""

    def __init__(self, learner: Learner, examples: list[Example], seed: int):
        self.learner = learner
        ahead = _AHEAD if learner.device.type == "cuda" else 0
        self.batches = _Batches(examples, learner.settings, seed, ahead)

    def modules(self) -> dict[str, torch.nn.Module]:
        return self.learner.modules()

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return self.learner.optimizers()

    def begin(self, stage: str) -> None:
        self.learner.begin(stage)

    def end(self, stage: str) -> None:
        self.learner.end()

    def update(self, stage: str, step: int, fraction: float) -> dict[str, float]:
        steps = getattr(self.learner.settings, f"{stage}_steps")
        batch, rng = self.batches(STAGES.index(stage), step, steps)
        return _update(self.learner, stage, step, fraction, batch, rng)


class _Batches:
    """Batches by stage and step; on a graphics card drawn some steps ahead, in threads beside the updates.

    Each has random numbers of its own, so that it is the same whichever thread draws it, and when.
    """

    def __init__(self, examples: list[Example], settings: RecurrentSettings, seed: int, ahead: int):
        self.examples, self.settings, self.seed, self.ahead = examples, settings, seed, ahead
        self.pool = ThreadPoolExecutor(ahead) if ahead else None
        self.coming: dict[tuple[int, int], Future[tuple[Batch, np.random.Generator]]] = {}

    def __call__(self, stage: int, step: int, steps: int) -> tuple[Batch, np.random.Generator]:
        """The batch of a step, and the generator that drew it, for what else is random in the update."""
        if self.pool is None:
            return self._draw(stage, step)
        for later in range(step, min(step + self.ahead + 1, steps)):
            if (stage, later) not in self.coming:
                self.coming[stage, later] = self.pool.submit(self._draw, stage, later)
        return self.coming.pop((stage, step)).result()

    def _draw(self, stage: int, step: int) -> tuple[Batch, np.random.Generator]:
        rng = np.random.default_rng([self.seed, stage, step])
        return draw_batch(self.examples, self.settings, rng), rng


def _update(
    learner: Learner, stage: str, step: int, fraction: float, batch: Any, rng: np.random.Generator
) -> dict[str, float]:
    try:
        return learner.update(stage, step, fraction, batch.to(learner.device), rng)
    except torch.OutOfMemoryError as error:
        batch = learner.settings.batch
        advice = (
            f"go on with --resume --batch {batch // 2}" if batch > 1 else "train without it (CUDA_VISIBLE_DEVICES=)"
        )
        raise UserError(
            f"the graphics card's memory does not suffice for batches of {batch} in the stage '{stage}'; {advice}"
        ) from error


def _check(examples: list[Example], settings: RecurrentSettings) -> None:
    counts = [example.n_objects for example in examples]
    if not counts or max(counts) == 0:
        raise UserError("no label image holds an object: all are 0 everywhere; give labels of the objects to learn")
    if max(counts) > settings.max_objects:
        raise UserError(
            f"an image holds {max(counts)} objects, but setting max_objects is {settings.max_objects}; raise it"
        )


def _digest(examples: list[Example]) -> str:
    content = hashlib.sha256()
    for example in examples:
        content.update(example.pixels.numpy().tobytes() + example.labels.numpy().tobytes())
    return content.hexdigest()
