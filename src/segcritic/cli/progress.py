"""How far training is: a progress bar on a terminal, a line now and then elsewhere."""

import math
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import TaskID

    from segcritic.recurrent.train import Progress as StageProgress
    from segcritic.stateless.train import Progress

_SECONDS_BETWEEN_LINES = 10.0


class TrainingProgress:
    """Shows what training tells, and the time left. Use as a context manager; call it with progress."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        console = Console()
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%  {task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._quiet = not console.is_terminal
        self._task: TaskID | None = None
        self._last_line = -math.inf  # the first step is told at once

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def reading(self, number: int, total: int) -> None:
        """Tell that image `number` (from 0) of `total` is being made ready."""
        self._show("Reading images", number, total, f"{number} of {total}")

    def __call__(self, progress: "Progress | StageProgress") -> None:
        """Tell how training goes."""
        share = progress.seconds / max(progress.seconds + progress.seconds_left, 1e-9)
        note = f"{progress.note}, {_duration(progress.seconds_left)} left"
        self._show("Training", share, 1, note)
        if self._quiet and time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            print(f"step {progress.step}: {note}", flush=True)

    def _show(self, what: str, completed: float, total: float, note: str) -> None:
        if self._task is None:
            self._task = self._bar.add_task(what, total=total, note=note)
        self._bar.update(self._task, description=what, completed=completed, total=total, note=note)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
