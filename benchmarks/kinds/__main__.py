"""Nine kinds of real objects, labelled from a few typed rules without any training or annotation."""

import time
from argparse import Namespace
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING

from benchmarks.lib.command import command, parser, run
from benchmarks.lib.images import DATA
from benchmarks.lib.runs import scores
from benchmarks.lib.tables import machine, score, table

if TYPE_CHECKING:
    from segcritic.models import RulesOnly

RULES = Path(__file__).parent / "rules"
METRICS = ("mAP", "AP50")
LOOKED_AT = 5  # images from which superpixels are chosen, as by the command


def row(kind: Path, at_most: int | None) -> tuple[list[str], list[float]]:
    """A line of the table, and its scores."""
    from segcritic.io.images import read_labels
    from segcritic.models import RulesOnly
    from segcritic.rules import Rules

    start = time.perf_counter()
    rules = Rules.load(RULES / f"{kind.name}.yaml")
    model, sources = RulesOnly(rules).to_samples(kind / "images")
    found, truth = [], []
    samples = [source.read() for source in sources[:at_most]]
    model = model.suited_to(samples[:LOOKED_AT])
    for sample in samples:
        found.append(model.apply(sample).labels)
        truth.append(read_labels(kind / "labels" / f"{sample.name}.png"))
    seconds = (time.perf_counter() - start) / len(found)
    objects = [str(sum(int(labels.max()) for labels in each)) for each in (found, truth)]
    values = [scores(found, truth, METRICS)[metric] for metric in METRICS]
    return [kind.name, str(len(found)), *map(score, values), *objects, described(model), f"{seconds:.1f}"], values


def described(model: "RulesOnly") -> str:
    """The superpixels of a model, in words."""
    chosen = model.rules.superpixels
    assert chosen is not None
    numbers = [f"{name} {value:.3g}" for name, value in chosen.settings.items() if name != "lines"]
    lines = [f"{chosen.settings['lines']} lines"] if "lines" in chosen.settings else []
    return ", ".join([chosen.method, *lines, *numbers])


def page(arguments: Namespace) -> str:
    """Segment every kind, and write the text of docs/kinds.md."""
    kinds = sorted(path for path in arguments.data.iterdir() if (RULES / f"{path.name}.yaml").is_file())
    rows, values = zip(*(row(kind, 1 if arguments.quick else None) for kind in kinds), strict=True)
    means = [
        "**mean**",
        "",
        *(score(mean(each[number] for each in values)) for number in range(len(METRICS))),
        *[""] * 4,
    ]
    files = "\n\n".join(
        f"```yaml\n# {kind.name}\n{(RULES / f'{kind.name}.yaml').read_text(encoding='utf-8')}```" for kind in kinds
    )
    return f"""# Many kinds of objects, by rules alone

`segcritic segment IMAGES --rules R` trains nothing. Superpixels merge pair by pair into a tree, by two cues; of all
objects of a tree the rules choose the set that earns most, exactly ([method.md](method.md#the-best-cut)). Rules that
name no superpixels get those whose best cuts earn most on up to five of the images: shells or basins of the gradient
where the rules tell brightness, basins of the gradient, of dark or of bright lines where they do not. No label is
looked at.

**Data.** Nine kinds, 2 to 6 images each: test images of Omnipose (bacteria), of Cellpose's collection (berries,
cytoplasm, kc167, macrophages), of the ISBI 2012 EM challenge (em_neurites), and training images of the Data Science
Bowl 2018 (embryo_nuclei, smear_nuclei, stained_nuclei). Most of their terms allow no picture here.

**Rules.** Below, two or three lines a kind. Sizes are round numbers near the median of the labels of these very
images, as a user would measure them on the screen: knowledge of the kind, and the scores are of the same images.
Nothing else was set for a kind. The scores of all nine were seen while the choice of superpixels was made: that
brightness rules out lines was decided on cytoplasm, macrophages and embryo_nuclei, where lines earned more and scored
less.

**Machine.** {machine(arguments.threads)} Seconds an image, the choice of superpixels among them.

**Command.** `{command(arguments)}`

{table(("kind", "images", "mAP", "AP50", "objects", "true ones", "superpixels chosen", "s / image"), [*rows, means])}

What is lost. On most kinds there are more objects than true ones: pieces of the background too meet rules on size and
shape, and without a rule on brightness whatever fits half-way earns more than background does. And the cue that earns
most is not always the one that outlines follow.

## The rules

{files}
"""


if __name__ == "__main__":
    options = parser(__doc__, "kinds", page, page="kinds.md")
    options.add_argument("--data", type=Path, default=DATA / "kinds", help="folder of kinds, each images/ and labels/")
    run(options)
