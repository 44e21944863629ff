"""The graph's sums against brute force over the pixels, scikit-image, SciPy and bioimage-cpp."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.measure import regionprops
from skimage.segmentation import watershed

from segcritic.errors import UserError
from segcritic.graph import Edge, Node, build_graph

DIRECTIONS = {"horizontal": (0, 1), "vertical": (1, 0), "diagonal_down": (1, 1), "diagonal_up": (1, -1)}

NODE_SUMS = tuple(column.name.lower() for column in Node)
EDGE_SUMS = tuple(column.name.lower() for column in Edge)


def example(shape=(48, 61), n_superpixels=40, seed=0):
    """A smooth random image and watershed superpixels of it."""
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.normal(size=shape), 2).astype(np.float32)
    image = (image - image.min()) / np.ptp(image)
    markers = np.zeros(image.size, int)
    markers[rng.choice(image.size, n_superpixels, replace=False)] = np.arange(1, n_superpixels + 1)
    return image, watershed(image, markers.reshape(shape)).astype(np.int32) - 1


def noise(shape, n_labels, seed=0):
    """Every pixel a random label: superpixels in many pieces, as many pairs as possible."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(shape[0] * shape[1]) % n_labels).reshape(shape).astype(np.int32)
    return rng.random(shape).astype(np.float32), labels


def pixel_pairs(labels, direction):
    """Flat indices of the pixel pairs of one direction whose labels differ."""
    height, width = labels.shape
    d_row, d_col = DIRECTIONS[direction]
    index = np.arange(labels.size).reshape(labels.shape)
    first = index[: height - d_row, max(-d_col, 0) : width - max(d_col, 0)].ravel()
    second = first + d_row * width + d_col
    differ = labels.ravel()[first] != labels.ravel()[second]
    return first[differ], second[differ]


def brute_force_pairs(image, labels, gradient, boundaries):
    """{(i, j): {sum: value}} from a plain loop over the pixel pairs."""
    flat = labels.ravel()
    values, slopes, bounds = image.ravel().astype(float), gradient.ravel().astype(float), boundaries.ravel()
    result = {}
    for direction in DIRECTIONS:
        for p, q in zip(*pixel_pairs(labels, direction), strict=True):
            if flat[p] > flat[q]:
                p, q = q, p
            sums = result.setdefault((flat[p], flat[q]), dict.fromkeys(EDGE_SUMS, 0.0))
            sums[direction] += 1
            if direction in ("horizontal", "vertical"):
                sums["intensity_i"] += values[p]
                sums["intensity_j"] += values[q]
                sums["gradient"] += (slopes[p] + slopes[q]) / 2
                sums["difference"] += abs(values[p] - values[q])
                sums["boundary"] += (bounds[p] + bounds[q]) / 2
    return result


CASES = [example(), example((30, 70), 12, seed=3), noise((24, 24), 60), noise((7, 9), 3)]


@pytest.mark.parametrize(("image", "labels"), CASES)
def test_edges_equal_bioimage_cpp(image, labels):
    from bioimage_cpp.graph import region_adjacency_graph

    graph = build_graph(image, labels)
    np.testing.assert_array_equal(graph.edges, region_adjacency_graph(labels).uv_ids())
    np.testing.assert_array_equal(graph.edges, graph.undirected.uv_ids())


@pytest.mark.parametrize(("image", "labels"), CASES)
def test_pair_sums_equal_brute_force(image, labels):
    boundaries = np.random.default_rng(5).random(image.shape).astype(np.float32)
    graph = build_graph(image, labels, boundaries)
    gradient = ndimage.gaussian_gradient_magnitude(image, 1, mode="mirror")
    expected = brute_force_pairs(image, labels, gradient, boundaries)
    edges = {pair: sums for pair, sums in expected.items() if sums["horizontal"] + sums["vertical"]}
    corners = {pair: sums for pair, sums in expected.items() if pair not in edges}

    assert [tuple(e) for e in graph.edges.tolist()] == sorted(edges)
    expected_sums = [[edges[pair][name] for name in EDGE_SUMS] for pair in sorted(edges)]
    np.testing.assert_allclose(
        graph.edge_sums, expected_sums, rtol=2e-3, atol=1e-5
    )  # the gradient filters differ a bit
    exact = [EDGE_SUMS.index(name) for name in EDGE_SUMS if name != "gradient"]
    np.testing.assert_allclose(graph.edge_sums[:, exact], np.array(expected_sums)[:, exact], rtol=1e-6, atol=1e-12)

    assert [tuple(c) for c in graph.corner_pairs.tolist()] == sorted(corners)
    for pair, sums in zip(graph.corner_pairs.tolist(), graph.corner_sums, strict=True):
        assert tuple(sums) == (corners[tuple(pair)]["diagonal_down"], corners[tuple(pair)]["diagonal_up"])


@pytest.mark.parametrize(("image", "labels"), CASES)
def test_node_sums_equal_pixel_sums(image, labels):
    graph = build_graph(image, labels)
    gradient = ndimage.gaussian_gradient_magnitude(image, 1, mode="mirror")
    padded = np.pad(labels, 1, constant_values=-1)
    for node, region in enumerate(regionprops(labels + 1, image)):
        row, col = region.coords.T
        values = image[row, col].astype(float)
        bbox = region.bbox
        expected = {
            "area": region.area,
            "row": row.sum(),
            "col": col.sum(),
            "row_row": (row * row).sum(),
            "col_col": (col * col).sum(),
            "row_col": (row * col).sum(),
            "intensity": values.sum(),
            "intensity2": (values**2).sum(),
            "gradient": gradient[row, col].sum(),
            "min_intensity": values.min(),
            "max_intensity": values.max(),
            "min_row": bbox[0],
            "min_col": bbox[1],
            "max_row": bbox[2] - 1,
            "max_col": bbox[3] - 1,
        }
        for name, (d_row, d_col) in DIRECTIONS.items():
            outside = (padded[row + 1 + d_row, col + 1 + d_col] < 0) + 0
            outside += padded[row + 1 - d_row, col + 1 - d_col] < 0
            expected["border_" + name] = outside.sum()
        assert tuple(expected) == NODE_SUMS
        np.testing.assert_allclose(graph.node_sums[node], list(expected.values()), rtol=2e-3, atol=1e-4)
        exact = [i for i, name in enumerate(NODE_SUMS) if name != "gradient"]
        np.testing.assert_allclose(graph.node_sums[node, exact], np.array(list(expected.values()))[exact], rtol=1e-9)


@pytest.mark.parametrize(("image", "labels"), CASES)
def test_outline_points_lie_between_their_superpixels(image, labels):
    graph = build_graph(image, labels)
    np.testing.assert_array_equal(np.diff(graph.outline_start), graph.edge_length)
    edge = np.repeat(np.arange(graph.n_edges), np.diff(graph.outline_start))
    row, col = graph.outline_points.T
    sides = np.stack([labels[np.floor(row).astype(int), np.floor(col).astype(int)],
                      labels[np.ceil(row).astype(int), np.ceil(col).astype(int)]], axis=1)  # fmt: skip
    np.testing.assert_array_equal(np.sort(sides, axis=1), graph.edges[edge])
    assert len(np.unique(graph.outline_points, axis=0)) == len(graph.outline_points)


def test_border_points_surround_the_image():
    image, labels = example((20, 31), 9)
    graph = build_graph(image, labels)
    row, col = graph.border_points.T
    node = np.repeat(np.arange(graph.n_nodes), np.diff(graph.border_start))
    assert len(np.unique(graph.border_points, axis=0)) == 2 * (20 + 31)
    on_border = np.isin(row, [-0.5, 19.5]) ^ np.isin(col, [-0.5, 30.5])
    assert on_border.all()
    inner = labels[np.clip(row, 0, 19).astype(int), np.clip(col, 0, 30).astype(int)]
    np.testing.assert_array_equal(inner, node)


@pytest.mark.parametrize(("image", "labels"), CASES)
def test_hulls_equal_scipy(image, labels):
    graph = build_graph(image, labels)
    for node in range(graph.n_nodes):
        row, col = np.nonzero(labels == node)
        corners = np.concatenate([np.stack([col + dx, row + dy], 1) for dx in (-0.5, 0.5) for dy in (-0.5, 0.5)])
        hull = ConvexHull(np.unique(corners, axis=0))
        points = graph.hull_points[graph.hull_start[node] : graph.hull_start[node + 1]]
        x, y = points.T
        shoelace = (x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2
        assert shoelace == pytest.approx(hull.volume)  # positive: counter-clockwise
        assert {tuple(p) for p in points} <= {tuple(p) for p in hull.points[hull.vertices]}
        step = np.roll(points, -1, axis=0) - points
        following = np.roll(step, -1, axis=0)
        assert (step[:, 0] * following[:, 1] - step[:, 1] * following[:, 0] > 0).all()  # strictly convex


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 10), st.integers(0, 10_000))
def test_any_small_label_image(height, width, n_labels, seed):
    image, labels = noise((height, width), min(n_labels, height * width), seed)
    graph = build_graph(image, labels)
    total = graph.edge_sums[:, :4].sum(axis=0)
    total[2:] += graph.corner_sums.sum(axis=0)
    assert total.tolist() == [len(pixel_pairs(labels, direction)[0]) for direction in DIRECTIONS]
    assert graph.node_sums[:, Node.AREA].sum() == height * width
    assert len(graph.border_points) == 2 * (height + width)


def test_default_boundary_map_is_the_scaled_gradient():
    image, labels = example()
    gradient = ndimage.gaussian_gradient_magnitude(image, 1, mode="mirror")
    boundaries = np.clip(gradient / np.percentile(gradient, 99.8), 0, 1).astype(np.float32)
    np.testing.assert_allclose(
        build_graph(image, labels).edge_sums, build_graph(image, labels, boundaries).edge_sums, rtol=1e-3
    )
    constant = build_graph(np.full(labels.shape, 3.0), labels)
    mean_boundary = constant.edge_sums[:, Edge.BOUNDARY] / constant.edge_length
    np.testing.assert_allclose(mean_boundary, 0, atol=0.05)  # rounding must not be blown up to boundaries


def test_derived_edge_values():
    image = np.array([[4.0, 4, 1, 2, 6, 6]] * 2)
    graph = build_graph(image, np.array([[0, 0, 0, 1, 1, 1]] * 2))
    np.testing.assert_allclose(graph.node_mean, [3, 14 / 3])
    assert graph.edge_length.tolist() == [2]
    assert graph.edge_level.tolist() == [1.5]
    assert graph.edge_valley.tolist() == [1.5]


def test_pickle_keeps_the_arrays():
    image, labels = example()
    graph = build_graph(image, labels)
    assert graph.undirected.number_of_edges == graph.n_edges  # the C++ graph is cached, and cannot be pickled
    copy = pickle.loads(pickle.dumps(graph))
    np.testing.assert_array_equal(copy.edge_sums, graph.edge_sums)
    assert copy.undirected.number_of_edges == graph.n_edges


@pytest.mark.parametrize(
    ("image", "labels", "message"),
    [
        (np.zeros((4, 4)), np.zeros((4, 5), int), "shape"),
        (np.full((4, 4), np.nan), np.zeros((4, 4), int), "NaN"),
        (np.zeros((4, 4)), np.zeros((4, 4)), "integers"),
        (np.zeros((4, 4)), np.full((4, 4), -1), "0..N-1"),
        (np.zeros((4, 4)), np.full((4, 4), 2), "missing"),
        (np.zeros((4, 4)), np.full((4, 4), 10**9), "0..N-1"),
        (np.zeros((0, 4)), np.zeros((0, 4), int), "0..N-1"),
    ],
)
def test_bad_input_is_named(image, labels, message):
    with pytest.raises(UserError, match=message):
        build_graph(image, labels)


def test_bad_boundary_map_is_named():
    image, labels = example()
    with pytest.raises(UserError, match="boundary map"):
        build_graph(image, labels, np.zeros((3, 3)))
