"""Figure 8: reward during training for several seeds, and whether choosing among them by reward helps."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import common
from figure_panels import TEXT, Figure, Picture, font
from figure_runs import VALIDATION_SEED, Plan, column, finished, seconds

GRID = (222, 227, 233)
BEST = (214, 30, 160)
OTHERS = ((22, 104, 184), (40, 160, 130), (240, 150, 40), (120, 120, 130), (130, 90, 190), (160, 110, 70))
_FINE = 3  # curves are drawn so many times as large, then made smaller: smooth lines


def figure_8(plan: Plan, cache: Path) -> Figure:
    from scipy.stats import pearsonr

    charts, rows, told = [], [], []
    found = {n: [finished(plan.curve(n, seed), cache) for seed in plan.curve_seeds] for n in plan.curve_channels}
    ends = [point["reward"] for results in found.values() for result in results for point in result.numbers["curve"]]
    bounds = np.floor(min(ends) * 50) / 50, np.ceil(max(ends) * 50) / 50
    for channels, results in found.items():
        reward, scores = np.array(column(results, "reward")), np.array(column(results, "mAP"))
        best = int(reward.argmax())
        lines = [[(point["step"], point["reward"]) for point in result.numbers["curve"]] for result in results]
        title = f"Features of size {channels}: {len(results)} seeds"
        charts.append(curves(title, lines, best, bounds, "steps; mean reward of the partitions tried"))
        for seed, result in zip(plan.curve_seeds, results, strict=True):
            values = result.numbers["curve"][-1]["reward"], result.numbers["reward"], result.numbers["mAP"]
            cells = [f"{channels}", f"{seed}", *map(common.score, values)]
            rows.append([f"**{cell}**" for cell in cells] if seed == plan.curve_seeds[best] else cells)
        tested = pearsonr(reward, scores)
        rise = sum(line[-1][1] > line[0][1] for line in lines)
        told.append(
            [
                f"{channels}",
                f"{rise} of {len(lines)}",
                common.score(scores[best]),
                f"{common.score(scores.mean())} ± {common.score(scores.std(ddof=1))}",
                f"{common.score(scores.min())} to {common.score(scores.max())}",
                f"{tested.statistic:+.2f} (p = {tested.pvalue:.2f})",
            ]
        )
    head = ("channels", "rewards that rise", "mAP of the seed of highest reward", "mAP of all", "range", "correlation")
    answer = " ".join(_chosen(n, column(results, "reward"), column(results, "mAP")) for n, results in found.items())
    text = f"""## Figure 8: reward by seed

![Reward during training, one curve for each seed](images/figure_8.png)

The same images and settings, other seeds: rules alone, features learned end to end without pre-training,
{plan.curve_steps} steps in {seconds([result for results in found.values() for result in results])} s. The curves are
moving averages over the steps' partitions, which explore; thick: the seed that the paper would choose, of the highest
reward on {plan.n} validation images (`circles({plan.n}, {VALIDATION_SEED})`, actor's mean actions; no labels).

{common.table(head, told, left=0)}

Correlation: Pearson's, between reward on the validation images and mAP on the test images, over the seeds.
{answer}

{common.table(("channels", "seed", "reward, end of training", "reward, validation", "mAP, test"), rows, left=0)}
"""
    first, *others = charts
    gap = np.full((len(first), 10, 3), 255, np.uint8)
    return Figure(text, np.concatenate([first, *(part for chart in others for part in (gap, chart))], axis=1))


def _chosen(channels: int, reward: list[float], scores: list[float]) -> str:
    """Say whether choosing the seed of the highest reward helped."""
    from statistics import mean

    from scipy.stats import pearsonr

    best = max(range(len(reward)), key=reward.__getitem__)
    rank = sorted(scores, reverse=True).index(scores[best]) + 1
    clear = pearsonr(reward, scores).pvalue < 0.05
    told = "is told from chance" if clear else "cannot be told from chance"
    return (
        f"With {channels} channels the chosen seed has rank {rank} of {len(scores)} by mAP,"
        f" {scores[best] - mean(scores):+.3f} against their mean; that reward and mAP go together {told} (5 %)."
    )


def curves(
    title: str, lines: Sequence[Sequence[tuple[float, float]]], best: int, bounds: tuple[float, float], across: str
) -> Picture:
    """Draw learning curves, lists of (x, y), in one chart; the one numbered `best` thick, in magenta, and on top."""
    width, height, left, right, top, floor = 560, 360, 62, 545, 40, 300
    chart = Image.new("RGB", (_FINE * width, _FINE * height), "white")
    draw = ImageDraw.Draw(chart)
    last = max(x for line in lines for x, _ in line)
    low, high = bounds

    def at(x: float, y: float) -> tuple[float, float]:
        """Place of a value, in pixels of the large chart."""
        return (
            _FINE * (left + (right - left) * x / last),
            _FINE * (floor - (floor - top) * (y - low) / (high - low)),
        )

    def write(x: float, y: float, text: str, anchor: str, size: int = 15) -> None:
        draw.text((_FINE * x, _FINE * y), text, TEXT, font(_FINE * size), anchor=anchor)

    for y in np.linspace(low, high, 5):
        draw.line([at(0, y), at(last, y)], GRID, _FINE)
        write(left - 8, at(0, y)[1] / _FINE, f"{y:.3g}", "rm")
    for x in np.linspace(0, last, 6):
        draw.line([at(x, low), at(x, high)], GRID, _FINE)
        write(at(x, 0)[0] / _FINE, floor + 8, f"{x:.0f}", "mt")
    for number, line in sorted(enumerate(lines), key=lambda item: item[0] == best):
        color = BEST if number == best else OTHERS[number % len(OTHERS)]
        draw.line([at(*point) for point in line], color, _FINE * (4 if number == best else 2), joint="curve")
    write((left + right) / 2, 18, title, "mm", 18)
    write((left + right) / 2, height - 16, across, "mm")
    return np.asarray(chart.resize((width, height), Image.Resampling.LANCZOS))
