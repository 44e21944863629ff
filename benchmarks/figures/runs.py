"""The trainings behind the figures: each leaves its scores (JSON) and its weights (safetensors) in a folder."""

import functools
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.lib import runs, tables
from benchmarks.lib.cache import kept
from benchmarks.lib.digest import file_name
from benchmarks.lib.images import CIRCLES, TEST_SEED, Pairs, ready
from benchmarks.lib.tables import spread

if TYPE_CHECKING:
    from segcritic.rules import Rules
    from segcritic.stateless.policy import Policy
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.state import State
    from segcritic.stateless.train import TrainedActor

RULES = {"circles": "circles", "embryos": "radial"}
VALIDATION_SEED = 200_000
METRICS = {"circles": ("mAP", "AP50"), "embryos": ("VI", "VI_merge", "VI_split", "mAP")}


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes
    ----------
    data : 'circles' or 'embryos', generated
    steps : updates of the actor; 0 for the pre-training alone
    seed : of the training
    image_seed : of the training images
    n_train, n_test : images
    channels : that the U-Net learns
    hand_made : superpixels have the hand-made features too
    pretraining : updates of the U-Net before the actor's first
    frozen : the U-Net stays as it is after that
    labelled : how many of the training images, the first ones, bring their true labels
    """

    data: str
    steps: int
    seed: int
    image_seed: int
    n_train: int
    n_test: int
    channels: int
    hand_made: bool = True
    pretraining: int = 0
    frozen: bool = False
    labelled: int = 0

    def rules(self) -> "Rules":
        from segcritic.rules import load_builtin

        return load_builtin(RULES[self.data])

    def settings(self) -> "TrainSettings":
        """The default settings, but for length and U-Net."""
        network = {
            "pixel_features": self.channels,
            "unet_widths": runs.UNET_WIDTHS,
            "freeze_unet": self.frozen,
            "hand_made": self.hand_made,
            "radial": self.rules().radial,
        }
        changes = {"label_reward": "objects", "pretraining_steps": self.pretraining}
        return runs.settings_for(max(1, self.steps), network, **changes)

    def before(self) -> "Run":
        """The pre-training whose U-Net this one starts with."""
        return replace(self, steps=0, frozen=False, labelled=0, hand_made=True)

    def file_name(self) -> str:
        """A name to recognise, and a digest of all that determines the result but code."""
        what = [asdict(self), self.settings().to_dict(), self.rules().to_yaml(), CIRCLES]
        kind = f"labelled{self.labelled}" if self.steps else "pretraining"
        alone = not self.hand_made and "alone"
        return file_name([self.data, f"{self.channels}channels", alone, kind, f"seed{self.seed}"], what)


@dataclass(frozen=True)
class Plan:
    """How much is run: images, updates, seeds."""

    n: int = 20
    pretraining: int = 300
    steps: int = 200
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    n_embryos: int = 10
    embryo_steps: int = 120
    embryo_seeds: tuple[int, ...] = (0, 1, 2)
    curve_steps: tuple[int, int] = (60, 150)
    curve_seeds: int = 5

    def circles(self, seed: int, **changes: Any) -> Run:
        """A run on circles with 16 pre-trained channels; each seed has training images of its own."""
        return Run("circles", self.steps, seed, seed, self.n, self.n, 16, pretraining=self.pretraining, **changes)

    def rules_alone(self, seed: int) -> Run:
        return self.circles(seed, frozen=True)

    def mixed(self, seed: int) -> Run:
        return self.circles(seed, frozen=True, labelled=1)

    def full(self, seed: int, hand_made: bool = True) -> Run:
        return self.circles(seed, labelled=self.n, hand_made=hand_made)

    def embryos(self, seed: int) -> Run:
        return Run("embryos", self.embryo_steps, seed, seed, self.n_embryos, self.n_embryos, 4)

    def curves(self) -> dict[tuple[str, int], list[Run]]:
        """By data and number of channels, runs that differ in the seed alone."""
        embryos, circles = self.curve_steps
        found: dict[tuple[str, int], list[Run]] = {}
        for seed in range(self.curve_seeds):
            for channels in (4, 16):
                run = Run("embryos", embryos, seed, 0, self.n_embryos, self.n_embryos, channels)
                found.setdefault(("embryos", channels), []).append(run)
            found.setdefault(("circles", 4), []).append(Run("circles", circles, seed, 0, self.n, self.n, 4))
        return found


QUICK = Plan(3, 4, 4, (0, 1), 2, 2, (0, 1), (2, 4), 3)


@dataclass(frozen=True)
class Result:
    """Scores on the test images, `reward` on the validation images, seconds, the learning curve; and the actor."""

    numbers: dict[str, Any]
    actor: "TrainedActor" = field(repr=False)

    def policy(self) -> "Policy":
        return self.actor.policy()


def column(results: list[Result], name: str) -> list[float]:
    return [result.numbers[name] for result in results]


def means(results: list[Result], *names: str) -> list[str]:
    """Mean ± standard deviation over the seeds."""
    return [spread(column(results, name)) for name in names]


def seconds(results: list[Result]) -> str:
    return spread(column(results, "seconds"), ".0f")


def difference(one: list[float], other: list[float]) -> str:
    """Mean ± standard deviation of `one` - `other`, seed by seed, and what a paired t-test (5 %, two-sided) says."""
    gain = tables.difference(one, other)
    answer = ("higher" if gain.mean > 0 else "lower") if gain.clear else "within the spread"
    return f"{answer} {gain}"


@functools.lru_cache(maxsize=8)
def images(data: str, n: int, seed: int) -> Pairs:
    """Generated images, made ready."""
    from segcritic.datasets.circles import circles
    from segcritic.datasets.embryo import embryos
    from segcritic.rules import load_builtin

    drawn = circles(n, seed, **CIRCLES) if data == "circles" else embryos(n, seed)
    return ready(drawn, load_builtin(RULES[data]))


def tests(run: Run) -> Pairs:
    """The images that a run is scored on."""
    return images(run.data, run.n_test, TEST_SEED[run.data])


def finished(run: Run, cache: Path) -> Result:
    """The run from the cache, or made now."""
    from safetensors.torch import load_file

    from segcritic.stateless.train import TrainedActor

    path = cache / run.file_name()
    weights = path.with_suffix(".safetensors")
    numbers = kept(path, lambda: _measured(run, cache, weights))
    return Result(numbers, TrainedActor(load_file(weights), run.settings(), numbers["curve"]))


def _measured(run: Run, cache: Path, weights: Path) -> dict[str, Any]:
    """Train and score; write the weights."""
    from safetensors.torch import save_file

    before = finished(run.before(), cache).actor if run.pretraining and run.steps else None
    states = _training_images(run)
    start = time.process_time()
    actor = _trained(run, states, before) if run.steps else _pretrained(run, states)
    seconds = time.process_time() - start
    unfinished = weights.with_suffix(".safetensors.part")
    cache.mkdir(parents=True, exist_ok=True)
    save_file(actor.weights, unfinished)
    unfinished.rename(weights)
    return _scores(run, actor.policy()) | {"seconds": seconds, "curve": actor.curve, "seed": run.seed}


def _training_images(run: Run) -> "list[State]":
    from segcritic.stateless.label_rewards import supervised

    pairs = images(run.data, run.n_train, run.image_seed)
    return [
        supervised(state, labels if number < run.labelled else None, f"image {number}")
        for number, (state, labels) in enumerate(pairs)
    ]


def _pretrained(run: Run, states: "list[State]") -> "TrainedActor":
    """Do what `pretraining_steps` asks for, and no more: several trainings start from the same U-Net."""
    from segcritic.stateless.train import TrainedActor
    from segcritic.stateless.variants.pretraining import Pretraining

    learner = runs.untrained(states, run.settings(), run.seed)
    pretraining = Pretraining(learner.policy, learner.average)
    rng = np.random.default_rng(run.seed)
    for _ in range(run.pretraining):
        chosen = rng.choice(len(states), min(learner.settings.images_per_step, len(states)), replace=False)
        pretraining.update([states[number] for number in chosen])
    return TrainedActor(learner.average.state_dict(), learner.settings)


def _trained(run: Run, states: "list[State]", before: "TrainedActor | None") -> "TrainedActor":
    """Train, with the U-Net of `before` if given."""
    from segcritic.stateless.train import TrainedActor

    start_from = None
    if before is not None:
        unet = {name: value for name, value in before.weights.items() if name.startswith("unet.")}
        start_from = TrainedActor(
            runs.untrained(states, run.settings(), run.seed).average.state_dict() | unet, run.settings()
        )
    return runs.trained(states, run.rules(), run.settings(), run.seed, pretrained=start_from)


def _scores(run: Run, policy: "Policy") -> dict[str, float]:
    """Means over the test images, and the reward of the policy's mean actions on as many validation images."""
    rules, pairs = run.rules(), tests(run)
    labels = [runs.label(policy, state, rules) for state, _ in pairs]
    validation = [state for state, _ in images(run.data, run.n_test, VALIDATION_SEED)]
    found = runs.scores(labels, [true for _, true in pairs], METRICS[run.data])
    return found | {"reward": runs.judged(policy, validation, rules)}


def pixel_features(policy: "Policy", state: "State") -> np.ndarray:
    """What the U-Net makes of an image, (C, H, W)."""
    import torch

    assert policy.unet is not None
    with torch.no_grad():
        return policy.unet(torch.as_tensor(state.image)[None, None])[0].numpy()


def node_features(policy: "Policy", state: "State") -> tuple[np.ndarray, np.ndarray]:
    """Hand-made features, standardised, and learned ones, averaged over superpixels: (C, H, W) each."""
    import torch

    with torch.no_grad():
        features = policy.network_input([state]).node_features.numpy().T[:, state.graph.superpixels]
    return features[: -policy.settings.pixel_features], features[-policy.settings.pixel_features :]


def told_apart(policy: "Policy", pairs: Pairs) -> float:
    """Part of the variance of pixel features that lies between objects and ground, mean over images; 1 = all of it."""
    parts = []
    for state, true in pairs:
        features, objects = pixel_features(policy, state), true > 0
        if objects.any() and not objects.all():
            share = objects.mean()
            apart = features[:, objects].mean(axis=1) - features[:, ~objects].mean(axis=1)
            parts.append(share * (1 - share) * (apart**2).sum() / features.var(axis=(1, 2)).sum())
    return float(np.mean(parts))
