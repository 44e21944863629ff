"""`segcritic demo`: coins on a dark cloth, found from rules alone."""

import time
from pathlib import Path

NAME = "coins"
_FILES = {"images", "rules.yaml", "model", "labels", "report.html", "figure.png"}


def demo(*, out: Path = Path("demo")) -> None:
    """Find the 24 coins of a photograph from rules alone: train, label, and write a report. Under two minutes.

    Parameters
    ----------
    out
        Folder for the photograph, the rules, the model, the labels, a picture and report.html.
    """
    from skimage.data import coins

    from segcritic.cli.progress import TrainingProgress
    from segcritic.cli.segment import MEASUREMENTS, OVERLAYS
    from segcritic.io.atomic import atomic_path
    from segcritic.io.images import write_labels
    from segcritic.io.tables import write_measurements
    from segcritic.models.fit import train_by_rules
    from segcritic.report import pictures as drawing
    from segcritic.report import write_report
    from segcritic.rules import init

    _check_own(out)
    start = time.monotonic()
    photograph, rules = out / "images" / f"{NAME}.png", out / "rules.yaml"
    with atomic_path(photograph) as temporary:
        temporary.write_bytes(drawing.png(coins()))
    if not rules.exists():
        init(NAME, rules)
    print(f"Learning to find coins, from {rules} alone ...", flush=True)
    with TrainingProgress() as progress:
        model = train_by_rules(photograph, rules, on_image=progress.reading, on_progress=progress)
    model.save(out / "model")
    found = model.analyse(photograph)
    labels = out / "labels"
    write_labels(labels / f"{NAME}.tif", found.labels)
    write_measurements(labels / MEASUREMENTS, {"image": [NAME] * len(found.table["label"]), **found.table})
    with atomic_path(labels / OVERLAYS / f"{NAME}.png") as temporary:
        temporary.write_bytes(drawing.png(drawing.overlay(found.image, found.labels)))
    with atomic_path(out / "figure.png") as temporary:
        temporary.write_bytes(drawing.png(drawing.story(found)))
    write_report(out / "report.html", model, [(NAME, found)])
    seconds = time.monotonic() - start
    print(f"Found {len(found.table['label'])} coins (there are 24) in {seconds:.0f} s. See {out / 'report.html'}")


def _check_own(out: Path) -> None:
    """Refuse a folder that holds anything but an earlier demo, or in which the rules were changed by hand."""
    from segcritic.errors import UserError
    from segcritic.rules import Rules, load_builtin

    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; give the name of a new folder by --out")
    foreign = sorted({path.name for path in out.iterdir()} - _FILES) if out.is_dir() else []
    if foreign:
        raise UserError(f"{out} holds '{foreign[0]}', which is not the demo's; give the name of a new folder by --out")
    rules = out / "rules.yaml"
    if rules.is_file() and Rules.load(rules) != load_builtin(NAME):
        raise UserError(
            f"{rules} was changed; to train with it: segcritic train {out / 'images'} --rules {rules} --out MODEL"
        )
