"""How many threads the networks run on."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segcritic.stateless.settings import TrainSettings

_SMALL_WIDTH = 256  # of a network's layers


@contextlib.contextmanager
def few_threads(settings: "TrainSettings") -> Iterator[None]:
    """Let small networks run on one thread.

    Their operations take microseconds, so more threads gain nothing, and on a busy machine they wait for each other:
    200 steps of training on the coins took 12 s on one thread, and 108 s on two beside another program.
    """
    import torch

    before = torch.get_num_threads()
    width = settings.network.hidden_width or settings.network.width
    if width <= _SMALL_WIDTH and not settings.network.pixel_features:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
