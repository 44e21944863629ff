"""How long it takes to score one complete segmentation: segcritic's sums against scikit-image's regionprops_table.

One scoring = multicut of random edge costs -> ten descriptors of every object -> a score per object -> superpixels ->
edges (the better of both ends) -> mean over the edges. Both ways use the same multicut and the same descriptors.
"""

import argparse
import importlib.metadata
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.measure import regionprops_table
from skimage.segmentation import watershed

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


@dataclass
class Timing:
    """Milliseconds per scored partition on one image."""

    n_nodes: int
    n_edges: int
    n_objects: float
    multicut: float
    batched: float
    single: float
    regionprops: float

    def row(self) -> str:
        cells = [f"{self.n_nodes:,}", f"{self.n_edges:,}", f"{self.n_objects:.0f}"]
        cells += [f"{ms:.3f}" for ms in (self.multicut, self.batched, self.single)]
        measuring = (self.regionprops - self.multicut) / max(self.batched - self.multicut, 1e-6)
        cells += [f"{self.regionprops:.1f}", f"{self.regionprops / self.batched:,.0f}×", f"{measuring:,.0f}×"]
        return f"| {' | '.join(cells)} |"


def blobs(n_superpixels: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Draw an image of bright blobs and cut it by a watershed from random markers into `n_superpixels` superpixels."""
    rng = np.random.default_rng(seed)
    side = round(np.sqrt(n_superpixels * PIXELS_PER_SUPERPIXEL))
    image = np.zeros((side, side))
    image.flat[rng.choice(image.size, max(n_superpixels // 10, 1), replace=False)] = 1
    image = ndimage.gaussian_filter(image, 6)
    image = image / image.max() + 0.02 * rng.normal(size=image.shape)
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


def milliseconds(function: Callable[[], object], seconds: float) -> float:
    """CPU time of the shortest run of `function`, repeated for about `seconds` and at least three times.

    CPU time, because other programs on the machine lengthen long runs more than the shortest of many short ones.
    """
    function()  # not timed: compiles, and fills the graph's caches
    runs = []
    end = time.perf_counter() + seconds
    while len(runs) < 3 or time.perf_counter() < end:
        start = time.process_time()
        function()
        runs.append(time.process_time() - start)
    return 1000 * min(runs)


def time_one_size(n_superpixels: int, n_samples: int, seconds: float, seed: int) -> Timing:
    """Time both ways on one image."""
    image, superpixels = blobs(n_superpixels, seed)
    graph = build_graph(image, superpixels)
    costs = np.random.default_rng(seed).normal(0.3, 1, size=(n_samples, graph.n_edges))
    single = [milliseconds(lambda row=row: score(graph, row), seconds / n_samples) for row in costs]
    by_pixels = [milliseconds(lambda row=row: score_by_regionprops(graph, image, row), 0) for row in costs[:2]]
    return Timing(
        n_nodes=graph.n_nodes,
        n_edges=graph.n_edges,
        n_objects=(multicut(graph, costs).max(axis=1) + 1).mean(),
        multicut=milliseconds(lambda: multicut(graph, costs), seconds) / n_samples,
        batched=milliseconds(lambda: score(graph, costs), seconds) / n_samples,
        single=float(np.mean(single)),
        regionprops=float(np.mean(by_pixels)),
    )


def page(timings: list[Timing], n_samples: int) -> str:
    """Write the Markdown page."""
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("numba", "bioimage-cpp", "scikit-image"))
    head = (
        "superpixels",
        "edges",
        "objects",
        "multicut alone, ms",
        f"segcritic, {n_samples} at once, ms",
        "segcritic, one, ms",
        "regionprops_table, ms",
        "faster",
        "faster without the multicut",
    )
    lines = [
        "# Speed of the environment",
        "",
        "Time to score one complete segmentation: multicut of random costs, ten descriptors of every object, mean over",
        f"the edges. The descriptors: {', '.join(DESCRIPTORS)}.",
        "",
        f"CPU time per partition on one thread, shortest of repeated runs. {versions}.",
        "Made by `python benchmarks/environment_speed.py`.",
        "",
        f"| {' | '.join(head)} |",
        "|" + "---:|" * len(head),
        *(timing.row() for timing in timings),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--superpixels", type=int, nargs="+", default=[94, 231, 500, 1000, 2000], help="image sizes")
    parser.add_argument("--samples", type=int, default=16, help="partitions scored at once")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long to repeat each measurement")
    parser.add_argument("--seed", type=int, default=0, help="seed of images and costs")
    default = Path(__file__).parents[1] / "docs" / "environment_speed.md"
    parser.add_argument("--out", type=Path, default=default, help="Markdown file to write")
    arguments = parser.parse_args()
    timings = [time_one_size(n, arguments.samples, arguments.seconds, arguments.seed) for n in arguments.superpixels]
    text = page(timings, arguments.samples)
    print(text)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
