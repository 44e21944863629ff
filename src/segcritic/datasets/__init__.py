"""Data to train on and to check with: generated circles and rosettes, nuclei, any folder of images and labels."""

from segcritic.datasets.circles import CircleSettings, circles
from segcritic.datasets.folder import Folder, Sample
from segcritic.datasets.nuclei import nuclei
from segcritic.datasets.rosettes import RosetteSettings, rosettes

__all__ = ["CircleSettings", "Folder", "RosetteSettings", "Sample", "circles", "nuclei", "rosettes"]
