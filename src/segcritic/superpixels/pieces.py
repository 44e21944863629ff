"""Connected pieces of a label image, and the best segmentation that superpixels allow."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse


def connected_pieces(labels: NDArray) -> NDArray[np.int32]:
    """Renumber so that every 4-connected piece of equal label has a number of its own, (H, W) int32, 0..N-1.

    >>> connected_pieces(np.array([[3, 7, 3]]))
    array([[0, 1, 2]], dtype=int32)
    """
    from skimage.measure import label

    pieces = np.asarray(label(labels, background=int(labels.min()) - 1, connectivity=1))
    return (pieces - 1).astype(np.int32)


def bound(superpixels: NDArray, truth: NDArray) -> NDArray[np.int32]:
    """The best labels that fixed superpixels allow: each superpixel goes to the truth that covers most of it.

    Parameters
    ----------
    superpixels, truth : (H, W) integer
        Superpixels 0..N-1; truth labels, 0 = background.

    Returns
    -------
    (H, W) int32 labels, to be scored with `segcritic.evaluate`.
    """
    if superpixels.shape != truth.shape:
        raise ValueError(f"superpixels are {superpixels.shape}, but the truth is {truth.shape} pixels")
    ids, dense = np.unique(truth, return_inverse=True)
    counts = sparse.coo_matrix(
        (np.ones(truth.size, np.int64), (superpixels.ravel(), dense.ravel())), shape=(superpixels.max() + 1, len(ids))
    )
    best = np.asarray(counts.tocsr().argmax(axis=1)).ravel()
    return ids[best].astype(np.int32)[superpixels]
