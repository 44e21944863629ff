"""A rule that is a Python function of the user's own: ``python: module:function`` in a rules file."""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from segcritic.errors import UserError
from segcritic.graph.objects import ObjectTable
from segcritic.rules.kinds.judgement import MAX_DEVIATION, Array, Judgement


def judge_python(name: str, function: Callable[..., Any], objects: ObjectTable) -> Judgement:
    """Turn the scores of the user's function `name` ('module:function') into the deviations that they stand for.

    Raises
    ------
    UserError
        As `call_function`.
    """
    scores = call_function(name, function, objects)
    deviation = np.sqrt(-2 * np.log(np.maximum(scores, np.finfo(float).tiny)))
    deviation = np.where(scores == 0, MAX_DEVIATION, deviation)
    return Judgement(1.0, scores, np.ones(len(scores)), deviation)


def call_function(name: str, function: Callable[..., Any], objects: ObjectTable) -> Array:
    """Score M objects by the user's function `name` ('module:function'): (M,) in [0, 1].

    Raises
    ------
    UserError
        Naming the function, when it fails or returns anything else.
    """
    try:
        scores = np.asarray(function(objects, objects.graph), dtype=np.float64)
    except Exception as error:
        raise UserError(f"the rule python: {name} failed: {type(error).__name__}: {error}") from error
    if scores.shape != (len(objects),):
        raise UserError(
            f"the rule python: {name} returned shape {scores.shape} for {len(objects)} objects: return one score each"
        )
    if not np.all((scores >= 0) & (scores <= 1)):
        raise UserError(f"the rule python: {name} returned scores that are not between 0 and 1")
    return scores


def load_function(name: str, allow_python: bool) -> Callable[..., Any]:
    """Load the user's function `name` ('module:function').

    A module in the current folder is read anew, with what it imports from there; nothing of it stays among Python's
    loaded modules, where it would stand for a module of the same name in another folder. Any other module is imported
    as usual.

    Raises
    ------
    UserError
        When it is not allowed or cannot be loaded.
    """
    if not allow_python:
        raise UserError(
            f"the rules ask to run code of their own (python: {name}); if you trust where they come from, allow it with"
            " allow_python=True (on the command line: --allow-python)"
        )
    module_name, function_name = name.split(":")
    try:
        folder = Path.cwd()
        with _modules_of(folder) if _lies_in(folder, module_name) else contextlib.nullcontext():
            function = getattr(importlib.import_module(module_name), function_name)
    except Exception as error:
        raise UserError(
            f"the rule python: {name} cannot be loaded ({type(error).__name__}: {error}); {module_name}.py should lie"
            f" in the current folder or on PYTHONPATH, and hold a function {function_name}(objects, graph)"
        ) from error
    return function


@contextlib.contextmanager
def _modules_of(folder: Path) -> Iterator[None]:
    """Import modules of `folder` first, in the place of loaded ones of the same names, and forget them afterwards."""
    before = dict(sys.modules)
    shadowed = {name for name in before if _top(name) not in sys.stdlib_module_names and _lies_in(folder, _top(name))}
    shadowed = {name for name in shadowed if not _comes_from(folder, before.get(_top(name)))}
    for name in shadowed:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()  # files may be younger than Python's lists of folders
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name not in before or name in shadowed]:
            if _comes_from(folder, sys.modules.get(_top(name))):
                shadowed.add(name)
        for name in shadowed:
            sys.modules.pop(name, None)
        sys.modules.update({name: before[name] for name in shadowed if name in before})


def _top(name: str) -> str:
    return name.partition(".")[0]


def _lies_in(folder: Path, name: str) -> bool:
    """Whether the folder holds a module or package `name`, which may be dotted."""
    path = folder.joinpath(*name.split("."))
    return path.with_name(f"{path.name}.py").exists() or (path / "__init__.py").exists()


def _comes_from(folder: Path, module: ModuleType | None) -> bool:
    """Whether a module of the highest level was loaded from a file, or a package, directly in the folder."""
    file = getattr(module, "__file__", None)
    places = [Path(file)] if file else [Path(place) / "__init__.py" for place in getattr(module, "__path__", ())]
    return any(folder == (place.parent.parent if place.name == "__init__.py" else place.parent) for place in places)
