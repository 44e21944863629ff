"""`segcritic train`: rules and images -> a model."""

import contextlib
import shutil
from pathlib import Path
from typing import Annotated, Literal

from segcritic.cli.options import Boundaries, Channel, Flag, Superpixels


def train(
    images: Path,
    /,
    *,
    rules: str,
    out: Path,
    seed: int = 0,
    minutes: float | None = None,
    steps: int | None = None,
    preset: Literal["default", "paper"] = "default",
    labels: Path | None = None,
    boundaries: Boundaries = None,
    superpixels: Superpixels = None,
    channel: Channel = None,
    resume: Annotated[bool, Flag] = False,
    overwrite: Annotated[bool, Flag] = False,
) -> None:
    """Learn to segment images from rules about their objects, with or without labels. Ctrl-C keeps what was learned.

    Parameters
    ----------
    images
        Image, or folder of images.
    rules
        Rules file, or the name of one that comes with segcritic (see: segcritic rules init).
    out
        Folder for the model; it must not exist yet.
    seed
        The same seed, images and rules give the same model.
    minutes
        Train for so long at most; with --resume, all in all.
    steps
        Updates, instead of the preset's number.
    preset
        default trains in minutes on two cores; paper has the sizes of the paper and needs a GPU.
    labels
        Label images of some or all images, by stem: what agrees with them is rewarded there, and the rules hold
        elsewhere. 0 is background; pixels of the number 65535 are unlabelled, so that labels of a patch will do.
    resume
        Go on with training that was cut off or stopped, with the same images and rules.
    overwrite
        Replace the model that is there.
    """
    from segcritic import api
    from segcritic.cli.progress import TrainingProgress
    from segcritic.errors import UserError
    from segcritic.model_folder import CHECKPOINT, check_target, is_model

    if resume and overwrite:
        raise UserError("--resume goes on with a model and --overwrite replaces it; give one of the two")
    check_target(out, replace=resume or overwrite)
    checkpoint = out / CHECKPOINT
    if resume and is_model(out) and not checkpoint.is_dir():
        raise UserError(f"the model {out} has no folder '{CHECKPOINT}' to go on from; train anew with --overwrite")
    api.load_rules(rules)  # a mistake in it, before anything is removed
    if overwrite:
        shutil.rmtree(checkpoint, ignore_errors=True)
    try:
        with TrainingProgress() as progress:
            model = api.train(
                images,
                rules,
                labels=labels,
                boundaries=boundaries,
                superpixels=superpixels,
                channel=channel,
                preset=preset,
                steps=steps,
                seed=seed,
                minutes=minutes,
                checkpoint=checkpoint,
                on_image=progress.reading,
                on_progress=progress,
            )
    finally:
        with contextlib.suppress(OSError):  # nothing is left behind by training that never began
            checkpoint.rmdir()
            out.rmdir()
    model.save(out)
    stopped = "Stopped early; what was learned so far is kept. " if model.actor.interrupted else ""
    reward = f" (reward {model.actor.curve[-1]['reward']:.3f})" if model.actor.curve else ""
    print(f"{stopped}Saved the model{reward}: {out}")
