"""Cars: a smoke test of the recurrent method at the resolution of street states; it says nothing about quality.

    python benchmarks/cars.py --data path/to/cars

Trains a few steps of every stage on all images but the last, at 256 x 768 pixels with a latent action of 64 numbers,
and draws the cars of the last.
"""

import resource
import time
from dataclasses import replace
from pathlib import Path

import common

METRICS = ("MWCov", "MUCov", "AvgFP", "AvgFN", "SBD", "abs_dic")


def main() -> None:
    parser = common.parser(__doc__, "cars.md")
    parser.add_argument("--data", type=Path, default=common.NUCLEI.parent.parent / "cars")
    parser.add_argument("--steps", type=int, default=10, help="updates of every stage (default: 10)")
    arguments = parser.parse_args()
    common.use_threads(arguments.threads)

    from segcritic.datasets.cars import cars
    from segcritic.metrics import evaluate
    from segcritic.recurrent.predict import segment
    from segcritic.recurrent.settings import RecurrentSettings
    from segcritic.recurrent.train import train
    from segcritic.recurrent.views import Example

    samples = list(cars(arguments.data))
    examples = [Example.of(sample.pixels, sample.labels) for sample in samples]
    n = 1 if arguments.quick else arguments.steps
    settings = RecurrentSettings(height=256, width=768, zoom=False, upright=True, latent=64, batch=1, states=2)
    most = max(example.n_objects for example in examples)
    settings = replace(settings, max_objects=most, first_length=2, critic_steps=n // 2)
    settings = replace(settings, **{f"{stage}_steps": n for stage in ("context", "masks", "first", "episodes")})
    begin = time.perf_counter()
    agent = train(examples[:-1], settings)
    trained = time.perf_counter() - begin
    begin = time.perf_counter()
    drawing = segment(samples[-1].pixels, agent.networks())
    drawn = time.perf_counter() - begin
    scores = evaluate(drawing.labels, samples[-1].labels).as_dict()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    text = f"""# Cars: a smoke test of resolution

`{common.command(arguments, ("steps",))}` made this page. {common.machine(arguments.threads, ("numpy", "torch"))}

{len(examples) - 1} street states of KITTI (CC BY-NC-SA) with up to {most} cars, at 256 x 768 pixels, latent 64.
{n} updates of every stage: {trained:.0f} s, {memory:.1f} GiB. The state that was left out: {drawn:.1f} s.
So few updates teach nothing; the scores only show that reader and metrics work:

{common.table(METRICS, [tuple(f"{scores[name]:.3f}" for name in METRICS)], left=0)}
"""
    common.write_page(text, arguments, "cars.md")


if __name__ == "__main__":
    main()
