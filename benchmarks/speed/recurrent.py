"""Multiply-accumulates and seconds of the recurrent method for one image, against the published release's counts."""

import time
from argparse import Namespace
from typing import Any

from benchmarks.lib.command import command, parser
from benchmarks.lib.tables import machine, table

RELEASE_CONTEXT, RELEASE_STEP = 53.0, 1.21
"""GMAC of the release (Torch7, VGG-based FCN-8s and one step) at 224 x 224, counted from its code layer by layer."""
RELEASE_IMAGE = 78.5
"""The same for an image of 20 leaves: the context network, 20 steps and the step that ends the episode."""


def page(arguments: Namespace) -> str:
    """Measure, and write the text of docs/recurrent_speed.md."""
    rows = [_measure(size, arguments) for size in ((64, 160) if arguments.quick else (64, 160, 224))]
    return f"""# Cost of labelling an image with the recurrent method

`{command(arguments, "threads", "objects")}` made this page.
{machine(arguments.threads, ("numpy", "torch"))}

An episode of {arguments.objects} objects with the default networks (random weights: the cost does not depend on them).
GMAC: 10^9 multiply-accumulates, counted by PyTorch over the convolutions and linear layers that run. The published
release takes {RELEASE_CONTEXT:g} GMAC for the context network and {RELEASE_STEP:g} for each step at 224 x 224, so
{RELEASE_IMAGE:g} for 20 leaves; these are counts of its code, not timings.

{table(("view", "encoder, GMAC", "a step, GMAC", "whole image, GMAC", "less than the release", "seconds"), rows)}

The encoder sees the image once. A step sees the encoder's features at stride 8 and draws a mask at stride 2; what
depends on the image alone is computed once for all steps. With `zoom` the encoder runs twice (first the whole image,
then the box that holds the plant): one encoder more.
"""


def _measure(size: int, arguments: Namespace) -> tuple[str, ...]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from segcritic.recurrent.episode import roll_out
    from segcritic.recurrent.networks import Networks
    from segcritic.recurrent.settings import RecurrentSettings

    n_objects: int = arguments.objects
    networks = Networks(RecurrentSettings(height=size, width=size, max_objects=n_objects)).eval()
    networks = networks.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    view = torch.rand(1, 3, size, size).to(memory_format=torch.channels_last)
    owner, start = torch.zeros(1, dtype=torch.int64), torch.zeros(1, size // 2, size // 2)

    def episode(n_steps: int) -> None:
        with torch.inference_mode():
            pyramid, _ = networks.pyramid(view)
            seen = networks.see(pyramid)
            if n_steps:
                roll_out(
                    networks.actor, networks.decoder, seen, owner, start, n_steps, explore=False, through_time=False
                )

    def macs(n_steps: int) -> float:
        with FlopCounterMode(display=False) as counter:
            episode(n_steps)
        return counter.get_total_flops() / 2e9

    encoder, whole = macs(0), macs(n_objects + 1)
    episode(2)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        episode(n_objects + 1)
        times.append(time.perf_counter() - begin)
    less = f"{RELEASE_IMAGE / whole:.1f} times" if size == 224 and n_objects == 20 else ""
    step = (whole - encoder) / (n_objects + 1)
    return f"{size} x {size}", f"{encoder:.2f}", f"{step:.3f}", f"{whole:.2f}", less, f"{sorted(times)[2]:.2f}"


def options(verbs: Any) -> None:
    added = parser(__doc__, "recurrent", page, page="recurrent_speed.md", verbs=verbs)
    added.add_argument("--objects", type=int, default=20, help="objects drawn in the image (default: 20)")
