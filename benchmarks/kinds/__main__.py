"""Nine kinds of real objects, labelled from a few typed rules without any training or annotation."""

import time
from argparse import Namespace
from pathlib import Path
from statistics import mean

from benchmarks.lib.command import command, parser, run
from benchmarks.lib.images import DATA
from benchmarks.lib.runs import scores
from benchmarks.lib.tables import machine, score, table

RULES = Path(__file__).parent / "rules"
METRICS = ("mAP", "AP50")


def row(kind: Path, at_most: int | None) -> tuple[list[str], list[float]]:
    """A line of the table, and its scores."""
    from segcritic.io.images import read_labels
    from segcritic.models import RulesOnly
    from segcritic.rules import Rules

    start = time.perf_counter()
    rules = Rules.load(RULES / f"{kind.name}.yaml")
    model, sources = RulesOnly(rules).to_samples(kind / "images")
    found, truth = [], []
    for source in sources[:at_most]:
        sample = source.read()
        found.append(model.apply(sample).labels)
        truth.append(read_labels(kind / "labels" / f"{sample.name}.png"))
    seconds = (time.perf_counter() - start) / len(found)
    chosen = model.rules.superpixels
    assert chosen is not None
    way = " ".join(
        [
            chosen.method,
            *(
                f"{name} {value:.3g}" if name != "lines" else f"{value} lines"
                for name, value in chosen.settings.items()
            ),
        ]
    )
    values = [scores(found, truth, METRICS)[metric] for metric in METRICS]
    return [kind.name, str(len(found)), *map(score, values), way, f"{seconds:.1f}"], values


def page(arguments: Namespace) -> str:
    """Segment every kind, and write the text of docs/kinds.md."""
    kinds = sorted(path for path in arguments.data.iterdir() if (RULES / f"{path.name}.yaml").is_file())
    rows, values = zip(*(row(kind, 1 if arguments.quick else None) for kind in kinds), strict=True)
    means = ["**mean**", "", *(score(mean(each[number] for each in values)) for number in range(len(METRICS))), "", ""]
    files = "\n\n".join(
        f"```yaml\n# {kind.name}\n{(RULES / f'{kind.name}.yaml').read_text(encoding='utf-8')}```" for kind in kinds
    )
    return f"""# Many kinds of objects, by rules alone

`segcritic segment IMAGES --rules R` trains nothing. Superpixels merge pair by pair into a tree, by two cues; of all
objects of a tree the rules choose the set that earns most, exactly ([method.md](method.md#the-best-cut)). Rules that
name no superpixels get those whose best cuts earn most on up to five of the images: shells or basins of the gradient
where the rules tell brightness, basins of the gradient, of dark or of bright lines where they do not. No label is
looked at.

**Data.** `kinds` of the shared data: nine kinds of microscopy, 2 to 6 images each. Their terms allow no picture here.

**Rules.** Below, two or three lines a kind. Sizes are round numbers near the median of the labels of these very
images, as a user would measure them on the screen: knowledge of the kind, and the scores are of the same images.
Nothing else was set for a kind. The scores of all nine were seen while the choice of superpixels was made: that
brightness rules out lines was decided on cytoplasm, macrophages and embryo_nuclei, where lines earned more and scored
less.

**Machine.** {machine(arguments.threads)} Seconds an image, the choice of superpixels among them.

**Command.** `{command(arguments)}`

{table(("kind", "images", "mAP", "AP50", "superpixels chosen", "s / image"), [*rows, means])}

What limits it. Without a rule on brightness an object that fits half-way earns more than background: whole images are
tiled with objects (bacteria). Reward alone chooses the wrong cue on some kinds, since rules on size and shape are met
by pieces of the background as well. And where objects touch without an edge, no tree holds them.

## The rules

{files}
"""


if __name__ == "__main__":
    options = parser(__doc__, "kinds", page, page="kinds.md")
    options.add_argument("--data", type=Path, default=DATA / "kinds", help="folder of kinds, each images/ and labels/")
    run(options)
