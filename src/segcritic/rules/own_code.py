"""Rules that are Python functions of the user's own: ``python: module:function`` in a rules file."""

import contextlib
import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError

if TYPE_CHECKING:
    from segcritic.graph import SuperpixelGraph
    from segcritic.graph.objects import ObjectTable

Array = NDArray[np.float64]


def call_python(name: str, objects: "ObjectTable", graph: "SuperpixelGraph | None", allow_python: bool) -> Array:
    """Score M objects by the user's function `name` ('module:function'): (M,) in [0, 1].

    Raises
    ------
    UserError
        Naming the function, when it is not allowed, cannot be loaded, fails, or returns anything else.
    """
    if not allow_python:
        raise UserError(
            f"the rules ask to run code of their own (python: {name}); if you trust where they come from, allow it with"
            " allow_python=True (on the command line: --allow-python)"
        )
    function = _load_python(name)
    try:
        scores = np.asarray(function(objects, graph), dtype=np.float64)
    except Exception as error:
        raise UserError(f"the rule python: {name} failed: {type(error).__name__}: {error}") from error
    if scores.shape != (len(objects),):
        raise UserError(
            f"the rule python: {name} returned shape {scores.shape} for {len(objects)} objects: return one score each"
        )
    if not np.all((scores >= 0) & (scores <= 1)):
        raise UserError(f"the rule python: {name} returned scores that are not between 0 and 1")
    return scores


@functools.cache
def _load_python(name: str) -> Callable[..., Any]:
    module_name, function_name = name.split(":")
    try:
        with _working_folder_importable():
            function = getattr(importlib.import_module(module_name), function_name)
    except Exception as error:
        raise UserError(
            f"the rule python: {name} cannot be loaded ({type(error).__name__}: {error}); {module_name}.py should lie"
            f" in the current folder or on PYTHONPATH, and hold a function {function_name}(objects, graph)"
        ) from error
    return function


@contextlib.contextmanager
def _working_folder_importable() -> Iterator[None]:
    """An installed command, unlike `python script.py`, does not look for modules where the user stands."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
