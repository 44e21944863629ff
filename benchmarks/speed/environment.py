"""How long it takes to score one complete segmentation: segcritic's sums against scikit-image's regionprops_table.

One scoring = multicut of random edge costs -> ten descriptors of every object -> a score per object -> superpixels ->
edges (the better of both ends) -> mean over the edges. Both ways use the same multicut and the same descriptors.
"""

import importlib.metadata
from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops_table
from skimage.segmentation import watershed

from benchmarks.lib.command import command, parser
from benchmarks.lib.tables import table
from benchmarks.speed.measure import bright_blobs, shortest
from segcritic.graph import SuperpixelGraph, build_graph
from segcritic.graph.objects import measure
from segcritic.graph.partition import multicut
from segcritic.graph.project import to_labels

DESCRIPTORS = {  # ours -> scikit-image's
    "area": "area",
    "major_axis": "axis_major_length",
    "minor_axis": "axis_minor_length",
    "eccentricity": "eccentricity",
    "orientation": "orientation",
    "extent": "extent",
    "perimeter": "perimeter_crofton",
    "solidity": "solidity",
    "mean_intensity": "intensity_mean",
    "sd_intensity": "intensity_std",
}
PIXELS_PER_SUPERPIXEL = 130


def blobs(n_superpixels: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw an image of bright blobs and cut it by a watershed from random markers into `n_superpixels` superpixels."""
    rng = np.random.default_rng(seed)
    side = round(np.sqrt(n_superpixels * PIXELS_PER_SUPERPIXEL))
    image = bright_blobs(rng, (side, side), n_superpixels // 10, 6)
    markers = np.zeros(image.size, int)
    markers[rng.choice(image.size, n_superpixels, replace=False)] = np.arange(1, n_superpixels + 1)
    gradient = ndimage.gaussian_gradient_magnitude(image, 1)
    superpixels = watershed(gradient, markers.reshape(image.shape)) - 1
    return image.astype(np.float32), superpixels.astype(np.int32)


def edge_mean(graph: SuperpixelGraph, object_scores: NDArray, node_object: NDArray) -> NDArray[np.float64]:
    """Mean over the edges of the better of both ends' object scores; (..., N) -> (...)."""
    scores = object_scores[node_object]
    return np.maximum(scores[..., graph.edges[:, 0]], scores[..., graph.edges[:, 1]]).mean(axis=-1)


def score(graph: SuperpixelGraph, costs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score the partitions of one or K sets of costs from the graph's sums."""
    table = measure(graph, multicut(graph, costs), DESCRIPTORS)
    return edge_mean(graph, table["solidity"], table.node_object)


def score_by_regionprops(graph: SuperpixelGraph, image: NDArray[np.float32], costs: NDArray[np.float64]) -> float:
    """Score the partition of one set of costs from its label image."""
    partition = multicut(graph, costs)
    labels = to_labels(graph, partition) + 1
    table = regionprops_table(labels, image, properties=tuple(DESCRIPTORS.values()))
    return float(edge_mean(graph, table["solidity"], partition))


def row(n_superpixels: int, n_samples: int, seconds: float, seed: int) -> list[str]:
    """Time both ways on one image: milliseconds per scored partition."""
    image, superpixels = blobs(n_superpixels, seed)
    graph = build_graph(image, superpixels)
    costs = np.random.default_rng(seed).normal(0.3, 1, size=(n_samples, graph.n_edges))
    alone = 1000 * shortest(lambda: multicut(graph, costs), seconds) / n_samples
    batched = 1000 * shortest(lambda: score(graph, costs), seconds) / n_samples
    single = 1000 * np.mean([shortest(lambda row=row: score(graph, row), seconds / n_samples) for row in costs])
    by_pixels = [shortest(lambda row=row: score_by_regionprops(graph, image, row), 0) for row in costs[:2]]
    regionprops = 1000 * np.mean(by_pixels)
    measuring = (regionprops - alone) / max(batched - alone, 1e-6)
    n_objects = (multicut(graph, costs).max(axis=1) + 1).mean()
    cells = [f"{graph.n_nodes:,}", f"{graph.n_edges:,}", f"{n_objects:.0f}"]
    cells += [f"{ms:.3f}" for ms in (alone, batched, single)]
    return [*cells, f"{regionprops:.1f}", f"{regionprops / batched:,.0f}×", f"{measuring:,.0f}×"]


def page(arguments: Namespace) -> str:
    """Measure, and write the text of docs/environment_speed.md."""
    n_samples = arguments.samples
    rows = [row(n, n_samples, arguments.seconds, arguments.seed) for n in arguments.superpixels]
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("numba", "bioimage-cpp", "scikit-image"))
    head = ("superpixels", "edges", "objects", "multicut alone, ms", f"segcritic, {n_samples} at once, ms")
    head += ("segcritic, one, ms", "regionprops_table, ms", "faster", "faster without the multicut")
    return f"""# Speed of the environment

Time to score one complete segmentation: multicut of random costs, ten descriptors of every object, mean over
the edges. The descriptors: {", ".join(DESCRIPTORS)}.

CPU time per partition, threads: {arguments.threads}, shortest of repeated runs. {versions}.
Made by `{command(arguments, "superpixels", "samples", "seconds", "seed")}`.

{table(head, rows, left=0)}
"""


def options(verbs: Any) -> None:
    quick = {"superpixels": [94, 231], "seconds": 0.2}
    added = parser(__doc__, "environment", page, page="environment_speed.md", quick=quick, verbs=verbs)
    added.add_argument("--superpixels", type=int, nargs="+", default=[94, 231, 500, 1000, 2000], help="image sizes")
    added.add_argument("--samples", type=int, default=16, help="partitions scored at once")
    added.add_argument("--seconds", type=float, default=1.0, help="how long to repeat each measurement")
    added.add_argument("--seed", type=int, default=0, help="seed of images and costs")
