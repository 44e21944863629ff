"""Label images <-> partitions of the superpixels, by the majority of pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.graph.graph import SuperpixelGraph
from segcritic.graph.partition import relabel_sequential

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


def project(graph: SuperpixelGraph, labels: NDArray[np.integer]) -> Truth:
    """Project a label image on the superpixels.

    Parameters
    ----------
    graph : SuperpixelGraph
    labels : (H, W) integer
        0 = background, `UNLABELLED` = nothing is known.

    Raises
    ------
    UserError
        When the shape differs, or no pixel is labelled.
    """
    from scipy.sparse import coo_array

    if labels.shape != graph.shape:
        raise UserError(f"the labels have the shape {labels.shape}, their image {graph.shape}; make them equal")
    if (labels == UNLABELLED).all():
        raise UserError(f"all labels are {UNLABELLED}, which means unlabelled; label a part, or leave the image out")
    numbers = np.where(labels == UNLABELLED, -1, labels)
    values, index = np.unique(numbers, return_inverse=True)
    pixels = np.ones(labels.size, np.int64)
    votes = coo_array((pixels, (graph.superpixels.ravel(), index.ravel())), (graph.n_nodes, len(values))).tocsr()
    winner = values[votes.argmax(axis=1)]
    objects = np.unique(winner[winner > 0])
    return Truth(np.where(winner > 0, np.searchsorted(objects, winner) + 1, winner).astype(np.int32))


def partition_of_labels(graph: SuperpixelGraph, labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Project a label image on the superpixels: each takes the label of most of its pixels.

    Parameters
    ----------
    graph : SuperpixelGraph
    labels : (H, W) integer array
        Any values; the background is a label like others. Ties go to the smallest label.

    Returns
    -------
    (N,) int32 array
        Object of each superpixel, 0..M-1 in order of first appearance. Superpixels of one label are one object, even
        where they are not connected.

    Raises
    ------
    UserError
        If the shape differs from the superpixels' shape.
    """
    from scipy.sparse import coo_array

    labels = np.asarray(labels)
    if labels.shape != graph.shape:
        raise UserError(f"labels: shape {labels.shape} differs from the superpixels' shape {graph.shape}.")
    values, index = np.unique(labels, return_inverse=True)
    shape = (graph.n_nodes, len(values))
    pixels = np.ones(labels.size, np.int64)
    votes = coo_array((pixels, (graph.superpixels.ravel(), index.ravel())), shape).tocsr()
    winners = np.unique(votes.argmax(axis=1), return_inverse=True)[1]
    partition = winners.astype(np.int32).reshape(1, -1)
    relabel_sequential(partition)
    return partition[0]


def to_labels(graph: SuperpixelGraph, node_labels: NDArray[np.integer]) -> NDArray[np.int32]:
    """Paint a partition on the pixels.

    Parameters
    ----------
    graph : SuperpixelGraph
    node_labels : (N,) integer array

    Returns
    -------
    (H, W) int32 array
        ``node_labels`` of each pixel's superpixel.
    """
    return np.asarray(node_labels, np.int32)[graph.superpixels]
