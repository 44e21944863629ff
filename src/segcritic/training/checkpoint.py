"""The state of a training on disk, so that it can go on where it stopped: safetensors and JSON, for either method."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors.torch import load_file
from safetensors.torch import save as safetensors_bytes
from torch import nn

from segcritic.errors import UserError
from segcritic.io.atomic import atomic_path, atomic_text
from segcritic.training.interrupts import held_back

ADVICE = "start again with another --out, or without --resume"
_OTHER = {
    "seed": "another seed",
    "settings": "other settings (or by another version of segcritic)",
    "rules": "other rules",
    "images": "other images (or another channel, boundary maps or superpixels)",
    "labels": "other labels",
}


class Trained(Protocol):
    """What a checkpoint keeps of a training."""

    def modules(self) -> dict[str, nn.Module]:
        """Everything with weights."""
        ...

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Everything that moves them."""
        ...


@dataclass
class Checkpoint:
    """What `save` left: stage and step to go on from, seconds spent, curve, running means, the tensors for `into`."""

    folder: Path
    step: tuple[int, int]
    seconds: float
    curve: list[dict[str, Any]]
    told: dict[str, float]
    tensors: dict[str, torch.Tensor]

    def into(self, trained: Trained) -> None:
        """Load the tensors into a new training of the same kind. Raises UserError when they do not fit."""
        try:
            for part, module in trained.modules().items():
                start = f"{part}."
                module.load_state_dict({k[len(start) :]: v for k, v in self.tensors.items() if k.startswith(start)})
            for part, optimizer in trained.optimizers().items():
                values: dict[int, dict[str, torch.Tensor]] = {}
                for key, tensor in self.tensors.items():
                    if key.startswith(f"{part}."):
                        index, name = key[len(part) + 1 :].split(".", 1)
                        values.setdefault(int(index), {})[name] = tensor
                optimizer.load_state_dict({**optimizer.state_dict(), "state": values})
        except Exception as error:
            raise _damaged(self.folder, error) from error


def save(
    folder: Path,
    trained: Trained,
    step: list[int],
    seconds: float,
    curve: list[dict[str, Any]],
    told: dict[str, float],
    training: dict[str, Any],
) -> None:
    """Write the whole state of a training.

    The tensors carry the step: should the second file be of an earlier save, training goes on from the weights.

    Parameters
    ----------
    folder : Path
    trained : Trained
    step : number of the stage, and of the next step in it
    seconds : spent so far
    curve : what was told of earlier steps, JSON-able
    told : running means, from which the curve goes on
    training : dict
        What a training must share with the checkpoint that it goes on from, JSON-able, by the names in this module.
    """
    tensors = {"step": torch.tensor(step)}
    for part, module in trained.modules().items():
        tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
    for part, optimizer in trained.optimizers().items():
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"{part}.{index}.{name}": value for name, value in values.items()}
    with atomic_path(folder / "state.safetensors") as path:
        # safetensors' own save_file hides a full disk's OSError
        path.write_bytes(safetensors_bytes({name: value.cpu().contiguous().clone() for name, value in tensors.items()}))
    with atomic_text(folder / "state.json") as file:
        told_all = {"step": step, "seconds": seconds, "training": training, "curve": curve, "told": told}
        json.dump(told_all, file)


def load(folder: Path, training: dict[str, Any]) -> Checkpoint | None:
    """Read the checkpoint in a folder; None when there is none.

    Raises
    ------
    UserError
        When its files are damaged, or belong to another `training`.
    """
    if not (folder / "state.json").exists():
        return None
    try:
        with held_back():  # libraries turn an interrupt into errors of their own
            tensors = load_file(folder / "state.safetensors")
        state: dict[str, Any] = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        mine = json.loads(json.dumps(training))  # tuples become lists, as in the file
        differs = [what for name, what in _OTHER.items() if state["training"].get(name) != mine.get(name)]
        stage, step = tensors["step"].reshape(-1)[[0, -1]].tolist()
        seconds, curve, told = float(state["seconds"]), list(state["curve"]), dict(state.get("told", {}))
        found = Checkpoint(folder, (stage, step), seconds, curve, told, tensors)
    except Exception as error:
        raise _damaged(folder, error) from error
    if tensors["step"].dim() == 0 or "told" not in state:
        raise UserError(f"the checkpoint in {folder} was left by an earlier version of segcritic: {ADVICE}")
    if differs:
        raise UserError(f"the checkpoint in {folder} was made with {' and '.join(differs)}: {ADVICE}")
    return found


def _damaged(folder: Path, error: Exception) -> UserError:
    return UserError(f"the checkpoint in {folder} is damaged ({' '.join(str(error).split())}): {ADVICE}")
