"""One run of the ablations, kept as JSON: what is varied, and on which images."""

import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.lib.digest import file_name
from benchmarks.lib.images import CIRCLES, TEST_SEED, Pairs, nuclei_pairs, read, ready
from benchmarks.lib.runs import LEARNERS, UNET_WIDTHS, judged, label, scores, settings_for, trained, untrained

if TYPE_CHECKING:
    from segcritic.rules import Rules
    from segcritic.stateless.settings import TrainSettings

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
    "learner critic": LEARNERS["critic"],
    BY_OBJECT: BY_OBJECTS,
    CRITIC_BY_OBJECT: LEARNERS["critic"] | BY_OBJECTS,
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
        return settings_for(self.steps, **VARIATIONS[variation])

    def runs(self, seeds: list[int]) -> "list[Run]":
        """All runs; seed by seed, since images are made ready once for all variations."""
        return [Run(self, variation, seed) for seed in seeds for variation in self.rows]


@dataclass(frozen=True)
class Run:
    """One training."""

    study: Study
    variation: str
    seed: int

    def file_name(self) -> str:
        """A name to recognise, and a digest of all that determines the result (but code, and where the data lie)."""
        study = self.study
        what = [study.name, study.n, study.folds, self.variation == UNTRAINED, self.seed]
        what += [study.settings(self.variation).to_dict(), study.rules().to_yaml()]
        return file_name([study.name, self.variation, f"seed{self.seed}"], what)


@functools.lru_cache(maxsize=1)
def images_of(study: Study, seed: int) -> tuple[Pairs, Pairs]:
    """Training and held-out images, made ready, with their true labels; of the circles each seed trains on its own."""
    from segcritic.datasets.circles import circles

    if study.name == "circles":
        training, held_out = circles(study.n, seed, **CIRCLES), circles(study.n, TEST_SEED["circles"], **CIRCLES)
    else:
        files = read(nuclei_pairs(study.data, study.n))
        pairs = [(middle(pixels), middle(labels)) for pixels, labels in zip(*files, strict=True)]
        training = [pair for k, pair in enumerate(pairs) if k % study.folds]
        held_out = pairs[:: study.folds]
    return ready(training, study.rules()), ready(held_out, study.rules())


def middle(pixels: Any) -> Any:
    """The middle SIDE x SIDE pixels of an image, or all there is."""
    first = [max(0, (length - SIDE) // 2) for length in pixels.shape]
    return pixels[first[0] : first[0] + SIDE, first[1] : first[1] + SIDE]


def measured(run: Run) -> dict[str, Any]:
    """Train once; means of the scores over the held-out images, reward of the mean actions there, and cost."""
    rules, settings = run.study.rules(), run.study.settings(run.variation)
    training, held_out = images_of(run.study, run.seed)
    states, tests = [state for state, _ in training], [state for state, _ in held_out]
    start, seconds = time.process_time(), None
    if run.variation == UNTRAINED:
        policy = untrained(states, settings, run.seed).policy
    else:
        policy = trained(states, rules, settings, run.seed).policy()
        seconds = time.process_time() - start
    labels = [label(policy, state, rules) for state in tests]
    found = scores(labels, [true for _, true in held_out], ("mAP", "AP50"))
    return found | {"reward": judged(policy, tests, rules), "training_seconds": seconds, "seed": run.seed}
