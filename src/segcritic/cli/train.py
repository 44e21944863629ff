"""`segcritic train`: images with rules, or with labels -> a model."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from segcritic.cli.options import Boundaries, Channel, Device, Flag, Superpixels

if TYPE_CHECKING:
    from segcritic.models import Model, RecurrentModel


def train(
    images: Path,
    /,
    *,
    out: Path,
    rules: str | None = None,
    labels: Path | None = None,
    method: Literal["rules", "recurrent"] = "rules",
    seed: int = 0,
    minutes: float | None = None,
    steps: int | None = None,
    pretraining_steps: int | None = None,
    preset: Literal["default", "paper"] | None = None,
    boundaries: Boundaries = None,
    superpixels: Superpixels = None,
    channel: Channel = None,
    upright: Annotated[bool, Flag] = False,
    batch: int | None = None,
    device: Device = "auto",
    resume: Annotated[bool, Flag] = False,
    overwrite: Annotated[bool, Flag] = False,
) -> None:
    """Learn to segment images from rules about their objects, or from labels. Ctrl-C keeps what was learned.

    Parameters
    ----------
    images
        Image, or folder of images.
    out
        Folder for the model; it must not exist yet.
    rules
        Rules file, or the name of one that comes with segcritic (see: segcritic rules init).
    labels
        Label images, by stem. With --method recurrent of all images. With rules of some or all: what agrees with them
        is rewarded there, and the rules hold elsewhere. 0 is background; for rules, pixels of the number 65535 are
        unlabelled, so that labels of a patch will do.
    method
        rules learns from --rules; recurrent from --labels alone, and draws one object after the other.
    seed
        The same seed, images and rules give the same model.
    minutes
        Train for so long at most; with --resume, all in all.
    steps
        Updates, instead of the preset's number.
    pretraining_steps
        Updates of the U-Net's pixel features on superpixels alone, before those of the actor (--preset paper).
    preset
        default trains in minutes on two cores; paper has the sizes of the paper and needs a GPU.
    upright
        The images have an up, such as street scenes: they are not turned in training (--method recurrent).
    batch
        Images in an update (--method recurrent); fewer take less memory.
    resume
        Go on with training that was cut off or stopped, with the same images and rules.
    overwrite
        Replace the model that is there.
    """
    from segcritic import api
    from segcritic.cli.progress import TrainingProgress
    from segcritic.errors import UserError
    from segcritic.rules import load_rules
    from segcritic.training.folder import CHECKPOINT, check_target, is_model

    if resume and overwrite:
        raise UserError("--resume goes on with a model and --overwrite replaces it; give one of the two")
    check_target(out, replace=resume or overwrite)
    if resume and is_model(out) and not (out / CHECKPOINT).is_dir():
        raise UserError(f"the model {out} has no folder '{CHECKPOINT}' to go on from; train anew with --overwrite")
    if rules is not None:
        load_rules(rules)  # a mistake in it, before anything is removed
    with _checkpoint(out, overwrite) as checkpoint, TrainingProgress() as progress:
        model = api.train(
            images,
            rules,
            labels=labels,
            method=method,
            boundaries=boundaries,
            superpixels=superpixels,
            channel=channel,
            preset=preset,
            steps=steps,
            pretraining_steps=pretraining_steps,
            upright=upright,
            batch=batch,
            seed=seed,
            minutes=minutes,
            device=device,
            checkpoint=checkpoint,
            on_image=progress.reading,
            on_progress=progress,
        )
    model.save(out)
    print(f"{_summary(model)}: {out}")


@contextlib.contextmanager
def _checkpoint(out: Path, overwrite: bool) -> Iterator[Path]:
    """The folder of the checkpoint in `out`; an old one goes only when a new training has begun."""
    from segcritic.training.folder import CHECKPOINT

    checkpoint, old = out / CHECKPOINT, out.with_name(f".{out.name}.{CHECKPOINT}")
    if overwrite and checkpoint.is_dir():
        checkpoint.rename(old)
    try:
        yield checkpoint
    finally:
        with contextlib.suppress(OSError):  # nothing is left behind by training that never began
            checkpoint.rmdir()
            out.rmdir()
        if old.is_dir() and checkpoint.is_dir():
            shutil.rmtree(old)
        elif old.is_dir():
            old.rename(checkpoint)


def _summary(model: "Model | RecurrentModel") -> str:
    """How training ended, in a few words."""
    from segcritic.models import Model

    trained = model.actor if isinstance(model, Model) else model.agent
    stopped = "Stopped early; what was learned so far is kept. " if trained.interrupted else ""
    last = trained.curve[-1] if trained.curve else {}
    measure = next((f" ({name} {last[name]:.3f})" for name in ("reward", "dice") if name in last), "")
    return f"{stopped}Saved the model{measure}"
