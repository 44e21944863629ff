"""What one update of actor and critic costs: floating-point operations and seconds.

The state is one generated image, its superpixels a grid with as many diagonal neighbours as make the wanted number of
edges. Operations are those of matrix products and convolutions, forward and backward, a multiplication and an addition
being two (`torch.utils.flop_counter`). Seconds hold everything: multicut, rewards, subgraphs, losses, optimiser.
"""

import sys
import time
from argparse import Namespace
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.lib.command import command, parser
from benchmarks.lib.runs import LEARNERS, settings_for, untrained
from benchmarks.lib.tables import machine, table

if TYPE_CHECKING:
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.state import State

RELEASE_SECONDS, RELEASE_RATE = 6.4, 88.0
"""One update of the published release, one thread: seconds, and the thread's GFLOP/s in matrix products."""
RELEASE_GFLOP = 457.0
PAPER_GRID, PAPER_EDGES = (11, 21), 524
PAPER_WIDTH = 2028
_CELL = 12  # pixels, side of a superpixel
_LARGE = 1000  # hidden units from which one update is enough to time


def grid_scene(n_rows: int, n_cols: int, n_edges: int, seed: int = 0) -> "State":
    """An image of bright disks on noise, and a grid of superpixels with exactly `n_edges` pairs of neighbours."""
    import numpy as np

    from benchmarks.speed.measure import bright_blobs
    from segcritic.rules import load_rules
    from segcritic.stateless.state import make_state

    rng = np.random.default_rng(seed)
    height, width = n_rows * _CELL, n_cols * _CELL
    row, col = np.mgrid[:height, :width]
    cells = (row // _CELL) * n_cols + col // _CELL
    missing = n_edges - (2 * n_rows * n_cols - n_rows - n_cols)
    # One pixel moved at a corner where four cells meet makes two of them neighbours that were diagonal before.
    for corner in rng.choice((n_rows - 1) * (n_cols - 1), missing, replace=False):
        y, x = (corner // (n_cols - 1) + 1) * _CELL, (corner % (n_cols - 1) + 1) * _CELL
        cells[y - 1, x] = cells[y, x]
    image = bright_blobs(rng, (height, width), n_rows * n_cols // 10, 0.8 * _CELL)
    state = make_state(image.astype(np.float32), load_rules("nuclei"), given=cells)
    if (state.graph.n_nodes, state.graph.n_edges) != (n_rows * n_cols, n_edges):
        raise RuntimeError(f"made {state.graph.n_nodes} superpixels and {state.graph.n_edges} edges")
    return state


def cost(state: "State", settings: "TrainSettings", repeats: int) -> tuple[int, float, float]:
    """Parameters, GFLOP and the processor's seconds of one update, the shortest of `repeats` (0: the counted one)."""
    from torch.utils.flop_counter import FlopCounterMode

    from segcritic.rules import Scorer, load_rules

    rules = load_rules("nuclei")
    learner = untrained([state], settings, 0)
    networks = [module for name, module in learner.modules().items() if name in ("policy", "critic")]
    parameters = sum(value.numel() for network in networks for value in network.parameters())

    def timed(step: int) -> float:
        start = time.process_time()
        learner.update([state], Scorer(rules), 0.0, step)
        return time.process_time() - start

    with FlopCounterMode(display=False) as counter:
        counted = timed(0)
    seconds = min((timed(step) for step in range(1, repeats + 1)), default=counted)
    return parameters, counter.get_total_flops() / 1e9, seconds


def matrix_rate() -> float:
    """GFLOP/s of this machine's threads in matrix products of the paper's width."""
    import torch

    a = torch.rand(PAPER_WIDTH, PAPER_WIDTH)
    best = float("inf")
    for _ in range(4):
        start = time.perf_counter()
        torch.mm(a, a)
        best = min(best, time.perf_counter() - start)
    return 2 * PAPER_WIDTH**3 / best / 1e9


def less(ratio: float) -> str:
    """A ratio to the release: 3.2× less, 320× less."""
    return f"{ratio:,.0f}×" if ratio >= 100 else f"{ratio:.2g}×"


def by_width(state: "State", arguments: Namespace) -> list[list[str]]:
    """Rows: networks of the paper's shape at several widths, then the default settings."""
    from segcritic.stateless.settings import NetworkSettings, TrainSettings

    rows = []
    variants = [(f"paper's shape, {width} hidden units", paper_settings(width), width) for width in arguments.widths]
    default = NetworkSettings()
    critic = settings_for(None, **LEARNERS["critic"])
    variants += [(f"default shape, width {default.width}, critic", critic, 0), ("default settings", TrainSettings(), 0)]
    for name, settings, width in variants:
        print(name, file=sys.stderr, flush=True)
        parameters, gflop, seconds = cost(state, settings, 0 if width >= _LARGE else arguments.repeats)
        less_than_release = [less(RELEASE_GFLOP / gflop), less(RELEASE_SECONDS / seconds)]
        rows.append([name, f"{parameters / 1e6:.3g}", f"{gflop:.3g}", f"{seconds:.3g}", *less_than_release])
    return rows


def paper_settings(width: int) -> "TrainSettings":
    """The paper's agent with hand-made features in the place of the U-Net's."""
    from segcritic.stateless.settings import TrainSettings

    paper = TrainSettings.paper()
    network = replace(paper.network, hidden_width=width, pixel_features=0, hand_made=True)
    return replace(paper, network=network)


def by_size(arguments: Namespace) -> list[list[str]]:
    """Rows: one update per number of superpixels, for two learners at the default width."""
    from segcritic.stateless.settings import TrainSettings

    rows = []
    for n in arguments.superpixels:
        n_rows = max(k for k in range(2, int(n**0.5) + 1) if n % k == 0)
        n_cols = n // n_rows
        n_edges = round(PAPER_EDGES / (PAPER_GRID[0] * PAPER_GRID[1]) * n)
        state = grid_scene(n_rows, n_cols, n_edges)
        cells = [f"{n:,}", f"{n_edges:,}"]
        for settings in (TrainSettings(), settings_for(None, **LEARNERS["critic"])):
            print(f"{n} superpixels, {settings.learner}", file=sys.stderr, flush=True)
            _, gflop, seconds = cost(state, settings, arguments.repeats)
            cells += [f"{gflop:.3g}", f"{1000 * seconds:,.0f}"]
        rows.append(cells)
    return rows


def page(arguments: Namespace) -> str:
    """The text of docs/training_speed.md."""
    from segcritic.stateless.settings import TrainSettings

    default = TrainSettings()
    widths = table(
        ("networks", "parameters, M", "GFLOP", "seconds", "GFLOP, times less", "seconds, times less"),
        by_width(grid_scene(*PAPER_GRID, PAPER_EDGES), arguments),
    )
    names = (f"{default.learner}, {default.samples} samples", "critic, 2 samples")
    sizes = table(
        ("superpixels", "edges", *(f"{name}: {unit}" for name in names for unit in ("GFLOP", "ms"))),
        by_size(arguments),
        left=0,
    )
    return f"""# Cost of one update

One update on one image of {PAPER_GRID[0] * PAPER_GRID[1]} superpixels and {PAPER_EDGES} edges, and how many times less
that is than the published release needed for an image of this size: {RELEASE_SECONDS} s of one thread, or
{RELEASE_GFLOP:.0f} GFLOP (the whole update, as multiples of the thread's {RELEASE_RATE:.0f} GFLOP/s in matrix
products). Operations here are those of matrix products and convolutions, forward and backward, a multiplication and an
addition being two; seconds are the processor's, for the whole update with multicut, rewards, subgraphs and optimiser.

**Data.** A generated image with a grid of superpixels, seed 0; no training, no tuning.

*Paper's shape*: depth 2, MLPs of 3 hidden layers, a head of 2 hidden layers per subgraph size on concatenated edges,
learner `critic`, one set of actions per update. Hand-made features stand in for the U-Net's, whose cost is left out.
*Default settings*: learner
`{default.learner}`, {default.samples} partitions per image.

**Machine.** {machine(arguments.threads, ("numpy", "torch"))}
Matrix products ran at {matrix_rate():.0f} GFLOP/s here; to compare seconds, scale by that against {RELEASE_RATE:.0f}.
Shortest of {arguments.repeats} updates (from {_LARGE} hidden units on: the first and only one).

**Command.** `{command(arguments, "widths", "superpixels", "repeats")}`

{widths}

## Growth with the image, at the default width

{sizes}
"""


def options(verbs: Any) -> None:
    quick = {"widths": [32, 64], "superpixels": [100, 250], "repeats": 2}
    added = parser(__doc__, "training", page, page="training_speed.md", quick=quick, verbs=verbs)
    added.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128, 512, PAPER_WIDTH], help="hidden units")
    added.add_argument("--superpixels", type=int, nargs="+", default=[100, 250, 500, 1000, 2000, 4000])
    added.add_argument("--repeats", type=int, default=10, help="updates to time, after one that is counted")
