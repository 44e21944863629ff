"""The course of every training: stage after stage of updates, a time limit, checkpoints, Ctrl-C, a learning curve."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import nn, optim

from segcritic.errors import UserError
from segcritic.training import checkpoint as checkpoints
from segcritic.training.interrupts import TornError, held_back

CHECKPOINT_SECONDS = 30.0


@dataclass(frozen=True)
class Stage:
    """A part of a training: its name, its number of updates, and its share of a training that is limited in time."""

    name: str
    steps: int
    share: float = 1.0


class Task(Protocol):
    """What is trained. `modules` and `optimizers` are what a checkpoint keeps."""

    def modules(self) -> dict[str, nn.Module]:
        """Everything with weights."""
        ...

    def optimizers(self) -> dict[str, optim.Optimizer]:
        """Everything that moves them in the stage that runs."""
        ...

    def begin(self, stage: str) -> None:
        """Make ready for a stage; also before a checkpoint of it is loaded."""
        ...

    def update(self, stage: str, step: int, fraction: float) -> dict[str, float]:
        """One update, and what is worth a curve; `fraction` of the stage has passed, in [0, 1]."""
        ...

    def end(self, stage: str) -> None:
        """End a stage that ran to its end."""
        ...


@dataclass
class Tick:
    """Where training stands after an update; `told` are running means of what `Task.update` returned."""

    stage: str
    step: int
    steps: int
    told: dict[str, float]
    seconds: float
    seconds_left: float
    curve: list[dict[str, Any]]


@dataclass
class Course:
    """What is left of a training but its weights: the curve, and whether Ctrl-C ended it."""

    curve: list[dict[str, Any]] = field(default_factory=list)
    interrupted: bool = False


def run(
    task: Task,
    stages: Sequence[Stage],
    *,
    training: dict[str, Any],
    minutes: float | None = None,
    checkpoint: Path | None = None,
    points: int = 200,
    extendable: bool = False,
    on_tick: Callable[[Tick], None] | None = None,
) -> Course:
    """Train.

    Parameters
    ----------
    task : Task
    stages : sequence of Stage
        Stages of no steps begin and end without an update.
    training : dict
        What a training must share with the checkpoint that it goes on from, JSON-able (see `checkpoint.load`).
    minutes : float, optional
        Stop after so long; every stage gets its share of the time, and `fraction` follows the time.
    checkpoint : Path, optional
        A folder: training goes on from what it holds, and leaves its state there twice a minute, after each stage and
        at the end.
    points : int
        Of the curve, for each stage.
    extendable : bool
        Whether the last stage may go on when the same training is asked for more steps.
    on_tick : callable, optional
        Called after every update.

    Raises
    ------
    UserError
        When the checkpoint is damaged, belongs to another training, or has more steps than are asked for.
    """
    clock = _Clock(minutes, stages)
    course, told = Course(), {}
    stage, done = 0, 0
    found = None if checkpoint is None else checkpoints.load(checkpoint, training)
    if found is not None:
        (stage, done), course.curve, told, clock.before = found.step, found.curve, found.told, found.seconds
        if stage < len(stages):
            if done > stages[stage].steps:
                more = f"{done} steps already, more than {stages[stage].steps}"
                raise UserError(f"the checkpoint in {checkpoint} has {more}: {checkpoints.ADVICE}")
            task.begin(stages[stage].name)
        found.into(task)

    def save() -> None:
        nonlocal saved
        if checkpoint is not None:
            checkpoints.save(checkpoint, task, [stage, done], clock.spent(), course.curve, told, training)
            saved = time.monotonic()

    saved = time.monotonic()
    try:
        while stage < len(stages):
            now = stages[stage]
            if not done:
                task.begin(now.name)
                told = {}
            while done < now.steps and not clock.is_over(stage, done):
                with held_back():
                    news = task.update(now.name, done, clock.fraction(stage, done))
                    done += 1
                    told = {name: 0.9 * told[name] + 0.1 * new if name in told else new for name, new in news.items()}
                    if (done - 1) % max(1, now.steps // points) == 0 or done == now.steps:
                        named = {"stage": now.name} if len(stages) > 1 else {}
                        course.curve.append({**named, "step": done, "seconds": clock.spent(), **told})
                if on_tick is not None:
                    left = clock.left(stage, done)
                    on_tick(Tick(now.name, done, now.steps, told, clock.spent(), left, course.curve))
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    save()
            with held_back():
                task.end(now.name)
                if extendable and stage == len(stages) - 1:
                    save()
                    break
                stage, done = stage + 1, 0
                save()
    except KeyboardInterrupt as stop:
        course.interrupted = True
        if not isinstance(stop, TornError):
            save()
    return course


class _Clock:
    """How much of a training, and of each stage, has passed."""

    def __init__(self, minutes: float | None, stages: Sequence[Stage]):
        self.seconds = None if minutes is None else 60 * minutes
        shares = [stage.share * (stage.steps > 0) for stage in stages]  # stages of no steps take no time
        self.shares = [share / max(sum(shares), 1e-9) for share in shares]
        self.stages = stages
        self.start = time.monotonic()
        self.before = 0.0  # seconds of the runs before

    def spent(self) -> float:
        """Seconds of training so far, all runs together."""
        return time.monotonic() - self.start + self.before

    def fraction(self, stage: int, done: int) -> float:
        """How much of a stage has passed, in [0, 1]: of its steps, or of its time if that is more."""
        return min(1.0, self._fraction(stage, done))

    def is_over(self, stage: int, done: int) -> bool:
        """Whether a stage ran out of time; one that has just begun learns something still."""
        return done > 0 and self._fraction(stage, done) >= 1

    def left(self, stage: int, done: int) -> float:
        """Seconds that are left, judged by what the stages take; at most those of the time limit."""
        passed = sum(self.shares[:stage]) + max(done / self.stages[stage].steps, 1e-3) * self.shares[stage]
        rest = self.spent() * max(0.0, 1 - passed) / passed
        return rest if self.seconds is None else min(rest, max(0.0, self.seconds - self.spent()))

    def _fraction(self, stage: int, done: int) -> float:
        of_steps = done / self.stages[stage].steps
        if self.seconds is None:
            return of_steps
        return max(of_steps, (self.spent() / self.seconds - sum(self.shares[:stage])) / self.shares[stage])
