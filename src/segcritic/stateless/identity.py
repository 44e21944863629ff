"""Which training it is: what a checkpoint must share with the training that goes on from it."""

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segcritic.rules import Rules
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.state import Scene


def identity(settings: "TrainSettings", rules: "Rules", scenes: "list[Scene]", seed: int) -> dict[str, Any]:
    """What a training must share with the checkpoint that it goes on from, JSON-able. The number of steps may change.

    `scenes` are the images that are drawn from: their number and their features, which tell other images, channels,
    boundary maps and superpixels apart.
    """
    features = hashlib.sha256()
    for scene in scenes:
        features.update(scene.node_features.tobytes() + scene.edge_features.tobytes())
    plain = {name: value for name, value in settings.to_dict().items() if name != "steps"}
    truths = [(number, scene.truth.node.tobytes()) for number, scene in enumerate(scenes) if scene.truth is not None]
    return {
        "seed": seed,
        "settings": plain,
        "rules": hashlib.sha256(rules.to_yaml().encode()).hexdigest(),
        "images": [len(scenes), features.hexdigest()],
        "labels": hashlib.sha256(repr(truths).encode()).hexdigest() if truths else None,
    }
