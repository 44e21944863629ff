"""The pages that the nuclei benchmark writes, from the results of its runs."""

from argparse import Namespace
from collections.abc import Callable
from statistics import mean, median
from typing import Any

from benchmarks.lib.command import command
from benchmarks.lib.images import NUCLEI_TEXT, nuclei_pairs
from benchmarks.lib.runs import LEARNERS
from benchmarks.lib.tables import COSTS, costs, machine, mixed, ordinal, spread, table
from benchmarks.nuclei.methods import BOUND, FEW, LIMITS, RULES, Run
from benchmarks.nuclei.runs import METRICS

HEAD = (*METRICS, *COSTS)
NETWORK_MINUTES = 11  # of the processor of docs/peers.md, as the training of a boundary network tells

Results = dict[Run, dict[str, Any]]


def by_seed(results: list[dict[str, Any]], images: Callable[[dict[str, Any]], list[dict[str, float]]]) -> list[str]:
    """Cells of the scores: the mean over all images of all folds of a seed, then mean and deviation over the seeds."""
    seeds: dict[int | None, list[dict[str, float]]] = {}
    for result in results:
        seeds.setdefault(result["seed"], []).extend(images(result))
    return [spread([mean(image[metric] for image in each) for each in seeds.values()]) for metric in METRICS]


def cells(results: list[dict[str, Any]]) -> list[str]:
    """Scores and costs of the runs of one row."""
    if not results:
        return ["not run"] + ["-"] * (len(HEAD) - 1)
    return [*by_seed(results, lambda result: result["scores"]), *costs(results)]


def complete(wanted: list[Run], results: Results) -> list[dict[str, Any]]:
    """Results of those seeds of which all folds are there."""
    seeds = {run.seed for run in wanted} - {run.seed for run in wanted if run not in results}
    return [results[run] for run in wanted if run.seed in seeds]


def grouped(runs: list[Run], results: Results, name: Callable[[Run], str], count_steps: bool = False) -> str:
    """A table of one row for each name that the runs are given; `count_steps`: with the number of updates."""
    rows = []
    for row in dict.fromkeys(map(name, runs)):
        there = complete([run for run in runs if name(run) == row], results)
        seeds = len({result["seed"] for result in there} - {None})
        if there and there[0].get("superpixels"):
            row = f"{row} (median {median(result['superpixels'] for result in there):.0f} of them)"
        row += f" ({seeds} seed{'s' * (seeds > 1)})" * (seeds > 0)
        steps = [f"{mean(result['steps'] for result in there):,.0f}" if there else "-"] if count_steps else []
        rows.append([row, *steps, *cells(there)])
    return table(("", *["steps"] * count_steps, *HEAD), rows)


def cost_text(threads: int) -> str:
    return f"""**Machine.** {machine(threads)}
Seconds are of the processor. Training counts from the pixels in memory to the trained actor (superpixels, features,
updates), mean over the runs; s / image from pixels to labels. Memory is the largest of a run's process, which holds all
images of its training."""


def command_text(arguments: Namespace, results: Results, *options: str) -> str:
    return f"**Command.** `{command(arguments, *options)}`{mixed(results.values())}"


def split_text(arguments: Namespace) -> str:
    n_images = len(nuclei_pairs(arguments.data, arguments.images))
    only = f" Only fold {arguments.fold} was run." if arguments.fold is not None else ""
    return f"""**Data and split.** {NUCLEI_TEXT}
{n_images} images, {arguments.folds}-fold cross-validation: fold f holds out every {ordinal(arguments.folds)} image of
the list sorted by name, starting at the f-th. Everything that learns, learns on the other images.{only}"""


def n_steps(arguments: Namespace) -> int:
    from segcritic.stateless.settings import TrainSettings

    return arguments.steps or TrainSettings().steps


def rules_alone(runs: list[Run], results: Results, arguments: Namespace) -> str:
    """The text of docs/nuclei.md."""
    names = {BOUND: "bound of the superpixels", RULES: "rules only, no labels"}
    return f"""# Nuclei: rules alone

mAP: mean of TP / (TP + FP + FN) over the IoU thresholds .50, .55, ... .95, then over the images; AP50 and AP75: at one
threshold. Of several seeds: mean ± standard deviation, not the best. The bound gives each superpixel to the true
nucleus that covers most of it; outlines that settle afterwards may pass it a little.

{split_text(arguments)} Actors train without
labels, and their labels of the held-out images are scored.

**Method.** Rules `{arguments.rules}` ("rough": the typical size comes from each image itself), default settings,
{n_steps(arguments)} steps, seeds {", ".join(map(str, arguments.seeds))}.

**Tuning.** Nothing is fitted to the held-out images of a fold. But the constants of superpixels, rules and training
were settled while looking at scores on this same list, so expect a little less elsewhere. The settings of the distance
watershed are the best found on this list with its truth, which favours it; Otsu has none.

{cost_text(arguments.threads)}

{command_text(arguments, results, "images", "folds", "fold", "seeds", "steps")}

{grouped(runs, results, lambda run: names.get(run.method, run.method))}
"""


def learners(runs: list[Run], results: Results, arguments: Namespace) -> str:
    """The text of docs/learners.md."""
    for_steps, for_seconds = (
        grouped(
            [run for run in runs if (run.seconds is not None) == timed], results, lambda run: str(run.learner), True
        )
        for timed in (False, True)
    )
    counts = " and ".join(f"{settings['samples']} for `{name}`" for name, settings in LEARNERS.items())
    n_images = len(nuclei_pairs(arguments.data, arguments.images))
    return f"""# Two ways to learn from the same rewards

`samples`: several partitions per image, each subgraph's reward against the mean of the others, no critic. `critic`: the
paper's soft actor-critic (eq. 2 and 4). Environment, actor, rules and images are the same; see [method.md](method.md).

**Data and split.** {NUCLEI_TEXT}
{n_images} images; every {ordinal(arguments.folds)} of the list sorted by name is held out, the others train without
labels. Seeds {", ".join(map(str, arguments.seeds))}: mean ± standard deviation.

**Tuning.** Both run with the same default settings, which were chosen for `samples`; `critic` was not tuned for
itself. Partitions per image and step: {counts},
since a critic costs as much for each of them as an actor. Equal seconds: {arguments.seconds:g} s of wall time for the
updates, the learning rate falling over that time.

{cost_text(arguments.threads)}

{command_text(arguments, results, "compare_learners", "images", "folds", "seeds", "steps", "seconds")}

## At equal steps

{for_steps}

## At equal seconds

{for_seconds}
"""


def peers(runs: list[Run], results: Results, arguments: Namespace) -> str:
    """The text of docs/peers.md."""
    from benchmarks.baselines.contrastive import CHANNELS

    def name(run: Run) -> str:
        cut = {None: "", "network": "U-Net superpixels", "truth-cut": "truth-cut superpixels"}[run.superpixels]
        if run.method == RULES:
            how = "labels of all training images" if run.labelled else "rules only"
            return f"{how}{', Dice of edges' if run.label_reward == 'edges' else ''}, {cut}"
        return f"{run.method}, {cut}" if run.superpixels == "truth-cut" or run.method == BOUND else run.method

    return f"""# Nuclei: with a boundary network, and other methods

mAP: mean of TP / (TP + FP + FN) over the IoU thresholds .50, .55, ... .95, then over the images; AP50 and AP75: at one
threshold. Of several seeds: mean ± standard deviation, not the best.

{split_text(arguments)}

**U-Net.** `segcritic.boundary_net`, {network_text()}, trained on the labels of the other folds; it predicts outlines
and objects. "components": the object map without outlines, its components grown back. "multicut": superpixels of the
maps, costs from the outline between them. "rules only, U-Net superpixels": the actor is trained by the rules
`{arguments.rules}` on superpixels of the same maps; labels enter through the network alone. "truth-cut": the same
superpixels, cut along the true outlines too, also in held-out images: a controlled study of what is lost elsewhere, no
method. "labels": the actor is rewarded for agreement of objects with the labels of its training images instead of by
rules, or by the Dice score of the edges of each subgraph (`label_reward: edges`, the paper's A.10). Bound: each
superpixel is given to the true nucleus that covers most of it.

**Contrastive embedding + clustering.** `benchmarks.baselines.contrastive`: a network of the same build, size, updates
and labels, which predicts the foreground and {CHANNELS} numbers per pixel by the discriminative loss of De Brabandere,
Neven and Van Gool (2017), with that publication's margins; to two of them the pixel's position is added, since crops
and images have different borders to be told apart by; a mean shift in each connected component of the foreground makes
the objects.

**Tuning.** Nothing is fitted to the held-out images of a fold. The settings of the distance watershed, the mutex
watershed and the gradient multicut are good ones found on images of this list with their truth, which favours them. The
U-Net's input, size and training were changed four times after a look at a held-out fold, and the contrastive network
has them from there. Its bandwidth and least area, and that positions are added, were chosen by scores on the training
images of the first of two folds. Actors: {n_steps(arguments)} steps.

{cost_text(arguments.threads)} The U-Net's own training
(about {NETWORK_MINUTES} minutes a fold) and maps (half a second an image) are made beforehand and not in the table. The
contrastive network's training is not in it either, but its s / image is from pixels to labels.

{command_text(arguments, results, "peers", "images", "folds", "fold", "seeds", "steps")}

{grouped(runs, results, name)}

StarDist and Cellpose run in the same table for those who have them: `--stardist FOLDER` (a model such as
2D_versatile_fluo, unpacked) and `--cellpose FILE` (a model such as cyto).
"""


def few_labels(runs: list[Run], results: Results, arguments: Namespace) -> str:
    """The text of docs/few_labels.md."""

    def name(run: Run) -> str:
        if run.labelled is None:
            return "rules only"
        how = ", Dice of edges" if run.label_reward == "edges" else ""
        what = "labels of all training images" if run.labelled == -1 else f"rules, and labels of {run.labelled} images"
        return what + how

    return f"""# Rules and a few labels

`segcritic train IMAGES --rules RULES --labels LABELS`: images with labels (any of them, or patches; see
[rules.md](rules.md)) are judged by agreement with their labels, the others by the rules (paper, A.10). mAP, AP50, AP75
as in [nuclei.md](nuclei.md); of several seeds mean ± standard deviation. A seed also draws which images have labels.
"Dice of edges": labels reward the actions of a subgraph (`label_reward: edges`, the paper's) instead of objects
(`objects`). The first is the default, chosen after a look at these rows and at those of [peers.md](peers.md).

{split_text(arguments)}

**Method.** Rules `{arguments.rules}`, superpixels of the raw image, default settings, {n_steps(arguments)} steps, seeds
{", ".join(map(str, arguments.seeds))}.

{cost_text(arguments.threads)}

{command_text(arguments, results, "few_labels", "images", "folds", "fold", "seeds", "steps")}

{grouped([run for run in runs if run.method != LIMITS], results, name)}

"Labels of all training images" is what the actor can learn from labels on these superpixels: where it is no better than
the rules, what is lost lies elsewhere.

## What labels could tell

Labels of the rules alone, changed by the truth of the held-out images themselves, but for the row that moves all
outlines by one number of pixels, chosen on {FEW} labelled training images. So much could be had at most
from knowing where people draw outlines, in general or in each image, and from knowing what is no nucleus.

{limits_table([result for run, result in results.items() if run.method == LIMITS])}
"""


def limits_table(results: list[dict[str, Any]]) -> str:
    """Mean scores by what the truth told, over the images of a seed and then over the seeds."""
    if not results:
        return "Not run."
    rows = [[row, *by_seed(results, lambda result, row=row: result["limits"][row])] for row in results[0]["limits"]]
    return table(("labels", *METRICS), rows)


def network_text() -> str:
    """The boundary network in a few words."""
    from segcritic.boundary_net import BoundaryNet, BoundaryTraining

    settings = BoundaryTraining()
    n = sum(parameter.numel() for parameter in BoundaryNet.new(settings.widths).network.parameters())
    return f"{n / 1000:.0f} thousand weights, {settings.steps} updates of {settings.batch} crops"
