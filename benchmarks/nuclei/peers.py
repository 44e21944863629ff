"""What else the nuclei benchmark runs: peers, superpixels of a trained network or cut at the truth, a few labels."""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from boundary_nets import fold_network, folder_of, maps_of
from nuclei_runs import LIMITS, Run

STILL = ("otsu", "distance watershed", "mutex watershed", "gradient multicut")
"""Methods that learn nothing."""

BY_NETWORK = ("U-Net + components", "U-Net + multicut")
"""Methods that read the maps of the fold's boundary network."""

CONTRASTIVE = "contrastive embedding + clustering"
"""A method with a network of its own, trained on the labels of the other folds."""

PRETRAINED = ("StarDist", "Cellpose")
"""Networks that the user has: their weights come by `Run.rules`' place, see `pretrained`."""

FEW = 3
"""Images with labels in the study of mixed supervision."""


def planned_peers(arguments: Namespace) -> list[Run]:
    """The runs of docs/peers.md."""
    base = {"data": str(arguments.data), "images": arguments.images, "rules": arguments.rules}
    runs = [Run(method, **base) for method in STILL]
    for method, path in (("StarDist", arguments.stardist), ("Cellpose", arguments.cellpose)):
        if path is not None:
            runs.append(Run(method, **base, weights=str(path)))
    folds = [{"fold": fold, "folds": arguments.folds} for fold in chosen_folds(arguments)]
    runs += [Run(CONTRASTIVE, **base, **fold) for fold in folds]
    for cut in ("network", "truth-cut"):
        methods = BY_NETWORK if cut == "network" else BY_NETWORK[1:]
        runs += [Run(method, **base, **fold, superpixels=cut) for method in (*methods, "bound") for fold in folds]
        trained = {**base, "steps": arguments.steps, "superpixels": cut}
        for labelled in (None,) if cut == "network" else (None, -1):
            # the controlled studies are for orientation: one seed will do
            seeds = arguments.seeds if cut == "network" else arguments.seeds[:1]
            runs += [
                Run("rules only", **trained, **fold, seed=seed, labelled=labelled) for seed in seeds for fold in folds
            ]
        if cut == "truth-cut":
            by_edges = {"seed": arguments.seeds[0], "labelled": -1, "label_reward": "edges"}
            runs += [Run("rules only", **trained, **fold, **by_edges) for fold in folds]
    return runs


def planned_few_labels(arguments: Namespace) -> list[Run]:
    """The runs of docs/few_labels.md: rules alone, with a few labelled images, labels alone; raw superpixels."""
    base = {"data": str(arguments.data), "images": arguments.images, "rules": arguments.rules, "steps": arguments.steps}
    folds = [{"fold": fold, "folds": arguments.folds} for fold in chosen_folds(arguments)]
    rows = [{"labelled": labelled, "label_reward": by} for labelled in (FEW, -1) for by in ("objects", "edges")]
    runs = []
    for row in ({}, *rows):
        # labels of all images are for orientation: one seed will do
        seeds = arguments.seeds[:1] if row.get("labelled") == -1 else arguments.seeds
        runs += [Run("rules only", **base, **fold, seed=seed, **row) for seed in seeds for fold in folds]
    return runs + [Run(LIMITS, **base, **fold, seed=arguments.seeds[0]) for fold in folds]


def chosen_folds(arguments: Namespace) -> list[int]:
    """The folds that are run: all, unless one was asked for."""
    return list(range(arguments.folds)) if arguments.fold is None else [arguments.fold]


def network_of(run: Run) -> Any:
    """The network that saw the labels of the other folds only; None when the run needs none."""
    if run.superpixels is None and run.method != CONTRASTIVE:
        return None
    kind = "contrastive" if run.method == CONTRASTIVE else "boundary"
    return fold_network(Path(run.data), run.images, run.fold, run.folds, kind=kind)


def rules_of(run: Run) -> Any:
    """The run's rules, with superpixels from maps if it has a network."""
    from segcritic.models.stateless import choose_superpixels
    from segcritic.rules import load_rules

    return choose_superpixels(load_rules(run.rules), None, run.superpixels is not None)[0]


def inputs_of(run: Run, network: Any, pixels: Any, truth: Any) -> tuple[Any, Any]:
    """Boundary maps and superpixels for `make_state` and `segment`; the truth is looked at for truth-cut ones only."""
    from segcritic.superpixels import superpixels
    from segcritic.superpixels.boundaries import cut_at_truth

    if network is None:
        return None, None
    folder = folder_of(run.images, run.fold, run.folds)
    maps = maps_of(network, pixels, folder.with_name(f"{folder.name}-maps"))
    cut = cut_at_truth(superpixels(pixels, "boundaries", maps), truth) if run.superpixels == "truth-cut" else None
    return maps, cut


def worker(run: Run, network: Any) -> Callable[[Any, Any], Any]:
    """The function that labels pixels (or for the bound, cuts superpixels); its second argument is the truth."""
    import baselines
    from baselines.contrastive import contrastive_clusters
    from segcritic.stateless.state import make_state

    def components(pixels: Any, truth: Any) -> Any:
        return baselines.unet_components(inputs_of(run, network, pixels, truth)[0])

    def multicut(pixels: Any, truth: Any) -> Any:
        return baselines.unet_multicut(*inputs_of(run, network, pixels, truth))

    def cut(pixels: Any, truth: Any) -> Any:
        return make_state(pixels, rules_of(run), *inputs_of(run, network, pixels, truth)).graph.superpixels

    still = {
        "otsu": baselines.otsu,
        "distance watershed": baselines.distance_watershed,
        "mutex watershed": baselines.mutex_watershed,
        "gradient multicut": baselines.gradient_multicut,
    }
    if run.method in still:
        return lambda pixels, truth: still[run.method](pixels)
    if run.method in PRETRAINED:
        assert run.weights is not None
        apply, load = {
            "StarDist": (baselines.stardist, baselines.load_stardist),
            "Cellpose": (baselines.cellpose, baselines.load_cellpose),
        }[run.method]
        model = load(run.weights)
        return lambda pixels, truth: apply(pixels, model)
    if run.method == CONTRASTIVE:
        return lambda pixels, truth: contrastive_clusters(network.maps(pixels))
    return {"U-Net + components": components, "U-Net + multicut": multicut, "bound": cut}[run.method]
