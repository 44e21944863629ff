"""A run, or the audit of a rules file -> one HTML page that needs no other file.

Of a run: pictures of every step, every object's scores, the learning curve, the rules. Of an audit: the warnings, and
pictures of what the rules like.
"""

import base64
import html
import os
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from segcritic.io.atomic import atomic_text
from segcritic.report.pictures import (
    MERGE,
    SPLIT,
    Picture,
    action_picture,
    gray,
    label_colors,
    label_picture,
    png,
    reward_picture,
    superpixel_picture,
)
from segcritic.rules import Rules

if TYPE_CHECKING:
    from segcritic.api import Checked
    from segcritic.models import Model
    from segcritic.search.audit import AuditResult
    from segcritic.stateless.predict import Segmentation

_LARGEST_SIDE = 1200  # pixels of an enlarged picture
_LIGHT = ((244, 199, 195), (252, 232, 178), (183, 225, 205))  # cells of the table: score 0, 0.5, 1


def write_report(path: str | os.PathLike[str], model: "Model", results: Sequence[tuple[str, "Segmentation"]]) -> None:
    """Write the page.

    Parameters
    ----------
    path : the HTML file; it is replaced in one step
    model : what segmented the images
    results : name of each image, and its segmentation

    Raises
    ------
    UserError
        When the file cannot be written.
    """
    title = html.escape(model.rules.name or "segmentation")
    body = [f"<h1>{title}</h1>", f"<p class=lead>{_summary(model, results)}</p>"]
    for number, (name, found) in enumerate(results):
        if len(results) > 1:
            body.append(f"<h2>{html.escape(name)}</h2>")
        body += [_figure(found, _rules(model.rules) if number == 0 else ""), _table(found)]
    body += [_learning(model), _made_by(model)]
    _write(path, title, body)


def write_check(
    path: str | os.PathLike[str], rules: Rules, checked: "Sequence[Checked]", result: "AuditResult"
) -> None:
    """Write the audit of a rules file as a page: warnings, and for each image what the rules like, as pictures.

    Parameters
    ----------
    path : the HTML file; it is replaced in one step
    rules : what was checked
    checked : the images that it was checked on, in the order of `result.candidates`
    result : of `segcritic.search.audit.audit`

    Raises
    ------
    UserError
        When the file cannot be written.
    """
    title = html.escape(f"{rules.name or 'rules'}: check")
    verdict = "".join(f"<li>{html.escape(warning)}</li>" for warning in result.warnings)
    body = [
        f"<h1>{title}</h1>",
        "<p class=lead>Segmentations that the rules like, searched for from several starts before any training. Good"
        " rules give the sensible ones the highest reward.</p>",
        f"<ul class=warnings>{verdict}</ul>" if verdict else "<p><b>Nothing to complain about.</b></p>",
    ]
    for image, candidates in zip(checked, result.candidates, strict=True):
        body.append(f"<h2>{html.escape(image.name)}</h2><div class=panels>")
        body.append(_panel(gray(image.pixels), image.pixels.shape, "Image", ""))
        for candidate in sorted(candidates, key=lambda candidate: -candidate.searched_reward):
            note = (
                f"reward {candidate.searched_reward:.2f}, {candidate.n_objects} objects (the start itself:"
                f" {candidate.reward:.2f}){'; <b>degenerate</b>' if candidate.degenerate else ''}."
            )
            picture = label_picture(image.pixels, candidate.labels, _scale(image.pixels.shape))
            body.append(_panel(picture, image.pixels.shape, f"From '{candidate.start}'", note))
        body.append("</div>")
    body.append(f"<h2>Rules</h2>{_rules(rules)}")
    _write(path, title, body)


def _write(path: str | os.PathLike[str], title: str, body: Sequence[str]) -> None:
    page = _PAGE.replace("{title}", title).replace("{body}", "\n".join(body))
    with atomic_text(path) as file:
        file.write(page)


def _summary(model: "Model", results: Sequence[tuple[str, "Segmentation"]]) -> str:
    scores = np.concatenate([found.table["score"] for _, found in results])
    images = f" in {len(results)} images" if len(results) > 1 else ""
    seconds = f" after {model.actor.curve[-1]['seconds']:.0f} seconds of training" if model.actor.curve else ""
    fit = f" They fit the rules by {scores.mean():.2f} on average (1 = entirely)." if len(scores) else ""
    return f"<b>{len(scores)} objects</b>{images}, found from rules alone{seconds}.{fit} Nobody outlined an example."


def _figure(found: "Segmentation", last: str) -> str:
    """Lay out the pictures of one image, and `last` after them."""
    shape = found.labels.shape
    scale = _scale(shape)
    merge, split = ("rgb({},{},{})".format(*color) for color in (MERGE, SPLIT))
    panels = [
        _panel(gray(found.image), shape, "Image", ""),
        _panel(
            superpixel_picture(found.graph, found.image, scale),
            shape,
            f"{found.graph.n_nodes} superpixels",
            "Small pieces that are to be merged into objects.",
        ),
        _panel(
            action_picture(found.graph, found.split, found.image, scale),
            shape,
            "Actions",
            f"What the actor decides for each shared boundary: <b style='color:{merge}'>merge</b> or"
            f" <b style='color:{split}'>split</b>.",
        ),
        _panel(
            label_picture(found.image, found.labels, scale),
            shape,
            f"{len(found.table['label'])} objects",
            "The labels; numbers as in the table.",
            _numbers(found),
        ),
        _panel(
            reward_picture(found.graph, found.node_reward, found.image),
            shape,
            "Rewards",
            "What each superpixel earns: light green for a good fit to the rules, dark red for a bad one.",
        ),
    ]
    return f"<div class=panels>{''.join(panels)}{last}</div>"


def _scale(shape: tuple[int, ...]) -> int:
    """How much an image is enlarged, so that lines fit between its pixels."""
    return int(np.clip(_LARGEST_SIDE // max(shape), 1, 6))


def _panel(picture: Picture, shape: tuple[int, ...], caption: str, note: str, marks: str = "") -> str:
    """Set a picture of an image of `shape`, with `marks` in the image's coordinates over it."""
    return (
        f"<figure>{_svg(picture, shape[1], shape[0], marks)}"
        f"<figcaption><b>{html.escape(caption)}.</b> {note}</figcaption></figure>"
    )


def _svg(picture: Picture, width: int, height: int, marks: str) -> str:
    """Embed a picture as PNG, in an SVG that has the image's coordinates for what is drawn over it."""
    data = base64.b64encode(png(picture)).decode("ascii")
    return (
        f'<svg viewBox="0 0 {width} {height}" role=img><image width="{width}" height="{height}"'
        f' href="data:image/png;base64,{data}"/>{marks}</svg>'
    )


def _numbers(found: "Segmentation") -> str:
    """Write each object's number at its centroid."""
    size = max(found.labels.shape) / 38
    rows = zip(found.table["label"], found.table["centroid_row"], found.table["centroid_col"], strict=True)
    return "".join(
        f'<text x="{column + 0.5:.1f}" y="{row + 0.5:.1f}" font-size="{size:.1f}">{label}</text>'
        for label, row, column in rows
    )


def _table(found: "Segmentation") -> str:
    """One line an object: its score, and for each rule the measured value on the colour of the rule's score."""
    rules = [name.removeprefix("score_") for name in found.table if name.startswith("score_")]
    classes = found.table.get("class")
    names = ["object", *(["class"] if classes is not None else []), "score", *rules]
    head = "".join(f"<th>{html.escape(name.replace('_', ' '))}</th>" for name in names)
    colors = label_colors(int(found.labels.max()) + 1)
    lines = []
    for k, label in enumerate(found.table["label"]):
        swatch = "rgb({:.0f},{:.0f},{:.0f})".format(*colors[label])
        score = found.table["score"][k]
        cells = [
            f"<td><i style='background:{swatch}'></i>{label}</td>",
            *([f"<td>{html.escape(classes[k])}</td>"] if classes is not None else []),
            f"<td style='background:{_light(score)}'><b>{score:.2f}</b></td>",
        ]
        for name in rules:
            fit = found.table[f"score_{name}"][k]
            measured = found.table.get(name.rpartition("/")[2])  # after the class that the rule is about
            shown = f"{fit:.2f}" if measured is None else _short(measured[k])
            cells.append(f"<td style='background:{_light(fit)}' title='score {fit:.2f}'>{shown}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    caption = (
        "Each object's measurements, in pixels. Colour: how well it fits that rule, from"
        f" <span style='background:{_light(0)}'>not at all</span> to <span style='background:{_light(1)}'>entirely"
        f"</span>; the score joins all rules{' for the class, whose name stands before them' * (classes is not None)}."
    )
    return (
        f"<h2>Objects</h2><p>{caption}</p><div class=wide><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _learning(model: "Model") -> str:
    curve = model.actor.curve
    if len(curve) < 2:
        return ""
    steps = [point["step"] for point in curve]
    reward = _chart(steps, [point["reward"] for point in curve], "reward", 1.0)
    counts = [point["objects_per_image"] for point in curve]
    objects = _chart(steps, counts, "objects per image", None)
    return (
        "<h2>Learning</h2><p>The mean reward and the number of objects of the partitions that the actor tries, over"
        f" {steps[-1]} steps ({curve[-1]['seconds']:.0f} s). It explores while it learns, so the labels above are"
        f" better than these.</p><div class=charts>{reward}{objects}</div>"
    )


def _chart(x: Sequence[float], y: Sequence[float], name: str, top: float | None) -> str:
    """Draw a line chart as SVG, from 0 to `top` (by default the next multiple of 4 above all values)."""
    width, height, left, right, floor = 460, 210, 46, 448, 176
    top = top or 4.0 * (max(y) // 4 + 1)
    across, up = (right - left) / max(x[-1], 1), (floor - 12) / top
    points = zip(x, y, strict=True)
    line = " ".join(f"{left + a * across:.1f},{floor - min(b, top) * up:.1f}" for a, b in points)
    ticks = []
    for value in (part * top for part in (0, 0.25, 0.5, 0.75, 1)):
        level = floor - value * up
        ticks.append(f"<line class=grid x1={left} x2={right} y1={level:.1f} y2={level:.1f} />")
        ticks.append(f"<text x={left - 6} y={level + 4:.1f} text-anchor=end>{value:.3g}</text>")
    below = (
        f"<text x={left} y={floor + 20}>0</text>"
        f"<text x={(left + right) / 2} y={floor + 20} text-anchor=middle font-weight=600>{name}</text>"
        f"<text x={right} y={floor + 20} text-anchor=end>{x[-1]} steps</text>"
    )
    drawn = f'{"".join(ticks)}<polyline points="{line}"/>{below}'
    return f'<svg class=chart viewBox="0 0 {width} {height}" role=img>{drawn}</svg>'


def _rules(rules: Rules) -> str:
    return (
        f"<figure><pre>{html.escape(rules.to_yaml())}</pre>"
        "<figcaption><b>Rules.</b> All that the critic was told about the objects.</figcaption></figure>"
    )


def _made_by(model: "Model") -> str:
    settings = model.actor.settings
    program = version("segcritic")
    return (
        f"<p class=foot>segcritic {program}; {html.escape(model.method)} actor-critic after Hilt et al. 2023;"
        f" at most {settings.steps} steps of {settings.images_per_step} images, {settings.samples} partitions each.</p>"
    )


def _light(score: float) -> str:
    channels = [np.interp(score, (0, 0.5, 1), values) for values in zip(*_LIGHT, strict=True)]
    return "#{:02x}{:02x}{:02x}".format(*(round(float(value)) for value in channels))


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


_PAGE = """<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta name=viewport content="width=device-width, initial-scale=1">
<meta name=generator content=segcritic>
<title>{title}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2530; background: #fff; max-width: 1180px; margin: 2rem auto;
  padding: 0 1.2rem; }
h1 { font-size: 2rem; margin: 0; text-transform: capitalize; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .4rem; }
.lead { font-size: 1.1rem; margin: .4rem 0 1.4rem; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 1.1rem; }
figure { margin: 0; }
figure svg, figure pre { width: 100%; display: block; border-radius: 4px; }
figure text { fill: #fff; stroke: #000; stroke-width: .18em; paint-order: stroke; text-anchor: middle;
  dominant-baseline: central; font-weight: 600; }
figcaption { font-size: .92rem; margin-top: .35rem; color: #44515e; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
th { text-align: right; font-weight: 600; border-bottom: 2px solid #1c2530; }
th, td { padding: .18rem .8rem; }
td { text-align: right; border-bottom: 1px solid #fff; }
td i { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .5em; }
p span { padding: .05rem .35rem; border-radius: 3px; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 1.1rem; max-width: 980px; }
.chart { width: 100%; font-size: 12px; }
.chart text { fill: #44515e; }
.chart polyline { fill: none; stroke: #1668b8; stroke-width: 2; stroke-linejoin: round; }
.chart .grid { stroke: #dde3e9; }
pre { background: #f3f5f7; padding: .8rem 1rem; border-radius: 4px; font-size: .76rem; margin: 0; white-space: pre-wrap;
  max-height: 17rem; overflow-y: auto; box-sizing: border-box; }
.warnings li { margin: .4rem 0; padding: .3rem .8rem; background: #fce8b2; border-radius: 4px; list-style: none; }
.warnings { padding: 0; }
.foot { color: #6a7682; font-size: .88rem; margin-top: 1.6rem; }
</style>
{body}
</html>
"""
