"""Ablations: the default settings, and each of them changed alone; what the paper claims of its own choices.

On generated circles, and with --data on nuclei. Training never sees a label. Every run leaves a JSON file in the
cache, so that the same command goes on where it was stopped, and then makes docs/ablations.md from the cache.
"""

import functools
import hashlib
import json
import sys
import time
from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common
from nuclei import ordinal, spread
from nuclei_runs import SAMPLES, code_digest

if TYPE_CHECKING:
    from segcritic.rules import Rules
    from segcritic.stateless.agent import Policy
    from segcritic.stateless.scene import Scene
    from segcritic.stateless.settings import TrainSettings

UNET_WIDTHS = (8, 16, 32)
CIRCLES = {"shape": (128, 128), "count": (3, 7), "ground": 0.12, "contrast": 0.12}
TEST_SEED = 100_000
SIDE = 192  # pixels; of nuclei the middle of each image, since every run costs in proportion
UNTRAINED, DEFAULT = "not trained", "default"
FEW, STEPS = f"{SAMPLES['samples+critic']} partitions", "3 steps per episode, 4 partitions"
BY_OBJECT, CRITIC_BY_OBJECT = "credit by object", "credit by object, samples+critic"


def unet(channels: int, hand_made: bool = True) -> dict[str, Any]:
    return {"network": {"pixel_features": channels, "unet_widths": UNET_WIDTHS, "hand_made": hand_made}}


def learned(channels: int) -> str:
    return f"hand-made features and {channels} learned"


LEARNED_ALONE = "4 learned features alone"
BY_OBJECTS = {"credit_by": "object", "network": {"subgraph_sizes": (1,)}}

VARIATIONS: dict[str, dict[str, Any]] = {
    UNTRAINED: {},
    DEFAULT: {},
    **{f"learner {name}": {"learner": name, "samples": SAMPLES[name]} for name in ("critic", "samples+critic")},
    BY_OBJECT: BY_OBJECTS,
    CRITIC_BY_OBJECT: {"learner": "samples+critic", "samples": SAMPLES["samples+critic"], **BY_OBJECTS},
    "credit of the maximum": {"credit": "maximum"},
    "subgraphs of 1 edge": {"network": {"subgraph_sizes": (1,)}},
    "subgraphs of 6": {"network": {"subgraph_sizes": (6,)}},
    "subgraphs of 32": {"network": {"subgraph_sizes": (32,)}},
    "subgraphs of 128": {"network": {"subgraph_sizes": (128,)}},
    FEW: {"samples": 4},
    "64 partitions": {"samples": 64},
    STEPS: {"samples": 4, "network": {"episode_steps": 3}},
    "Kernighan-Lin": {"solver": "kernighan-lin"},
    **{learned(channels): unet(channels) for channels in (4, 12, 16)},
    LEARNED_ALONE: unet(4, hand_made=False),
}
"""What is changed in `TrainSettings`, by row of the table."""

CLAIMS = (
    ("Subgraphs beat objects (A.3), no critic", DEFAULT, BY_OBJECT),
    ("Subgraphs beat objects (A.3), with a critic", "learner samples+critic", CRITIC_BY_OBJECT),
    ("One step beats several (A.8)", FEW, STEPS),
    ("Learned features beat hand-made ones (table 2): both against hand-made", learned(4), DEFAULT),
    ("Learned features beat hand-made ones: learned alone against hand-made", LEARNED_ALONE, DEFAULT),
    ("4 channels beat 16 (A.4)", learned(4), learned(16)),
    ("The critic helps (section 3.1): `samples+critic` against `samples`, 4 partitions", "learner samples+critic", FEW),
    ("The maximum of both ends is the better credit (3.2)", "credit of the maximum", DEFAULT),
    ("Kernighan-Lin is needed", "Kernighan-Lin", DEFAULT),
    ("Several sizes of subgraphs beat one (of 6)", DEFAULT, "subgraphs of 6"),
    ("Several sizes of subgraphs beat one (of 128)", DEFAULT, "subgraphs of 128"),
    ("More partitions help: 16 against 4", DEFAULT, FEW),
    ("More partitions help: 64 against 16", "64 partitions", DEFAULT),
)
"""A claim, the row that it says is the better one, and the other."""


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
    """

    name: str
    n: int
    steps: int
    folds: int = 1
    data: str = ""

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


Pairs = list[tuple["Scene", Any]]


@functools.lru_cache(maxsize=1)
def images_of(study: Study, seed: int) -> tuple[Pairs, Pairs]:
    """Training and held-out images, made ready, with their true labels; of the circles each seed trains on its own."""
    from segcritic.datasets.circles import circles
    from segcritic.images import read_image, read_labels
    from segcritic.stateless.scene import make_scene

    if study.name == "circles":
        parts = circles(study.n, seed, **CIRCLES), circles(study.n, TEST_SEED, **CIRCLES)
    else:
        pairs = [
            (middle(read_image(image).pixels), middle(read_labels(labels)))
            for image, labels in common.nuclei_pairs(Path(study.data), study.n)
        ]
        parts = [pair for k, pair in enumerate(pairs) if k % study.folds], pairs[:: study.folds]
    training, held_out = ([(make_scene(pixels, study.rules()), true) for pixels, true in part] for part in parts)
    return training, held_out


def middle(pixels: Any) -> Any:
    """The middle SIDE x SIDE pixels of an image, or all there is."""
    first = [max(0, (length - SIDE) // 2) for length in pixels.shape]
    return pixels[first[0] : first[0] + SIDE, first[1] : first[1] + SIDE]


def run(study: Study, variation: str, seed: int) -> dict[str, Any]:
    """Train once; scores, reward and cost, JSON-able."""
    import torch

    from segcritic.stateless.agent import FeatureScale
    from segcritic.stateless.train import Learner, train

    rules, settings = study.rules(), study.settings(variation)
    training, held_out = images_of(study, seed)
    scenes = [scene for scene, _ in training]
    start = time.process_time()
    if variation == UNTRAINED:
        policy = Learner(settings, FeatureScale.of(scenes), seed, torch.device("cpu")).policy
    else:
        actor = train(scenes, rules, settings, seed=seed)
        if actor.interrupted:
            raise KeyboardInterrupt
        policy = actor.policy()
    seconds = None if variation == UNTRAINED else time.process_time() - start
    return measured(policy, held_out, rules) | {"training_seconds": seconds, "seed": seed, "code": code_digest()}


def measured(policy: "Policy", held_out: Pairs, rules: "Rules") -> dict[str, Any]:
    """Scores on the held-out images, means over them, and the reward of the policy's mean actions there."""
    from segcritic.adapt import mean_reward
    from segcritic.metrics import evaluate
    from segcritic.stateless.predict import segment_scene

    labels = [segment_scene(scene, policy, rules).labels for scene, _ in held_out]
    rows = evaluate(labels, [true for _, true in held_out]).rows
    scores = {name: sum(row[name] for row in rows) / len(rows) for name in ("mAP", "AP50")}
    return scores | {"reward": mean_reward(policy, [scene for scene, _ in held_out], rules, allow_python=False)}


Results = dict[tuple[str, int], dict[str, Any]]
"""By variation and seed."""


def run_all(study: Study, seeds: list[int], cache: Path, from_cache: bool) -> Results:
    """Results from the cache or made now, unless `from_cache`."""
    found: Results = {}
    for seed in seeds:  # outermost: an image is made ready once for all variations
        for variation in VARIATIONS:
            path = cache / study.file_name(variation, seed)
            if path.exists() or not from_cache:
                if not path.exists():
                    print(path.stem, file=sys.stderr, flush=True)
                found[variation, seed] = common.kept(path, functools.partial(run, study, variation, seed))
    return found


def column(results: Results, variation: str, name: str) -> list[float]:
    """One value for each seed that is there."""
    values = [result[name] for (row, _), result in results.items() if row == variation]
    return [value for value in values if value is not None]


def main_table(results: Results, n_seeds: int) -> str:
    rows = []
    for variation in VARIATIONS:
        done = len(column(results, variation, "mAP"))
        name = variation if done == n_seeds else f"{variation} ({done} of {n_seeds} seeds)"
        values = [spread(column(results, variation, metric)) for metric in ("mAP", "AP50", "reward")]
        rows.append([name, *values, spread(column(results, variation, "training_seconds"), ".0f")])
    return common.table(("", "mAP", "AP50", "reward", "training, s"), rows)


def verdict(results: Results, better: str, other: str) -> str:
    """Difference of two rows, seed by seed: mean ± standard deviation, and what a t-test says of it."""
    import numpy as np
    from scipy.stats import t

    pairs = [
        (results.get((better, seed)), results.get((other, seed))) for seed in sorted({seed for _, seed in results})
    ]
    gains = [one["mAP"] - two["mAP"] for one, two in pairs if one is not None and two is not None]
    if len(gains) < 2:
        return "not run"
    mean, sd = np.mean(gains), np.std(gains, ddof=1)
    clear = abs(mean) > t.ppf(0.975, len(gains) - 1) * sd / np.sqrt(len(gains)) and abs(mean) >= 0.0005
    answer = ("yes" if mean > 0 else "no, the reverse") if clear else "within the spread"
    return f"{answer} ({mean:+.3f} ± {sd:.3f})"


def page(studies: dict[Study, Results], arguments: Namespace) -> str:
    """The text of docs/ablations.md."""
    texts = {
        "circles": "{s.n} generated images for training, drawn anew for each seed, and {s.n} others for testing, the"
        " same for all: `circles({s.n}, seed, "
        + ", ".join(f"{k}={v}" for k, v in CIRCLES.items())
        + ")`, built-in rules"
        " `circles`, {s.steps} steps.",
        "nuclei": common.NUCLEI_TEXT.replace("\n", " ")
        + f" {{s.n}} images, evenly spread over the list sorted by name, of each the middle {SIDE} x {SIDE} pixels;"
        " every {nth} one, from the first on, is held out, the others train without labels. Built-in rules `nuclei`,"
        " {s.steps} steps.",
    }
    tables = "\n\n".join(
        f"## {study.name.capitalize()}\n\n"
        f"{texts[study.name].format(s=study, nth=ordinal(study.folds))}\n\n"
        f"{main_table(results, len(arguments.seeds))}"
        for study, results in studies.items()
    )
    claims = common.table(
        ("claim", *(study.name for study in studies)),
        [[claim, *(verdict(results, *rows) for results in studies.values())] for claim, *rows in CLAIMS],
    )
    codes = {result["code"] for results in studies.values() for result in results.values()}
    mixed = f"\n\n**Mixed code.** These runs come from {len(codes)} states of the code." if len(codes) > 1 else ""
    return f"""# Ablations

The default settings, and each of them changed alone: no row was tuned for itself, and all learn for the same number of
steps, which is far from the default {default_steps()}. mAP and AP50 as in [nuclei.md](nuclei.md), and the reward of the
actor's mean actions, on the held-out images; seconds of the processor for the updates alone. Of
{len(arguments.seeds)} seeds ({", ".join(map(str, arguments.seeds))}): mean ± standard deviation.

**Rows.** {DEFAULT}: learner `samples`, 16 partitions per image and step, credit by the share of the area and by
subgraphs of 6, 12, 32 and 128 edges, greedy multicut, hand-made features. "{UNTRAINED}": the contrast that an actor
starts from. "{BY_OBJECT}": an edge is rewarded with the mean over its objects' edges, and a critic pools over them
(`credit_by: object`); its counterpart without any neighbourhood is "subgraphs of 1 edge". "{STEPS}": the
actor changes what it has come to, and the last partition is judged; it ran with {SAMPLES["samples+critic"]} partitions,
since later steps need an actor for each of them, and so compares with "{FEW}". Learned features: a U-Net of widths
{", ".join(map(str, UNET_WIDTHS))}, trained end to end (the paper's has 32 to 256, and was pre-trained). Learners with a
critic try {SAMPLES["critic"]} (`critic`) and {SAMPLES["samples+critic"]} (`samples+critic`) partitions. See
[method.md](method.md).

**Tuning.** The default settings were chosen for `samples` while looking at scores on the same list of nuclei; all
other rows run with what suited it.

**Machine.** {common.machine(arguments.threads)} Other programs were running.

**Command.** `{common.command(arguments, ("quick", "data", "circles", "images", "folds", "seeds", "steps"))}`{mixed}

{tables}

## What the paper claims

Differences of mAP between two rows, seed by seed: mean ± standard deviation. "Within the spread": a paired t-test (5 %,
two-sided) does not tell it from 0; of so many tests one or two may be clear by chance.

{claims}
"""


def default_steps() -> int:
    from segcritic.stateless.settings import TrainSettings

    return TrainSettings().steps


def main() -> int:
    parser = common.parser(__doc__, "ablations.md")
    parser.add_argument("--data", nargs="?", const=common.NUCLEI, type=Path, help="nuclei as well, from this folder")
    parser.add_argument("--cache", type=Path, default=Path("runs/ablations"), help="folder of the finished runs")
    parser.add_argument("--from-cache", action="store_true", help="run nothing: a page from the runs that are there")
    parser.add_argument("--circles", type=int, default=12, help="images of circles, for training and for testing")
    parser.add_argument("--images", type=int, default=24, help="images of nuclei, evenly spread over the list")
    parser.add_argument("--folds", type=int, default=3, help="one part of so many of the nuclei is held out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=100, help="updates")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.circles, arguments.images, arguments.seeds, arguments.steps = 2, 4, [0, 1], 2
    common.use_threads(arguments.threads)
    import torch

    from segcritic.errors import UserError

    torch.set_num_threads(arguments.threads)
    studies = [Study("circles", arguments.circles, arguments.steps)]
    if arguments.data is not None:
        studies.append(Study("nuclei", arguments.images, arguments.steps, arguments.folds, str(arguments.data)))
    try:
        results = {study: run_all(study, arguments.seeds, arguments.cache, arguments.from_cache) for study in studies}
    except UserError as error:
        print(f"ablations.py: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nablations.py: stopped; the same command goes on from {arguments.cache}", file=sys.stderr)
        return 130
    common.write_page(page(results, arguments), arguments, "ablations.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
