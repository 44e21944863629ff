"""Pixels as points: a network puts those of one object together, and a mean shift finds the heaps.

De Brabandere, Neven, Van Gool, "Semantic instance segmentation with a discriminative loss function", 2017: the row
"contrastive" in table 2 of the stateless paper. The network is as large as the boundary network and trained likewise.

A convolution cannot tell like objects in different places apart, other than by how far the image's borders are, and the
borders of the crops that it is trained on are not those of an image. So a pixel's position is added to its embedding
(Novotny, Albanie, Larlus, Vedaldi, "Semi-convolutional operators for instance segmentation", 2018).
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bioimage_cpp as bic
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage as ndi
from torch import Tensor

from benchmarks.baselines.otsu import drop_small
from segcritic.boundary_net.network import MapNet, prepare
from segcritic.boundary_net.train import BoundaryTraining, check_pairs, fit
from segcritic.nn.unet import pool_superpixels
from segcritic.stateless.variants.pretraining import contrastive_loss

CHANNELS = 8
"""C, of an embedding."""

PULL_LIMIT, PUSH_LIMIT, SHRINKING = 0.5, 1.5, 0.001
"""delta_v, delta_d and gamma, as in the publication."""

SPACING = 6.0
"""Pixels in which the position adds 1 to an embedding: of objects 18 pixels apart it alone would make 2 delta_d."""

_ENOUGH = 5000  # pixels of a component that the mean shift looks at; more only take longer
_ROUNDS = 20  # of a mean shift; most stand still after five


class ContrastiveNet(MapNet):
    """Image -> probability of object, and an embedding, per pixel."""

    kind = "contrastive network"
    n_maps = 1 + CHANNELS

    @staticmethod
    def activated(outputs: Tensor) -> Tensor:
        return torch.cat([torch.sigmoid(outputs[:1]), outputs[1:]])

    def maps(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Predict the maps of one image, (1 + C, H, W) float32, from its pixels as stored, (H, W)."""
        found = super().maps(pixels)
        found[1:] += positions(*found.shape[1:]).numpy()
        return found


def positions(height: int, width: int) -> Tensor:
    """What is added to the embeddings, (C, H, W): in the first channel the row, in the second the column."""
    rows, columns = torch.meshgrid(torch.arange(height) / SPACING, torch.arange(width) / SPACING, indexing="ij")
    return torch.stack([rows, columns, *torch.zeros(CHANNELS - 2, height, width)])


def discriminative_loss(embeddings: Tensor, labels: Tensor) -> Tensor:
    r"""Pull pixels to the mean of their object, push the means of all objects apart, keep them near to the origin.

    .. math:: L = \frac1N \sum_i \frac1{m_i} \sum_{n \in i} \bigl[\lVert \mu_i - x_n \rVert - \delta_v\bigr]_+^2
              + \frac1{N (N - 1)} \sum_{i \ne j} \bigl[2 \delta_d - \lVert \mu_i - \mu_j \rVert\bigr]_+^2
              + \frac\gamma N \sum_i \lVert \mu_i \rVert

    Parameters
    ----------
    embeddings : (C, H, W) float, x
    labels : (H, W) integer
        0 = background, which has no place of its own; the N other numbers are objects i of m_i pixels and mean \mu_i.

    Returns
    -------
    () float32
        0 without objects; and the second term is 0 of one object.
    """
    inside = labels > 0
    numbers, objects = torch.unique(labels[inside], return_inverse=True)
    if not len(numbers):
        return 0 * embeddings.sum()
    points, objects = embeddings[:, inside][:, None], objects[None]  # as an image of one row
    pairs = torch.combinations(torch.arange(len(numbers), device=labels.device))
    weights = embeddings.new_full((len(pairs),), 1 / max(len(pairs), 1))
    means = pool_superpixels(points[None], objects[None], len(numbers))
    apart = contrastive_loss(points, objects, pairs, weights, PULL_LIMIT, PUSH_LIMIT)
    return apart + SHRINKING * torch.linalg.vector_norm(means, dim=1).mean()


def loss(outputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the foreground, plus the discriminative loss of each image, both as means over the batch.

    Parameters
    ----------
    outputs : (B, 1 + C, H, W) float
        Logit of the foreground, and the embedding without its position.
    labels : (B, 1, H, W) float
        Whole numbers, 0 = background.
    """
    entropy = F.binary_cross_entropy_with_logits(outputs[:, :1], (labels > 0).float())
    embeddings = outputs[:, 1:] + positions(*outputs.shape[2:])
    apart = [discriminative_loss(image, truth[0]) for image, truth in zip(embeddings, labels, strict=True)]
    return entropy + torch.stack(apart).mean()


def train_contrastive(
    images: Sequence[NDArray[Any]],
    labels: Sequence[NDArray[np.integer]],
    settings: BoundaryTraining | None = None,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    on_step: Callable[[int, int, float], None] | None = None,
) -> ContrastiveNet:
    """Train a network; parameters and errors as of `boundary_net.train`."""
    check_pairs(images, labels)
    pairs = [(prepare(image), np.asarray(truth, np.float32)[None]) for image, truth in zip(images, labels, strict=True)]
    given = {"seed": seed, "checkpoint": checkpoint, "on_step": on_step}
    return fit(ContrastiveNet, pairs, loss, settings or BoundaryTraining(), mode="nearest-exact", **given)


def mean_shift(points: NDArray[np.floating], bandwidth: float, least: int) -> NDArray[np.floating]:
    """Find the heaps among points, one after the other.

    From the first point that is left the centre moves to the mean of all that are left within `bandwidth` of it, until
    it stands still; then these are taken away.

    Parameters
    ----------
    points : (P, C)
        The first ones are where to begin.
    bandwidth : as far as this from its centre a point is part of a heap
    least : points of a heap; smaller ones are dropped

    Returns
    -------
    (K, C)
        The centres; the mean of all points if no heap is large enough.
    """
    centres, left = [], points
    while len(left) >= least:
        centre, near = left[0], np.ones(len(left), bool)
        for _ in range(_ROUNDS):
            near = np.linalg.norm(left - centre, axis=1) <= bandwidth
            before, centre = centre, left[near].mean(0)
            if np.linalg.norm(centre - before) < 0.01 * bandwidth:
                break
        if near.sum() >= least:
            centres.append(centre)
        left = left[~near]
    return np.stack(centres) if centres else points.mean(0, keepdims=True)


def contrastive_clusters(
    maps: NDArray[np.floating], bandwidth: float = 2.0, threshold: float = 0.5, min_area: int = 40
) -> NDArray[np.int32]:
    """Label the connected pieces of clusters of embeddings.

    Every connected component of the foreground is clustered for itself: what does not touch needs no telling apart.
    Bandwidth and least area are the best found on training images of fluorescent nuclei (DSB2018).

    Parameters
    ----------
    maps : (1 + C, H, W), probability of object, and embeddings (`ContrastiveNet.maps`)
    bandwidth : as in `mean_shift`; more = fewer objects
    threshold : of the object probability
    min_area : smaller clusters and pieces join their neighbours or, where there are none, are removed; pixels

    Returns
    -------
    (H, W) int32, 0 = background, objects 1..n
    """
    from skimage.measure import label

    probability, embeddings = np.ascontiguousarray(maps[0], np.float32), maps[1:]
    components, _ = ndi.label(probability > threshold)  # pyright: ignore[reportGeneralTypeIssues]
    labels, count = np.zeros(components.shape, np.int32), 0
    for number, where in enumerate(ndi.find_objects(components), 1):
        mask = components[where] == number
        points = embeddings[:, *where][:, mask].T
        surest_first = np.argsort(-probability[where][mask], kind="stable")
        stride = -(-len(points) // _ENOUGH)
        centres = mean_shift(points[surest_first[::stride]], bandwidth, -(-min_area // stride))
        clusters = np.zeros(mask.shape, np.int32)
        clusters[mask] = 1 + np.linalg.norm(points[:, None] - centres, axis=2).argmin(1)
        pieces = np.asarray(label(clusters, connectivity=1))
        labels[where][mask] = count + pieces[mask]
        count += pieces.max()
    seeds = drop_small(labels, min_area)
    return bic.segmentation.watershed(1 - probability, seeds, mask=probability > threshold).astype(np.int32)
