"""What the benchmarks share: where the data are, which machine this is, and how a page is written."""

import importlib.metadata
import json
import multiprocessing
import os
import platform
import shlex
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

_DATA = Path(os.environ.get("SEGCRITIC_DATA") or ROOT.parent / "shared" / "data")
NUCLEI = Path(os.path.relpath(_DATA / "nuclei" / "train"))
"""Default folder of the nuclei: below SEGCRITIC_DATA when that is set."""

NUCLEI_TEXT = """Fluorescence images of the Data Science Bowl 2018 (BBBC038, CC0): those of StarDist's selection whose
median nucleus has 250 to 1800 pixels, training list."""


def parser(description: str | None, page: str) -> ArgumentParser:
    """An argument parser with the options that every benchmark has; `page` is the file under docs/ that it writes."""
    result = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    result.add_argument("--quick", action="store_true", help="a few images and steps, as a check; prints only")
    result.add_argument("--threads", type=int, default=1, help="threads of each library (default: 1)")
    result.add_argument("--out", type=Path, help=f"Markdown file to write (default: docs/{page}; --quick: none)")
    return result


def use_threads(n: int) -> None:
    """Limit the threads of libraries that are not loaded yet, here and in child processes."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(n)


def nuclei_pairs(data: Path, at_most: int | None = None) -> list[tuple[Path, Path]]:
    """Image and label files below `data`, sorted by name; `at_most` of them, evenly spread.

    Raises
    ------
    UserError
        When the folder is missing; it says where the data are to be had.
    """
    from segcritic.datasets.nuclei import ARCHIVE, PAGE, Folder
    from segcritic.errors import UserError

    if not (data / "images").is_dir():
        raise UserError(
            f"there are no nuclei in {data}: download {ARCHIVE} (Data Science Bowl 2018, {PAGE}, CC0), unpack it, and"
            " give the folder that holds images/ and masks/ by --data, or by SEGCRITIC_DATA the one that holds"
            " nuclei/train"
        )
    pairs = Folder(data, labels="masks" if (data / "masks").is_dir() else "labels").pairs
    if at_most is None or at_most >= len(pairs):
        return pairs
    return [pairs[round(k * (len(pairs) - 1) / max(at_most - 1, 1))] for k in range(at_most)]


def command(arguments: Namespace, keep: Sequence[str] = ()) -> str:
    """The command that makes the page: this file, with those options of `keep` that were given."""
    words = ["python", f"benchmarks/{Path(sys.argv[0]).name}"]
    for name in keep:
        value = getattr(arguments, name)
        if value is True:
            words.append(f"--{name.replace('_', '-')}")
        elif isinstance(value, list):
            words += [f"--{name.replace('_', '-')}", *map(str, value)]
        elif value is not None and value is not False:  # 0 is a value
            words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


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


def table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A Markdown table; the first `left` columns to the left, the others to the right."""
    align = "|" + "---|" * left + "---:|" * (len(head) - left)
    return "\n".join([f"| {' | '.join(head)} |", align, *(f"| {' | '.join(row)} |" for row in rows)])


def write_page(text: str, arguments: Namespace, page: str) -> None:
    """Print the page, and write it unless this is a quick run without --out."""
    print(text)
    out = arguments.out or (None if arguments.quick else DOCS / page)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
        print(f"wrote {out}", file=sys.stderr)


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the JSON file holds; if there is none, what `make` returns, which is then kept there."""
    if not path.exists():
        result = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(result, indent=1))
        unfinished.rename(path)
    return json.loads(path.read_text())


def run_all(
    runs: Sequence[Any], cache: Path, measured: Callable[[Any, int], Any], threads: int, from_cache: bool = False
) -> dict[Any, Any]:
    """Results of the runs, from the cache or made now (unless `from_cache`), in their order.

    `measured` takes a run and the number of threads and returns something JSON-able, in a process of its own, so that
    its peak memory is this run's; a run has a `file_name`.
    """
    results = {}
    for number, run in enumerate(runs):
        path = cache / run.file_name()
        if not path.exists():
            if from_cache:
                continue
            print(f"run {number + 1} of {len(runs)}: {path.stem}", file=sys.stderr, flush=True)
        results[run] = kept(path, lambda run=run: {"run": asdict(run)} | _alone(measured, run, threads))
    return results


def _alone(measured: Callable[[Any, int], Any], run: Any, threads: int) -> dict[str, Any]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, run, threads).result()


def peak_megabytes() -> float:
    """Largest memory of this process so far."""
    import resource

    unit = 1024 if sys.platform != "darwin" else 1  # Linux counts in kB, macOS in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def score(value: float) -> str:
    """0.6 -> .600, as the field writes it."""
    return f"{value:.3f}".lstrip("0") if 0 <= value < 1 else f"{value:.3f}"


def spread(values: list[float], form: str = "") -> str:
    """Mean and, of several values, standard deviation; '-' of none."""

    def write(value: float) -> str:
        return format(value, form) if form else score(value)

    if not values:
        return "-"
    return write(mean(values)) + (f" ± {write(stdev(values))}" if len(values) > 1 else "")


def ordinal(n: int) -> str:
    return {2: "second", 3: "third", 5: "fifth"}.get(n, f"{n}th")
