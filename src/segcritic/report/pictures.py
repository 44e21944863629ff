"""Pictures of a segmentation: superpixels, the actor's choices, objects, rewards. (H, W, 3) uint8 everywhere.

Lines are drawn on cracks, between the pixels, so pictures with lines are enlarged by a whole factor.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from segcritic.graph import SuperpixelGraph

if TYPE_CHECKING:
    from segcritic.stateless.predict import Segmentation

Picture = NDArray[np.uint8]

MERGE, SPLIT = (30, 175, 75), (225, 45, 45)
_GAP = 12  # pixels between pictures in a row
_LINE = (250, 215, 60)
_REWARDS = ((120, 0, 0), (214, 69, 45), (250, 190, 90), (120, 200, 90), (190, 245, 160))
"""From reward 0, dark red, to 1, light green."""


def gray(image: NDArray[np.floating], scale: int = 1) -> Picture:
    """Draw a normalised image (0 = black, 1 = white), each pixel `scale` x `scale` large; (H, W, 3) in its colours."""
    if image.ndim == 3:
        return enlarge((255 * np.clip(image, 0, 1) + 0.5).astype(np.uint8), scale)
    levels = (255 * np.clip(image, 0, 1) ** 0.7).astype(np.uint8)  # dim objects are to be seen too
    return enlarge(np.repeat(levels[..., None], 3, axis=2), scale)


def enlarge(picture: Picture, scale: int) -> Picture:
    """Repeat every pixel `scale` times in both directions."""
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def superpixel_picture(graph: SuperpixelGraph, image: NDArray[np.floating], scale: int = 3) -> Picture:
    """Draw the outlines of the superpixels over the image."""
    picture = gray(image, scale)
    _draw_cracks(picture, graph.outline_points, np.array([_LINE]), scale, 1)
    return picture


def action_picture(
    graph: SuperpixelGraph, split: NDArray[np.floating], image: NDArray[np.floating], scale: int = 3
) -> Picture:
    """Draw every shared boundary in the colour of the actor's choice: green = merge, red = split (the paper's fig. 4).

    `split` is the probability of each edge, (E,).
    """
    picture = gray(0.6 * np.clip(image, 0, 1), scale)
    part = np.repeat(split, np.diff(graph.outline_start))[:, None]
    colors = (1 - part) * np.array(MERGE) + part * np.array(SPLIT)
    _draw_cracks(picture, graph.outline_points, colors, scale, max(min(scale, 2), scale - 1))
    return picture


def label_picture(image: NDArray[np.floating], labels: NDArray[np.integer], scale: int = 3) -> Picture:
    """Draw every object in a colour of its own over the image, with its outline."""
    colors = label_colors(int(labels.max()) + 1)
    ground = gray(image).astype(np.float32)
    inside = (labels > 0)[..., None]
    tinted = np.where(inside, 0.55 * ground + 0.45 * colors[labels], ground)
    picture = enlarge(tinted.astype(np.uint8), scale)
    for axis in (0, 1):
        first, second = np.moveaxis(labels, axis, 0)[:-1], np.moveaxis(labels, axis, 0)[1:]
        low = np.argwhere(np.moveaxis(first != second, 0, axis)).astype(np.float32)
        low[:, axis] += 0.5
        outer = np.moveaxis(np.maximum(first, second), 0, axis)
        _draw_cracks(picture, low, colors[outer[np.moveaxis(first != second, 0, axis)]], scale, 2)
    return picture


def reward_picture(
    graph: SuperpixelGraph, node_reward: NDArray[np.floating], image: NDArray[np.floating], scale: int = 1
) -> Picture:
    """Fill every superpixel with the colour of its reward: dark red = 0, light green = 1."""
    stops = np.linspace(0, 1, len(_REWARDS))
    colors = np.stack([np.interp(node_reward, stops, channel) for channel in np.array(_REWARDS).T], axis=1)
    blended = 0.75 * colors[graph.superpixels] + 0.25 * gray(image)
    return enlarge(blended.astype(np.uint8), scale)


def overlay(
    image: NDArray[np.floating], labels: NDArray[np.integer], colors: NDArray[np.floating] | None = None
) -> Picture:
    """Draw the objects over the image, one pixel for each of the image's: outlines on the objects' outermost pixels.

    `colors`, (n + 1, 3) in 0..255, are those of the labels 0..n; by default `label_colors`.
    """
    colors = label_colors(int(labels.max()) + 1) if colors is None else colors
    picture = gray(image)
    padded = np.pad(labels, 1, mode="edge")
    middle = padded[1:-1, 1:-1]
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edge = (labels > 0) & np.any([middle != other for other in around], axis=0)
    inside = (labels > 0) & ~edge
    picture[inside] = (0.8 * picture[inside] + 0.2 * colors[labels[inside]]).astype(np.uint8)
    picture[edge] = colors[labels[edge]]
    return picture


def label_colors(count: int) -> NDArray[np.float32]:
    """Return `count` colours, (count, 3) in 0..255, that differ from one number to the next."""
    number = np.arange(count)
    hue = (number * 0.618034) % 1.0  # the golden ratio spreads hues evenly however many there are
    bright = np.where(number % 2 == 0, 1.0, 0.85)
    channels = [np.clip(np.abs((hue * 6 + shift) % 6 - 3) - 1, 0, 1) for shift in (0.0, 4.0, 2.0)]
    return (255 * bright[:, None] * (0.25 + 0.75 * np.stack(channels, axis=1))).astype(np.float32)


def step_colors(count: int) -> NDArray[np.float32]:
    """Return `count` + 1 colours, (count + 1, 3) in 0..255: 0 is the background, then blue (first) to yellow (last)."""
    share = np.linspace(0, 1, max(1, count))
    stops = np.array([(60, 60, 220), (40, 170, 190), (90, 200, 90), (250, 230, 60)], float)
    at = np.linspace(0, 1, len(stops))
    ramp = np.stack([np.interp(share, at, channel) for channel in stops.T], axis=1)
    return np.concatenate([np.zeros((1, 3)), ramp]).astype(np.float32)


def story(found: "Segmentation", scale: int = 3) -> Picture:
    """Draw image, the actor's choices and the objects in a row, on white."""
    pictures = [
        gray(found.image, scale),
        action_picture(found.graph, found.split, found.image, scale),
        label_picture(found.image, found.labels, scale),
    ]
    space = np.full((pictures[0].shape[0], _GAP, 3), 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (picture, space)][:-1], axis=1)


def png(picture: Picture) -> bytes:
    """Encode a picture, (H, W, 3) or gray (H, W), as PNG."""
    import imageio.v3 as iio

    return iio.imwrite("<bytes>", picture, extension=".png")


def _draw_cracks(picture: Picture, points: NDArray[np.floating], colors: NDArray[Any], scale: int, width: int) -> None:
    """Draw cracks in place: `points` (P, 2), row and column of their midpoints, one of which is a half."""
    points = np.asarray(points)
    colors = np.broadcast_to(colors, (len(points), 3)).astype(np.uint8)
    height, length = picture.shape[:2]
    top = np.floor(points + 0.5).astype(np.intp) * scale  # where the crack begins, on the enlarged grid
    horizontal = points[:, 0] != np.floor(points[:, 0])
    for along in range(scale):
        for across in range(width):
            offset = across - width // 2
            row = top[:, 0] + np.where(horizontal, offset, along)
            column = top[:, 1] + np.where(horizontal, along, offset)
            picture[np.clip(row, 0, height - 1), np.clip(column, 0, length - 1)] = colors
