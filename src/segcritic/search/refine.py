"""A segmentation -> a better one by the rules: a local search goes on from what the actor found."""

from dataclasses import replace

import numpy as np

from segcritic.graph.partition import connected_components
from segcritic.rules import Scorer
from segcritic.search.local_search import search
from segcritic.search.margins import REFINED
from segcritic.search.moves import Proposer
from segcritic.search.objective import Objective
from segcritic.stateless.environment import evaluate_partition
from segcritic.stateless.predict import Segmentation, label_partition
from segcritic.stateless.state import State


def refine(state: State, found: Segmentation, scorer: Scorer) -> Segmentation:
    """Search on from a segmentation, with moves that the rules alone can judge.

    Parameters
    ----------
    state : State
        With pixels (not lean).
    found : Segmentation
        Of that state, from `stateless.predict`.
    scorer : Scorer
    """
    outcome = evaluate_partition(state, found.node_labels, scorer)
    kept = outcome.foreground[outcome.objects.node_object[0]]
    start = np.where(kept, found.node_labels + 1, 0).astype(np.int32)
    margins = replace(REFINED, least_score=max(REFINED.least_score, scorer.rules.keep_above))
    better = search(Objective(state, scorer), start, Proposer(state, thorough_for=scorer.rules), margins)
    i, j = state.graph.edges.T
    node_labels = connected_components(state.graph, better[i] == better[j])
    return label_partition(state, node_labels, found.split, scorer, better > 0)
