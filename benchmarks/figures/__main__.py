"""Figures 4, 5, 8, 10 and 11 of the stateless paper, made again on generated images.

Every training leaves its scores and weights in the cache, so that the same command goes on where it was stopped. Of all
figures it writes docs/figures.md and docs/images/figure_*.png; of some, their pictures alone.
"""

import sys
from argparse import Namespace
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from benchmarks.figures.panels import Figure, Shown, grid, pieces_picture, small_png
from benchmarks.figures.runs import (
    QUICK,
    Plan,
    column,
    difference,
    finished,
    means,
    node_features,
    pixel_features,
    seconds,
    tests,
    told_apart,
)
from benchmarks.figures.seeds import figure_8
from benchmarks.lib.command import command, parser, run, written_to
from benchmarks.lib.images import CIRCLES, TEST_SEED, Pairs
from benchmarks.lib.runs import UNET_WIDTHS, bound, scores
from benchmarks.lib.tables import machine, mixed, score, spread, table

if TYPE_CHECKING:
    from segcritic.stateless.state import State

REPULSIONS = (1.3, 1.6, 2.0, 2.5, 3.0)  # of the mutex watershed
SCALE = 3  # of the pixels of circles; images of embryos are larger
EMBRYO_SCALE = 2


def mutex_pieces(state: "State", repulsion: float) -> Any:
    """Mutex watershed of an image, numbered from 0."""
    from segcritic.superpixels import superpixels

    return superpixels(state.image, "mutex", sigma=0.7, repulsion=repulsion)


def limit(pairs: Pairs, *metrics: str) -> list[str]:
    """A row of the table: what the superpixels of these images allow."""
    truth = [true for _, true in pairs]
    found = scores(bound((state.graph.superpixels for state, _ in pairs), truth), truth, metrics)
    return ["superpixels' bound", *map(score, found.values())]


def figure_4(plan: Plan, cache: Path) -> Figure:
    from benchmarks.baselines import largest_is_ground

    runs = [plan.rules_alone(seed) for seed in plan.seeds]
    results = [finished(run, cache) for run in runs]
    before = [finished(run.before(), cache) for run in runs]
    shown = Shown.of(runs[0], results[0], SCALE)
    pairs = tests(runs[0])
    truth = [true for _, true in pairs]
    simple = {
        repulsion: scores(
            [largest_is_ground(mutex_pieces(state, repulsion)) for state, _ in pairs], truth, ("mAP", "AP50")
        )
        for repulsion in REPULSIONS
    }
    repulsion = max(simple, key=lambda each: simple[each]["mAP"])
    pieces = mutex_pieces(shown.state, repulsion)
    mutex = "mutex watershed", pieces_picture(pieces, SCALE)
    without = "the same without the ground", shown.labelled(largest_is_ground(pieces))
    features = shown.features("pre-trained pixel features")
    above = [shown.truth(), shown.raw(), shown.pieces(), shown.actions(), mutex]
    below = [features, shown.outlines(), shown.objects(), shown.rewards(), without]
    rows = [
        limit(pairs, "mAP", "AP50"),
        ["mutex watershed", *map(score, simple[repulsion].values())],
        ["pre-trained, actor not trained", *means(before, "mAP", "AP50")],
        ["rules alone", *means(results, "mAP", "AP50")],
    ]
    text = f"""## Figure 4: circles, from rules alone

![Circles: truth, image, superpixels, actions, features, segmentation, rewards, mutex watershed](images/figure_4.png)

Actions: green = merge, red = split. Rewards: light green = 1, dark red = 0. Pixel features: the first three principal
components of 16 channels after {plan.pretraining} updates on the superpixels alone, at
which the U-Net then stays, as the paper's does; the actor has the hand-made features too. The superpixels are those of
the rules `circles`, which are cut along likely circles; the paper's are a mutex watershed of the gradient. On the
right the mutex watershed of the image, its repulsion ({repulsion:g}) the one of {len(REPULSIONS)} that is best *for
these test images*; the largest piece is the ground. Rewards are 0.5 (amber) where nothing is claimed to be a circle.
{plan.steps} steps; {seconds(before)} s of pre-training, {seconds(results)} s of training.

{table(("", "mAP", "AP50"), rows)}
"""
    return Figure(text, grid([above, below]), [*before, *results])


def figure_5(plan: Plan, cache: Path) -> Figure:
    from segcritic.report.pictures import gray
    from segcritic.superpixels.lines import line_strength

    runs = [plan.embryos(seed) for seed in plan.embryo_seeds]
    results = [finished(run, cache) for run in runs]
    shown = Shown.of(runs[0], results[0], EMBRYO_SCALE)
    hand_made, learned = node_features(shown.policy, shown.state)
    boundaries = "boundary map", gray(line_strength(shown.state.image), EMBRYO_SCALE)
    features = [
        shown.features("a) hand-made features", hand_made),
        shown.features("b) learned, superpixels", learned),
        shown.features("c) learned, pixels"),
    ]
    above = [shown.truth(), shown.raw(), boundaries, shown.pieces(), shown.actions()]
    below = [*features, shown.objects(), shown.rewards()]
    names = ("VI", "VI_merge", "VI_split", "mAP")
    rows = [limit(tests(runs[0]), *names), ["rules alone", *means(results, *names)]]
    text = f"""## Figure 5: cells of an embryo, from rules alone

![Embryo: truth, image, boundaries, superpixels, actions, features, segmentation, rewards](images/figure_5.png)

Features are shown by their first three principal components: a) hand-made, one value per superpixel ({len(hand_made)}
of them; the paper's are position and size), b) the 4 learned ones, averaged over
superpixels, c) the same per pixel: the paper's come to resemble a segmentation of the boundaries. They are learned end
to end, without pre-training. The boundary map is the strength of lines, not a network's.
{plan.n_embryos} training images for each of {len(plan.embryo_seeds)} seeds, {plan.n_embryos}
test images (`embryos({plan.n_embryos}, {TEST_SEED["embryos"]})`), rules
`radial`, {plan.embryo_steps} steps in {seconds(results)} s: a short run;
[embryo.md](embryo.md) has longer ones. VI in bits, lower is better.

{table(("", "VI", "VI merge", "VI split", "mAP"), rows)}
"""
    return Figure(text, grid([above, below]), results)


def figure_10(plan: Plan, cache: Path) -> Figure:
    runs = [plan.full(seed, hand_made=False) for seed in plan.seeds]
    before, alone = [finished(run.before(), cache) for run in runs], [finished(run, cache) for run in runs]
    both = [finished(plan.full(seed), cache) for seed in plan.seeds]
    shown = Shown.of(runs[0], alone[0], SCALE, judged_by_labels=True)
    first = pixel_features(before[0].policy(), shown.state)
    features = shown.features("pixel features before", first), shown.features("pixel features after")
    above = [shown.truth(), shown.raw(), shown.outlines(), shown.actions()]
    below = [*features, shown.objects(), shown.rewards()]
    kinds = {
        "pre-trained, actor not trained": before,
        "labels, learned features alone": alone,
        "labels, hand-made features too": both,
    }
    apart = {name: [told_apart(result.policy(), tests(runs[0])) for result in kind] for name, kind in kinds.items()}
    rows = [[name, *means(kind, "mAP", "AP50"), spread(apart[name])] for name, kind in kinds.items()]
    first_apart, *others_apart = apart.values()
    alone_gain, both_gain = (difference(values, first_apart) for values in others_apart)
    text = f"""## Figure 10: circles, full supervision

![Circles: truth, image, superpixels, actions, features before and after, segmentation](images/figure_10.png)

All {plan.n} training images have labels (`segcritic train --labels`), and the pre-trained U-Net of figure 4 goes on
learning with the actor: {plan.steps} steps in {seconds(alone)} s. Superpixels have the learned features alone, as the
paper's; the edges' hand-made ones stay. The paper's reward is the Dice score of the edge weights in each subgraph; here
it is the agreement of objects, averaged over subgraphs as all rewards are (see [method.md](method.md)). The rewards
shown are by the labels. "Told apart": the part of the variance of the pixel features that lies between circles and
ground (by the true labels; mean over the test images).

{table(("", "mAP", "AP50", "circles and ground told apart"), rows)}

The paper finds the circles more pronounced in the features after training. Here the last column, seed by seed
against before (as in figure 11), is **{alone_gain}** with learned features alone, and {both_gain} with
hand-made ones too. The edges' hand-made features, likely circles' outlines among them, may leave the U-Net little to
find.
"""
    return Figure(text, grid([above, below]), [*before, *alone, *both])


def figure_11(plan: Plan, cache: Path) -> Figure:
    runs = [plan.mixed(seed) for seed in plan.seeds]
    alone = [finished(plan.rules_alone(seed), cache) for seed in plan.seeds]
    mixed = [finished(run, cache) for run in runs]
    full = [finished(plan.full(seed), cache) for seed in plan.seeds]
    by_rules, by_both = (Shown.of(runs[0], results[0], SCALE) for results in (alone, mixed))
    above, below = (
        [first, by.actions(f"{name}: actions"), by.objects(f"{name}: segmentation"), by.rewards(f"{name}: rewards")]
        for name, first, by in (("rules alone", by_rules.truth(), by_rules), ("mixed", by_rules.raw(), by_both))
    )
    names = {"rules alone": alone, "rules, labels of one image": mixed}
    rows = [[name, *means(kind, "mAP", "AP50", "reward"), seconds(kind)] for name, kind in names.items()]
    rows.append(["labels of all images (figure 10)", *means(full, "mAP", "AP50", "reward"), seconds(full)])
    mixed_gain, full_gain = (difference(column(kind, "mAP"), column(alone, "mAP")) for kind in (mixed, full))
    by_seed = [
        [f"{seed}", *(score(kind[k].numbers["mAP"]) for kind in (alone, mixed, full))]
        for k, seed in enumerate(plan.seeds)
    ]
    text = f"""## Figure 11: circles, mixed supervision

![Circles: actions, segmentation and rewards, from rules alone and with the labels of one image](images/figure_11.png)

As figure 4, and with the labels of the first of the {plan.n} training images, which makes one of the four images of
every step; the others are judged by the rules. U-Net as pre-trained, {plan.steps} steps for both. Reward: by the rules,
of the actor's mean actions on the validation images.

{table(("", "mAP", "AP50", "reward", "training, s"), rows)}

{table(("seed", "rules alone", "labels of one image", "labels of all images"), by_seed)}

The paper finds that the mixed reward improves on rules alone. Here, mAP against that of rules alone, seed by seed
(mean ± standard deviation; "within the spread": a paired t-test, 5 %, does not tell it from 0), is with the labels of
one image **{mixed_gain}**, and with those of all images {full_gain}. Those of all
images are what can be learned from labels on these superpixels: where they are no better than the rules, what is lost
lies elsewhere.
"""
    return Figure(text, grid([above, below]), [*alone, *mixed, *full])


FIGURES = {4: figure_4, 5: figure_5, 8: figure_8, 10: figure_10, 11: figure_11}


def written(figures: list[Figure], plan: Plan, arguments: Namespace) -> str:
    """The text of docs/figures.md."""
    results = [result.numbers for figure in figures for result in figure.results]
    settings = ", ".join(f"{name}={value}" for name, value in CIRCLES.items())
    spent = sum({result["seconds"] for result in results})
    text = f"""# Figures of the stateless paper, made again

Figures 4, 5, 8, 10 and 11 of the stateless paper (see [method.md](method.md)), on images that are generated here: what
is shown and asked is the paper's, images, superpixels and lengths of training are not, so numbers of the two cannot be
compared. Pictures show the first test image and the first seed, whatever came out; numbers are means over all test
images, and over seeds (mean ± standard deviation).

**Circles.** `circles(n, seed, {settings})`, rules `circles`. {plan.n} training images,
drawn anew for each seed ({", ".join(map(str, plan.seeds))}; of figure 8 those of seed 0), and {plan.n} test images
(seed {TEST_SEED["circles"]}). No label enters
training but where a figure says so.

**Networks.** Default settings of training; a U-Net of widths {", ".join(map(str, UNET_WIDTHS))} (the paper's:
32 to 256) learns features beside the hand-made ones, which the paper has on embryos alone.

**Choices.** The numbers of steps, images and seeds were chosen for the time they take. Figure 8 was first run on
circles alone, where all seeds ended at much the same score; embryos were added for that, and in a short run, since
seeds differ most before they are done. The circles are of the kind of [ablations.md](ablations.md).

**Machine.** {machine(arguments.threads)}
Seconds are of the processor, for the updates alone: {spent:.0f} s for all trainings of this page. Other programs were
running.

**Command.** `{command(arguments, "figure")}`{mixed(results)}

{chr(10).join(figure.text for figure in figures)}"""
    return wrapped(text)


def wrapped(text: str) -> str:
    """Break the lines of the paragraphs, not those of headings, pictures and tables."""
    parts = text.strip().split("\n\n")
    lines = [part if part[0] in "#!|" else fill(part, 120, break_on_hyphens=False) for part in parts]
    return "\n\n".join(lines) + "\n"


def page(arguments: Namespace) -> str | None:
    """Make the figures and their pictures; of all figures, write the text of docs/figures.md."""
    plan, out, figures = QUICK if arguments.quick else Plan(), written_to(arguments), []
    for number in arguments.figure or FIGURES:
        figure = FIGURES[number](plan, arguments.cache)
        data = small_png(figure.picture)
        if out is not None:
            path = out.parent / "images" / f"figure_{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            print(f"wrote {path}, {len(data) / 1000:.0f} kB", file=sys.stderr)
        figures.append(figure)
    if not arguments.figure:
        return written(figures, plan, arguments)
    print("\n".join(figure.text for figure in figures))
    return None


if __name__ == "__main__":
    options = parser(__doc__, "figures", page, page="figures.md")
    options.add_argument("--figure", type=int, nargs="+", choices=FIGURES, help="some of the figures (default: all)")
    options.add_argument("--cache", type=Path, default=Path("runs/figures"), help="folder of the finished runs")
    run(options)
