"""Which device the networks run on, in training and in prediction."""

import torch

from segcritic.errors import UserError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """The device of that name: "cpu", "cuda", "mps"; "auto" is CUDA if it is there, else MPS, else the CPU.

    Raises
    ------
    UserError
        When there is no such device, or not on this machine.
    """
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, is_there in there.items() if is_there))
    if name not in there:
        raise UserError(f"there is no device '{name}'; choose one of {', '.join(DEVICES)}")
    if not there[name]:
        raise UserError(f"PyTorch finds no device '{name}' on this machine; take auto or cpu")
    return torch.device(name)
