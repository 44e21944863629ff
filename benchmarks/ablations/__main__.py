"""Ablations: the default settings, and each of them changed alone; what the paper claims of its own choices.

On generated circles, and with --data on nuclei. Training never sees a label. Every run leaves a JSON file in the
cache, so that the same command goes on where it was stopped, and then makes docs/ablations.md from the cache.
"""

from argparse import Namespace
from pathlib import Path
from statistics import mean
from textwrap import fill
from typing import Any

from benchmarks.ablations.runs import (
    BY_OBJECT,
    CRITIC_BY_OBJECT,
    DEFAULT,
    FEW,
    LEARNED_ALONE,
    SIDE,
    STEPS,
    UNTRAINED,
    VARIATIONS,
    Study,
    learned,
    measured,
)
from benchmarks.lib.cache import run_all
from benchmarks.lib.command import command, parser, run
from benchmarks.lib.images import CIRCLES, NUCLEI, NUCLEI_TEXT
from benchmarks.lib.runs import LEARNERS, UNET_WIDTHS
from benchmarks.lib.tables import difference, machine, mixed, ordinal, spread, table

Results = dict[tuple[str, int], dict[str, Any]]
"""By variation and seed."""

PAPER_CLAIMS = (
    ("Subgraphs beat objects (A.3): learner `samples`", DEFAULT, BY_OBJECT),
    ("Subgraphs beat objects (A.3): learner `critic`", "learner critic", CRITIC_BY_OBJECT),
    ("One step beats several (A.8)", FEW, STEPS),
    ("Learned features beat hand-made ones (table 2): both against hand-made", learned(4), DEFAULT),
    ("Learned features beat hand-made ones: learned alone against hand-made", LEARNED_ALONE, DEFAULT),
    ("4 channels beat 16 (A.4)", learned(4), learned(16)),
)
OTHER_CLAIMS = (
    ("The critic helps (section 3.1): `critic` against `samples`", "learner critic", DEFAULT),
    ("The maximum of both ends is the better credit (3.2)", "credit of the maximum", DEFAULT),
    ("Kernighan-Lin is needed", "Kernighan-Lin", DEFAULT),
    ("Several sizes of subgraphs beat one (of 6)", DEFAULT, "subgraphs of 6"),
    ("Several sizes of subgraphs beat one (of 128)", DEFAULT, "subgraphs of 128"),
    ("More partitions help: 16 against 4", DEFAULT, FEW),
    ("More partitions help: 64 against 16", "64 partitions", DEFAULT),
)
"""A claim, the row that it says is the better one, and the other."""

PAPER_ROWS = tuple(
    row for row in VARIATIONS if row == UNTRAINED or any(row in compared for _, *compared in PAPER_CLAIMS)
)
"""The rows of the nuclei, of which a run costs more: those that the paper's claims need."""


def column(results: Results, variation: str, name: str) -> list[float]:
    """One value for each seed that is there."""
    values = [result[name] for (row, _), result in results.items() if row == variation]
    return [value for value in values if value is not None]


def main_table(study: Study, results: Results, n_seeds: int) -> str:
    rows = []
    for variation in study.rows:
        done = len(column(results, variation, "mAP"))
        name = variation if done == n_seeds else f"{variation} ({done} of {n_seeds} seeds)"
        values = [spread(column(results, variation, metric)) for metric in ("mAP", "AP50", "reward")]
        rows.append([name, *values, spread(column(results, variation, "training_seconds"), ".0f")])
    return table(("", "mAP", "AP50", "reward", "training, s"), rows)


def verdict(results: Results, better: str, other: str) -> str:
    """Difference of two rows, seed by seed: mean ± standard deviation, and what a t-test says of it."""
    seeds = [seed for row, seed in results if row == better and (other, seed) in results]
    if len(seeds) < 2:
        return "not run"
    gain = difference(*([results[row, seed]["mAP"] for seed in seeds] for row in (better, other)))
    answer = ("yes" if gain.mean > 0 else "no, the reverse") if gain.clear else "within the spread"
    untrained = column(results, UNTRAINED, "mAP")
    if untrained and max(mean(column(results, row, "mAP")) for row in (better, other)) < mean(untrained):
        answer = "cannot be told, neither has learned"
    return f"{answer} {gain}"


def page(arguments: Namespace) -> str:
    """Do the runs that are missing, and write the text of docs/ablations.md."""
    from segcritic.stateless.settings import TrainSettings

    todo = [Study("circles", arguments.circles, arguments.circle_steps)]
    if arguments.data is not None:
        todo.append(
            Study("nuclei", arguments.images, arguments.steps, arguments.folds, str(arguments.data), PAPER_ROWS)
        )
    studies: dict[Study, Results] = {}
    for study in todo:
        found = run_all(study.runs(arguments.seeds), arguments.cache, measured, arguments.from_cache)
        studies[study] = {(each.variation, each.seed): result for each, result in found.items()}
    texts = {
        "circles": "{s.n} generated images for training, drawn anew for each seed, and {s.n} others for testing, the"
        " same for all: `circles({s.n}, seed, "
        + ", ".join(f"{k}={v}" for k, v in CIRCLES.items())
        + ")`, built-in rules"
        " `circles`, {s.steps} steps.",
        "nuclei": NUCLEI_TEXT.replace("\n", " ")
        + f" {{s.n}} images, evenly spread over the list sorted by name, of each the middle {SIDE} x {SIDE} pixels;"
        " every {nth} one, from the first on, is held out, the others train without labels. Built-in rules `nuclei`,"
        " {s.steps} steps.",
    }
    tables = "\n\n".join(
        f"## {study.name.capitalize()}\n\n"
        f"{fill(texts[study.name].format(s=study, nth=ordinal(study.folds)), 120)}\n\n"
        f"{main_table(study, results, len(arguments.seeds))}"
        for study, results in studies.items()
    )
    claims = table(
        ("claim", *(study.name for study in studies)),
        [
            [claim, *(verdict(results, *rows) for results in studies.values())]
            for claim, *rows in (*PAPER_CLAIMS, *OTHER_CLAIMS)
        ],
    )
    told = Namespace(**vars(arguments) | {"data": arguments.data is not None})  # where they lie is nobody's business
    options = ("data", "circles", "circle_steps", "images", "folds", "seeds", "steps")
    everything = [result for results in studies.values() for result in results.values()]
    return f"""# Ablations

The default settings, and each of them changed alone: no row was tuned for itself, and all rows of a table learn for the
same number of steps, few against the default {TrainSettings().steps}. What is compared is thus how fast they learn
rather than where they would end. mAP and AP50 as in [nuclei.md](nuclei.md), and the reward of the actor's mean
actions, on images that are held out; seconds of the processor for the updates alone. Of {len(arguments.seeds)} seeds
({", ".join(map(str, arguments.seeds))}): mean ± standard deviation.

**Rows.** {DEFAULT}: learner `samples`, 16 partitions per image and step, credit by the share of the area and by
subgraphs of 6, 12, 32 and 128 edges, greedy multicut, hand-made features. "{UNTRAINED}": the contrast that an actor
starts from. "{BY_OBJECT}": an edge is rewarded with the mean over its objects' edges, and a critic pools over them
(`credit_by: object`); its counterpart without any neighbourhood is "subgraphs of 1 edge".
"{STEPS}": the actor changes what it has come to, and the last partition is judged; it
ran with 4 partitions, since later steps need an actor for each of them, and so compares with
"{FEW}". Learned features: a U-Net of widths
{", ".join(map(str, UNET_WIDTHS))}, trained end to end (the paper's has 32 to 256 and
was pre-trained; its hand-made features are position and size alone). Learner `critic` tries
{LEARNERS["critic"]["samples"]} partitions.

**Tuning.** The default settings were chosen for `samples` while looking at scores on the same list of nuclei; all
other rows run with what suited it. The number of steps on circles was chosen after a look at their scores of seed 0:
after 100 steps nearly all rows had come to the same partitions, and nothing could be told.

**Machine.** {machine(arguments.threads)}
Other programs were running.

**Command.** `{command(told, *options)}`{mixed(everything)}

{tables}

## What the paper claims

Differences of mAP between two rows, seed by seed: mean ± standard deviation; above 0 speaks for the claim. "Within the
spread": a paired t-test (5 %, two-sided) does not tell it from 0; of so many tests one or
two may be clear by chance, and few seeds show only what is large. "Neither has learned": both rows are below
"{UNTRAINED}".

{claims}
"""


if __name__ == "__main__":
    quick = {"circles": 2, "images": 4, "seeds": [0, 1], "steps": 2, "circle_steps": 2}
    options = parser(
        __doc__, "ablations", page, page="ablations.md", quick=quick, seeds=(0, 1, 2, 3, 4), cache="ablations"
    )
    options.add_argument("--data", nargs="?", const=NUCLEI, type=Path, help="nuclei as well, from this folder")
    options.add_argument("--circles", type=int, default=12, help="images of circles, for training and for testing")
    options.add_argument("--images", type=int, default=24, help="images of nuclei, evenly spread over the list")
    options.add_argument("--folds", type=int, default=3, help="one part of so many of the nuclei is held out")
    options.add_argument("--steps", type=int, default=80, help="updates on nuclei")
    options.add_argument("--circle-steps", type=int, default=40, help="updates on circles")
    run(options)
