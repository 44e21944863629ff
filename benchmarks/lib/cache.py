"""Finished runs, each kept as a JSON file, so that a study that was stopped goes on where it was."""

import json
import multiprocessing
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.lib.digest import code_digest


def kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What the JSON file holds; if there is none, what `make` returns and the digest of the code, which are kept."""
    if not path.exists():
        print(path.stem, file=sys.stderr, flush=True)
        result = make() | {"code": code_digest()}
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_text(json.dumps(result, indent=1))
        unfinished.rename(path)
    return json.loads(path.read_text())


def run_all(
    runs: Iterable[Any], cache: Path, measured: Callable[[Any], dict[str, Any]], from_cache: bool = False
) -> dict[Any, Any]:
    """Results of the runs, which have a `file_name`, in their order: from the cache or made now (unless `from_cache`).

    Raises
    ------
    UserError
        When `from_cache` and there is none.
    """

    paths = {run: cache / run.file_name() for run in runs}
    found = {
        run: kept(path, lambda run=run: measured(run)) for run, path in paths.items() if path.exists() or not from_cache
    }
    if not found:
        from segcritic.errors import UserError

        raise UserError(f"there are no results in {cache}; leave --from-cache out")
    return found


def alone(measured: Callable[[Any], dict[str, Any]], threads: int) -> Callable[[Any], dict[str, Any]]:
    """`measured`, in a process of its own: its peak memory is that of the run, and is added to the result."""

    def in_a_process(run: Any) -> dict[str, Any]:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(_measured, measured, run, threads).result()

    return in_a_process


def _measured(measured: Callable[[Any], dict[str, Any]], run: Any, threads: int) -> dict[str, Any]:
    import torch

    torch.set_num_threads(threads)
    return measured(run) | {"peak_megabytes": peak_megabytes()}


def peak_megabytes() -> float:
    """Largest memory of this process so far."""
    import resource

    unit = 1024 if sys.platform != "darwin" else 1  # Linux counts in kB, macOS in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
