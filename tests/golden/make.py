"""Make the golden values anew: python tests/golden/make.py [CASE ...]

Only for a change that is meant to change results, measured on the pages of docs/ that it touches. Name the cases, and
say in the commit why they changed.
"""

import sys
import time

import torch
from cases import CASES
from store import save

if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in sys.argv[1:] or CASES:
        start = time.perf_counter()
        save(name, CASES[name]())
        print(f"{name}: {time.perf_counter() - start:.1f} s", flush=True)
