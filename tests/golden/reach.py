"""What the golden cases need from inside the package: the only file here that follows when modules move."""

import numpy as np

from segcritic import boundary_net
from segcritic.models import Ensemble
from segcritic.models.fit import train_on_labels
from segcritic.recurrent.settings import RecurrentSettings
from segcritic.rules import Rules, Scorer
from segcritic.stateless.label_rewards import supervised
from segcritic.stateless.settings import NetworkSettings, TrainSettings
from segcritic.stateless.state import make_state
from segcritic.stateless.train import train

__all__ = ["NetworkSettings", "RecurrentSettings", "TrainSettings"]


def cut(image: np.ndarray, rules: str, boundaries: np.ndarray | None = None):
    """What the rules make of an image: superpixels, features, and the likelihood of background."""
    state = make_state(image, Rules.loads(rules), boundaries)
    return {
        "superpixels": state.graph.superpixels,
        "node_features": state.node_features,
        "edge_features": state.edge_features,
        "background": state.background,
    }


def train_actor(images, rules: str, settings: TrainSettings, labels=None, seed=0):
    """Weights and curve of a training with settings that the public functions do not offer."""
    parsed = Rules.loads(rules)
    states = [make_state(image, parsed) for image in images]
    if labels is not None:
        states = [supervised(state, truth, "image") for state, truth in zip(states, labels, strict=True)]
    return train(states, Scorer(parsed), settings, seed=seed)


def train_recurrent(images, labels, settings: RecurrentSettings, seed=0):
    """A recurrent model with settings that the public functions do not offer."""
    return train_on_labels(images, labels, settings=settings, seed=seed)


def refined(model, image):
    """Labels of `segment --refine`."""
    return model.analyse(image, refine=True)


def together(models, image):
    """Several models of the same rules as one."""
    return Ensemble(models).analyse(image)


def adapted(model, image, steps: int):
    """Weights after a few steps of adaptation (the public function counts seconds, which no machine repeats)."""
    settings = TrainSettings(steps=steps, learning_rate=0.25 * model.actor.settings.learning_rate)
    states = [make_state(np.asarray(image, np.float32), model.rules)]
    return train(states, model.scorer, settings, pretrained=model.actor).weights


def adapted_until_stopped(model, image, steps: int):
    """The model after `Model.adapt`, stopped as by Ctrl-C after a few steps of its time; the rewards before and after.

    The time is so long that none of it has passed, to the last bit of the learning rate.
    """

    def stop(progress) -> None:
        if progress.step >= steps:
            raise KeyboardInterrupt

    model, sources = model.to_samples(image)
    states = [model.lean_state(sources[0].read())]
    adapted, found = model.adapted(states, 1e10, 5, stop)
    return adapted, found.before, found.after


def boundary_maps(image: np.ndarray) -> np.ndarray:
    """Maps of the shipped boundary network."""
    return boundary_net.load("nuclei-boundaries").maps(image)


def train_boundary_net(images, labels):
    """Weights of a boundary network after two updates."""
    settings = boundary_net.BoundaryTraining(widths=(8, 8), steps=2, batch=2, crop=32)
    return boundary_net.train(images, labels, settings, seed=3).network.state_dict()
