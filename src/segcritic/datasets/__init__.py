"""Data to train on and to check with: generated circles and rosettes, nuclei, leaves, cars, any folder with labels."""

from segcritic.datasets.cars import cars
from segcritic.datasets.circles import CircleSettings, circles
from segcritic.datasets.folder import Folder, Pairs, Sample
from segcritic.datasets.leaves import leaves
from segcritic.datasets.nuclei import nuclei
from segcritic.datasets.rosettes import RosetteSettings, rosettes

__all__ = [
    "CircleSettings",
    "Folder",
    "Pairs",
    "RosetteSettings",
    "Sample",
    "cars",
    "circles",
    "leaves",
    "nuclei",
    "rosettes",
]
