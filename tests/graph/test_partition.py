"""Partitions against bioimage-cpp's own objects, SciPy and counting by hand."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components as scipy_components
from skimage.segmentation import slic

from discs import partition_of_labels
from segcritic.errors import UserError
from segcritic.graph import build_graph
from segcritic.graph.partition import connected_components, multicut, relabel_sequential
from segcritic.graph.project import majority, to_labels


@pytest.fixture(scope="module")
def graph():
    rng = np.random.default_rng(1)
    image = rng.random((60, 70)).astype(np.float32)
    superpixels = slic(image, 80, compactness=1, channel_axis=None, start_label=0)
    return build_graph(image, superpixels)


def random_costs(graph, n_samples, seed=0):
    return np.random.default_rng(seed).normal(0.3, 1, size=(n_samples, graph.n_edges))


def same_partition(a, b):
    """Whether two labelings group alike, whatever the numbers."""
    pairs = len(np.unique(np.stack([a, b]), axis=1).T)
    return pairs == len(np.unique(a)) == len(np.unique(b))


@pytest.mark.parametrize(
    ("solver", "name"), [("greedy", "GreedyAdditiveMulticut"), ("kernighan-lin", "KernighanLinMulticut")]
)
def test_multicut_equals_bioimage_cpp(graph, solver, name):
    from bioimage_cpp.graph import multicut as reference

    for costs in random_costs(graph, 5):
        objective = reference.MulticutObjective(graph.undirected, costs)
        expected = getattr(reference, name)().optimize(objective)
        assert same_partition(multicut(graph, costs, solver), expected)


def test_kernighan_lin_is_at_least_as_good(graph):
    costs = random_costs(graph, 8)
    i, j = graph.edges.T

    def kept(labels):
        return np.where(labels[:, i] == labels[:, j], costs, 0).sum(axis=1)

    greedy, refined = kept(multicut(graph, costs)), kept(multicut(graph, costs, "kernighan-lin"))
    assert (refined >= greedy - 1e-9).all()
    assert refined.sum() > greedy.sum()


def test_many_at_once_equal_one_by_one(graph):
    costs = random_costs(graph, 6)
    together = multicut(graph, costs)
    assert together.shape == (6, graph.n_nodes)
    assert together.dtype == np.int32
    for k in range(6):
        np.testing.assert_array_equal(together[k], multicut(graph, costs[k]))


def test_signs_of_costs(graph):
    np.testing.assert_array_equal(multicut(graph, np.ones(graph.n_edges)), 0)
    np.testing.assert_array_equal(multicut(graph, -np.ones(graph.n_edges)), np.arange(graph.n_nodes))


def test_labels_are_dense_in_order_of_first_appearance(graph):
    for labels in multicut(graph, random_costs(graph, 4)):
        values, first = np.unique(labels, return_index=True)
        np.testing.assert_array_equal(values, np.arange(len(values)))
        assert (np.diff(first) > 0).all()


def test_dense_labels():
    labels = np.array([[3, 3, 0, 2], [1, 0, 1, 0]], np.int32)
    assert relabel_sequential(labels).tolist() == [3, 2]
    assert labels.tolist() == [[0, 0, 1, 2], [0, 1, 0, 1]]


def test_single_superpixel():
    graph = build_graph(np.ones((3, 3)), np.zeros((3, 3), int))
    assert multicut(graph, np.zeros((2, 0))).tolist() == [[0], [0]]
    assert connected_components(graph, np.zeros(0, bool)).tolist() == [0]


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 1])
def test_connected_components_equal_scipy(graph, share):
    merged = np.random.default_rng(2).random(graph.n_edges) < share
    i, j = graph.edges[merged].T
    matrix = coo_array((np.ones(len(i)), (i, j)), (graph.n_nodes, graph.n_nodes))
    expected = scipy_components(matrix, directed=False)[1]
    labels = connected_components(graph, merged)
    assert same_partition(labels, expected)
    assert labels.max() + 1 == len(np.unique(labels))


def test_partition_of_labels_takes_the_majority(graph):
    labels = np.random.default_rng(3).integers(0, 4, graph.shape) * 1000 - 7
    partition = partition_of_labels(graph, labels)
    winners = []
    for node in range(graph.n_nodes):
        values, votes = np.unique(labels[graph.superpixels == node], return_counts=True)
        winners.append(values[votes.argmax()])
    assert same_partition(partition, np.array(winners))


@pytest.mark.parametrize("scale", [1, 10_000])
def test_ties_go_to_the_smallest_label(scale):
    superpixels = np.array([[0, 0, 1, 1, 1, 1, 1, 2]])
    labels = np.array([[9, -4, 7, 5, 7, 5, 0, 3]]) * scale
    np.testing.assert_array_equal(majority(superpixels, labels), np.array([-4, 5, 3]) * scale)


def test_labels_there_and_back(graph):
    partition = multicut(graph, random_costs(graph, 1)[0])
    labels = to_labels(graph, partition)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(partition_of_labels(graph, labels), partition)


def test_more_labels_than_superpixels():
    graph = build_graph(np.ones((4, 4)), np.array([[0, 0, 1, 1]] * 4))
    labels = np.arange(16).reshape(4, 4)
    assert partition_of_labels(graph, labels).tolist() == [0, 1]


def test_bad_input_is_named(graph):
    with pytest.raises(UserError, match="costs: shape"):
        multicut(graph, np.zeros(graph.n_edges + 1))
    with pytest.raises(UserError, match="NaN"):
        multicut(graph, np.full(graph.n_edges, np.nan))
    with pytest.raises(UserError, match="unknown"):
        multicut(graph, np.zeros(graph.n_edges), "fusion")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="labels: shape"):
        partition_of_labels(graph, np.zeros((2, 2), int))
