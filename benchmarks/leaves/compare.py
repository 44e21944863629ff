"""The recurrent method on rosettes of CVPPP A1, a fifth of the training images held out.

    python -m benchmarks.leaves compare --data path/to/leaves/train --variants AC-Dice BL-Trunc --seeds 0 1 2

Image i of the sorted list belongs to fold i mod 5; fold 0 is held out. All variants of a seed share the stages before
the last (image encoder, mask VAE, short supervised episodes), as the paper's share their pre-training, and differ in
the last one. Every run leaves its model in the cache, so that the same command goes on where it was stopped, and then
makes the page; on a GPU as on a processor.
"""

import json
from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.leaves.scores import evaluated
from benchmarks.lib.command import command, parser
from benchmarks.lib.digest import digest
from benchmarks.lib.images import DATA, SHIPPED
from benchmarks.lib.tables import machine, spread, table

_PAPER: dict[str, Any] = {"end_to_end": False}  # image encoder and mask decoder stay as they are in the last stage
VARIANTS: dict[str, dict[str, Any]] = {
    "before the last stage": {"episodes_steps": 0},
    "BL": _PAPER | {"objective": "bce"},
    "BL-Trunc": _PAPER | {"objective": "truncated-bce"},
    "BL-Trunc, noisy matching (eq. 2)": _PAPER | {"objective": "truncated-bce", "matching_noise": 0.1},
    "AC-Dice": _PAPER | {"objective": "actor-critic"},
    "AC-IoU": _PAPER | {"objective": "actor-critic", "reward": "iou"},
    "AC-Dice, pure Q (the paper's critic)": _PAPER | {"objective": "actor-critic", "critic": "q"},
    "AC-Dice-NoKL": _PAPER | {"objective": "actor-critic", "exploration": 0.0},
    "AC-Dice-NoSP": _PAPER | {"objective": "actor-critic", "state_pyramid": False},
    "BL-Trunc, end to end": {"objective": "truncated-bce"},
    "AC-Dice, end to end": {"objective": "actor-critic"},
    "BL-Trunc, end to end, longer": {"objective": "truncated-bce"},
}
"""Settings by which the variants differ: the paper's (table 1), of which NoSP differs in all stages, and ours."""
_LONGER = 3  # times as many updates in the last stage, of the variants called so
CARD = """
## Data and terms
{n} rosettes of Arabidopsis, with {least} to {most} leaves, of the training part A1 of the leaf segmentation
challenge CVPPP 2017: Plant Phenotyping Datasets, https://www.plant-phenotyping.org/datasets-home. These data are for
academic use, must be cited and not passed on; the model holds none of the images, and is offered for academic use:

> Minervini, Fischbach, Scharr & Tsaftaris: Finely-grained annotated datasets for image-based plant phenotyping. Pattern
> Recognition Letters 81, 2016.

## Figures
On {held_out} other rosettes of A1 that training never saw: SBD {sbd:.3f}, mean absolute difference in count {count:.2f}
(variant {variant}; docs/leaves.md).

## Limits
Made for single plants seen from above, green on a darker ground. Small leaves under others are missed most often.

## Remake it
`{command}`
"""
STATES = (None, "mask", "lstm")
_SPLIT = ("AC-Dice", "BL-Trunc", "BL-Trunc, end to end, longer")
"""Variants that are also tested with a part of their state taken away."""
STEPS = ("context", "masks", "first", "episodes", "critic")
"""The stages; and the updates of the critic alone, which are the first ones of the last stage."""
METRICS = ("SBD", "DiC", "abs_dic", "MWCov", "MUCov", "AvgFP", "AvgFN")


def options(verbs: Any) -> None:
    added = parser(__doc__, "compare", page, page="leaves.md", seeds=(0,), verbs=verbs)
    added.add_argument("--data", type=Path, default=DATA / "leaves" / "train")
    added.add_argument("--generated", type=int, default=0, help="so many generated rosettes instead, 64 x 64")
    added.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS)[:5:2])
    added.add_argument("--cache", type=Path, default=Path("runs/leaves"), help="where models are kept")
    for stage in STEPS:
        added.add_argument(f"--{stage}-steps", type=int, help="so many updates instead of the default")
    added.add_argument("--ship", choices=VARIANTS, help="put this variant's model of the first seed into the package")


def page(arguments: Namespace) -> str:
    """Train what is missing, and write the text of docs/leaves.md or docs/rosettes.md."""
    arguments.cache = arguments.cache / "quick" if arguments.quick else arguments.cache
    arguments.page = "rosettes.md" if arguments.generated else arguments.page
    examples, held_out = _examples(arguments)
    study = Study(arguments, examples, held_out, _settings(arguments, examples))
    rows, steps = [], {}
    for name in arguments.variants:
        for kept in STATES if name in _SPLIT else STATES[:1]:
            found = [study.scores(name, seed, kept) for seed in arguments.seeds]
            title = name if kept is None else f"{name}, of the state only: {'LSTM' if kept == 'lstm' else 'mask'}"
            rows.append((title, *(spread([scores[metric] for scores in found], ".3f") for metric in METRICS)))
            steps[title] = [scores["dice per step"] for scores in found]
    if arguments.ship:
        _ship(study, arguments.ship)
    return _written(study, rows, steps)


@dataclass(frozen=True)
class Study:
    """The images, and the settings that all variants share."""

    arguments: Namespace
    examples: list[Any]
    held_out: list[Any]
    settings: Any

    def folder(self, name: str, seed: int) -> Path:
        """Where a variant of a seed is kept."""
        return self.arguments.cache / f"{''.join(c if c.isalnum() else '-' for c in name)}-seed{seed}"

    def own(self, name: str) -> dict[str, Any]:
        """The settings of a variant that differ from those of all."""
        longer = {"episodes_steps": _LONGER * self.settings.episodes_steps} if name.endswith("longer") else {}
        return {**VARIANTS[name], **longer}

    def scores(self, name: str, seed: int, kept: str | None) -> dict[str, Any]:
        """Scores of one variant and seed on the held-out images, from the cache or by training."""
        numbers = len(self.examples), len(self.held_out), self.arguments.generated
        told = digest([self.settings.to_dict(), self.own(name), *numbers])
        scores = self.folder(name, seed) / f"scores-{kept or 'whole'}-{told}.json"
        if not scores.exists():
            networks = self.trained(name, seed).networks()
            scores.write_text(json.dumps(evaluated(networks, self.held_out, kept)))
        return json.loads(scores.read_text())

    def trained(self, name: str, seed: int) -> Any:
        """The agent of a variant: its last stage goes on from the stages that all share, trained once for each seed."""
        from segcritic.recurrent.train import train

        own, folder, settings = self.own(name), self.folder(name, seed), self.settings
        shared = replace(settings, state_pyramid=own.get("state_pyramid", True), objective="bce", episodes_steps=0)
        before = self.arguments.cache / f"{'shared' if shared.state_pyramid else 'shared-NoSP'}-seed{seed}"
        agent = train(self.examples, shared, seed=seed, checkpoint=before, on_progress=_tell)
        folder.mkdir(parents=True, exist_ok=True)
        if own.get("episodes_steps") == 0:
            return agent
        mine = replace(settings, **own, context_steps=0, masks_steps=0, first_steps=0)
        last = train(self.examples, mine, seed=seed, checkpoint=folder, pretrained=agent, on_progress=_tell)
        spent = agent.curve[-1]["seconds"]
        curve = [*agent.curve, *({**point, "seconds": point["seconds"] + spent} for point in last.curve)]
        return replace(last, settings=replace(settings, **own), curve=curve)


def _examples(arguments: Namespace) -> tuple[list[Any], list[Any]]:
    """Training images and held-out ones."""
    from segcritic.datasets.leaves import leaves
    from segcritic.datasets.rosettes import rosettes
    from segcritic.recurrent.views import Example

    if arguments.generated:
        n = arguments.generated
        pairs = list(rosettes(n, 64, seed=1, count=(3, 8))) + list(rosettes(max(10, n // 4), 64, seed=2, count=(3, 8)))
        everything = [Example.of(*pair) for pair in pairs]
        return everything[:n], everything[n:]
    samples: list[Any] = list(leaves(arguments.data))[: 10 if arguments.quick else None]
    everything = [Example.of(sample.pixels, sample.labels) for sample in samples]
    return [e for i, e in enumerate(everything) if i % 5], everything[::5]


def _settings(arguments: Namespace, examples: list[Any]) -> Any:
    from segcritic.recurrent.choose_settings import choose_settings

    settings = choose_settings(examples)
    given = {f"{stage}_steps": 2 if arguments.quick else getattr(arguments, f"{stage}_steps") for stage in STEPS}
    return replace(settings, **{name: value for name, value in given.items() if value is not None})


def _tell(progress: Any) -> None:
    if progress.step % 50 == 0:
        print(f"{progress.note}, step {progress.step} of {progress.steps}, {progress.seconds:.0f} s", flush=True)


def _framed(example: Any, settings: Any) -> tuple[Any, Any]:
    """Where the view lies in the image, and the true masks in the view."""
    from segcritic.recurrent.views import around, masks_of, whole

    shape, size = (settings.height, settings.width), tuple(example.labels.shape)
    frame = (around((example.labels > 0).numpy(), shape) if settings.zoom else None) or whole(size, shape)
    return frame, masks_of(example.labels, frame, shape)


def _ceiling(examples: list[Any], settings: Any) -> float:
    """Mean Dice of true masks that are reduced to the masks' resolution and enlarged again."""
    import torch

    from segcritic.recurrent.views import back_to_image

    dice = []
    for example in examples:
        frame, masks = _framed(example, settings)
        again = back_to_image((masks - 0.5) * 20, frame, tuple(example.labels.shape)) > 0
        for mask in again:
            numbers, counts = torch.unique(example.labels[mask], return_counts=True)
            number = numbers[counts.argmax()]
            true = example.labels == number
            dice.append(float(2 * (mask & true).sum() / (mask.sum() + true.sum())))
    return mean(dice)


def _reconstruction(seed: int, settings: Any, examples: list[Any], arguments: Namespace) -> float:
    """Mean Dice of true masks with what the mask VAE makes of them, in the view: the actor can do no better."""
    import torch
    from safetensors.torch import load_file

    from segcritic.recurrent.mask_vae import MaskEncoder
    from segcritic.recurrent.networks import Networks
    from segcritic.recurrent.views import look

    state = load_file(arguments.cache / f"shared-seed{seed}" / "state.safetensors")
    networks, encoder = Networks(settings).eval(), MaskEncoder(settings).eval()
    for module, name in ((networks, "average."), (encoder, "mask_encoder.")):
        module.load_state_dict({key.removeprefix(name): v for key, v in state.items() if key.startswith(name)})
    shape, dice = (settings.height, settings.width), []
    with torch.inference_mode():
        for example in examples:
            frame, masks = _framed(example, settings)
            pyramid, _ = networks.pyramid(look(example.pixels, frame, shape)[None])
            owner = torch.zeros(len(masks), dtype=torch.int64)
            again = networks.decoder(encoder(masks)[0], networks.decoder.prepare(pyramid), owner) > 0
            true = masks > 0.5
            sums = again.sum((1, 2)) + true.sum((1, 2))
            dice += (2 * (again & true).sum((1, 2)) / sums.clamp(min=1)).tolist()
    return mean(dice)


def _written(study: Study, rows: list[tuple[str, ...]], steps: dict[str, list[list[float]]]) -> str:
    arguments, examples, held_out, settings = study.arguments, study.examples, study.held_out, study.settings
    what = (
        f"{arguments.generated} generated rosettes of 64 x 64 pixels with 3 to 8 leaves (`segcritic.datasets.rosettes`)"
        if arguments.generated
        else f"{len(examples)} of the {len(examples) + len(held_out)} rosettes"
    )
    groups = [(0, 5), (5, 10), (10, 20)]
    later = [
        (title, *(spread([mean(dice[a:b]) for dice in seeds if dice[a:b]], ".3f") for a, b in groups))
        for title, seeds in steps.items()
    ]
    again = [_reconstruction(seed, settings, held_out, arguments) for seed in arguments.seeds]
    keep = ("generated", "variants", "seeds", *(f"{stage}_steps" for stage in STEPS))
    stages = ", ".join(f"{getattr(settings, f'{s}_steps')} ({s})" for s in STEPS)
    return f"""# {"Generated rosettes" if arguments.generated else "Leaves"}: the recurrent method

`{command(arguments, *keep)}` made this page. {machine(arguments.threads, ("numpy", "torch"))}

Trained on {what}, evaluated on {len(held_out)} others that no training saw.
{len(arguments.seeds)} seed(s): mean ± standard deviation.
View {settings.height} x {settings.width}{", zoomed to the plant" * settings.zoom}; updates by stage: {stages}.
All variants of a seed share the first three stages. "End to end": the last stage trains image encoder and mask
decoder too, which the paper leaves as they are; "longer": for {_LONGER} times as many updates.

{table(("variant", *METRICS), rows)}

"Of the state only": the other part is zero at test time (the paper's table 2). AvgFP and AvgFN are fractions.
Ceilings on the held-out images, mean Dice: {_ceiling(held_out, settings):.3f} by the masks' resolution alone;
{spread(again, ".3f")} by the mask VAE, of true masks that go through it.

## Dice by step (the paper's figure 3)

{table(("variant", *(f"steps {a + 1} to {b}" for a, b in groups)), later)}
"""


def _ship(study: Study, name: str) -> None:
    """Write the model of a variant, with its card, as the shipped model `leaves`."""
    from segcritic.models.cards import labels_card
    from segcritic.models.recurrent import RecurrentModel

    seed, examples = study.arguments.seeds[0], study.examples
    agent, scores = study.trained(name, seed), study.scores(name, seed, None)
    counts = sorted(example.n_objects for example in examples)
    drawn = "Draws the leaves of rosette plants seen from above, one after another"
    card = labels_card(agent, len(examples), seed).replace("# a model", "# leaves")
    card = card.replace("Draws one object after another", drawn) + CARD.format(
        n=len(examples),
        held_out=len(study.held_out),
        least=counts[0],
        most=counts[-1],
        sbd=scores["SBD"],
        count=scores["abs_dic"],
        variant=name,
        command=command(study.arguments, "variants", "seeds", *(f"{stage}_steps" for stage in STEPS), "ship"),
    )
    RecurrentModel(agent, card).save(SHIPPED / "leaves")
