"""Figure 8: reward during training for several seeds, and whether choosing among them by reward helps."""

from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.figures.panels import TEXT, Figure, Picture, font
from benchmarks.figures.runs import VALIDATION_SEED, Plan, Result, column, finished, seconds
from benchmarks.lib.tables import score, spread, table

GRID = (222, 227, 233)
BEST = (214, 30, 160)
OTHERS = ((22, 104, 184), (40, 160, 130), (240, 150, 40), (120, 120, 130), (130, 90, 190), (160, 110, 70))
OTHERS += ((100, 180, 230), (170, 180, 60))
_FINE = 3  # curves are drawn so many times as large, then made smaller: smooth lines


def figure_8(plan: Plan, cache: Path) -> Figure:
    groups = {key: [finished(run, cache) for run in runs] for key, runs in plan.curves().items()}
    charts, rows, told = [], [], []
    for (data, channels), results in groups.items():
        best = _best(results)
        lines = [[(point["step"], point["reward"]) for point in result.numbers["curve"]] for result in results]
        charts.append(curves(f"{data.capitalize()}, features of size {channels}: {len(results)} seeds", lines, best))
        for number, result in enumerate(results):
            values = [result.numbers["curve"][-1]["reward"], *(result.numbers[name] for name in ("reward", "mAP"))]
            values += [result.numbers["VI"]] if data == "embryos" else []
            cells = [data, f"{channels}", f"{number}", *map(score, values), "-"][:7]
            rows.append([f"**{cell}**" for cell in cells] if number == best else cells)
        told.append([data, f"{channels}", *_chosen(results)])
    head = ("data", "channels", "rewards that rise", "mAP, all", "mAP, chosen", "chosen - mean", "its rank")
    head += ("correlation",)
    by_seed = ("data", "channels", "seed", "reward, end of training", "reward, validation", "mAP, test", "VI, test")
    e, c = plan.curve_steps
    took = {
        data: seconds([r for key, results in groups.items() if key[0] == data for r in results]) for data, _ in groups
    }
    text = f"""## Figure 8: reward by seed

![Reward during training, one curve for each seed](images/figure_8.png)

The same images and settings, other seeds: rules alone, features learned end to end without pre-training; on embryos
{e} steps in {took["embryos"]} s, on circles {c} in {took["circles"]} s. The curves are moving averages over the steps'
partitions, which explore. Thick, and bold below: the seed that the paper would choose, of the highest reward on
validation images (as many as for testing, seed {VALIDATION_SEED}; the actor's mean actions; no labels).

{table(head, told)}

Does choosing by reward help? It can where seeds differ, and where reward and score rise together. Correlation:
Spearman's, of ranks, between the reward on the validation images and the mAP on the test images; p is the part of all
orders of the seeds whose correlation is as far from 0.

{table(by_seed, rows)}
"""
    gap = np.full((len(charts[0]), 10, 3), 255, np.uint8)
    row = [part for chart in charts for part in (chart, gap)][:-1]
    return Figure(text, np.concatenate(row, axis=1), [result for results in groups.values() for result in results])


def _best(results: list[Result]) -> int:
    """Number of the run of the highest reward."""
    return int(np.argmax(column(results, "reward")))


def _chosen(results: list[Result]) -> list[str]:
    """Cells of the table that say whether choosing the seed of the highest reward helped."""
    reward, scores = column(results, "reward"), column(results, "mAP")
    mine = scores[_best(results)]
    rank = 1 + sum(other > mine + 1e-9 for other in scores)
    correlation, chance = rank_correlation(reward, scores)
    curves = [result.numbers["curve"] for result in results]
    rise = sum(curve[-1]["reward"] > curve[0]["reward"] for curve in curves)
    cells = [f"{rise} of {len(results)}", spread(scores), score(mine), f"{mine - np.mean(scores):+.3f}"]
    return [*cells, f"{rank} of {len(results)}", f"{correlation:+.2f} (p = {chance:.2f})"]


def rank_correlation(one: list[float], other: list[float]) -> tuple[float, float]:
    """Spearman's rank correlation of a few values; and of all orders the part whose correlation is as far from 0."""
    from scipy.stats import rankdata

    ranks, others = (rankdata(np.round(values, 6)) for values in (one, other))
    ranks, others = ranks - ranks.mean(), others - others.mean()
    scale = max(float(np.sqrt((ranks**2).sum() * (others**2).sum())), 1e-9)
    correlation = float(ranks @ others) / scale
    every = np.array([ranks @ np.array(order) for order in permutations(others)]) / scale
    return correlation, float(np.mean(np.abs(every) >= abs(correlation) - 1e-9))


def curves(title: str, lines: Sequence[Sequence[tuple[float, float]]], best: int) -> Picture:
    """Draw learning curves, lists of (x, y), in one chart; the one numbered `best` thick, in magenta, and on top."""
    width, height, left, right, top, floor = 480, 340, 58, 465, 40, 284
    chart = Image.new("RGB", (_FINE * width, _FINE * height), "white")
    draw = ImageDraw.Draw(chart)
    last = max(x for line in lines for x, _ in line)
    rewards = [y for line in lines for _, y in line]
    low, high = np.floor(min(rewards) * 20) / 20, np.ceil(max(rewards) * 20) / 20

    def at(x: float, y: float) -> tuple[float, float]:
        """Place of a value, in pixels of the large chart."""
        return (_FINE * (left + (right - left) * x / last), _FINE * (floor - (floor - top) * (y - low) / (high - low)))

    def write(x: float, y: float, text: str, anchor: str, size: int = 15) -> None:
        draw.text((_FINE * x, _FINE * y), text, TEXT, font(_FINE * size), anchor=anchor)

    for y in np.arange(low, high + 0.01, 0.05):
        draw.line([at(0, y), at(last, y)], GRID, _FINE)
        write(left - 8, at(0, y)[1] / _FINE, f"{y:.2f}", "rm")
    for x in np.linspace(0, last, 4):
        draw.line([at(x, low), at(x, high)], GRID, _FINE)
        write(at(x, 0)[0] / _FINE, floor + 8, f"{x:.0f}", "mt")
    for number, line in sorted(enumerate(lines), key=lambda item: item[0] == best):
        color = BEST if number == best else OTHERS[number % len(OTHERS)]
        draw.line([at(*point) for point in line], color, _FINE * (4 if number == best else 2), joint="curve")
    write((left + right) / 2, 18, title, "mm", 18)
    write((left + right) / 2, height - 16, "steps; mean reward of the partitions tried", "mm")
    return np.asarray(chart.resize((width, height), Image.Resampling.LANCZOS))
