"""Connected pieces of a label image, and slivers among them."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi


def relabel_connected(labels: NDArray) -> NDArray[np.int32]:
    """Renumber so that every 4-connected piece of equal label has a number of its own, (H, W) int32, 0..N-1.

    >>> relabel_connected(np.array([[3, 7, 3]]))
    array([[0, 1, 2]], dtype=int32)
    """
    from skimage.measure import label

    pieces = np.asarray(label(labels, background=int(labels.min()) - 1, connectivity=1))
    return (pieces - 1).astype(np.int32)


def join_slivers(pieces: NDArray[np.int32], parts: NDArray[np.integer], depth: int = 3) -> NDArray[np.int32]:
    """Join slivers to a neighbour within the same part of the image: the one with the longest common border.

    Parameters
    ----------
    pieces : (H, W) int32, 0..N-1
        Connected.
    parts : (H, W) integer
        Equal within every piece.
    depth : int
        Pixels; a sliver has no pixel that is so far (chessboard distance) from all other pieces. Slivers without a
        neighbour in their part stay.

    Returns
    -------
    (H, W) int32, 0..M-1, each connected
    """
    pieces = pieces.copy()
    while True:
        sides = [(pieces[1:], pieces[:-1]), (pieces[:, 1:], pieces[:, :-1])]
        one = np.concatenate([side.ravel() for pair in sides for side in pair])
        other = np.concatenate([side.ravel() for pair in sides for side in pair[::-1]])
        n = int(pieces.max()) + 1
        part = np.zeros(n, np.int64)
        part[pieces.ravel()] = parts.ravel()
        sliver = np.ones(n, bool)
        whole = ndi.minimum_filter(pieces, 2 * depth - 1) == ndi.maximum_filter(pieces, 2 * depth - 1)
        sliver[pieces[whole]] = False
        joins = (one != other) & sliver[one] & (part[one] == part[other])
        keys, length = np.unique(one[joins].astype(np.int64) * n + other[joins], return_counts=True)
        one, other = np.divmod(keys, n)
        # Slivers join one another only where nothing else is left, and then that of lower number.
        joins = ~sliver[other]
        joins = joins if joins.any() else other < one
        if not joins.any():
            return pieces
        order = np.argsort(length[joins], kind="stable")
        target = np.arange(n, dtype=np.int32)
        target[one[joins][order]] = other[joins][order]  # the last, longest border stays
        pieces = relabel_connected(target[pieces])
