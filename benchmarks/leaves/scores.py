"""Scores of an agent on rosettes."""

from typing import Any

import numpy as np


def drawn(networks: Any, example: Any, kept: Any = None, turns: int = 0) -> np.ndarray:
    """Labels of the image, turned by so many right angles; `kept`: the part of the state that is left, None = all."""
    from segcritic.recurrent.predict import segment

    pixels = example.pixels.numpy().transpose(1, 2, 0).astype(np.float32) / 255
    return segment(np.rot90(pixels, turns).copy(), networks, kept).labels


def evaluated(networks: Any, examples: list[Any], kept: Any = None) -> dict[str, Any]:
    """All metrics, the mean Dice of each step, and how many images reach it."""
    from segcritic.metrics import evaluate

    found = [drawn(networks, example, kept) for example in examples]
    scores = evaluate(found, [example.labels.numpy().astype(np.int32) for example in examples])
    steps, reached = scores.dice_by_step()
    return {**scores.as_dict(), "dice per step": steps.tolist(), "reached": reached.tolist()}
