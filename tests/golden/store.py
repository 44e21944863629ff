"""Golden values on disk: one .npz a case; large arrays and weights as digests with a few numbers to compare by."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent / "values"
_LARGE = 20_000  # numbers: more are kept as a digest


def machine() -> str:
    """What must be the same for the last bit to be: processor's kernels, and the libraries that compute."""
    import bioimage_cpp
    import numba

    kernels = torch.backends.cpu.get_cpu_capability()
    versions = (torch.__version__, np.__version__, numba.__version__, bioimage_cpp.__version__)
    return " ".join((kernels, *versions))


def flat(values: dict[str, Any]) -> dict[str, np.ndarray]:
    """Plain arrays by name: texts as they are, weights tensor by tensor, large arrays as digest and a few."""
    found: dict[str, np.ndarray] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            parts = {f"{name}.{part}": np.asarray(tensor.detach().cpu()) for part, tensor in value.items()}
        else:
            parts = {name: np.asarray(value)}
        total = sum(array.size for array in parts.values())
        for part, array in parts.items():
            if total <= _LARGE or array.dtype.kind in "US":
                found[part] = array
            else:
                found[f"{part}#digest"] = np.array(hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest())
                found[f"{part}#few"] = few(array)
    return found


def few(array: np.ndarray) -> np.ndarray:
    """Mean, mean of magnitudes and 16 values spread over an array: what can be compared within a tolerance."""
    values = array.ravel().astype(np.float64)
    spread = values[np.linspace(0, len(values) - 1, 16).astype(int)]
    return np.concatenate([[values.mean(), np.abs(values).mean()], spread])


def save(name: str, values: dict[str, Any]) -> None:
    """Write the values of a case."""
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(FOLDER / f"{name}.npz", machine=np.array(machine()), **flat(values))


def load(name: str) -> dict[str, np.ndarray]:
    """Read the values of a case; 'machine' is among them."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}
