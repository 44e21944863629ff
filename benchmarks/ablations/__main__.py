"""Ablations: the default settings, and each of them changed alone; what the paper claims of its own choices.

On generated circles, and with --data on nuclei. Training never sees a label. Every run leaves a JSON file in the
cache, so that the same command goes on where it was stopped, and then makes docs/ablations.md from the cache.
"""

import sys
from argparse import Namespace
from pathlib import Path
from textwrap import fill

import common
from ablation_runs import (
    BY_OBJECT,
    CIRCLES,
    CRITIC_BY_OBJECT,
    DEFAULT,
    FEW,
    LEARNED_ALONE,
    SIDE,
    STEPS,
    UNET_WIDTHS,
    UNTRAINED,
    VARIATIONS,
    Results,
    Study,
    learned,
    run_all,
)
from common import ordinal, spread
from nuclei_runs import SAMPLES

OPTIONS = ("quick", "data", "circles", "circle_steps", "images", "folds", "seeds", "steps")

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
    untrained = np.mean(column(results, UNTRAINED, "mAP"))
    if max(np.mean(column(results, row, "mAP")) for row in (better, other)) < untrained:
        answer = "cannot be told, neither has learned"
    return f"{answer} ({mean:+.3f} ± {sd:.3f})"


def page(studies: dict[Study, Results], arguments: Namespace) -> str:
    """The text of docs/ablations.md."""
    from segcritic.stateless.settings import TrainSettings

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
        f"{fill(texts[study.name].format(s=study, nth=ordinal(study.folds)), 120)}\n\n"
        f"{main_table(study, results, len(arguments.seeds))}"
        for study, results in studies.items()
    )
    claims = common.table(
        ("claim", *(study.name for study in studies)),
        [
            [claim, *(verdict(results, *rows) for results in studies.values())]
            for claim, *rows in (*PAPER_CLAIMS, *OTHER_CLAIMS)
        ],
    )
    told = Namespace(**vars(arguments) | {"data": arguments.data is not None})  # where they lie is nobody's business
    codes = {result["code"] for results in studies.values() for result in results.values()}
    mixed = f"\n\n**Mixed code.** These runs come from {len(codes)} states of the code." if len(codes) > 1 else ""
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
was pre-trained; its hand-made features are position and size alone). Learner `critic` tries {SAMPLES["critic"]}
partitions.

**Tuning.** The default settings were chosen for `samples` while looking at scores on the same list of nuclei; all
other rows run with what suited it. The number of steps on circles was chosen after a look at their scores of seed 0:
after 100 steps nearly all rows had come to the same partitions, and nothing could be told.

**Machine.** {common.machine(arguments.threads)}
Other programs were running.

**Command.** `{common.command(told, OPTIONS)}`{mixed}

{tables}

## What the paper claims

Differences of mAP between two rows, seed by seed: mean ± standard deviation; above 0 speaks for the claim. "Within the
spread": a paired t-test (5 %, two-sided) does not tell it from 0; of so many tests one or
two may be clear by chance, and few seeds show only what is large. "Neither has learned": both rows are below
"{UNTRAINED}".

{claims}
"""


def main() -> int:
    parser = common.parser(__doc__, "ablations.md")
    parser.add_argument("--data", nargs="?", const=common.NUCLEI, type=Path, help="nuclei as well, from this folder")
    parser.add_argument("--cache", type=Path, default=Path("runs/ablations"), help="folder of the finished runs")
    parser.add_argument("--from-cache", action="store_true", help="run nothing: a page from the runs that are there")
    parser.add_argument("--circles", type=int, default=12, help="images of circles, for training and for testing")
    parser.add_argument("--images", type=int, default=24, help="images of nuclei, evenly spread over the list")
    parser.add_argument("--folds", type=int, default=3, help="one part of so many of the nuclei is held out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=80, help="updates on nuclei")
    parser.add_argument("--circle-steps", type=int, default=40, help="updates on circles")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.circles, arguments.images, arguments.seeds = 2, 4, [0, 1]
        arguments.steps = arguments.circle_steps = 2
    common.use_threads(arguments.threads)
    import torch

    from segcritic.errors import UserError

    torch.set_num_threads(arguments.threads)
    studies = [Study("circles", arguments.circles, arguments.circle_steps)]
    if arguments.data is not None:
        nuclei = Study("nuclei", arguments.images, arguments.steps, arguments.folds, str(arguments.data), PAPER_ROWS)
        studies.append(nuclei)
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
