"""Part of an edge's reward for agreeing with the intensities on both sides of it (eq. 17 and 18)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segcritic.graph import SuperpixelGraph


def contrast_rewards(graph: SuperpixelGraph, split: NDArray[np.floating]) -> NDArray[np.float64]:
    """Reward edges whose action agrees with the difference of intensity across them (eq. 18), (K, E), in [0, 1].

    |(1 - a) - |mu_i - mu_j||: 1 for a merge (a = 0) of equal superpixels and for a split (a = 1) of opposite ones.
    `split` holds the actions a, (K, E); mu are the superpixels' mean intensities, clipped to [0, 1].
    """
    mean = np.clip(graph.node_mean, 0, 1)
    return np.abs((1 - split) - np.abs(mean[graph.edges[:, 0]] - mean[graph.edges[:, 1]]))


@dataclass(frozen=True)
class Contrast:
    """An `EdgeVariant`: the rewards of the edges, in part those of eq. 18 (eq. 17).

    Attributes
    ----------
    share : float
        Of eq. 18's part, between 0 and 1.
    """

    share: float

    def __call__(
        self,
        graph: SuperpixelGraph,
        node_labels: NDArray[np.int32],
        raw: NDArray[np.float32],
        reward: NDArray[np.floating],
        weight: NDArray[np.float64],
    ) -> NDArray[np.floating]:
        contrast = contrast_rewards(graph, 1 / (1 + np.exp(-raw.astype(np.float64))))
        return (1 - self.share) * reward + self.share * contrast
