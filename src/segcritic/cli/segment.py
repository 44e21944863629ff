"""`segcritic segment`: a model and images -> label images and measurements."""

import contextlib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from segcritic.cli.each_file import check_free, counted, each_file, targets_in
from segcritic.cli.options import Boundaries, Channel, Device, Flag, Superpixels

if TYPE_CHECKING:
    from segcritic.io.samples import Sample, Source
    from segcritic.models import Ensemble, Model, RecurrentModel, RulesOnly

MEASUREMENTS = "measurements.csv"
OVERLAYS = "overlays"
_LOOKED_AT = 5  # images from which superpixels are chosen: they are held in memory together


def segment(
    images: Path,
    /,
    *,
    out: Path,
    model: list[str] | None = None,
    rules: str | None = None,
    boundaries: Boundaries = None,
    superpixels: Superpixels = None,
    channel: Channel = None,
    refine: Annotated[bool, Flag] = False,
    adapt: float | None = None,
    ablate_state: Literal["lstm", "mask"] | None = None,
    overlay: Annotated[bool, Flag] = False,
    device: Device = "auto",
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
    rules
        Rules file, or the name of one that comes with segcritic, instead of a model: nothing is learned. Superpixels
        are merged step by step, and of all objects that this makes the rules choose the best. Where the rules name no
        superpixels, those are taken that earn most on the first images.
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
    from segcritic.errors import UserError
    from segcritic.io.images import write_labels
    from segcritic.io.tables import write_measurements
    from segcritic.models import RecurrentModel, RulesOnly

    if adapt is not None and not adapt > 0:
        raise UserError(f"--adapt is {adapt:g}; give seconds, a number above 0")
    loaded = _loaded(model, rules, allow_python, device)
    in_order = isinstance(loaded, RecurrentModel)
    if isinstance(loaded, RecurrentModel):
        if refine or adapt is not None:
            assert model is not None
            raise UserError(f"--refine and --adapt go by rules, and the model {model[0]} has none; leave them out")
        loaded = replace(loaded, ablate=ablate_state)
    elif ablate_state is not None:
        raise UserError("--ablate-state is for one recurrent model; leave it out")
    elif adapt is not None and rules is not None:
        raise UserError("--adapt goes on training a model, and --rules has none; leave it out, or train a model first")
    loaded, sources = loaded.to_samples(images, boundaries, superpixels, channel)
    targets, table_path = _targets(sources, out, images)
    overlays = [_overlay_path(target) for target in targets.values() if overlay]
    check_free(targets.values(), sources, "the labels", overwrite, [table_path, *overlays])
    if isinstance(loaded, RulesOnly):
        loaded = _suited(loaded, sources)
    elif adapt is not None and not isinstance(loaded, RecurrentModel):
        loaded = _adapted(loaded, sources, adapt)
    rows: dict[str, list[Any]] = defaultdict(list)

    def write(sample: "Sample", result: Any) -> None:
        target, count = targets[sample.name], len(result.table["label"])
        write_labels(target, result.labels, sample.pixel_size)
        if overlay:
            _write_overlay(target, result.image, result.labels, in_order)
        for name, values in {"image": [sample.name] * count, **result.table}.items():
            rows[name] += list(values)

    def at_end(n_done: int) -> str:
        if rows:
            write_measurements(table_path, rows)
        return f"{counted(n_done, 'image')}, {counted(len(rows['image']), 'object')}: {out}"

    return each_file(sources, lambda sample: loaded.apply(sample, refine), write, at_end, "Segmenting", "segmented")


def _loaded(
    model: list[str] | None, rules: str | None, allow_python: bool, device: str
) -> "Model | Ensemble | RecurrentModel | RulesOnly":
    """What is to segment: models, or rules alone; one of the two."""
    from segcritic import models
    from segcritic.errors import UserError
    from segcritic.rules import load_rules

    if (model is None) == (rules is None):
        raise UserError("segment needs one of the two: --model, a trained model, or --rules, a rules file")
    if model is not None:
        return models.load(model, allow_python, device)
    if device != "auto":
        raise UserError(f"--device {device} is for a model's network, and --rules has none; leave it out")
    assert rules is not None
    return models.RulesOnly(load_rules(rules), allow_python=allow_python)


def _suited(loaded: "RulesOnly", sources: "list[Source]") -> "RulesOnly":
    """Choose superpixels that suit the images, if the rules name none, and say which."""
    from segcritic.errors import UserError

    if loaded.rules.superpixels is not None or any(source.superpixels is not None for source in sources):
        return loaded
    print("Choosing superpixels by what the rules like most", flush=True)
    samples = []
    for source in sources[:_LOOKED_AT]:
        with contextlib.suppress(UserError):  # an image that cannot be read is told when its turn comes
            samples.append(source.read())
    found = loaded.suited_to(samples)
    if (chosen := found.rules.superpixels) is not None:
        settings = [
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in chosen.settings.items()
        ]
        print("Superpixels:", ", ".join([chosen.method, *settings]))
    return found


def _adapted(loaded: "Model | Ensemble", sources: "list[Source]", seconds: float) -> "Model | Ensemble":
    """Adapt one model or each of several, and say what it brought. Images that cannot be read are told later."""
    from segcritic.cli.progress import TrainingProgress
    from segcritic.errors import UserError
    from segcritic.models import Ensemble

    models = loaded.models if isinstance(loaded, Ensemble) else [loaded]
    states, members = [], []
    for source in sources:
        with contextlib.suppress(UserError):
            sample = source.read()
            if not sample.is_constant:
                states.append(models[0].lean_state(sample))
    for model in models:
        with TrainingProgress() as progress:
            member, adapted = model.adapted(states, seconds, on_progress=progress)
        rose = f"reward {adapted.before:.3f} -> {adapted.after:.3f}"
        kept = "" if adapted.after > adapted.before else "; no gain, the model stays as it was"
        print(f"Adapted to {counted(adapted.n_images, 'image')}: {rose}{kept}")
        members.append(member)
    return Ensemble(members) if isinstance(loaded, Ensemble) else members[0]


def _targets(sources: "list[Source]", out: Path, images: Path) -> tuple[dict[str, Path], Path]:
    """Label file of each source, and the file of measurements."""
    from segcritic.errors import UserError

    if out.suffix.lower() not in (".tif", ".tiff") or out.is_dir():
        return targets_in(out, sources, "the labels, or for one image a file name ending in .tif"), out / MEASUREMENTS
    if len(sources) > 1:
        raise UserError(f"{out} is one file, but {images} holds {len(sources)} images; give a folder")
    return {sources[0].name: out}, out.with_suffix(".csv")


def _overlay_path(target: Path) -> Path:
    return target.parent / OVERLAYS / f"{target.stem}.png"


def _write_overlay(target: Path, image: Any, labels: Any, in_order: bool) -> None:
    """Draw the objects over the image; from blue to yellow where their numbers are the order of their finding."""
    from segcritic.io.atomic import atomic_path
    from segcritic.report.pictures import overlay, png, step_colors

    colors = step_colors(int(labels.max())) if in_order else None
    with atomic_path(_overlay_path(target)) as temporary:
        temporary.write_bytes(png(overlay(image, labels, colors)))
