"""Rewards from labels, for the images (or parts of images) that have any (paper, A.10): direct and mixed supervision.

Labels may cover some of the images, and of an image a patch only: pixels of the number `UNLABELLED` are judged by the
rules, as is every image without labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.graph import NODE_SUMS, SuperpixelGraph
from segcritic.images import read_labels
from segcritic.inputs import Images, Source, find_sources

if TYPE_CHECKING:
    from segcritic.stateless.scene import Scene

UNLABELLED = 65535
"""Label of the pixels of which nothing is said: the largest number of a 16-bit image. 0 says: background."""

Labels: TypeAlias = Images | Sequence[NDArray[Any] | None]


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


def true_actions(graph: SuperpixelGraph, truth: Truth) -> NDArray[np.float32]:
    """What the truth does with each edge, (E,): 1 = split, 0 = merge, -1 where an end is unlabelled."""
    ends = truth.node[graph.edges]
    return np.where((ends >= 0).all(axis=1), ends[:, 0] != ends[:, 1], -1).astype(np.float32)


def truth_rewards(
    graph: SuperpixelGraph, node_labels: NDArray[np.int32], truth: Truth, rules_reward: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Reward the superpixels of K partitions by how well their objects agree with the true ones.

    A superpixel of a true object earns the intersection over union of its object and that true object; one of the
    background, the part of its object's area that is background. Superpixels without labels keep what the rules give,
    and count for nothing in the areas.

    Parameters
    ----------
    graph : SuperpixelGraph
    node_labels : (K, N) int32
        Partitions; each row 0..M-1.
    truth : Truth
    rules_reward : (K, N) float64

    Returns
    -------
    (K, N) float64
        In [0, 1]; 1 for all labelled superpixels of a partition that equals the truth there, however the background is
        cut.
    """
    known = truth.known
    area = graph.node_sums[:, NODE_SUMS.index("area")] * known
    n_true = int(truth.node.max()) + 1
    true_area = np.bincount(truth.node[known], area[known], n_true)
    reward = rules_reward.copy()
    for k, row in enumerate(node_labels):
        found_area = np.bincount(row, area)
        pair = row[known].astype(np.int64) * n_true + truth.node[known]
        shared = np.bincount(pair, area[known], len(found_area) * n_true)[pair]
        mine, true = found_area[row[known]], true_area[truth.node[known]]
        agreement = np.where(truth.node[known] > 0, shared / (mine + true - shared), shared / mine)
        reward[k, known] = agreement
    return reward


def supervised(scene: "Scene", labels: NDArray[np.integer] | None, name: str) -> "Scene":
    """Return the scene with the labels of its image, if there are any; `name` is the image's, for error messages."""
    if labels is None:
        return scene
    try:
        return replace(scene, truth=project(scene.graph, labels))
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def pair_labels(sources: Sequence[Source], labels: Labels) -> dict[int, NDArray[np.int32]]:
    """Read the labels of those images that have any.

    Parameters
    ----------
    sources : the images
    labels : files or a folder, paired with the images by stem; or arrays, one for each image, None for those without

    Returns
    -------
    Of the numbers of images with labels, the labels, (H, W) int32.

    Raises
    ------
    UserError
        When labels have no image, cannot be read, or look like a mask of one value.
    """
    if isinstance(labels, np.ndarray):
        arrays: list[Any] = [labels]
    elif isinstance(labels, Sequence) and any(item is None or isinstance(item, np.ndarray) for item in labels):
        arrays = list(labels)
    else:
        return _by_stem(sources, labels)  # pyright: ignore[reportArgumentType]
    if len(arrays) != len(sources):
        raise UserError(
            f"there are {len(sources)} images, but {len(arrays)} label arrays; give one for each image, None for none"
        )
    found = {}
    for number, item in enumerate(arrays):
        if item is not None:
            found[number] = _checked(np.asarray(item), f"the label array of {sources[number].name}")
    if not found:
        raise UserError("no image has labels; give some, or leave the labels away")
    return found


def _by_stem(sources: Sequence[Source], labels: Images) -> dict[int, NDArray[np.int32]]:
    number = {source.name: k for k, source in enumerate(sources)}
    others = find_sources(labels)
    if len(sources) == len(others) == 1:
        number = {others[0].name: 0}
    found = {}
    for other in others:
        assert isinstance(other.image, Path)
        if other.name not in number:
            raise UserError(f"there is no image for the labels {other.image}; the stems must be equal")
        found[number[other.name]] = _checked(read_labels(other.image), str(other.image))
    return found


def _checked(labels: NDArray[Any], name: str) -> NDArray[np.int32]:
    if not np.issubdtype(labels.dtype, np.integer):
        raise UserError(f"{name} holds {labels.dtype} numbers; give integers, one number an object")
    values = np.unique(labels)
    if len(values) == 2 and values[0] == 0 and values[1] == 255:
        raise UserError(f"{name} holds 0 and 255 only: a mask, which does not tell objects apart; number the objects")
    return labels.astype(np.int32)
