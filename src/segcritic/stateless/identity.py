"""Which training it is: what a checkpoint must share with the training that goes on from it."""

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segcritic.rules import Rules
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.state import State


def identity(settings: "TrainSettings", rules: "Rules", states: "list[State]", seed: int) -> dict[str, Any]:
    """What a training must share with the checkpoint that it goes on from, JSON-able. The number of steps may change.

    `states` are the images that are drawn from: their number and their features, which tell other images, channels,
    boundary maps and superpixels apart.
    """
    features = hashlib.sha256()
    for state in states:
        features.update(state.node_features.tobytes() + state.edge_features.tobytes())
    plain = {name: value for name, value in settings.to_dict().items() if name != "steps"}
    truths = [(number, state.truth.node.tobytes()) for number, state in enumerate(states) if state.truth is not None]
    return {
        "seed": seed,
        "settings": plain,
        "rules": hashlib.sha256(rules.to_yaml().encode()).hexdigest(),
        "images": [len(states), features.hexdigest()],
        "labels": hashlib.sha256(repr(truths).encode()).hexdigest() if truths else None,
    }
