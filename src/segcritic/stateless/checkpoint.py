"""A training's state on disk, so that it can go on where it stopped: safetensors and JSON."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as safetensors_bytes

from segcritic.errors import UserError
from segcritic.files import atomic_path, atomic_text

if TYPE_CHECKING:
    from segcritic.rules import Rules
    from segcritic.stateless.scene import Scene
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.train import Learner


def identity(settings: "TrainSettings", rules: "Rules", scenes: "list[Scene]", seed: int) -> dict[str, Any]:
    """What a training must share with the checkpoint that it goes on from, JSON-able. The number of steps may change.

    `scenes` are the images that are drawn from: their number and their features, which tell other images, channels,
    boundary maps and superpixels apart.
    """
    features = hashlib.sha256()
    for scene in scenes:
        features.update(scene.node_features.tobytes() + scene.edge_features.tobytes())
    plain = {name: value for name, value in settings.to_dict().items() if name != "steps"}
    return {
        "seed": seed,
        "settings": json.loads(json.dumps(plain)),  # tuples become lists, as in the file
        "rules": hashlib.sha256(rules.to_yaml().encode()).hexdigest(),
        "images": [len(scenes), features.hexdigest()],
    }


_OTHER = {
    "seed": "another seed",
    "settings": "other settings",
    "rules": "other rules",
    "images": "other images (or another channel, boundary maps or superpixels)",
}


def _optimizers(learner: "Learner") -> dict[str, torch.optim.Optimizer]:
    return {"optimizer": learner.optimizer, "temperature_optimizer": learner.temperature_optimizer}


def save(
    folder: Path, learner: "Learner", step: int, seconds: float, curve: list[dict[str, float]], training: dict[str, Any]
) -> None:
    """Write the whole state of the `training` of this `identity`.

    The tensors carry the step, so that files of two different saves are told apart.
    """
    tensors = {"log_temperature": learner.log_temperature.detach(), "step": torch.tensor(step)}
    for part, module in learner.modules().items():
        tensors |= {f"{part}.{name}": value for name, value in module.state_dict().items()}
    for part, optimizer in _optimizers(learner).items():
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {f"{part}.{index}.{name}": value for name, value in values.items()}
    with atomic_path(folder / "state.safetensors") as path:
        # safetensors' own save_file hides a full disk's OSError
        path.write_bytes(safetensors_bytes({name: value.cpu().contiguous().clone() for name, value in tensors.items()}))
    state = {"step": step, "seconds": seconds, "training": training, "curve": curve}
    with atomic_text(folder / "state.json") as file:
        json.dump(state, file)


def restore(
    folder: Path, learner: "Learner", steps: int, training: dict[str, Any]
) -> tuple[int, float, list[dict[str, float]]]:
    """Load the state that `save` left into a new learner; return the next step, the seconds spent, and the curve.

    Raises
    ------
    UserError
        When the files are damaged, belong to a training of another `identity`, or to one of more than `steps` steps.
    """
    advice = "start again with another --out, or without --resume"
    try:
        state: dict[str, Any] = json.loads((folder / "state.json").read_text())
        tensors = load_file(folder / "state.safetensors")
        differs = [what for name, what in _OTHER.items() if state["training"][name] != training[name]]
        if differs:
            raise UserError(f"the checkpoint in {folder} was made with {' and '.join(differs)}: {advice}")
        done = int(tensors["step"])
        if done > steps:
            raise UserError(f"the checkpoint in {folder} has {done} steps already, more than {steps}: {advice}")
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
        return done, float(state["seconds"]), list(state["curve"])
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"the checkpoint in {folder} is damaged ({' '.join(str(error).split())}): {advice}") from error
