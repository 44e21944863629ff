"""A model's folder, or the name of one that comes with segcritic -> the model; several of them -> an ensemble."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from torch import Tensor

from segcritic.errors import UserError
from segcritic.models.ensemble import Ensemble
from segcritic.models.recurrent import METHOD as RECURRENT
from segcritic.models.recurrent import RecurrentModel
from segcritic.models.stateless import METHOD as STATELESS
from segcritic.models.stateless import InputNeeds, Model
from segcritic.recurrent.settings import RecurrentSettings
from segcritic.recurrent.train import TrainedAgent
from segcritic.rules import Rules
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.train import TrainedActor
from segcritic.training.device import choose_device
from segcritic.training.folder import find, read_settings, read_weights

Name = str | os.PathLike[str]


@overload
def load(name_or_folder: Name, allow_python: bool = False, device: str = "auto") -> Model | RecurrentModel: ...
@overload
def load(
    name_or_folder: Sequence[Name], allow_python: bool = False, device: str = "auto"
) -> Model | RecurrentModel | Ensemble: ...
def load(
    name_or_folder: Name | Sequence[Name], allow_python: bool = False, device: str = "auto"
) -> Model | RecurrentModel | Ensemble:
    """Load a model folder, or a model that comes with segcritic by its name; or several, which then decide together.

    Parameters
    ----------
    name_or_folder : path or str, or a list of them
        A list of more than one gives an `Ensemble`: models of the same rules, such as of several seeds.
    allow_python : bool
        Whether functions that a model's rules name (``python: module:function``) may run.
    device : str
        Where the networks run: "cpu", "cuda", "mps", or "auto", the first of cuda, mps and cpu that is there.

    Returns
    -------
    Model, RecurrentModel or Ensemble

    Raises
    ------
    UserError
        When there is no such model, a file of it is missing or damaged, it was written by a newer version, its rules
        ask for Python that is not allowed, several do not fit together, or there is no such device.

    Examples
    --------
    >>> import segcritic
    >>> segcritic.load("nuclei").rules.name
    'nuclei'
    """
    choose_device(device)  # a mistake in it, before anything is computed
    if isinstance(name_or_folder, str | os.PathLike):
        return _load_one(name_or_folder, allow_python, device)
    names = [str(name) for name in name_or_folder]
    models = [_load_one(name, allow_python, device) for name in names]
    return models[0] if len(models) == 1 else Ensemble(models, names)


def load_rule_driven(name_or_folder: Name, allow_python: bool = False) -> Model:
    """As `load`, for what needs a model with rules. Raises UserError when it is one that was trained from labels."""
    model = _load_one(name_or_folder, allow_python, "auto")
    if isinstance(model, RecurrentModel):
        raise UserError(f"the model {name_or_folder} learned from labels and has no rules; give one trained by rules")
    return model


def _load_one(name_or_folder: Name, allow_python: bool, device: str) -> Model | RecurrentModel:
    folder = find(name_or_folder)
    settings = read_settings(folder)
    try:
        method = str(settings["method"])
        if method not in (STATELESS, RECURRENT):
            raise UserError(
                f"the model {folder} is of the method '{method}', which this segcritic lacks: update segcritic"
            )
        rules = Rules.load(folder / "rules.yaml") if method == STATELESS else None
        if rules is not None and rules.functions and not allow_python:
            raise UserError(
                f"the rules of the model {folder} ask to run code of their own (python: {', '.join(rules.functions)});"
                " if you trust where they come from, allow it with --allow-python, or allow_python=True"
            )
        weights = read_weights(folder)
        card = folder / "card.md"
        text = card.read_text(encoding="utf-8") if card.is_file() else ""
        if rules is None:
            return RecurrentModel(_fitting(folder, _read_agent, settings, weights), text, device=device)
        actor = _fitting(folder, _read_actor, settings, weights)
        return Model(rules, actor, text, InputNeeds(**settings["needs"]), allow_python, device)
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise UserError(f"{folder / 'settings.json'} is damaged ({error}); copy the model again") from error
    except OSError as error:
        raise UserError(f"cannot read {error.filename or folder}: {error.strerror}; check its permissions") from error


_Trained = TypeVar("_Trained")


def _fitting(
    folder: Path,
    read: Callable[[dict[str, Any], dict[str, Tensor]], _Trained],
    settings: dict[str, Any],
    weights: dict[str, Tensor],
) -> _Trained:
    """What `read` makes of settings and weights. Raises UserError when they are damaged or do not fit each other."""
    try:
        return read(settings, weights)
    except UserError as error:
        raise UserError(f"{folder / 'settings.json'} is damaged ({error}); copy the model again") from error
    except (RuntimeError, ValueError) as error:  # names and shapes, over many lines
        path = folder / "weights.safetensors"
        raise UserError(f"{path} does not fit the model's settings.json; copy the whole model again") from error


def _read_actor(settings: dict[str, Any], weights: dict[str, Tensor]) -> TrainedActor:
    actor = TrainedActor(weights, TrainSettings.from_dict(settings["settings"]), list(settings["curve"]))
    try:
        actor.policy()
    except KeyError as error:
        raise ValueError(error) from error
    return actor


def _read_agent(settings: dict[str, Any], weights: dict[str, Tensor]) -> TrainedAgent:
    agent = TrainedAgent(weights, RecurrentSettings.from_dict(settings["settings"]), list(settings["curve"]))
    agent.networks()
    return agent
