"""Label images <-> partitions of the superpixels, by the majority of pixels."""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.graph.graph import SuperpixelGraph

UNLABELLED = 65535
"""Label of the pixels of which nothing is said: the largest number of a 16-bit image. 0 says: background."""


@dataclass(frozen=True)
class Truth:
    """True objects of the superpixels of one image.

    Attributes
    ----------
    node : (N,) int32
        True object of each superpixel, by most of its pixels: 0 = background, objects 1..M; -1 = unlabelled.
    """

    node: NDArray[np.int32]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which superpixels are labelled, (N,)."""
        return self.node >= 0


def majority(superpixels: NDArray[np.integer], labels: NDArray[np.integer]) -> NDArray:
    """Return the label of most pixels of each superpixel; ties go to the smallest label.

    Parameters
    ----------
    superpixels : integer array
        Values 0..N-1, every value present.
    labels : integer array of the same shape
        Any values.

    Returns
    -------
    (N,) array of the type of `labels`

    Raises
    ------
    UserError
        When the shapes differ.

    Examples
    --------
    >>> majority(np.array([[0, 0, 0, 1, 1]]), np.array([[7, 7, 0, 5, 3]]))
    array([7, 3])
    """
    if superpixels.shape != labels.shape:
        raise UserError(f"labels: shape {labels.shape} differs from the superpixels' shape {superpixels.shape}.")
    low, high = int(labels.min()), int(labels.max())
    if high - low < labels.size:  # counted as they are: sorting millions of pixels takes seconds
        votes = _count_votes(superpixels.ravel(), labels.ravel().astype(np.int64) - low, high - low + 1)
        return (votes + low).astype(labels.dtype)
    values, index = np.unique(labels, return_inverse=True)
    return values[_count_votes(superpixels.ravel(), index.ravel(), len(values))]


@njit(cache=True, nogil=True)
def _count_votes(nodes, votes, n_values):
    """The most frequent of the votes (P,), 0..n_values-1, of each node; of several, the smallest. `nodes` is (P,)."""
    start = np.zeros(nodes.max() + 2, np.int64)
    for node in nodes:
        start[node + 1] += 1
    start = np.cumsum(start)
    position = start.copy()
    of_node = np.empty(len(votes), np.int64)
    for p in range(len(votes)):
        of_node[position[nodes[p]]] = votes[p]
        position[nodes[p]] += 1
    counts = np.zeros(n_values, np.int64)
    winner = np.zeros(len(start) - 1, np.int64)
    for node in range(len(winner)):
        voted = of_node[start[node] : start[node + 1]]
        for vote in voted:
            counts[vote] += 1
        best = voted[0]
        for vote in voted:
            if counts[vote] > counts[best] or (counts[vote] == counts[best] and vote < best):
                best = vote
        winner[node] = best
        counts[voted] = 0
    return winner


def project(graph: SuperpixelGraph, labels: NDArray[np.integer]) -> Truth:
    """Project a label image on the superpixels: each takes the label of most of its pixels.

    Parameters
    ----------
    graph : SuperpixelGraph
    labels : integer array of the image's shape
        0 = background, `UNLABELLED` = nothing is known.

    Returns
    -------
    Truth

    Raises
    ------
    UserError
        When the shape differs, or no pixel is labelled.

    Examples
    --------
    >>> from segcritic.graph import build_graph
    >>> graph = build_graph(np.ones((2, 6)), np.array([[0, 0, 1, 1, 2, 2]] * 2))
    >>> project(graph, np.array([[9, 9, 9, 0, 65535, 65535], [9, 9, 0, 0, 65535, 65535]])).node
    array([ 1,  0, -1], dtype=int32)
    """
    if labels.shape != graph.shape:
        raise UserError(f"the labels have the shape {labels.shape}, their image {graph.shape}; make them equal")
    if (labels == UNLABELLED).all():
        raise UserError(f"all labels are {UNLABELLED}, which means unlabelled; label a part, or leave the image out")
    winner = majority(graph.superpixels, np.where(labels == UNLABELLED, -1, labels))
    objects = np.unique(winner[winner > 0])
    return Truth(np.where(winner > 0, np.searchsorted(objects, winner) + 1, winner).astype(np.int32))


def to_labels(graph: SuperpixelGraph, node_labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Paint a partition on the pixels.

    Parameters
    ----------
    graph : SuperpixelGraph
    node_labels : (N,) integer array

    Returns
    -------
    int32 array of the image's shape
        ``node_labels`` of each pixel's superpixel.

    Examples
    --------
    >>> from segcritic.graph import build_graph
    >>> to_labels(build_graph(np.ones((1, 4)), np.array([[0, 0, 1, 2]])), np.array([5, 0, 5]))
    array([[5, 5, 0, 5]], dtype=int32)
    """
    return np.asarray(node_labels, np.int32)[graph.superpixels]


def achievable_segmentation(superpixels: NDArray[np.integer], labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the best labels that fixed superpixels allow: each goes to the label that covers most of it.

    Scored against the true labels, it is a bound of what any decision about merging can reach (the achievable
    segmentation accuracy of Liu et al., Entropy rate superpixel segmentation, CVPR 2011).

    Parameters
    ----------
    superpixels : integer array
        Values 0..N-1, every value present.
    labels : integer array of the same shape
        True objects, 0 = background.

    Returns
    -------
    int32 array of the same shape

    Raises
    ------
    UserError
        When the shapes differ.

    Examples
    --------
    >>> achievable_segmentation(np.array([[0, 0, 0, 1, 1, 1]]), np.array([[9, 9, 0, 0, 5, 5]]))
    array([[9, 9, 9, 5, 5, 5]], dtype=int32)
    """
    return majority(superpixels, labels).astype(np.int32)[superpixels]
