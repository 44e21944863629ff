"""One run of the ablations, kept as JSON: what is varied, and on which images."""

import functools
import hashlib
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common
from nuclei_runs import SAMPLES, code_digest
from segcritic.rules import Scorer

if TYPE_CHECKING:
    from segcritic.rules import Rules
    from segcritic.stateless.policy import Policy
    from segcritic.stateless.settings import TrainSettings
    from segcritic.stateless.state import State

UNET_WIDTHS = (8, 16, 32)
CIRCLES = {"shape": (128, 128), "count": (3, 7), "ground": 0.12, "contrast": 0.12}
TEST_SEED = 100_000
SIDE = 128  # pixels; of nuclei the middle of each image, since every run costs in proportion
UNTRAINED, DEFAULT = "not trained", "default"
FEW, STEPS = "4 partitions", "3 steps per episode, 4 partitions"
BY_OBJECT, CRITIC_BY_OBJECT = "credit by object", "credit by object, learner critic"


def unet(channels: int, hand_made: bool = True) -> dict[str, Any]:
    return {"network": {"pixel_features": channels, "unet_widths": UNET_WIDTHS, "hand_made": hand_made}}


def learned(channels: int) -> str:
    return f"hand-made features and {channels} learned"


LEARNED_ALONE = "4 learned features alone"
BY_OBJECTS = {"credit_by": "object", "network": {"subgraph_sizes": (1,)}}

VARIATIONS: dict[str, dict[str, Any]] = {
    UNTRAINED: {},
    DEFAULT: {},
    "learner critic": {"learner": "critic", "samples": SAMPLES["critic"]},
    BY_OBJECT: BY_OBJECTS,
    CRITIC_BY_OBJECT: {"learner": "critic", "samples": SAMPLES["critic"], **BY_OBJECTS},
    "credit of the maximum": {"credit": "maximum"},
    "subgraphs of 1 edge": {"network": {"subgraph_sizes": (1,)}},
    "subgraphs of 6": {"network": {"subgraph_sizes": (6,)}},
    "subgraphs of 128": {"network": {"subgraph_sizes": (128,)}},
    FEW: {"samples": 4},
    "64 partitions": {"samples": 64},
    STEPS: {"samples": 4, "network": {"episode_steps": 3}},
    "Kernighan-Lin": {"solver": "kernighan-lin"},
    **{learned(channels): unet(channels) for channels in (4, 12, 16)},
    LEARNED_ALONE: unet(4, hand_made=False),
}
"""What is changed in `TrainSettings`, by row of the table."""


@dataclass(frozen=True)
class Study:
    """Where the variations are tried.

    Attributes
    ----------
    name : 'circles' or 'nuclei'
    n : images: of circles as many for training as for testing; of nuclei all folds together
    steps : updates
    folds : of nuclei, of which the first is held out
    data : folder of the nuclei
    rows : of `VARIATIONS`
    """

    name: str
    n: int
    steps: int
    folds: int = 1
    data: str = ""
    rows: tuple[str, ...] = tuple(VARIATIONS)

    def rules(self) -> "Rules":
        from segcritic.rules import load_builtin

        return load_builtin(self.name)

    def settings(self, variation: str) -> "TrainSettings":
        """The default settings but for what the variation changes."""
        from segcritic.stateless.settings import TrainSettings

        changes = dict(VARIATIONS[variation])
        default = TrainSettings(steps=self.steps)
        return replace(default, **(changes | {"network": replace(default.network, **changes.pop("network", {}))}))

    def file_name(self, variation: str, seed: int) -> str:
        """A name to recognise, and a digest of all that determines the result (but code, and where the data lie)."""
        what = [self.name, self.n, self.folds, variation == UNTRAINED, seed]
        what += [self.settings(variation).to_dict(), self.rules().to_yaml()]
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.name}-{variation.replace(' ', '_')}-seed{seed}-{digest}.json"


Pairs = list[tuple["State", Any]]


@functools.lru_cache(maxsize=1)
def images_of(study: Study, seed: int) -> tuple[Pairs, Pairs]:
    """Training and held-out images, made ready, with their true labels; of the circles each seed trains on its own."""
    from segcritic.datasets.circles import circles
    from segcritic.io.images import read_image, read_labels
    from segcritic.stateless.state import make_state

    if study.name == "circles":
        parts = circles(study.n, seed, **CIRCLES), circles(study.n, TEST_SEED, **CIRCLES)
    else:
        pairs = [
            (middle(read_image(image).pixels), middle(read_labels(labels)))
            for image, labels in common.nuclei_pairs(Path(study.data), study.n)
        ]
        parts = [pair for k, pair in enumerate(pairs) if k % study.folds], pairs[:: study.folds]
    training, held_out = ([(make_state(pixels, study.rules()), true) for pixels, true in part] for part in parts)
    return training, held_out


def middle(pixels: Any) -> Any:
    """The middle SIDE x SIDE pixels of an image, or all there is."""
    first = [max(0, (length - SIDE) // 2) for length in pixels.shape]
    return pixels[first[0] : first[0] + SIDE, first[1] : first[1] + SIDE]


def run(study: Study, variation: str, seed: int) -> dict[str, Any]:
    """Train once; scores, reward and cost, JSON-able."""
    import torch

    from segcritic.stateless.policy import FeatureScale
    from segcritic.stateless.train import train
    from segcritic.stateless.variants.choose import new_learner

    rules, settings = study.rules(), study.settings(variation)
    training, held_out = images_of(study, seed)
    states = [state for state, _ in training]
    start = time.process_time()
    if variation == UNTRAINED:
        policy = new_learner(settings, FeatureScale.of(states), seed, torch.device("cpu")).policy
    else:
        actor = train(states, Scorer(rules), settings, seed=seed)
        if actor.interrupted:
            raise KeyboardInterrupt
        policy = actor.policy()
    seconds = None if variation == UNTRAINED else time.process_time() - start
    return measured(policy, held_out, rules) | {"training_seconds": seconds, "seed": seed, "code": code_digest()}


def measured(policy: "Policy", held_out: Pairs, rules: "Rules") -> dict[str, Any]:
    """Scores on the held-out images, means over them, and the reward of the policy's mean actions there."""
    from segcritic.metrics import evaluate
    from segcritic.stateless.adapt import mean_reward
    from segcritic.stateless.predict import segment

    labels = [segment(state, policy, Scorer(rules)).labels for state, _ in held_out]
    rows = evaluate(labels, [true for _, true in held_out]).rows
    scores = {name: sum(row[name] for row in rows) / len(rows) for name in ("mAP", "AP50")}
    return scores | {"reward": mean_reward(policy, [state for state, _ in held_out], Scorer(rules))}


Results = dict[tuple[str, int], dict[str, Any]]
"""By variation and seed."""


def run_all(study: Study, seeds: list[int], cache: Path, from_cache: bool) -> Results:
    """Results from the cache or made now, unless `from_cache`."""
    found: Results = {}
    for seed in seeds:  # outermost: an image is made ready once for all variations
        for variation in study.rows:
            path = cache / study.file_name(variation, seed)
            if path.exists() or not from_cache:
                if not path.exists():
                    print(path.stem, file=sys.stderr, flush=True)
                found[variation, seed] = common.kept(path, functools.partial(run, study, variation, seed))
    return found
