"""One image made ready for the agent: superpixel graph, features, and what its rules need to know about it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segcritic.graph import SuperpixelGraph, build_graph
from segcritic.graph.objects import measure
from segcritic.graph.project import Truth
from segcritic.pixels.preprocess import denoise, normalise
from segcritic.rules import BackgroundRule, Context, Rules, rough_descriptors
from segcritic.stateless.features import edge_features, node_features, rough_partition
from segcritic.stateless.radial import find_center, node_places, radial_edge_features, radial_node_features
from segcritic.stateless.rewards import node_weights
from segcritic.superpixels import DEFAULT, METHODS, cut
from segcritic.superpixels.prior import ObjectPrior
from segcritic.superpixels.split_along import split_along

_SMALLEST_ROUGH = 0.1  # of a typical disk: smaller rough objects are debris


@dataclass(frozen=True)
class State:
    """The state of the agent (paper, section 3): an image, its superpixel graph, and features.

    Attributes
    ----------
    image : (H, W) float32
        Normalised, and inverted when the rules say that objects are darker than the background.
    graph : SuperpixelGraph
    prior : ObjectPrior, optional
        None in a lean state.
    background : (N,) float64
        Likelihood of each superpixel to be background; without a polarity 0.5 where objects
        may be.
    weight : (N,) float64
        Of each superpixel in the rewards: its area, up to that of a typical object.
    context : Context
        What rules with ``expect: rough`` compare with.
    node_features, edge_features : (N, Fn), (E, Fe) float32
        Hand-made features; those relative to the rules' centre last, if they refer to one.
    outline_level : float, optional
        Between background (0) and an object's plateau (1), where final outlines are drawn; None: where superpixels end.
    truth : Truth, optional
        From labels, if the image has any: training then rewards agreement with them.
    """

    image: NDArray[np.float32]
    graph: SuperpixelGraph
    prior: ObjectPrior | None
    background: NDArray[np.float64]
    weight: NDArray[np.float64]
    context: Context
    node_features: NDArray[np.float32]
    edge_features: NDArray[np.float32]
    outline_level: float | None = None
    truth: Truth | None = None

    def lean(self, keep_pixels: bool) -> "State":
        """Return what training reads of the state: about a fifth of the memory, for hundreds of images.

        Without `keep_pixels`, which a U-Net and rules in Python need, the image and the superpixels are zeros that have
        their shape and take no memory.
        """
        if keep_pixels:
            return replace(self, prior=None)
        shape = self.image.shape
        graph = replace(self.graph, superpixels=np.broadcast_to(np.int32(0), shape))
        return replace(self, prior=None, image=np.broadcast_to(np.float32(0), shape), graph=graph)


def make_state(
    pixels: NDArray[np.floating],
    rules: Rules,
    boundaries: NDArray[np.floating] | None = None,
    given: NDArray[np.integer] | None = None,
    along: NDArray[np.integer] | None = None,
) -> State:
    """Make an image ready.

    Where the rules tell objects by their brightness, what goes on is an image whose noise was smoothed (`noise`).

    Parameters
    ----------
    pixels : (H, W) float
        Raw intensities.
    rules : Rules
    boundaries : (H, W) or (2, H, W) float, optional
        Boundary probability in [0, 1] from any network; and, as a second plane, the probability of object. Rules with
        superpixels of the method "boundaries" then take likely objects and background from there, not from the image.
    given : (H, W) integer, optional
        The user's own superpixels, any numbers; by default they are made by the method that the rules name.
    along : (H, W) integer, optional
        Labels, 0 = background, along whose outlines the superpixels are cut as well (see `recut.split_along`).
    """
    image = denoise(pixels) if rules.polarity else normalise(pixels)
    if rules.polarity < 0:
        image = 1 - image
    name, settings = (rules.superpixels.method, rules.superpixels.settings) if rules.superpixels else (DEFAULT, {})
    level = (rules.background or BackgroundRule()).level
    pieces, cues = cut(image, boundaries, name, settings, rules.polarity, level, given)
    found, background_level = cues.prior, level if cues.level is None else cues.level
    if along is not None:
        pieces = split_along(pieces, along, found.radius)
    graph = build_graph(image, pieces, cues.boundaries, find_center(image, rules))
    place = node_places(graph, rules)
    background = _background(graph, found, rules, background_level, place)
    nodes, edges = node_features(graph, image, found, background), edge_features(graph, image, found, background)
    if rules.radial:
        nodes = np.hstack([nodes, radial_node_features(graph, found.radius, place)])
        edges = np.hstack([edges, radial_edge_features(graph, found.radius, place)])
    return State(
        image,
        graph,
        found,
        background,
        node_weights(graph, np.pi * found.radius**2),
        Context(rough=_rough_values(graph, found, rules)),
        nodes.astype(np.float32),
        edges.astype(np.float32),
        level if rules.polarity and not METHODS[name].follows_maps else None,
    )


def _background(
    graph: SuperpixelGraph, found: ObjectPrior, rules: Rules, level: float, place: NDArray[np.float64]
) -> NDArray[np.float64]:
    if not rules.polarity:
        return 1 - 0.5 * place
    softness = (rules.background or BackgroundRule()).softness
    height = np.bincount(graph.superpixels.ravel(), found.foreground.ravel(), graph.n_nodes)
    height /= np.bincount(graph.superpixels.ravel(), minlength=graph.n_nodes)
    bright = 1 / (1 + np.exp(np.clip((level - height) / softness, -30, 30)))
    return 1 - bright * place


def _rough_values(graph: SuperpixelGraph, found: ObjectPrior, rules: Rules) -> dict[str, float]:
    """Typical descriptors of this image's objects, from a first rough segmentation of its superpixels."""
    names = rough_descriptors(rules)
    if not names:
        return {}
    labels = rough_partition(graph, found)
    objects = measure(graph, labels, names | {"area", "touches_border"})
    background = labels[np.argmin(graph.node_mean)]
    sane = (objects["area"] > _SMALLEST_ROUGH * np.pi * found.radius**2) & (objects["touches_border"] == 0)
    sane[background] = False
    if not sane.any():
        disk = {"area": np.pi * found.radius**2, "equivalent_diameter": 2 * found.radius}
        return {name: disk.get(name, float(np.median(objects[name]))) for name in names}
    return {name: float(np.median(objects[name][sane])) for name in names}
