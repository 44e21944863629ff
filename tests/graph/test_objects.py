"""Descriptors of objects against scikit-image's regionprops, SciPy's hulls and brute force over the pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial import ConvexHull
from skimage.draw import disk, ellipse
from skimage.measure import perimeter_crofton, regionprops
from skimage.segmentation import watershed

from segcritic.errors import UserError
from segcritic.graph import build_graph
from segcritic.graph.descriptors import DESCRIPTORS
from segcritic.graph.objects import measure
from segcritic.graph.partition import multicut
from segcritic.graph.project import to_labels


def example(shape=(80, 96), n_superpixels=120, seed=0):
    """A smooth random image in [0, 1] and watershed superpixels of it."""
    rng = np.random.default_rng(seed)
    image = ndimage.gaussian_filter(rng.normal(size=shape), 2).astype(np.float32)
    image = (image - image.min()) / np.ptp(image)
    markers = np.zeros(image.size, int)
    markers[rng.choice(image.size, n_superpixels, replace=False)] = np.arange(1, n_superpixels + 1)
    return image, watershed(image, markers.reshape(shape)).astype(np.int32) - 1


@pytest.fixture(scope="module")
def image():
    return example()[0]


@pytest.fixture(scope="module")
def graph():
    return build_graph(*example())


@pytest.fixture(scope="module")
def partitions(graph):
    costs = np.random.default_rng(4).normal(0.2, 1, size=(7, graph.n_edges))
    costs[0] = 1  # one object: the whole image
    costs[1] = -1  # every superpixel an object
    return multicut(graph, costs)


@pytest.fixture(scope="module")
def table(graph, partitions):
    return measure(graph, partitions)


@pytest.fixture(scope="module")
def regions(graph, partitions, image):
    """What regionprops finds, in the order of the table."""
    return [r for labels in partitions for r in regionprops(to_labels(graph, labels) + 1, image)]


def test_rows_follow_partitions_and_first_appearance(graph, partitions, table, regions):
    assert len(table) == len(regions) == (partitions.max(axis=1) + 1).sum()
    np.testing.assert_array_equal(table.sample, np.repeat(np.arange(7), partitions.max(axis=1) + 1))
    np.testing.assert_array_equal(
        table.sample[table.node_object], np.repeat(np.arange(7), graph.n_nodes).reshape(7, -1)
    )
    offset = np.searchsorted(table.sample, np.arange(7))
    np.testing.assert_array_equal(table.node_object, partitions + offset[:, None])
    assert tuple(table.columns) == tuple(DESCRIPTORS)
    assert all(np.isfinite(values).all() and values.shape == (len(table),) for values in table.columns.values())


@pytest.mark.parametrize(
    ("name", "attribute", "index", "tolerance"),
    [
        ("area", "area", None, 0),
        ("equivalent_diameter", "equivalent_diameter_area", None, 1e-9),
        ("major_axis", "axis_major_length", None, 1e-6),
        ("minor_axis", "axis_minor_length", None, 1e-6),
        ("eccentricity", "eccentricity", None, 1e-6),
        ("extent", "extent", None, 1e-12),
        ("perimeter", "perimeter_crofton", None, 1e-8),
        ("bbox_min_row", "bbox", 0, 0),
        ("bbox_min_col", "bbox", 1, 0),
        ("bbox_max_row", "bbox", 2, 0),
        ("bbox_max_col", "bbox", 3, 0),
        ("centroid_row", "centroid", 0, 1e-9),
        ("centroid_col", "centroid", 1, 1e-9),
        ("mean_intensity", "intensity_mean", None, 1e-6),
        ("min_intensity", "intensity_min", None, 0),
        ("max_intensity", "intensity_max", None, 0),
        ("sd_intensity", "intensity_std", None, 1e-6),
        ("solidity", "solidity", None, 0.06),
    ],
)
def test_equals_regionprops(table, regions, name, attribute, index, tolerance):
    expected = np.array([getattr(region, attribute) for region in regions], float)
    expected = expected if index is None else expected[:, index]
    if name == "solidity":  # pixel hulls of tiny objects depend on how a hull is painted
        large = table["area"] >= 80
        np.testing.assert_allclose(table[name][large], expected[large], atol=tolerance)
    else:
        np.testing.assert_allclose(table[name], expected, rtol=0, atol=tolerance)


def test_orientation_equals_regionprops(table, regions):
    elongated = table["eccentricity"] > 0.1
    difference = table["orientation"] - np.array([region.orientation for region in regions])
    difference = (difference + np.pi / 2) % np.pi - np.pi / 2  # an axis has no direction
    np.testing.assert_allclose(difference[elongated], 0, atol=1e-6)
    assert elongated.sum() > 100


@pytest.mark.parametrize("angle", [0, 30, 45, 90, 120])
def test_orientation_of_an_ellipse(angle):
    labels = np.zeros((61, 61), np.int32)
    labels[ellipse(30, 30, 8, 22, rotation=np.deg2rad(angle))] = 1
    table = measure(build_graph(labels.astype(np.float32), labels), np.array([0, 1]))
    assert table["orientation"][1] == pytest.approx(regionprops(labels)[0].orientation, abs=1e-9)


def test_solidity_equals_the_hull_of_the_pixel_corners(graph, partitions, table):
    for row in range(0, len(table), 5):
        labels = to_labels(graph, table.node_object[table.sample[row]])
        y, x = np.nonzero(labels == row)
        corners = np.concatenate([np.stack([x + dx, y + dy], 1) for dx in (0, 1) for dy in (0, 1)])
        assert table["solidity"][row] == pytest.approx(len(y) / ConvexHull(corners).volume, rel=1e-12)
    assert table["solidity"].max() <= 1


def brute_force(image, gradient, boundaries, labels, row):
    """Descriptors of the outline of one object from a loop over its pixels."""
    height, width = labels.shape
    inside, outside, slope, bound, border, neighbours = [], [], [], [], 0, set()
    for y, x in np.argwhere(labels == row):
        for y2, x2 in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            if not (0 <= y2 < height and 0 <= x2 < width):
                border += 1
            elif labels[y2, x2] != row:
                inside.append(image[y, x])
                outside.append(image[y2, x2])
                slope.append((gradient[y, x] + gradient[y2, x2]) / 2)
                bound.append((boundaries[y, x] + boundaries[y2, x2]) / 2)
                neighbours.add(labels[y2, x2])
    mean = image[labels == row].mean(dtype=float)
    return {
        "boundary_level": (np.mean(inside) + np.mean(outside)) / 2 / mean,
        "boundary_gradient": np.mean(slope) / mean,
        "boundary_map": np.mean(bound),
        "interior_gradient": gradient[labels == row].mean() / mean,
        "contrast": (np.mean(inside) - np.mean(outside)) / mean,
        "outside_intensity": np.mean(outside),
        "touches_border": border / (border + len(inside)),
        "neighbours": len(neighbours),
    }


def test_outline_equals_brute_force(image, partitions):
    boundaries = np.random.default_rng(8).random(image.shape).astype(np.float32)
    graph = build_graph(image, example()[1], boundaries)
    table = measure(graph, partitions[3])
    gradient = ndimage.gaussian_gradient_magnitude(image, 1, mode="mirror")
    labels = to_labels(graph, partitions[3])
    for row in range(0, len(table), 2):
        for name, expected in brute_force(image, gradient, boundaries, labels, row).items():
            assert table[name][row] == pytest.approx(expected, rel=1e-3, abs=1e-6), name


def test_inner_boundaries_equal_brute_force(image, partitions):
    boundaries = np.random.default_rng(8).random(image.shape).astype(np.float32)
    superpixels = example()[1]
    graph = build_graph(image, superpixels, boundaries)
    labels = partitions[4]
    table = measure(graph, labels)
    means = ndimage.mean(image, superpixels, np.arange(graph.n_nodes))
    depth, bound, length = np.zeros((3, len(table)))
    for (i, j), sums in zip(graph.edges, graph.edge_sums, strict=True):
        if labels[i] == labels[j]:
            n = sums[0] + sums[1]
            length[labels[i]] += n
            bound[labels[i]] += sums[8]
            depth[labels[i]] += n * max(0, min(means[i], means[j]) - (sums[4] + sums[5]) / (2 * n))
    length = np.maximum(length, 1)
    np.testing.assert_allclose(table["inner_boundary_map"], bound / length, rtol=1e-9)
    np.testing.assert_allclose(table["valley"], depth / length / table["mean_intensity"], rtol=1e-5, atol=1e-9)
    assert (table["valley"] > 0).any()
    single = np.bincount(labels) == 1
    assert single.any()
    assert (table["valley"][single] == 0).all()


def test_positions(table):
    row, col = table["centroid_row"], table["centroid_col"]
    np.testing.assert_allclose(table["border_distance"], np.min([row, 79 - row, col, 95 - col], axis=0) + 0.5)
    np.testing.assert_allclose(table["center_distance"], np.hypot(row - 39.5, col - 47.5) / (np.hypot(80, 96) / 2))


def test_positions_about_a_centre_of_ones_own(image, partitions):
    table = measure(build_graph(image, example()[1], center=(10.0, 70.0)), partitions)
    row, col = table["centroid_row"] - 10, table["centroid_col"] - 70
    np.testing.assert_allclose(table["radial_distance"], np.hypot(row, col))
    cosine = row * np.cos(table["orientation"]) + col * np.sin(table["orientation"])
    expected = np.arccos(np.minimum(np.abs(cosine) / np.hypot(row, col), 1))
    np.testing.assert_allclose(table["radial_angle"], expected, atol=1e-6)


def test_radial_angle_of_spokes():
    labels = np.zeros((61, 61), np.int32)
    labels[5:20, 29:32] = 1  # above the middle, upright: points to it
    labels[29:32, 45:60] = 2  # on its right, lying
    labels[50:53, 23:38] = 3  # below, lying: across
    angles = measure(build_graph(labels.astype(np.float32), labels), np.arange(4))["radial_angle"]
    np.testing.assert_allclose(np.rad2deg(angles[1:]), [0, 0, 90], atol=1e-6)


def test_boxes_turn_with_the_object():
    for angle in (0, 20, 45, 70, 90, 120):
        turn = np.deg2rad(angle)
        row, col = np.indices((81, 81)) - 40
        along, across = row * np.cos(turn) + col * np.sin(turn), col * np.cos(turn) - row * np.sin(turn)
        labels = ((np.abs(along) < 25) & (np.abs(across) < 8)).astype(np.int32)
        pieces = np.where(labels == 1, 1 + (along > 5) + 2 * (across > 0), 0)  # the object consists of four superpixels
        table = measure(build_graph(labels.astype(np.float32), pieces), np.array([0, 1, 1, 1, 1]))
        assert table["box_length"][1] == pytest.approx(50, abs=2)
        assert table["box_width"][1] == pytest.approx(16, abs=2)
        assert 0.85 < table["box_fill"][1] <= 1


def test_boxes_equal_the_extents_of_the_pixel_corners(graph, partitions, table):
    for row in range(0, len(table), 7):
        y, x = np.nonzero(to_labels(graph, table.node_object[table.sample[row]]) == row)
        corners = np.concatenate([np.stack([y + dy, x + dx], 1) for dy in (0, 1) for dx in (0, 1)])
        axis = np.array([np.cos(table["orientation"][row]), np.sin(table["orientation"][row])])
        assert table["box_length"][row] == pytest.approx(np.ptp(corners @ axis))
        assert table["box_width"][row] == pytest.approx(np.ptp(corners @ [-axis[1], axis[0]]))
        fill = len(y) / (table["box_length"][row] * table["box_width"][row])
        assert table["box_fill"][row] == pytest.approx(fill)


def test_whole_image_as_one_object(table):
    assert {name: table[name][0] for name in ("touches_border", "neighbours", "contrast", "boundary_gradient")} == {
        "touches_border": 1,
        "neighbours": 0,
        "contrast": 0,
        "boundary_gradient": 0,
    }
    assert table["boundary_level"][0] == 1
    assert table["outside_intensity"][0] == table["mean_intensity"][0]
    assert table["solidity"][0] == 1


def test_many_at_once_equal_one_by_one(graph, partitions, table):
    for k, labels in enumerate(partitions):
        one = measure(graph, labels)
        rows = table.sample == k
        for name in DESCRIPTORS:
            np.testing.assert_array_equal(one[name], table[name][rows], err_msg=name)


def test_relabelling_superpixels_changes_nothing(image, partitions, table):
    superpixels = example()[1]
    rank = np.random.default_rng(9).permutation(superpixels.max() + 1).astype(np.int32)
    other = build_graph(image, rank[superpixels])
    labels = np.empty_like(partitions)
    labels[:, rank] = partitions
    relabelled = measure(other, labels)
    np.testing.assert_array_equal(relabelled.sample, table.sample)
    back = relabelled.node_object[:, rank]  # row of the relabelled table for every superpixel of the first graph
    for name in DESCRIPTORS:
        actual, expected = relabelled[name][back], table[name][table.node_object]
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9, err_msg=name)


def test_object_numbers_do_not_matter(graph, partitions, table):
    again = measure(graph, graph.n_nodes - 1 - partitions)
    np.testing.assert_array_equal(again.node_object, table.node_object)
    np.testing.assert_array_equal(again["solidity"], table["solidity"])


def test_only_what_is_asked_for(graph, partitions, table):
    some = measure(graph, partitions, ["solidity", "area"])
    assert list(some.columns) == ["solidity", "area"]
    np.testing.assert_array_equal(some["solidity"], table["solidity"])
    assert measure(graph, partitions[2], []).columns == {}
    assert len(measure(graph, partitions[:0])) == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 12), st.integers(0, 10_000))
def test_any_small_partition(height, width, n_superpixels, seed):
    """Superpixels in pieces, objects of scattered pixels, images one pixel wide."""
    rng = np.random.default_rng(seed)
    n_superpixels = min(n_superpixels, height * width)
    superpixels = rng.permutation(np.arange(height * width) % n_superpixels).reshape(height, width)
    image = rng.random((height, width)).astype(np.float32)
    graph = build_graph(image, superpixels)
    table = measure(graph, rng.integers(0, n_superpixels, (3, n_superpixels)))
    for k in range(3):
        labels = to_labels(graph, table.node_object[k])
        for region in regionprops(labels + 1, image):
            row = region.label - 1
            assert table["area"][row] == region.area
            assert (table["min_intensity"][row], table["max_intensity"][row]) == (
                region.intensity_min,
                region.intensity_max,
            )
            assert table["perimeter"][row] == pytest.approx(perimeter_crofton(labels == row, 4), rel=1e-6)
            assert table["major_axis"][row] == pytest.approx(region.axis_major_length, abs=1e-6)
            # both axes are 0 to within rounding for a single pixel or line, where eccentricity is a matter of rounding
            assert table["minor_axis"][row] == pytest.approx(region.axis_minor_length, abs=1e-6)
            y, x = np.nonzero(labels == row)
            corners = np.concatenate([np.stack([x + dx, y + dy], 1) for dx in (0, 1) for dy in (0, 1)])
            assert table["solidity"][row] == pytest.approx(region.area / ConvexHull(corners).volume, rel=1e-12)
    assert all(np.isfinite(values).all() for values in table.columns.values())


def drawn(shape, *objects):
    """A label image and a bright image with a dark background from lists of pixel coordinates."""
    labels = np.zeros(shape, np.int32)
    for number, pixels in enumerate(objects, 1):
        labels[pixels] = number
    return build_graph((labels > 0) * 0.8 + 0.1, labels), np.arange(len(objects) + 1)


def test_circles_score_high_as_circles():
    graph, labels = drawn(
        (90, 120), disk((30, 30), 6), disk((45, 55), 20), ellipse(15, 95, 5, 22), disk((89, 70), 20, shape=(90, 120))
    )
    table = measure(graph, labels)
    hough = table["circle_hough"]
    np.testing.assert_array_equal(hough[1:3], 1)
    assert 0 < hough[3] < 0.5
    assert hough[4] > 0.9  # half a disk, cut by the image border: what is seen of its outline
    assert hough[0] < 0.6
    assert (table["circularity"][1:3] > 0.98).all()
    assert table["circularity"][3] < 0.7
    assert table["touches_border"][[1, 2, 3]].tolist() == [0, 0, 0]
    assert table["touches_border"][4] > 0.2
    assert table["solidity"][0] > 0.5  # the background with its holes
    assert table["contrast"][1:] == pytest.approx(0.8 / 0.9)
    assert table["neighbours"].tolist() == [4, 1, 1, 1, 1]


def test_half_a_circle_fills_half_of_the_angles():
    angles = np.linspace(-np.pi / 2, np.pi / 2, 400)
    pixels = np.round(50 + 20 * np.sin(angles)).astype(int), np.round(50 + 20 * np.cos(angles)).astype(int)
    from segcritic.graph.adjacency import circle_hough

    bits = circle_hough(
        np.array([[0, 1]], np.int32),
        np.full(2, np.pi * 400),
        np.full(2, 50.0),
        np.full(2, 50.0),
        np.array([[0, 1]], np.int32),
        np.stack(pixels, 1).astype(np.float32),
        np.array([0, 400]),
        np.zeros((0, 2), np.float32),
        np.zeros(3, np.int64),
    )
    assert bits[0] == pytest.approx(0.5, abs=0.07)


def test_dark_images_give_finite_ratios():
    superpixels = example()[1]
    for image in (np.zeros(superpixels.shape), np.full(superpixels.shape, -2.0)):
        table = measure(build_graph(image, superpixels), np.arange(superpixels.max() + 1) // 3)
        assert all(np.isfinite(values).all() for values in table.columns.values())
        np.testing.assert_allclose(table["sd_intensity"], 0, atol=1e-6)


def test_bad_input_is_named(graph):
    with pytest.raises(UserError, match="did you mean 'area'"):
        measure(graph, np.zeros(graph.n_nodes, int), ["aera"])
    with pytest.raises(UserError, match="choose from area"):
        measure(graph, np.zeros(graph.n_nodes, int), ["xyzzy"])
    with pytest.raises(UserError, match="does not fit"):
        measure(graph, np.zeros(graph.n_nodes + 1, int))
    with pytest.raises(UserError, match="does not fit"):
        measure(graph, np.zeros((1, 1, graph.n_nodes), int))
    with pytest.raises(UserError, match="outside 0"):
        measure(graph, np.full(graph.n_nodes, 2**32))
    with pytest.raises(UserError, match="integers"):
        measure(graph, np.zeros(graph.n_nodes))
