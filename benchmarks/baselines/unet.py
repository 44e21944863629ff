"""What is usually done with a U-Net's maps of outlines and objects: connected components, or a multicut."""

import bioimage_cpp as bic
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage as ndi

from benchmarks.baselines.multicut import boundary_costs
from benchmarks.baselines.otsu import drop_small
from segcritic.graph import build_graph
from segcritic.graph.partition import multicut
from segcritic.graph.project import to_labels
from segcritic.superpixels import superpixels


def unet_components(maps: NDArray[np.floating], threshold: float = 0.5, min_area: int = 16) -> NDArray[np.int32]:
    """Label the connected components of the object map without its outlines, then grow them to the outlines.

    Parameters
    ----------
    maps : (2, H, W), probability of outline and of object (`segcritic.boundary_net`)
    threshold : of both probabilities
    min_area : smaller components are removed, pixels

    Returns
    -------
    (H, W) int32, 0 = background, objects 1..n
    """
    outline, inside = np.ascontiguousarray(maps, np.float32)
    seeds, _ = ndi.label((inside > threshold) & (outline < threshold))  # pyright: ignore[reportGeneralTypeIssues]
    seeds = drop_small(seeds, min_area)
    return bic.segmentation.watershed(outline, seeds, mask=inside > threshold).astype(np.int32)


def unet_multicut(
    maps: NDArray[np.floating],
    cut: NDArray[np.int32] | None = None,
    bias: float = 0.5,
    threshold: float = 0.5,
    min_area: int = 16,
) -> NDArray[np.int32]:
    """Multicut of superpixels by the outline probability between them; keep what lies mostly in the object map.

    Parameters
    ----------
    maps : (2, H, W), probability of outline and of object (`segcritic.boundary_net`)
    cut : (H, W), superpixels 0..N-1; by default those of the maps
    bias : as in `multicut.boundary_costs`
    threshold : of the object probability
    min_area : smaller objects are removed, pixels

    Returns
    -------
    (H, W) int32, 0 = background, objects 1..n
    """
    outline, inside = np.ascontiguousarray(maps, np.float32)
    cut = superpixels(inside, "boundaries", np.stack([outline, inside])) if cut is None else cut
    graph = build_graph(inside, cut, outline)
    segments = to_labels(graph, multicut(graph, boundary_costs(graph, graph.edge_boundary, bias)))
    size = np.maximum(np.bincount(segments.ravel()), 1)
    keep = np.bincount(segments.ravel(), (inside > threshold).ravel()) / size > 0.5
    return drop_small(np.where(keep, np.cumsum(keep), 0)[segments], min_area)
