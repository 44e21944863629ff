"""How pages write numbers, tables, and what they were measured on."""

import importlib.metadata
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

COSTS = ("training, s", "s / image", "peak memory, GB")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns to the left, the others to the right."""
    align = "|" + "---|" * left + "---:|" * (len(head) - left)
    return "\n".join([f"| {' | '.join(head)} |", align, *(f"| {' | '.join(row)} |" for row in rows)])


def score(value: float) -> str:
    """0.6 -> .600, as the field writes it."""
    return f"{value:.3f}".lstrip("0") if 0 <= value < 1 else f"{value:.3f}"


def spread(values: Sequence[float], form: str = "") -> str:
    """Mean and, of several values, standard deviation of the sample; '-' of none."""

    def write(value: float) -> str:
        return format(value, form) if form else score(value)

    if not values:
        return "-"
    return write(mean(values)) + (f" ± {write(stdev(values))}" if len(values) > 1 else "")


def costs(results: Sequence[dict[str, Any]]) -> list[str]:
    """The cells under `COSTS`, of one row's runs."""
    training = [result["training_seconds"] for result in results if result["training_seconds"] is not None]
    return [
        f"{mean(training):.0f}" if training else "-",
        f"{mean(seconds for result in results for seconds in result['image_seconds']):.2f}",
        f"{max(result['peak_megabytes'] for result in results) / 1000:.2f}",
    ]


class Difference(NamedTuple):
    """Mean and standard deviation of paired differences, and whether a t-test (5 %, two-sided) tells them from 0."""

    mean: float
    deviation: float
    clear: bool

    def __str__(self) -> str:
        return f"({self.mean:+.3f} ± {self.deviation:.3f})"


def difference(one: Sequence[float], other: Sequence[float]) -> Difference:
    """`one` - `other`, seed by seed; at least two of each."""
    from scipy.stats import t

    gains = [a - b for a, b in zip(one, other, strict=True)]
    middle, deviation = mean(gains), stdev(gains)
    clear = abs(middle) > float(t.ppf(0.975, len(gains) - 1)) * deviation / len(gains) ** 0.5
    return Difference(middle, deviation, clear and abs(middle) >= 0.0005)  # what three digits show


def ordinal(n: int) -> str:
    return {2: "second", 3: "third", 5: "fifth"}.get(n, f"{n}th")


def machine(threads: int, packages: Sequence[str] = ("numpy", "numba", "bioimage-cpp", "torch")) -> str:
    """One sentence: processor, threads, Python, versions."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        models = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = models[0] if models else name
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in packages)
    plural = "s" * (threads != 1)
    return f"{name}, {threads} thread{plural}; {platform.system()}, Python {platform.python_version()}, {versions}."


def mixed(results: Iterable[dict[str, Any]]) -> str:
    """A paragraph of warning where the cache mixes runs of different code; else nothing."""
    codes = {result["code"] for result in results}
    if len(codes) <= 1:
        return ""
    return f"\n\n**Mixed code.** These runs come from {len(codes)} states of the code; empty the cache for one."
