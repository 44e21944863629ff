"""Tiny pictures of bright discs, and superpixels that respect them: for the tests of everything above the graph."""

import functools

import numpy as np
from scipy import ndimage as ndi

from segcritic.graph import SuperpixelGraph
from segcritic.graph.partition import relabel_sequential
from segcritic.graph.project import majority
from segcritic.rules import Rules, load_builtin
from segcritic.stateless.state import State, make_state

FOUR = ((16, 16), (16, 46), (46, 20), (48, 48))
TWO = ((20, 18), (20, 42))


def discs(shape=(64, 64), centres=FOUR, radius=11.0, noise=0.02, seed=0):
    """(H, W) float32 raw picture, and the true labels."""
    row, column = np.indices(shape)
    truth = np.zeros(shape, np.int32)
    for number, (r, c) in enumerate(centres, 1):
        truth[np.hypot(row - r, column - c) <= radius] = number
    bright = ndi.gaussian_filter((truth > 0).astype(float), 0.7)
    bright += np.random.default_rng(seed).normal(0, noise, shape)
    return (100 + 1000 * bright).astype(np.float32), truth


def blocks(truth, side=8):
    """Square superpixels cut along the outlines of the truth; numbers with gaps, as a user's own may have."""
    row, column = np.indices(truth.shape)
    return truth.astype(np.int32) * 10_000 + row // side * 100 + column // side


@functools.cache
def nuclei() -> Rules:
    return load_builtin("nuclei")


@functools.cache
def state_of(centres=FOUR, shape=(64, 64), radius=11.0, seed=0) -> State:
    """The discs made ready by the rules for nuclei, with superpixels by `blocks`; shared, not to be changed."""
    pixels, truth = discs(shape, centres, radius, seed=seed)
    return make_state(pixels, nuclei(), given=blocks(truth))


def partition_of_labels(graph: SuperpixelGraph, labels: np.ndarray) -> np.ndarray:
    """The partition (N,) int32 in which each superpixel takes the label of most of its pixels, any values."""
    winners = np.unique(majority(graph.superpixels, labels), return_inverse=True)[1].astype(np.int32)[None]
    relabel_sequential(winners)
    return winners[0]
