"""Multicut of superpixels with costs from the boundary between them: no rules, no learned actor."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.otsu import drop_small, keep_bright
from segcritic.graph import SuperpixelGraph, build_graph
from segcritic.graph.partition import multicut
from segcritic.graph.project import to_labels
from segcritic.pixels.preprocess import normalise
from segcritic.superpixels import superpixels

_SURE = 0.01  # probabilities are kept this far from 0 and 1
_STEEPEST = 95  # percentile of the edges' gradients that counts as a sure boundary


def boundary_costs(graph: SuperpixelGraph, probability: NDArray[np.floating], bias: float = 0.5) -> NDArray[np.float64]:
    """Costs for the multicut, (E,): the log-odds that two superpixels belong together, times how much they touch.

    Parameters
    ----------
    graph : SuperpixelGraph
    probability : (E,) float
        Of a boundary between the two.
    bias : float
        Probability at which a merge and a cut are equal; more = fewer objects.
    """
    sure = np.clip(probability, _SURE, 1 - _SURE)
    log_odds = np.log((1 - sure) / sure) + np.log(bias / (1 - bias))
    return log_odds * graph.edge_length


def gradient_multicut(
    image: NDArray[Any], sigma: float = 3.0, bias: float = 0.7, factor: float = 0.85, min_area: int = 16
) -> NDArray[np.int32]:
    """Multicut of gradient watershed superpixels by the gradient between them; keep what is bright.

    The defaults are good ones found on fluorescent nuclei (training images of DSB2018).

    Parameters
    ----------
    image : (H, W), objects brighter than the background
    sigma : scale of the gradient, pixels
    bias : as in `boundary_costs`, of the gradient as a share of the steep ones in the image
    factor : of Otsu's threshold; segments that lie mostly above it are objects
    min_area : smaller objects are removed, pixels

    Returns
    -------
    (H, W) int32, 0 = background, objects 1..n
    """
    scaled = normalise(image)
    graph = build_graph(scaled, superpixels(scaled, "watershed", sigma=sigma))
    if not graph.n_edges:
        return np.zeros(scaled.shape, np.int32)
    height = graph.edge_boundary
    probability = height / max(float(np.percentile(height, _STEEPEST)), 1e-9)
    segments = to_labels(graph, multicut(graph, boundary_costs(graph, probability, bias)))
    return drop_small(keep_bright(segments, scaled, factor), min_area)
