"""Data to train on and to check with: generated circles, rosettes and embryos; nuclei, leaves, cars, any folder."""

from segcritic.datasets.cars import cars
from segcritic.datasets.circles import CircleSettings, circles
from segcritic.datasets.embryo import EmbryoSettings, embryo_slices, embryos
from segcritic.datasets.folder import Folder, Pairs, Sample
from segcritic.datasets.leaves import leaves
from segcritic.datasets.nuclei import nuclei
from segcritic.datasets.rosettes import RosetteSettings, rosettes

__all__ = [
    "CircleSettings",
    "EmbryoSettings",
    "Folder",
    "Pairs",
    "RosetteSettings",
    "Sample",
    "cars",
    "circles",
    "embryo_slices",
    "embryos",
    "leaves",
    "nuclei",
    "rosettes",
]
