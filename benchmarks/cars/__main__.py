"""Cars: a smoke test of the recurrent method at the resolution of street scenes; it says nothing about quality.

Trains a few steps of every stage on all images but the last, at 256 x 768 pixels with a latent action of 64 numbers,
and draws the cars of the last.
"""

import time
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.lib.cache import peak_megabytes
from benchmarks.lib.command import command, parser, run
from benchmarks.lib.images import DATA
from benchmarks.lib.tables import machine, table

METRICS = ("MWCov", "MUCov", "AvgFP", "AvgFN", "SBD", "abs_dic")


def page(arguments: Namespace) -> str:
    """Train, draw, and write the text of docs/cars.md."""
    from segcritic.datasets.cars import cars
    from segcritic.metrics import evaluate
    from segcritic.recurrent.predict import segment
    from segcritic.recurrent.settings import RecurrentSettings
    from segcritic.recurrent.train import train
    from segcritic.recurrent.views import Example

    samples, n = list(cars(arguments.data)), arguments.steps
    truth: list[Any] = [sample.labels for sample in samples]
    examples = [Example.of(sample.pixels, labels) for sample, labels in zip(samples, truth, strict=True)]
    most = max(example.n_objects for example in examples)
    settings = RecurrentSettings(height=256, width=768, zoom=False, upright=True, latent=64, batch=1, states=2)
    settings = replace(settings, max_objects=most, first_length=2, critic_steps=n // 2)
    settings = replace(settings, **{f"{stage}_steps": n for stage in ("context", "masks", "first", "episodes")})
    begin = time.perf_counter()
    agent = train(examples[:-1], settings)
    trained = time.perf_counter() - begin
    begin = time.perf_counter()
    drawing = segment(samples[-1].pixels, agent.networks())
    drawn = time.perf_counter() - begin
    scores = evaluate(drawing.labels, truth[-1]).as_dict()
    return f"""# Cars: a smoke test of resolution

`{command(arguments, "steps")}` made this page. {machine(arguments.threads, ("numpy", "torch"))}

{len(examples) - 1} street scenes of KITTI (CC BY-NC-SA) with up to {most} cars, at 256 x 768 pixels, latent 64.
{n} updates of every stage: {trained:.0f} s, {peak_megabytes() / 1000:.1f} GB. The
scene that was left out: {drawn:.1f} s.
So few updates teach nothing; the scores only show that reader and metrics work:

{table(METRICS, [tuple(f"{scores[name]:.3f}" for name in METRICS)], left=0)}
"""


if __name__ == "__main__":
    options = parser(__doc__, "cars", page, page="cars.md", quick={"steps": 1})
    options.add_argument("--data", type=Path, default=DATA / "cars")
    options.add_argument("--steps", type=int, default=10, help="updates of every stage (default: 10)")
    run(options)
