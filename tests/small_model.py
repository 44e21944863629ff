"""A small picture of disks, its truth, and a model trained on it for a few steps: for the tests of models and verbs."""

import functools
from pathlib import Path

import numpy as np
import tifffile

import segcritic

RULES = """\
name: disks
area: {expect: 250, tolerance: 40%}
circularity: {at_least: 0.8, tolerance: 0.1}
intensity: {brighter_than: background}
border: keep
"""
CENTRES = ((20, 20), (20, 60), (58, 24), (60, 66))


def disks() -> tuple[np.ndarray, np.ndarray]:
    """(84, 90) uint16 image of four bright disks on a dim, noisy ground, and its true labels."""
    row, column = np.mgrid[:84, :90]
    labels = np.zeros((84, 90), np.uint16)
    for number, (r, c) in enumerate(CENTRES, 1):
        labels[(row - r) ** 2 + (column - c) ** 2 <= 81] = number
    noise = np.random.default_rng(0).normal(0, 40, labels.shape)
    return (1000 + 3000 * (labels > 0) + noise).astype(np.uint16), labels


def write_disks(folder: Path, *names: str) -> Path:
    """Write the picture as folder/name.tif for each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        tifffile.imwrite(folder / f"{name}.tif", disks()[0])
    return folder


@functools.cache
def trained() -> segcritic.Model:
    """A model after 20 steps on the picture; shared by the tests of one process, which must not change it."""
    rules = segcritic.Rules.loads(RULES)
    model = segcritic.train(disks()[0], rules, steps=20)
    assert isinstance(model, segcritic.Model)
    return model
