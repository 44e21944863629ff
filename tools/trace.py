"""Count what an image passes on its way to labels, and a rules file on its way to a gradient.

    python tools/trace.py            # both ways, one line each
    python tools/trace.py --show     # every function, in the order in which it is first entered

Each way is one traced call. A stop is a function of segcritic that is entered for the first time, as a reader who
follows the calls would meet it. Private helpers (a leading underscore, nested functions, comprehensions) that lie in
their caller's own file belong to the caller; properties are read, not called. The files are those of the stops. A climb
is a stop in a file that the way had left for another one before: the reader scrolls back up.
"""

import argparse
import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

import segcritic

ROOT = Path(segcritic.__file__).parent


@dataclass
class Way:
    """Functions in the order in which they are first entered, as (file, function)."""

    stops: list[tuple[str, str]] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """The files, in the order in which they are first entered."""
        return list(dict.fromkeys(file for file, _ in self.stops))

    @property
    def climbs(self) -> int:
        """How often a function is first entered in a file that was left before."""
        climbs, seen, here = 0, set(), None
        for file, _ in self.stops:
            if file != here and file in seen:
                climbs += 1
            seen.add(file)
            here = file
        return climbs


def trace(call: Callable[[], Any]) -> Way:
    """Run a call and note every stop, once."""
    way, known = Way(), set[CodeType]()
    open_files: list[str | None] = []  # of the calls that run; compiled functions of numba have no caller's frame

    def note(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "return" and open_files:
            open_files.pop()
        if event != "call":
            return
        code, file = frame.f_code, _file(frame.f_code)
        caller = open_files[-1] if open_files else None
        open_files.append(file or caller)  # what a library calls is called by whoever called the library
        if file is None or code in known or code.co_name.startswith("<"):
            return
        if _is_private(code) and caller == file:
            return  # but a call from another file would be a stop
        known.add(code)
        if not _is_property(frame):
            way.stops.append((file, code.co_qualname))

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return way


def _file(code: CodeType) -> str | None:
    path = Path(code.co_filename)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else None


def _is_private(code: CodeType) -> bool:
    return code.co_name.startswith("_") or "<locals>" in code.co_qualname


def _is_property(frame: FrameType) -> bool:
    owner, _, name = frame.f_code.co_qualname.rpartition(".")
    found = frame.f_globals.get(owner)
    attribute = inspect.getattr_static(found, name, None) if isinstance(found, type) else None
    return isinstance(attribute, property | functools.cached_property)


def disks(shape: tuple[int, int] = (96, 96)) -> np.ndarray:
    """Four bright disks on a dark ground, (H, W) uint16."""
    row, column = np.indices(shape)
    centres = [(r, c) for r in (24, 70) for c in (26, 68)]
    inside = np.any([(row - r) ** 2 + (column - c) ** 2 < 120 for r, c in centres], axis=0)
    return (100 + 900 * inside + np.random.default_rng(0).normal(0, 10, shape)).astype(np.uint16)


def image_to_labels() -> Way:
    """The way of an array from `Model.segment` to labels; the model is loaded and warm."""
    model, image = segcritic.load("nuclei"), disks()
    model.segment(image)
    return trace(lambda: model.segment(image))


def rules_to_gradient() -> Way:
    """The way of a rules file from YAML to one update of the actor; the images are ready."""
    from segcritic.rules import Rules, Scorer
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.state import make_state
    from segcritic.stateless.train import train

    text = "area: {expect: 120, tolerance: 40%}\nintensity: {brighter_than: background}\n"
    states = [make_state(disks(), Rules.loads(text))]
    settings = TrainSettings(steps=1, images_per_step=1, samples=2)
    train(states, Scorer(Rules.loads(text)), settings)
    return trace(lambda: train(states, Scorer(Rules.loads(text)), settings))


WAYS = {"image to labels": image_to_labels, "rules to gradient": rules_to_gradient}


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="list every function")
    arguments = parser.parse_args()
    for name, walk in WAYS.items():
        way = walk()
        print(f"{name}: {len(way.stops)} functions in {len(way.files)} files, {way.climbs} climbs")
        if arguments.show:
            for file, function in way.stops:
                print(f"    {file}: {function}")


if __name__ == "__main__":
    main()
