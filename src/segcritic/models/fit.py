"""Samples and rules, or labels -> a trained model. `segcritic.train` calls one of the two functions."""

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from segcritic.errors import InputWarning, UserError
from segcritic.io.samples import Images, Labels, Source, find_samples
from segcritic.models.cards import labels_card, rules_card
from segcritic.models.recurrent import RecurrentModel
from segcritic.models.stateless import InputNeeds, Model, choose_superpixels, lean_state
from segcritic.recurrent.choose_settings import choose_settings
from segcritic.recurrent.settings import RecurrentSettings
from segcritic.recurrent.train import Progress as StageProgress
from segcritic.recurrent.train import train as train_agent
from segcritic.recurrent.views import Example, n_too_small
from segcritic.rules import Rules, Scorer, load_rules
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.state import State
from segcritic.stateless.train import Progress
from segcritic.stateless.train import train as train_actor
from segcritic.training.device import choose_device
from segcritic.training.threads import few_threads

Preset = Literal["default", "paper"]
OnImage = Callable[[int, int], None]


def train_by_rules(
    images: Images,
    rules: str | os.PathLike[str] | Rules,
    *,
    labels: Labels | None = None,
    boundaries: Images | None = None,
    superpixels: Images | None = None,
    channel: int | str | None = None,
    preset: Preset = "default",
    steps: int | None = None,
    pretraining_steps: int | None = None,
    seed: int = 0,
    minutes: float | None = None,
    device: str = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    on_image: OnImage | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Model:
    """Train a model from images and rules, without annotations or with a few; parameters as of `segcritic.train`."""
    if preset not in ("default", "paper"):
        raise UserError(f"there is no preset '{preset}'; choose default or paper")
    if steps is not None and steps < 1:
        raise UserError(f"the number of steps is {steps}; give at least 1")
    _check_course(seed, minutes, device)
    given_rules, pieces = choose_superpixels(load_rules(rules), superpixels, boundaries is not None)
    changed = {"steps": steps, "pretraining_steps": pretraining_steps}
    settings = TrainSettings.paper() if preset == "paper" else TrainSettings()
    settings = replace(settings, **{name: value for name, value in changed.items() if value is not None})
    sources = find_samples(images, labels, boundaries, pieces, labelled="some", channel=channel)
    states = _states(sources, given_rules, settings, on_image)
    with few_threads(settings.small):
        actor = train_actor(
            states,
            Scorer(given_rules, allow_python=True),  # the rules are the user's own
            settings,
            seed=seed,
            minutes=minutes,
            checkpoint=None if checkpoint is None else Path(checkpoint),
            on_progress=on_progress,
            device=device,
        )
    n_labelled = sum(state.truth is not None for state in states)
    card = rules_card(given_rules, len(states), actor.curve, seed, preset, n_labelled)
    needs = InputNeeds(boundaries is not None, pieces is not None, channel)
    return Model(given_rules, actor, card, needs, allow_python=True, device=device)


def _states(sources: list[Source], rules: Rules, settings: TrainSettings, on_image: OnImage | None) -> list[State]:
    """Read one sample after the other and keep of each what training needs."""
    states, left_out = [], []
    for number, source in enumerate(sources):
        if on_image is not None:
            on_image(number, len(sources))
        sample = source.read()
        if sample.is_constant:
            left_out.append(source.described)
            continue
        if sample.labels is not None and set(np.unique(sample.labels)) == {0, 255}:
            raise UserError(
                f"the labels of {source.described} are 0 and 255 only: a mask, which does not tell objects apart;"
                " number the objects"
            )
        states.append(lean_state(sample, rules, settings, source.described))
    if not states:
        raise UserError(f"nothing can be seen in {sources[0].described}: all its pixels are equal; give other images")
    if left_out:
        message = f"left out of training, all pixels being equal: {', '.join(left_out)}"
        warnings.warn(message, InputWarning, stacklevel=4)
    return states


def train_on_labels(
    images: Images,
    labels: Labels,
    *,
    upright: bool = False,
    settings: RecurrentSettings | None = None,
    batch: int | None = None,
    seed: int = 0,
    minutes: float | None = None,
    device: str = "auto",
    checkpoint: str | os.PathLike[str] | None = None,
    on_image: OnImage | None = None,
    on_progress: Callable[[StageProgress], None] | None = None,
) -> RecurrentModel:
    """Train a model that draws one object after another, from annotated images; parameters as of `segcritic.train`."""
    _check_course(seed, minutes, device)
    if batch is not None and batch < 1:
        raise UserError(f"the batch is {batch}; give at least 1")
    examples = []
    sources = find_samples(images, labels, colour=True)
    for number, source in enumerate(sources):
        if on_image is not None:
            on_image(number, len(sources))
        sample: Any = source.read()
        examples.append(Example.of(sample.pixels, sample.labels))
    settings = settings or choose_settings(examples, upright, device)
    settings = settings if batch is None else replace(settings, batch=batch)
    _warn_of_small_objects(examples, settings)
    where = None if checkpoint is None else Path(checkpoint)
    agent = train_agent(
        examples, settings, seed=seed, minutes=minutes, checkpoint=where, on_progress=on_progress, device=device
    )
    return RecurrentModel(agent, labels_card(agent, len(examples), seed), device=device)


def _check_course(seed: int, minutes: float | None, device: str) -> None:
    if seed < 0:
        raise UserError(f"the seed is {seed}; give 0 or a whole number above it")
    if minutes is not None and not minutes > 0:
        raise UserError(f"minutes is {minutes:g}; give a number above 0")
    choose_device(device)


def _warn_of_small_objects(examples: list[Example], settings: RecurrentSettings) -> None:
    small = sum(n_too_small(example, settings) for example in examples)
    everything = sum(example.n_objects for example in examples)
    if small and small == everything:
        raise UserError(
            f"all {small} annotated objects are too small to be seen in a view of {settings.height} x {settings.width}"
            " pixels; cut the images and their labels into parts"
        )
    if small:
        warnings.warn(
            f"{small} of {everything} annotated objects are too small to be seen in a view of {settings.height} x"
            f" {settings.width} pixels, and are not learned; cut the images into parts if they matter",
            InputWarning,
            stacklevel=4,
        )
