"""Local search: from a given partition, the moves of single superpixels and merges of objects that the rules reward."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from segcritic.graph import SuperpixelGraph
from segcritic.graph.partition import connected_components, relabel_sequential

_CHUNK = 64  # candidate partitions judged at once

Judge = Callable[[NDArray[np.int32]], NDArray[np.float64]]
"""Partitions (K, N) -> rewards (K,)."""


def climb(
    graph: SuperpixelGraph, start: NDArray[np.int32], judge: Judge, max_sweeps: int = 8, min_gain: float = 1e-6
) -> tuple[NDArray[np.int32], float]:
    """Improve a partition until no single move improves it.

    In each sweep all moves are judged from the same partition: a superpixel goes to an object beside it, or becomes an
    object of its own; two objects beside each other merge. The best moves are then made together, at most one for any
    object, and kept if the whole is better than before (or else the best one alone). Objects that have fallen apart,
    which no multicut ever has, become several at the end unless that costs reward.

    Parameters
    ----------
    graph : SuperpixelGraph
    start : (N,) int32
        Object of each superpixel.
    judge : callable
        Rewards of K partitions at once.
    max_sweeps : int
    min_gain : float
        Least gain of a move.

    Returns
    -------
    partition : (N,) int32
    reward : float
        Never below the start's.
    """
    labels = start.astype(np.int32).copy()[None]
    relabel_sequential(labels)
    best, reward = labels[0], float(judge(labels)[0])
    for _ in range(max_sweeps):
        moves = _moves(graph, best)
        gains = np.concatenate(
            [judge(_moved(best, moves[first : first + _CHUNK])) - reward for first in range(0, len(moves), _CHUNK)]
            or [np.zeros(0)]
        )
        order = [m for m in np.argsort(-gains) if gains[m] > min_gain]
        if not order:
            break
        touched: set[int] = set()
        chosen = []
        for m in order:
            objects = {int(moves[m, 1]), int(moves[m, 2])}
            if not objects & touched:
                touched |= objects
                chosen.append(m)
        together = best[None].copy()
        for m in chosen:
            together = _moved(together[0], moves[m : m + 1])
        alone = _moved(best, moves[order[:1]])
        candidates = np.concatenate([together, alone])
        rewards = judge(candidates)
        pick = int(np.argmax(rewards))
        if rewards[pick] <= reward + min_gain:
            break
        labels = candidates[pick : pick + 1].copy()
        relabel_sequential(labels)
        best, reward = labels[0], float(rewards[pick])
    apart = connected_components(graph, best[graph.edges[:, 0]] == best[graph.edges[:, 1]])
    if apart.max() > best.max() and (rewards := judge(apart[None]))[0] >= reward:
        best, reward = apart, float(rewards[0])
    return best, reward


def _moves(graph: SuperpixelGraph, labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """All moves as rows (superpixel, from object, to object); superpixel -1 moves the whole object."""
    cut = graph.edges[labels[graph.edges[:, 0]] != labels[graph.edges[:, 1]]]
    both = np.concatenate([cut, cut[:, ::-1]])
    single = np.stack([both[:, 0], labels[both[:, 0]], labels[both[:, 1]]], 1)
    size = np.bincount(labels)
    single = single[size[single[:, 1]] > 1]
    merge = np.unique(np.sort(labels[cut], axis=1), axis=0)
    merge = np.concatenate([np.full((len(merge), 1), -1), merge], 1)
    alone = np.flatnonzero(size[labels] > 1)
    alone = np.stack([alone, labels[alone], np.full(len(alone), len(size))], 1)
    return np.unique(np.concatenate([single, merge, alone]).astype(np.int64), axis=0)


def _moved(labels: NDArray[np.int32], moves: NDArray[np.int64]) -> NDArray[np.int32]:
    """One partition per move, (K, N). Numbers need not be dense, but stay below N."""
    moved = np.repeat(labels[None], len(moves), 0)
    used = np.zeros(len(labels) + 1, bool)
    used[labels] = True
    free = int(np.argmin(used))
    for row, (node, source, target) in zip(moved, moves, strict=True):
        if node < 0:
            row[row == source] = target
        else:
            row[node] = target if used[target] else free
    return moved
