"""A training's state on disk, so that it can go on where it stopped: safetensors and JSON."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from segcritic.errors import UserError
from segcritic.files import atomic_path, atomic_text

if TYPE_CHECKING:
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.train import Learner


def _optimizers(learner: "Learner") -> dict[str, torch.optim.Optimizer]:
    return {"optimizer": learner.optimizer, "temperature_optimizer": learner.temperature_optimizer}


def save(
    folder: Path, learner: "Learner", step: int, seconds: float, curve: list[dict[str, float]], seed: int
) -> None:
    """Write the whole state. The tensors carry the step, so that files of two different saves are told apart."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"log_temperature": learner.log_temperature.detach(), "step": torch.tensor(step)}
    for part, module in learner.modules().items():
        tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
    for part, optimizer in _optimizers(learner).items():
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"{part}.{index}.{name}": value for name, value in values.items()}
    with atomic_path(folder / "state.safetensors") as path:
        save_file({name: value.cpu().contiguous().clone() for name, value in tensors.items()}, path)
    state = {"step": step, "seconds": seconds, "seed": seed, "settings": learner.settings.to_dict(), "curve": curve}
    with atomic_text(folder / "state.json") as file:
        json.dump(state, file)


def restore(
    folder: Path, learner: "Learner", settings: "TrainSettings", seed: int
) -> tuple[int, float, list[dict[str, float]]]:
    """Load the state that `save` left into a new learner; return the next step, the seconds spent, and the curve.

    Raises
    ------
    UserError
        When the files are damaged, or belong to a training with another seed or other settings.
    """
    advice = "start again with another --out, or without --resume"
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
        tensors = load_file(folder / "state.safetensors")
        if state["seed"] != seed or state["settings"] != json.loads(json.dumps(settings.to_dict())):
            raise UserError(f"the checkpoint in {folder} was made with another seed or other settings: {advice}")
        for part, module in learner.modules().items():
            start = f"{part}."
            module.load_state_dict({k[len(start) :]: v for k, v in tensors.items() if k.startswith(start)})
        with torch.no_grad():
            learner.log_temperature.copy_(tensors["log_temperature"])
        for part, optimizer in _optimizers(learner).items():
            values: dict[int, dict[str, torch.Tensor]] = {}
            for key, tensor in tensors.items():
                if key.startswith(f"{part}."):
                    index, name = key[len(part) + 1 :].split(".", 1)
                    values.setdefault(int(index), {})[name] = tensor
            optimizer.load_state_dict({**optimizer.state_dict(), "state": values})
        return int(tensors["step"]), float(state["seconds"]), list(state["curve"])
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"the checkpoint in {folder} is damaged ({' '.join(str(error).split())}): {advice}") from error
