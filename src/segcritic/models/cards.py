"""The card of a new model, Markdown: what it looks for, and how it was trained."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from segcritic.recurrent.train import TrainedAgent
from segcritic.rules import Rules


def rules_card(
    rules: Rules, n_images: int, curve: Sequence[dict[str, Any]], seed: int, preset: str, n_labelled: int = 0
) -> str:
    """Return the card of a model trained by rules."""
    last = curve[-1] if curve else {}
    name = rules.name or "a model"
    learned = "learned from rules alone" if not n_labelled else "learned from rules and labels"
    annotations = "without annotations" if not n_labelled else f"{n_labelled} of them with labels"
    lines = [
        f"# {name}",
        "",
        f"Segments {rules.name or 'objects'}; {learned} on {n_images} image{'s' * (n_images > 1)}, {annotations}.",
        "",
        "| | |",
        "|---|---|",
        "| method | stateless actor-critic (after Hilt et al. 2023) |",
        f"| segcritic | {version('segcritic')}, preset {preset}, seed {seed} |",
    ]
    if last:
        lines += [
            f"| training | {last['step']} steps in {last['seconds']:.0f} s |",
            f"| reward at the end | {last['reward']:.3f} (1 = every superpixel fits the rules) |",
            f"| objects per image | {last['objects_per_image']:.1f} |",
        ]
    lines += ["", f"Rules: {rules.description or 'see rules.yaml.'}", ""]
    return "\n".join(lines)


def labels_card(agent: TrainedAgent, n_images: int, seed: int) -> str:
    """Return the card of a model trained from labels."""
    settings = agent.settings
    seconds = agent.curve[-1]["seconds"] if agent.curve else 0
    rows = [
        "| method | recurrent actor-critic (after Araslanov et al. 2019): one mask at a time |",
        f"| segcritic | {version('segcritic')}, seed {seed}, objective {settings.objective} |",
        f"| view | {settings.height} x {settings.width} pixels{', zoomed to the foreground' * settings.zoom} |",
        f"| objects | at most {settings.max_objects} in an image |",
        f"| training | {seconds:.0f} s |",
    ]
    last = {point["stage"]: point for point in agent.curve if "dice" in point}
    rows += [f"| Dice at the end of stage '{name}' (training images) | {p['dice']:.3f} |" for name, p in last.items()]
    text = f"Draws one object after another; learned from {n_images} annotated image{'s' * (n_images > 1)}."
    return "\n".join(["# a model", "", text, "", "| | |", "|---|---|", *rows, ""])
