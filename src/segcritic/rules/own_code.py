"""Rules that are Python functions of the user's own: ``python: module:function`` in a rules file."""

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError

if TYPE_CHECKING:
    from segcritic.graph.objects import ObjectTable

Array = NDArray[np.float64]


def call_function(name: str, function: Callable[..., Any], objects: "ObjectTable") -> Array:
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
    """The user's function `name` ('module:function'). Raises UserError when it is not allowed or cannot be loaded."""
    if not allow_python:
        raise UserError(
            f"the rules ask to run code of their own (python: {name}); if you trust where they come from, allow it with"
            " allow_python=True (on the command line: --allow-python)"
        )
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
