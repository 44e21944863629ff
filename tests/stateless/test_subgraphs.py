"""Algorithm 1: subgraphs of exactly l edges, connected, dense, covering every edge; whatever the graph."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from segcritic.stateless.subgraphs import dense_subgraphs


def components(edges, n_nodes):
    matrix = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n_nodes, n_nodes))
    return connected_components(matrix, directed=False)


def grid(rows, columns):
    """A grid with one diagonal per cell: planar, with triangles, like a region adjacency graph."""
    nodes = np.arange(rows * columns).reshape(rows, columns)
    pairs = [(nodes[:, :-1], nodes[:, 1:]), (nodes[:-1], nodes[1:]), (nodes[:-1, :-1], nodes[1:, 1:])]
    return np.concatenate([np.stack([a.ravel(), b.ravel()], 1) for a, b in pairs]).astype(np.int32), nodes.size


def star(n_leaves):
    return np.stack([np.zeros(n_leaves), np.arange(1, n_leaves + 1)], 1).astype(np.int32), n_leaves + 1


@st.composite
def graphs(draw):
    """Random graphs, trees, stars and planar ones, several side by side, with isolated nodes, edges shuffled."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    parts, n_nodes = [np.zeros((0, 2), np.int32)], 0
    for kind in draw(st.lists(st.sampled_from(["random", "tree", "star", "planar", "edge", "isolated"]), max_size=4)):
        size = draw(st.integers(2, 30))
        if kind == "random":
            pairs = np.sort(rng.integers(0, size, (2 * size, 2)), 1)
            part, count = np.unique(pairs[pairs[:, 0] < pairs[:, 1]], axis=0), size
        elif kind == "tree":
            part, count = np.array([(rng.integers(node), node) for node in range(1, size)]), size
        elif kind == "star":
            part, count = star(size)
        elif kind == "planar":
            part, count = grid(draw(st.integers(2, 8)), draw(st.integers(2, 8)))
        else:
            part, count = np.array([(0, 1)]) if kind == "edge" else parts[0], 2
        parts.append(part + n_nodes)
        n_nodes += count
    return rng.permutation(np.concatenate(parts)).astype(np.int32), n_nodes


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(1, 40), st.integers(0, 100))
def test_subgraphs_are_connected_full_and_cover_every_edge(graph, size, seed):
    edges, n_nodes = graph
    subgraphs = dense_subgraphs(edges, n_nodes, size, seed)
    assert subgraphs.edge_index.shape == subgraphs.weights.shape == (len(subgraphs), size)
    assert subgraphs.edge_index.dtype == np.int32
    used = subgraphs.edge_index[subgraphs.edge_index >= 0]
    assert set(used) == set(range(len(edges)))
    _, component = components(edges, n_nodes)
    component_edges = np.bincount(component[edges[:, 0]], minlength=n_nodes)
    for row in subgraphs.edge_index:
        chosen = row[row >= 0]
        assert np.all(row[len(chosen) :] == -1)
        assert len(set(chosen)) == len(chosen) == min(size, component_edges[component[edges[chosen[0], 0]]])
        nodes = np.unique(edges[chosen])
        assert components(np.searchsorted(nodes, edges[chosen]), len(nodes))[0] == 1
    total = np.zeros(len(edges))
    np.add.at(total, used, subgraphs.weights[subgraphs.edge_index >= 0])
    np.testing.assert_allclose(total, 1, rtol=1e-5)
    assert np.all(subgraphs.weights[subgraphs.edge_index < 0] == 0)


def test_small_components_give_one_padded_subgraph_each():
    edges = np.array([(0, 1), (2, 3), (3, 4)])
    subgraphs = dense_subgraphs(edges, 6, 4, seed=0)
    rows = sorted(sorted(row) for row in subgraphs.edge_index.tolist())
    assert rows == [[-1, -1, -1, 0], [-1, -1, 1, 2]]


def test_no_edges_give_no_subgraphs():
    subgraphs = dense_subgraphs(np.zeros((0, 2), np.int32), 3, 6, seed=0)
    assert subgraphs.edge_index.shape == (0, 6)
    assert subgraphs.weights.shape == (0, 6)


def test_size_below_one_is_refused():
    with pytest.raises(ValueError, match="at least one edge"):
        dense_subgraphs(*star(3), 0, seed=0)


def test_same_seed_same_subgraphs_and_other_seed_others():
    first, again, other = (dense_subgraphs(*grid(12, 12), 6, seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.edge_index, again.edge_index)
    assert not np.array_equal(first.edge_index[:10], other.edge_index[:10])


@pytest.mark.parametrize("clique", [4, 5, 6])
def test_subgraphs_of_a_complete_graph_are_cliques(clique):
    """The densest subgraph there is: l = k (k - 1) / 2 edges on k nodes."""
    edges = np.stack(np.triu_indices(15, 1), 1)
    subgraphs = dense_subgraphs(edges, 15, clique * (clique - 1) // 2, seed=1)
    assert all(len(np.unique(edges[row])) == clique for row in subgraphs.edge_index)


@pytest.mark.parametrize(("size", "most_nodes"), [(6, 5), (12, 8), (32, 17), (128, 55)])
def test_subgraphs_of_a_planar_graph_are_dense(size, most_nodes):
    """A tree would need size + 1 nodes."""
    edges, n_nodes = grid(20, 20)
    subgraphs = dense_subgraphs(edges, n_nodes, size, seed=2)
    assert np.mean([len(np.unique(edges[row])) for row in subgraphs.edge_index]) <= most_nodes


def test_no_edge_of_a_hub_is_in_most_subgraphs():
    edges, n_nodes = star(300)
    subgraphs = dense_subgraphs(edges, n_nodes, 6, seed=3)
    assert np.bincount(subgraphs.edge_index.ravel()).max() <= 12
