"""How many threads the networks run on."""

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def few_threads(small: bool) -> Iterator[None]:
    """Let small networks run on one thread; others as before.

    Their operations take microseconds, so more threads gain nothing, and on a busy machine they wait for each other:
    200 steps of training on the coins took 12 s on one thread, and 108 s on two beside another program.
    """
    before = torch.get_num_threads()
    if small:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
