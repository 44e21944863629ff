"""Labels, tables, weights and scores are what they were, to the last bit.

The values were made by `make.py` on one kind of processor with the versions of constraints.txt. There, everything must
be equal. Elsewhere sums are rounded in other orders: floats must agree within a thousandth, labels in 99 % of pixels.
Weights are not compared there: Adam's first steps are as large for a gradient of rounding as for a real one.
"""

import numpy as np
import pytest
import store
import torch
from cases import CASES


def differences(name: str) -> tuple[list[str], str]:
    """Names of the values of a case that differ from the stored ones, and how they were compared."""
    stored = store.load(name)
    machine = str(stored.pop("machine"))
    exact = machine == store.machine()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found = store.flat(CASES[name]())
    finally:
        torch.set_num_threads(threads)
    assert stored.keys() == found.keys()
    how = "bit for bit" if exact else f"within a tolerance: made on '{machine}', this is '{store.machine()}'"
    return [key for key in stored if not same(key, stored[key], found[key], exact)], how


def same(key: str, stored: np.ndarray, found: np.ndarray, exact: bool) -> bool:
    if exact:
        # Bytes, not values: NaN equals NaN, and a type that changed is seen.
        return stored.dtype == found.dtype and stored.shape == found.shape and stored.tobytes() == found.tobytes()
    if key.startswith("weights") or key.endswith("#digest") or stored.dtype.kind in "US":
        return True
    if stored.shape != found.shape:
        return False
    if stored.dtype.kind in "iu":
        return bool(np.mean(stored == found) > 0.99)
    return np.allclose(stored, found, rtol=1e-3, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("name", CASES)
def test_nothing_changed(name):
    different, how = differences(name)
    assert not different, f"compared {how}"
