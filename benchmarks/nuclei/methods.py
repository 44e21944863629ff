"""What a run of the nuclei benchmark is, and the methods that learn nothing from its images or only a network."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmarks.lib.digest import file_name
from benchmarks.nuclei.networks import fold_network, folder_of, maps_of

RULES = "rules only"
"""Whatever an actor is trained by."""

LIMITS = "what labels could tell"
"""A run of rules alone, and how much better its labels would be if the truth told this or that."""

BOUND = "bound"

STILL = ("otsu", "distance watershed", "mutex watershed", "gradient multicut")
"""Methods that learn nothing."""

BY_NETWORK = ("U-Net + components", "U-Net + multicut")
"""Methods that read the maps of the fold's boundary network."""

CONTRASTIVE = "contrastive embedding + clustering"
"""A method with a network of its own, trained on the labels of the other folds."""

FEW = 3
"""Images with labels in the study of mixed supervision."""


@dataclass(frozen=True)
class Run:
    """What determines a result.

    Attributes
    ----------
    method : `RULES`, `LIMITS`, `BOUND`, `CONTRASTIVE`, one of `STILL` or `BY_NETWORK`, 'StarDist' or 'Cellpose'
    data : folder
    images : only so many of them; None = all
    rules : rules file, or the name of a built-in one
    fold, folds : which part of the images is held out; fold None = all images are labelled, none trained on
    seed : of the training
    steps : updates; None = the default number
    seconds : wall time of the updates, instead of a number of steps
    learner : None = the default one
    superpixels : None = the rules' own; 'network' = of the fold's boundary network; 'truth-cut' = those, cut along the
        true outlines
    labelled : number of training images whose labels are used; None = none, -1 = all
    weights : file or folder of a network that the user has
    label_reward : what labels reward
    """

    method: str
    data: str
    images: int | None
    rules: str
    fold: int | None = None
    folds: int = 1
    seed: int | None = None
    steps: int | None = None
    seconds: float | None = None
    learner: str | None = None
    superpixels: str | None = None
    labelled: int | None = None
    weights: str | None = None
    label_reward: Literal["objects", "edges"] = "objects"

    def file_name(self) -> str:
        """A name to recognise, and a digest of all that determines the result (but code, and where the data lie)."""
        from segcritic.rules import load_rules

        numbers = {"labelled": self.labelled, "fold": self.fold, "seed": self.seed}
        told = [f"{name}{value}" for name, value in numbers.items() if value is not None]
        parts = [self.method, self.learner, self.superpixels, self.label_reward == "edges" and "edges", *told]
        return file_name(parts, asdict(self) | {"rules": load_rules(self.rules).to_yaml(), "data": None})

    def network_kind(self) -> str | None:
        """Which network the run needs, if any."""
        if self.method == CONTRASTIVE:
            return "contrastive"
        return None if self.superpixels is None else "boundary"


def network_of(run: Run) -> Any:
    """The network that saw the labels of the other folds only; None when the run needs none."""
    kind = run.network_kind()
    return None if kind is None else fold_network(run.data, run.images, run.fold, run.folds, kind)


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
    from benchmarks import baselines
    from benchmarks.baselines.contrastive import contrastive_clusters
    from segcritic.stateless.state import make_state

    def model(load: Callable[[Any], Any], apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        loaded = load(run.weights)
        return lambda pixels, truth: apply(pixels, loaded)

    methods = {
        "otsu": lambda pixels, truth: baselines.otsu(pixels),
        "distance watershed": lambda pixels, truth: baselines.distance_watershed(pixels),
        "mutex watershed": lambda pixels, truth: baselines.mutex_watershed(pixels),
        "gradient multicut": lambda pixels, truth: baselines.gradient_multicut(pixels),
        CONTRASTIVE: lambda pixels, truth: contrastive_clusters(network.maps(pixels)),
        BY_NETWORK[0]: lambda *image: baselines.unet_components(inputs_of(run, network, *image)[0]),
        BY_NETWORK[1]: lambda *image: baselines.unet_multicut(*inputs_of(run, network, *image)),
        BOUND: lambda pixels, truth: (
            make_state(pixels, rules_of(run), *inputs_of(run, network, pixels, truth)).graph.superpixels
        ),
    }
    if run.method == "StarDist":
        return model(baselines.load_stardist, baselines.stardist)
    if run.method == "Cellpose":
        return model(baselines.load_cellpose, baselines.cellpose)
    return methods[run.method]
