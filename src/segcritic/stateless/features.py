"""Hand-made features of superpixels and of their shared boundaries, for the networks.

All are free of the image's size and of the order of the superpixels: lengths count in typical radii of the image's
objects, intensities in its normalised range.
"""

import numpy as np
from bioimage_cpp.distance import distance_transform
from numpy.typing import NDArray

from segcritic.graph import Edge, Node, SuperpixelGraph
from segcritic.graph.hulls import pair_hull_areas
from segcritic.graph.objects import measure
from segcritic.graph.partition import relabel_sequential
from segcritic.graph.project import majority
from segcritic.superpixels.level_sets import ObjectPrior

_CORE_LEVEL = 0.4  # of the prior, above which a pixel belongs to a rough object


def node_mean(graph: SuperpixelGraph, values: NDArray) -> NDArray[np.float64]:
    area = graph.node_sums[:, Node.AREA]
    return np.bincount(graph.superpixels.ravel(), values.ravel(), graph.n_nodes) / area


def _edge_mean(graph: SuperpixelGraph, values: NDArray) -> NDArray[np.float64]:
    """Mean of a map over both sides of each shared boundary, (E,)."""
    if not graph.n_edges:
        return np.zeros(0)
    points = graph.outline_points
    low, high = np.floor(points).astype(np.intp), np.ceil(points).astype(np.intp)
    sides = 0.5 * (values[low[:, 0], low[:, 1]] + values[high[:, 0], high[:, 1]])
    return np.add.reduceat(sides.astype(np.float64), graph.outline_start[:-1]) / np.diff(graph.outline_start)


def _union_solidity(graph: SuperpixelGraph) -> NDArray[np.float64]:
    """Solidity of the union of both ends of each edge, (E,): how convex the two are together."""
    area = graph.node_sums[:, Node.AREA]
    return area[graph.edges].sum(axis=1) / pair_hull_areas(graph.hull_points, graph.hull_start, graph.edges)


def node_core(graph: SuperpixelGraph, prior: ObjectPrior) -> NDArray[np.int32]:
    """The likely object (`ObjectPrior.cores`) that holds most of each superpixel, (N,); 0 for background."""
    return majority(graph.superpixels, prior.instances)


def node_features(
    graph: SuperpixelGraph, image: NDArray, prior: ObjectPrior, background: NDArray
) -> NDArray[np.float32]:
    """Features of every superpixel, (N, 18) float32.

    Parameters
    ----------
    graph : SuperpixelGraph
    image : (H, W) float32
        Normalised; objects bright, if the rules say which they are.
    prior : ObjectPrior
    background : (N,) float64
        Likelihood of background.
    """
    alone = measure(graph, np.arange(graph.n_nodes, dtype=np.int32))
    area = alone["area"]
    typical = np.pi * prior.radius**2
    depth = np.asarray(distance_transform(prior.foreground > _CORE_LEVEL)) / prior.radius
    mean = alone["mean_intensity"]
    degree = np.bincount(graph.edges.ravel(), minlength=graph.n_nodes)
    length = graph.edge_length
    around = np.zeros(graph.n_nodes)
    brighter = np.zeros(graph.n_nodes)
    outline = np.zeros(graph.n_nodes)
    for one, other in ((0, 1), (1, 0)):
        i, j = graph.edges[:, one], graph.edges[:, other]
        np.add.at(around, i, length * mean[j])
        np.add.at(brighter, i, length * (mean[j] > mean[i]))
        np.add.at(outline, i, length)
    outline = np.maximum(outline, 1)
    core = node_core(graph, prior)
    core_area = np.bincount(core, area, int(prior.instances.max()) + 1)
    core_area[0] = typical
    return np.stack(
        [
            np.log(area / typical),
            mean,
            alone["sd_intensity"],
            alone["max_intensity"] - alone["min_intensity"],
            graph.node_sums[:, Node.GRADIENT] / area,
            node_mean(graph, np.clip(prior.foreground, 0, 1.5)),
            node_mean(graph, depth),
            np.log(0.05 + np.clip(mean, 0, None)),
            alone["touches_border"],
            alone["eccentricity"],
            alone["solidity"],
            alone["circularity"],
            np.log(np.maximum(degree, 1)),
            around / outline - mean,
            brighter / outline,
            background,
            np.log(core_area[core] / typical),
            (core > 0).astype(float),
        ],
        axis=1,
    ).astype(np.float32)


def edge_features(
    graph: SuperpixelGraph, image: NDArray, prior: ObjectPrior, background: NDArray
) -> NDArray[np.float32]:
    """Features of every shared boundary, the same from both sides, (E, 19) float32. Parameters as `node_features`."""
    i, j = graph.edges.T
    length = graph.edge_length
    area = graph.node_sums[:, Node.AREA]
    outline = np.bincount(graph.edges.ravel(), np.repeat(length, 2), graph.n_nodes)
    mean = graph.node_mean
    height = np.clip(prior.foreground, 0, 1.5)
    depth = np.asarray(distance_transform(prior.foreground > _CORE_LEVEL)) / prior.radius
    node_height, node_depth = node_mean(graph, height), node_mean(graph, depth)
    core = node_core(graph, prior)
    sums = graph.edge_sums / length[:, None]
    row, col = (graph.node_sums[:, column] / area for column in (Node.ROW, Node.COL))
    both = area[i] + area[j]
    smaller = np.minimum(outline[i], outline[j])
    return np.stack(
        [
            np.log(length / prior.radius),
            length / smaller,
            length / np.maximum(outline[i], outline[j]),
            np.abs(mean[i] - mean[j]),
            np.abs(node_height[i] - node_height[j]),
            graph.edge_level - np.minimum(mean[i], mean[j]),
            graph.edge_level - np.maximum(mean[i], mean[j]),
            sums[:, Edge.GRADIENT],
            sums[:, Edge.DIFFERENCE],
            sums[:, Edge.BOUNDARY],
            ((core[i] == core[j]) & (core[i] > 0)).astype(float),
            ((core[i] != core[j]) & (core[i] > 0) & (core[j] > 0)).astype(float),
            _union_solidity(graph),
            np.log(both / (np.pi * prior.radius**2)),
            np.hypot(row[i] - row[j], col[i] - col[j]) / prior.radius,
            np.minimum(background[i], background[j]),
            np.maximum(background[i], background[j]),
            _edge_mean(graph, height) - np.minimum(node_height[i], node_height[j]),
            _edge_mean(graph, depth) - np.minimum(node_depth[i], node_depth[j]),
        ],
        axis=1,
    ).astype(np.float32)


N_NODE_FEATURES = 18
N_EDGE_FEATURES = 19


def rough_partition(graph: SuperpixelGraph, prior: ObjectPrior) -> NDArray[np.int32]:
    """A first rough segmentation of the superpixels, (N,): the bright part of each likely object; the rest is one.

    It gives the typical size of this image's objects to rules that say ``expect: rough``, and one start of the audit.
    """
    core = node_core(graph, prior)
    bright = node_mean(graph, prior.foreground) > _CORE_LEVEL
    labels = np.unique(np.where(bright, core, 0), return_inverse=True)[1].astype(np.int32)[None]
    relabel_sequential(labels)
    return labels[0]
