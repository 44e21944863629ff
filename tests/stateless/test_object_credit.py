"""Credit by object: means over each object's edges, in rewards and in the critic."""

import numpy as np
import torch

from discs import TWO, discs, nuclei, partition_of_labels, state_of
from segcritic.graph.partition import multicut
from segcritic.rules import Scorer
from segcritic.stateless.batches import GraphBatch, collate_subgraphs
from segcritic.stateless.critic import Critic
from segcritic.stateless.environment import step
from segcritic.stateless.settings import NetworkSettings
from segcritic.stateless.subgraphs import dense_subgraphs
from segcritic.stateless.variants.object_credit import ObjectEdges, segments_of, share_over_objects

SCENES = [state_of(), state_of(TWO, (40, 60), 9.0)]


def partitions(k=3):
    rng = np.random.default_rng(0)
    return [multicut(state.graph, rng.normal(0.2, 1, (k, state.graph.n_edges))) for state in SCENES]


def test_share_is_the_mean_over_the_edges_of_each_object():
    labels = partitions()
    n_edges = [state.graph.n_edges for state in SCENES]
    rng = np.random.default_rng(1)
    values, weight = rng.random((3, sum(n_edges))), rng.random(sum(n_edges)) + 0.1
    found = ObjectEdges.of([state.graph for state in SCENES], labels)
    shared = found.share(torch.from_numpy(values), torch.from_numpy(weight)).numpy()
    first = 0
    for state, partition in zip(SCENES, labels, strict=True):
        edges = state.graph.edges
        mine = slice(first, first + len(edges))
        first += len(edges)
        for k, row in enumerate(partition):
            mean = {}
            for o in np.unique(row):
                touching = (row[edges] == o).any(axis=1)
                mean[o] = np.average(values[k, mine][touching], weights=weight[mine][touching])
            expected = [(mean[row[i]] + mean[row[j]]) / 2 for i, j in edges]
            np.testing.assert_allclose(shared[k, mine], expected)


def test_vectors_are_shared_column_by_column():
    found = ObjectEdges.of([state.graph for state in SCENES], partitions())
    values = torch.rand(3, found.ends.shape[1], 2)
    shared = found.share(values)
    for column in range(2):
        torch.testing.assert_close(shared[..., column], found.share(values[..., column]))


def test_all_merged_is_one_mean_per_image():
    raw = torch.full((sum(state.graph.n_edges for state in SCENES),), -3.0)
    values = torch.rand(1, len(raw))
    shared = segments_of(SCENES, raw, "greedy").share(values)
    first = SCENES[0].graph.n_edges
    torch.testing.assert_close(shared[0, :first], values[0, :first].mean().expand(first))
    torch.testing.assert_close(shared[0, first:], values[0, first:].mean().expand(len(raw) - first))


def test_inside_of_an_object_every_edge_earns_the_same():
    state = SCENES[0]
    labels = partition_of_labels(state.graph, discs()[1])
    i, j = state.graph.edges.T
    inside = labels[i] == labels[j]
    raw = np.where(inside, -5.0, 5.0).astype(np.float32)[None]
    by_edge, by_object = (
        step([state], raw, Scorer(nuclei()), edge_variant=variant).edge[0].numpy()
        for variant in (None, share_over_objects)
    )
    ground = labels[i] == labels[np.argmin(state.graph.node_mean)]
    groups = [inside & (labels[i] == o) for o in np.unique(labels[i][inside])]
    assert max(np.ptp(by_edge[group]) for group in groups) > 1e-3  # superpixels of the background differ
    assert max(np.ptp(by_object[group]) for group in groups) < 1e-5
    assert by_object[inside & ~ground].min() > 0.5


def test_the_critic_pools_over_objects():
    torch.manual_seed(0)
    state = SCENES[0]
    edges = state.graph.edges
    graph = GraphBatch.single(torch.rand(state.graph.n_nodes, 3), torch.rand(len(edges), 2), edges)
    critic = Critic(NetworkSettings(subgraph_sizes=(1,), width=8, depth=1), 3, 2)
    singles = collate_subgraphs([dense_subgraphs(edges, state.graph.n_nodes, 1, 0)], [len(edges)])
    labels = multicut(state.graph, np.random.default_rng(0).normal(0.2, 1, (2, len(edges))))
    found = ObjectEdges.of([state.graph], [labels])
    with torch.no_grad():
        vectors = critic.edge_vectors(graph, torch.rand(2, len(edges)))
        alone, pooled = (critic.values(each, {1: singles})[1] for each in (vectors, found.share(vectors)))
    order = singles.edge_index[:, 0].numpy()
    for k in range(2):
        ends = np.sort(labels[k][edges[order]], axis=1)
        _, group = np.unique(ends, axis=0, return_inverse=True)
        for number in range(group.max() + 1):
            assert np.ptp(pooled[k].numpy()[group.ravel() == number]) < 1e-5
    assert np.ptp(alone.numpy()) > 1e-3
