"""Ctrl-C that comes at the right moment."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class TornError(KeyboardInterrupt):
    """A second Ctrl-C, which broke off what should have been done wholly: its state is not to be kept."""


@contextmanager
def held_back() -> Iterator[None]:
    """Hold Ctrl-C back until the end of a block that must be done wholly or not at all, such as an update of weights.

    A second one comes at once, as `TornError`. Only the main thread gets interrupts; in others nothing needs to be held
    back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked: list[int] = []

    def hold(number: int, frame: Any) -> None:
        asked.append(number)
        if len(asked) > 1:
            raise TornError

    before = signal.signal(signal.SIGINT, hold)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        signal.raise_signal(signal.SIGINT)
