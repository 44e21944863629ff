"""`segcritic segment`: a model and images -> label images and measurements."""

import contextlib
import sys
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from segcritic.cli.options import Boundaries, Channel, Flag, Superpixels

if TYPE_CHECKING:
    from segcritic.io.samples import Source
    from segcritic.models import Model, RecurrentModel
    from segcritic.models.ensemble import Ensemble

MEASUREMENTS = "measurements.csv"
OVERLAYS = "overlays"


def segment(
    images: Path,
    /,
    *,
    model: list[str],
    out: Path,
    boundaries: Boundaries = None,
    superpixels: Superpixels = None,
    channel: Channel = None,
    refine: Annotated[bool, Flag] = False,
    adapt: float | None = None,
    ablate_state: Literal["lstm", "mask"] | None = None,
    overlay: Annotated[bool, Flag] = False,
    overwrite: Annotated[bool, Flag] = False,
    allow_python: Annotated[bool, Flag] = False,
) -> int:
    """Label every object in one image or many. A broken file is told at the end, with exit code 2; the others are done.

    Parameters
    ----------
    images
        Image, or folder of images.
    model
        A model's folder, or the name of one that comes with segcritic. Given several times: models of the same rules,
        such as of several seeds, decide together, and measurements.csv says how far they agree on each object
        (column confidence, 0 to 1).
    out
        Folder for the label images (16-bit TIFF, of the image's stem) and measurements.csv, with each object's score by
        every rule, and its class if the rules tell several. For a single image also a file name ending in .tif; the
        measurements then go beside it, as .csv.
    refine
        Go on from the model's partition with a local search for what the rules like better.
    adapt
        Seconds for which the model first goes on learning, on these very images and by its own rules. The model's
        folder stays as it is.
    ablate_state
        Of a recurrent model, for experiments: what it keeps of the objects found so far, its LSTM's memory alone or the
        covered mask alone (the paper's table 2).
    overlay
        Also draw the objects over each image, as PNG in the sub-folder 'overlays'.
    overwrite
        Replace label images that are there.
    allow_python
        Let rules of the model run the Python code that they name. Only for models that you trust.
    """
    from rich.console import Console
    from rich.progress import track

    from segcritic import models
    from segcritic.errors import UserError
    from segcritic.io.images import write_labels
    from segcritic.io.tables import write_measurements
    from segcritic.models.ensemble import Ensemble

    if adapt is not None and not adapt > 0:
        raise UserError(f"--adapt is {adapt:g}; give seconds, a number above 0")
    loaded: Model | Ensemble | RecurrentModel
    if len(model) == 1 and isinstance(single := models.load(model[0], allow_python), models.RecurrentModel):
        if refine or adapt is not None:
            raise UserError(f"--refine and --adapt go by rules, and the model {model[0]} has none; leave them out")
        loaded = replace(single, ablate=ablate_state)
    elif ablate_state is not None:
        raise UserError("--ablate-state is for one recurrent model; leave it out")
    else:
        members = [models.load_rule_driven(name, allow_python) for name in model]
        loaded = members[0] if len(members) == 1 else Ensemble(members, model)
    loaded, sources = loaded.prepare(images, boundaries, superpixels, channel)
    targets, table_path = _targets(sources, out, images, overlay, overwrite)
    if adapt is not None and not isinstance(loaded, models.RecurrentModel):
        loaded = _adapted(loaded, sources, adapt)
    in_order = isinstance(loaded, models.RecurrentModel)
    apply = loaded.apply if isinstance(loaded, models.RecurrentModel) else partial(loaded.apply, refine=refine)
    failed: list[str] = []
    rows: dict[str, list[Any]] = defaultdict(list)
    n_objects = 0
    console = Console()
    progress = track(sources, "Segmenting", console=console, disable=not console.is_terminal, transient=True)
    try:
        for source in progress:
            try:
                ready = source.read()
                result = apply(ready)
            except UserError as error:
                failed.append(str(error))
                continue
            write_labels(targets[source.name], result.labels, ready.pixel_size)
            if overlay:
                _write_overlay(targets[source.name], result.image, result.labels, in_order)
            count = len(result.table["label"])
            n_objects += count
            rows["image"] += [source.name] * count
            for name, values in result.table.items():
                rows[name] += list(values) if count else []
    finally:  # after Ctrl-C too: what was labelled is measured
        if rows:
            write_measurements(table_path, rows)
    done = len(sources) - len(failed)
    if done:
        print(f"{done} image{'s' * (done != 1)}, {n_objects} object{'s' * (n_objects != 1)}: {out}")
    for sentence in failed:
        print(f"segcritic: {sentence}", file=sys.stderr)
    if failed and len(sources) > 1:
        print(f"segcritic: {len(failed)} of {len(sources)} images could not be segmented", file=sys.stderr)
    return 2 if failed else 0


def _adapted(loaded: "Model | Ensemble", sources: "list[Source]", seconds: float) -> "Model | Ensemble":
    """Adapt one model or each of several, and say what it brought. Images that cannot be read are told later."""
    from segcritic.cli.progress import TrainingProgress
    from segcritic.errors import UserError
    from segcritic.models.adapt import adapt
    from segcritic.models.ensemble import Ensemble

    images = []
    for source in sources:
        with contextlib.suppress(UserError):
            images.append(source.read())
    members = []
    for model in loaded.models if isinstance(loaded, Ensemble) else [loaded]:
        with TrainingProgress() as progress:
            adapted = adapt(model, images, seconds, on_progress=progress)
        rose = f"reward {adapted.before:.3f} -> {adapted.after:.3f}"
        kept = "" if adapted.after > adapted.before else "; no gain, the model stays as it was"
        print(f"Adapted to {len(images)} image{'s' * (len(images) != 1)}: {rose}{kept}")
        members.append(adapted.model)
    return Ensemble(members) if isinstance(loaded, Ensemble) else members[0]


def _targets(
    sources: "list[Source]", out: Path, images: Path, overlay: bool, overwrite: bool
) -> tuple[dict[str, Path], Path]:
    """Label file of each source, and the file of measurements; UserError when one would replace something."""
    from segcritic.errors import UserError

    if out.suffix.lower() in (".tif", ".tiff") and not out.is_dir():
        if len(sources) > 1:
            raise UserError(f"{out} is one file, but {images} holds {len(sources)} images; give a folder")
        targets, table = {sources[0].name: out}, out.with_suffix(".csv")
    else:
        if out.exists() and not out.is_dir():
            raise UserError(f"{out} is not a folder; give a folder, or for one image a file name ending in .tif")
        targets, table = {source.name: out / f"{source.name}.tif" for source in sources}, out / MEASUREMENTS
    inputs = {
        path.resolve()
        for source in sources
        for path in (source.image, source.boundaries, source.superpixels)
        if isinstance(path, Path)
    }
    for target in targets.values():
        if target.resolve() in inputs:
            raise UserError(f"the labels would replace the image {target}; give another folder")
    files = [*targets.values(), table] + [_overlay_path(target) for target in targets.values() if overlay]
    there = [path for path in files if path.exists()]
    if there and not overwrite:
        raise UserError(f"{there[0]} exists already; give another folder, or replace it by --overwrite")
    return targets, table


def _overlay_path(target: Path) -> Path:
    return target.parent / OVERLAYS / f"{target.stem}.png"


def _write_overlay(target: Path, image: Any, labels: Any, in_order: bool) -> None:
    """Draw the objects over the image; from blue to yellow where their numbers are the order of their finding."""
    from segcritic.io.atomic import atomic_path
    from segcritic.report.pictures import overlay, png, step_colors

    colors = step_colors(int(labels.max())) if in_order else None
    with atomic_path(_overlay_path(target)) as temporary:
        temporary.write_bytes(png(overlay(image, labels, colors)))
