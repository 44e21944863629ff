"""The objects of several label images as candidates: where they overlap, and the best set of those that do not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

_MOST_NODES = 2000  # of the solver's search tree, in one knot of overlapping candidates: bounds the time


def overlay(labels: Sequence[NDArray[np.integer]]) -> NDArray[np.int32]:
    """Number the regions on which all label images are constant; 0 where all of them are 0.

    Parameters
    ----------
    labels : sequence of (H, W) integer arrays
        0 = background.

    Returns
    -------
    (H, W) int32

    Examples
    --------
    >>> overlay([np.array([[0, 1, 1, 0]]), np.array([[0, 0, 2, 2]])])
    array([[0, 2, 3, 1]], dtype=int32)
    """
    flat = np.stack([np.ravel(each) for each in labels])
    starts = np.append(0, np.flatnonzero((flat[:, 1:] != flat[:, :-1]).any(axis=0)) + 1)  # of runs of equal labels
    regions, run = np.unique(flat[:, starts], axis=1, return_inverse=True)
    first = int(np.any(regions[:, 0]))  # 0 is for where nothing is
    length = np.diff(np.append(starts, flat.shape[1]))
    return np.repeat((run.ravel() + first).astype(np.int32), length).reshape(np.shape(labels[0]))


@dataclass(frozen=True)
class Candidates:
    """The C objects of T label images, each a set of the N pieces of the image.

    Attributes
    ----------
    tool : (C,) int64
        The label image that each is from.
    number : (C,) int64
        Its label there.
    pieces : list of C integer arrays
        Which pieces each consists of, ascending.
    area : (C,) float64
        Pixels.
    one, other : (P,) int64
        Pairs of candidates that share pixels, each pair once in each order; a candidate pairs with itself too.
    shared : (P,) float64
        Pixels that they share.
    n_tools : int
    """

    tool: NDArray[np.int64]
    number: NDArray[np.int64]
    pieces: list[NDArray[np.intp]]
    area: NDArray[np.float64]
    one: NDArray[np.int64]
    other: NDArray[np.int64]
    shared: NDArray[np.float64]
    n_tools: int

    @property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union of each pair, (P,)."""
        return self.shared / (self.area[self.one] + self.area[self.other] - self.shared)

    def best_iou(self) -> NDArray[np.float64]:
        """Of each candidate the best IoU with an object of each tool, (C, T); 1 with its own."""
        best = np.zeros((len(self.tool), self.n_tools))
        np.maximum.at(best, (self.one, self.tool[self.other]), self.iou)
        return best


def find_candidates(labels: Sequence[NDArray[np.integer]], pieces: NDArray[np.int32]) -> Candidates:
    """List every object of every label image.

    Parameters
    ----------
    labels : sequence of T (H, W) integer arrays
        0 = background.
    pieces : (H, W) int32
        Values 0..N-1, such that every label image is constant on each.
    """
    n = int(pieces.max()) + 1
    size = np.bincount(pieces.ravel(), minlength=n).astype(np.float64)
    tools, numbers, rows, columns, first = [], [], [], [], 0
    for tool, each in enumerate(labels):
        of_piece = np.zeros(n, np.int64)
        of_piece[pieces.ravel()] = each.ravel()
        inside = np.flatnonzero(of_piece)
        found, own = np.unique(of_piece[inside], return_inverse=True)
        tools.append(np.full(len(found), tool))
        numbers.append(found)
        rows.append(first + own)
        columns.append(inside)
        first += len(found)
    row, column = np.concatenate(rows), np.concatenate(columns)
    parts = np.split(column[np.lexsort((column, row))], np.cumsum(np.bincount(row, minlength=first))[:-1])[:first]
    member = csr_array((np.ones(len(row)), (row, column)), shape=(first, n))
    shared = coo_array((member * size[None]) @ member.T)
    one, other = (axis.astype(np.int64) for axis in shared.coords)
    return Candidates(
        np.concatenate(tools),
        np.concatenate(numbers),
        parts,
        member @ size,
        one,
        other,
        np.asarray(shared.data, np.float64),
        len(labels),
    )


def choose(worth: NDArray[np.float64], one: NDArray[np.integer], other: NDArray[np.integer]) -> NDArray[np.bool_]:
    """The set of greatest total worth of which no two conflict: a maximum weight independent set.

    Solved for each connected component of the conflicts by itself, exactly: by integer programming (HiGHS) where the
    component is not a clique. In a component of very many, the solver stops after a fixed number of nodes with the best
    set that it found.

    Parameters
    ----------
    worth : (C,) float64
        Candidates of a worth of 0 or less are left out.
    one, other : (P,) integer
        Pairs that conflict, in any order; pairs of a candidate with itself do not count.

    Returns
    -------
    (C,) bool

    Examples
    --------
    >>> choose(np.array([2.0, 3.0, 2.0]), np.array([0, 1]), np.array([1, 2]))
    array([ True, False,  True])
    """
    count = len(worth)
    real = (one != other) & (worth[one] > 0) & (worth[other] > 0)
    pairs = np.unique(np.sort(np.stack([one[real], other[real]], axis=1), axis=1), axis=0)
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    n_components, component = connected_components(links, directed=False)
    size = np.bincount(component, minlength=n_components)
    n_pairs = np.bincount(component[pairs[:, 0]], minlength=n_components)
    chosen = np.zeros(count, bool)
    cliques = n_pairs == size * (size - 1) // 2
    order = np.lexsort((-np.arange(count), worth, component))  # the worthiest of each comes last; of equals, the first
    last = order[np.cumsum(size) - 1]
    chosen[last] = cliques[component[last]]
    members = np.split(np.argsort(component, kind="stable"), np.cumsum(size)[:-1])
    pair_order = np.argsort(component[pairs[:, 0]], kind="stable")
    pair_ends = np.split(pairs[pair_order], np.cumsum(n_pairs)[:-1])
    for knot in np.flatnonzero(~cliques):
        chosen[members[knot]] = _solve(worth[members[knot]], np.searchsorted(members[knot], pair_ends[knot]))
    return chosen & (worth > 0)


def _solve(worth: NDArray[np.float64], pairs: NDArray[np.integer]) -> NDArray[np.bool_]:
    """The best independent set of one component."""
    row = np.repeat(np.arange(len(pairs)), 2)
    at_most_one = csr_array((np.ones(pairs.size), (row, pairs.ravel())), shape=(len(pairs), len(worth)))
    found = milp(
        -worth,
        integrality=np.ones(len(worth)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(at_most_one, ub=1),
        options={"node_limit": _MOST_NODES},
    )
    return found.x > 0.5
