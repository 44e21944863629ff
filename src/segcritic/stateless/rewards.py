"""Object scores -> superpixel rewards -> edge rewards; the mean over subgraphs is `SubgraphBatch`'s.

Every reward lies in [0, 1]. A superpixel is judged as part of its object, and an object as what it fits best: an object
of the rules' kind (of the best of their classes, if they have several), or background (paper, A.2, "softly assigned to
one of the possible classes").
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segcritic.graph import Node, SuperpixelGraph
from segcritic.graph.objects import ObjectTable, measure
from segcritic.rules import Context, Scorer

Credit = Literal["share", "maximum"]


@dataclass(frozen=True)
class Rewards:
    """What K partitions of one graph earn.

    Attributes
    ----------
    objects : ObjectTable
        The M objects of all partitions.
    score : (M,) float64
        How well each object fits the rules, in [0, 1].
    foreground : (M,) bool
        Which objects are of the rules' kind, rather than background.
    node : (K, N) float64
        Reward of every superpixel.
    count : (K,) float64
        How well the number of foreground objects fits the count rule; 1 without one (eq. 13, 15).
    """

    objects: ObjectTable
    score: NDArray[np.float64]
    foreground: NDArray[np.bool_]
    node: NDArray[np.float64]
    count: NDArray[np.float64]


def node_weights(graph: SuperpixelGraph, largest: float = np.inf) -> NDArray[np.float64]:
    """Weight of each superpixel in its object's reward and in the image's, (N,): its area in pixels, up to `largest`.

    Without a limit, such as the area of a typical object, the background would drown the objects.
    """
    return np.minimum(graph.node_sums[:, Node.AREA], largest)


def node_rewards(
    graph: SuperpixelGraph,
    node_labels: NDArray[np.int32],
    scorer: Scorer,
    context: Context,
    background: NDArray[np.float64],
    weight: NDArray[np.float64],
) -> Rewards:
    """Judge every superpixel of K partitions.

    Each object takes the class in which it earns more: as an object of the rules' kind (of at least the score that
    the rules keep) its superpixels earn its score; as background each earns its own likelihood of being background.
    So a huge background object is judged piece by piece, and swallowing an object costs what the object would have
    earned. Without a rule on brighter or darker nothing is known of the background where objects may be: there it earns
    0.5 if no object earns more, and elsewhere (rule `where`) more, and objects less.

    Parameters
    ----------
    graph : SuperpixelGraph
    node_labels : (K, N) int32
    scorer : Scorer
    context : Context
    background : (N,) float64
        Likelihood in [0, 1] that a superpixel is background; 0.5 where nothing is known.
    weight : (N,) float64
        From `node_weights`.
    """
    rules = scorer.rules
    objects = measure(graph, node_labels, scorer.needed)
    score = scorer.object_scores(objects, context)
    row = objects.node_object
    total = np.bincount(row.ravel(), np.broadcast_to(weight, row.shape).ravel(), len(objects))
    dark = np.bincount(row.ravel(), np.broadcast_to(weight * background, row.shape).ravel(), len(objects)) / total
    # Without a polarity, 0.5 is the least likelihood of background, and then an object earns its full score.
    full = 1 if rules.polarity else 2
    bright, bright_object = (np.minimum(full * (1 - likely), 1) for likely in (background, dark))
    foreground = (score * bright_object > dark) & (score >= rules.keep_above)
    node = np.where(foreground[row], score[row] * bright, background)
    n_objects = np.bincount(objects.sample, foreground, len(row))
    return Rewards(objects, score, foreground, node, scorer.count_score(n_objects))


def edge_shares(graph: SuperpixelGraph, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part of both ends' weight that an edge carries, (E, 2): each superpixel's, spread evenly over its edges.

    Scaled so that the two parts of an edge add up to 1 on average.
    """
    degree = np.bincount(graph.edges.ravel(), minlength=graph.n_nodes)
    share = (weight / np.maximum(degree, 1))[graph.edges]
    return share * (graph.n_edges / share.sum()) if graph.n_edges else share


def edge_rewards(
    graph: SuperpixelGraph, node: NDArray[np.float64], weight: NDArray[np.float64], credit: Credit = "share"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rewards of the superpixels -> rewards of the edges.

    Parameters
    ----------
    graph : SuperpixelGraph
    node : (K, N) float64
    weight : (N,) float64
        From `node_weights`.
    credit : {"share", "maximum"}
        "maximum": the higher of the two ends (paper, section 3.2). "share": both ends by their share of the area, so
        that the weighted mean over all edges is exactly the weighted mean over all superpixels that have an edge.

    Returns
    -------
    reward : (K, E) float64
        In [0, 1].
    edge_weight : (E,) float64
        Of each edge in the mean over a subgraph: 1 for "maximum".

    Examples
    --------
    >>> from segcritic.graph import build_graph
    >>> graph = build_graph(np.zeros((4, 6), np.float32), np.repeat([[0, 0, 0, 1, 1, 1]], 4, axis=0))
    >>> edge_rewards(graph, np.array([[0.25, 0.75]]), node_weights(graph), credit="maximum")
    (array([[0.75]]), array([1.]))
    """
    ends = node[:, graph.edges]
    if credit == "maximum":
        return ends.max(axis=2), np.ones(graph.n_edges)
    share = edge_shares(graph, weight)
    edge_weight = share.sum(axis=1)
    return (ends * share).sum(axis=2) / edge_weight, edge_weight


def total_reward(rewards: Rewards, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean reward of each partition's superpixels, times its count score, (K,), in [0, 1]."""
    return rewards.node @ (weight / weight.sum()) * rewards.count
