"""Combine: labels of several tools put together, by their agreement and by rules; and how well rules rank the tools.

python -m benchmarks.combine

The tools are what can be made from the images at hand: the shipped model for nuclei, two U-Nets that never saw the
labels of the image they are applied to, and two that learn nothing. Constants of `segcritic combine` were chosen on the
images of even number; those of odd number are reported here.
"""

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.lib.command import command, parser, run
from benchmarks.lib.images import NUCLEI_TEXT, nuclei_pairs
from benchmarks.lib.tables import score, table

CACHE = Path("runs/combine")
UNETS = {"U-Net 1": (0, (32, 64, 128)), "U-Net 2": (1, (16, 32, 64, 128))}  # seed and widths
STEPS = 2000
METRICS = ("mAP", "AP50", "AP75")
SETS = (
    ("segcritic", "U-Net 1", "U-Net 2"),
    ("segcritic", "U-Net 1", "distance watershed"),
    ("segcritic", "distance watershed", "Otsu"),
    ("U-Net 1", "distance watershed", "Otsu"),
    ("segcritic", "U-Net 1"),
    ("segcritic", "distance watershed"),
    ("segcritic", "U-Net 1", "U-Net 2", "distance watershed", "Otsu"),
)


def unet(name: str, fold: int, pairs: Sequence[tuple[Path, Path]], steps: int) -> Any:
    """The U-Net that learned from the images outside of a fold (every second one), from the cache or now."""
    from segcritic.boundary_net import BoundaryNet, train
    from segcritic.boundary_net.train import BoundaryTraining
    from segcritic.io.images import read_image, read_labels

    seed, widths = UNETS[name]
    folder = CACHE / f"{name.replace(' ', '-').lower()}-fold{fold}-{len(pairs)}-{steps}"
    if not folder.is_dir():
        print(f"training {folder.name}", file=sys.stderr, flush=True)
        chosen = [pair for number, pair in enumerate(pairs) if number % 2 != fold]
        images, labels = [read_image(image).pixels for image, _ in chosen], [read_labels(label) for _, label in chosen]
        train(images, labels, BoundaryTraining(widths=widths, steps=steps), seed=seed).save(folder)
    return BoundaryNet.read(folder)


def tools(pairs: Sequence[tuple[Path, Path]], steps: int) -> dict[str, Callable[[Any, int], Any]]:
    """Name of each tool -> its function from pixels and the number of the image to labels."""
    from benchmarks import baselines
    from segcritic import load

    model = load("nuclei", device="cpu")
    nets = {name: [unet(name, fold, pairs, steps) for fold in (0, 1)] for name in UNETS}
    found: dict[str, Callable[[Any, int], Any]] = {"segcritic": lambda pixels, number: model.segment(pixels)}
    for name in UNETS:
        found[name] = lambda pixels, number, name=name: baselines.unet_components(nets[name][number % 2].maps(pixels))
    found["distance watershed"] = lambda pixels, number: baselines.distance_watershed(pixels)
    found["Otsu"] = lambda pixels, number: baselines.otsu(pixels)
    return found


def oracle(labels: Sequence[Any], truth: Any) -> Any:
    """The set of non-overlapping candidates that matches the truth at most thresholds: what no choice can beat."""
    import numpy as np

    from segcritic.metrics.overlap import Overlap
    from segcritic.search.candidates import choose, find_candidates, overlay

    pieces = overlay(labels)
    found = find_candidates(labels, pieces)
    overlaps = [Overlap.of(each, truth) for each in labels]
    iou = np.concatenate([overlap.best_per_label(overlap.iou) for overlap in overlaps])
    conflict = found.shared > 0.2 * np.minimum(found.area[found.one], found.area[found.other])
    worth = np.clip(np.floor((iou - 0.5) / 0.05) + 1, 0, 10)
    chosen = choose(worth, found.one[conflict], found.other[conflict])
    owner = np.zeros(int(pieces.max()) + 1, np.int64)
    for one in sorted(np.flatnonzero(chosen), key=lambda one: iou[one]):
        owner[found.pieces[one]] = one + 1
    return owner[pieces]


def voted(combined: Any, labels: Sequence[Any]) -> Any:
    """The objects with the pixels that most of the tools' matching objects have; at a tie their own."""
    import numpy as np
    from scipy import ndimage as ndi

    result = np.zeros_like(combined)
    for number, place in enumerate(ndi.find_objects(combined), 1):
        where = tuple(slice(max(side.start - 10, 0), side.stop + 10) for side in place)
        own = combined[where] == number
        votes, matching = own * 0.1, 0
        for each in labels:
            there = each[where]
            best = int(np.argmax(np.bincount(there[own], minlength=2)[1:])) + 1
            other = there == best
            if (own & other).sum() > 0.5 * ((own.sum() + (each == best).sum()) - (own & other).sum()):
                votes, matching = votes + other, matching + 1
        inside = votes > matching / 2 if matching else own
        result[where][inside & (result[where] == 0)] = number
    return result


def measured(pairs: Sequence[tuple[Path, Path]], numbers: Sequence[int], rules_name: str, steps: int) -> list[dict]:
    """Of each image: scores of every tool and of every combination, by the truth and by the rules."""
    from segcritic.io.images import read_image, read_labels
    from segcritic.io.samples import Sample
    from segcritic.metrics import evaluate
    from segcritic.rules import Scorer, load_rules
    from segcritic.search.combine import combine_labels
    from segcritic.search.score_labels import fit_labels

    scorer, making = Scorer(load_rules(rules_name)), tools(pairs, steps)
    results = []
    for number in numbers:
        image, label = pairs[number]
        sample, truth = Sample(image.stem, read_image(image).pixels), read_labels(label)
        made = {name: make(sample.pixels, number) for name, make in making.items()}
        everything: dict[Any, Any] = dict(made)
        for names in SETS:
            labels = [made[name] for name in names]
            everything[names, "agreement"] = combine_labels(labels, names, sample).labels
            everything[names, "rules"] = combine_labels(labels, names, sample, scorer).labels
            everything[names, "vote"] = voted(everything[names, "rules"], labels)
            everything[names, "oracle"] = oracle(labels, truth)
        row = {}
        for what, labels in everything.items():
            scores = evaluate(labels, truth)
            row[what] = {metric: scores[metric] for metric in METRICS}
            if what[-1] not in ("vote", "oracle"):  # which are there to be compared by the truth alone
                row[what]["reward"] = fit_labels(labels, sample, scorer).reward
        results.append(row)
    return results


def ranked_right(results: list[dict]) -> tuple[float, int]:
    """Of the pairs of tools of an image that differ in both, the share in which both scores prefer the same; number."""
    names = [what for what in results[0] if isinstance(what, str)]
    right = []
    for row in results:
        for one, other in combinations(names, 2):
            truth, rules = (row[one][key] - row[other][key] for key in ("mAP", "reward"))
            if truth and rules:
                right.append((truth > 0) == (rules > 0))
    return mean(right), len(right)


def page(arguments: Namespace) -> str:
    """Combine, and write the text of docs/combine.md."""
    pairs = nuclei_pairs(arguments.data)
    pairs = pairs[:6] if arguments.quick else pairs
    steps = 20 if arguments.quick else STEPS
    results = measured(pairs, range(not arguments.even, len(pairs), 2), arguments.rules, steps)

    def means(what: Any) -> dict[str, float]:
        return {key: mean(row[what][key] for row in results) for key in results[0][what]}

    names = [what for what in results[0] if isinstance(what, str)]
    alone = sorted(((name, means(name)) for name in names), key=lambda row: -row[1]["mAP"])
    by_reward = sorted(alone, key=lambda row: -row[1]["reward"])
    rows = [[name, *(score(found[key]) for key in (*METRICS, "reward"))] for name, found in alone]
    sets = []
    for chosen in SETS:
        best = max(means(name)["mAP"] for name in chosen)
        found = [means((chosen, how))["mAP"] for how in ("agreement", "rules", "vote", "oracle")]
        rewards = [means((chosen, how))["reward"] for how in ("agreement", "rules")]
        sets.append([", ".join(chosen), *(score(value) for value in (best, *found, *rewards))])
    share, count = ranked_right(results)
    rewarded = ("reward, agreement", "reward, with rules")
    return f"""# Combine: the best objects of several tools

`segcritic combine A/ B/ C/ --images images/ --out best/` takes every object of every tool as a candidate and chooses
those that together are worth most, of which no two share more than a fifth of the smaller. The worth of an object is
the mean over the tools of the squared intersection over union (IoU) with the best match that each has to offer (its own
counts 1); with `--rules`, .65 of that and .35 of its score by the rules. What is worth less than .4 is left out: what
one of three tools sees alone is worth .33, one of two .5. Objects count by (worth - .4) times area, where the area is
the mean of all tools' matching objects. The choice is exact (a maximum weight independent set, by integer programming,
knot by knot); only in a knot that keeps the solver busy for 2,000 nodes is it the best found until then. What two
chosen objects share goes to the worthier.

Outlines stay those of the chosen tool. A majority vote of the matched objects, pixel by pixel (column *outlines by
vote*, not in the package), changes the mAP by less than .01 below; on the images of even number (`--even`) it lost,
where tools of one convention outvote the one that draws better.

`measurements.csv` says of each object from which `tool` it is, how many tools have it (`supported_by`, IoU above .5),
how far all of them agree (`confidence`, mean of the best IoU over the tools), and with rules its scores. Of objects
worth the same, the first tool's is taken: with two tools and without rules, give the better one first.

`segcritic evaluate A/ B/ C/ --images images/ --rules rules.yaml` ranks labels without a truth, by the reward of the
whole image (what repair and the audit go by, [method.md](method.md)). Without `--images` and `--rules` it compares one
folder with the truth: `segcritic evaluate A/ truth/`.

**Data and split.** {NUCLEI_TEXT} Sorted by name. The constants above were chosen on images of even number (and, beside
the tools below, on true labels with faults that were drawn at random: no command here makes those); reported are the
{len(results)} of {"even" if arguments.even else "odd"} number.

**Tools.** *segcritic*: the shipped model `nuclei`, trained without labels on these very images, with their scores in
view when the method's constants were set: favoured here. *U-Net 1* and *2*: `segcritic.boundary_net`
of other widths and seeds, {steps:,} updates each, connected components; each image is labelled by the network
that learned from the other half of the images. *Distance watershed*, *Otsu*: `benchmarks.baselines`; the former's
constants were found on these images. No labels of StarDist or Cellpose were at hand; the two U-Nets share architecture,
training images and convention of outlines, so their errors agree more than those of tools of different makers.

**Rules.** `{arguments.rules}`.

**Command.** `{command(arguments, "rules", "even")}`

## Each tool alone

{table(("labels", *METRICS, "reward by rules"), rows)}

By reward the order is {", ".join(name for name, _ in by_reward)}. Image by image, of {count:,} pairs of tools, the one
with the higher reward also has the higher mAP in {share:.0%}. The reward ranks what the rules can see, such as objects
merged, split and false; that outlines lie a pixel too far out is seen less.

## Together, mAP

{table(("tools", "best alone", "agreement", "with rules", "outlines by vote", "oracle", *rewarded), sets)}

*Outlines by vote*: with rules, and then every pixel by the majority of the objects that match (IoU above .5).
*Oracle*: the set of candidates that matches the truth best, outlines too: what cannot be told from agreement. Combining
is an insurance rather than a gain here: no set is much above its best tool, which one seldom knows, and most are far
above the worst. Labels combined with the rules should not be ranked by the same rules against others: they were chosen
by them.
"""


if __name__ == "__main__":
    options = parser(__doc__, "combine", page, page="combine.md", nuclei=True)
    options.add_argument("--rules", default="nuclei", help="rules file, or the name of a built-in one")
    options.add_argument("--even", action="store_true", help="the images on which constants were chosen")
    run(options)
