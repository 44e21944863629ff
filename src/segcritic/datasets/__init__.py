"""Data to train on and to check with: generated circles, nuclei, any folder of images and labels."""

from segcritic.datasets.circles import CircleSettings, circles
from segcritic.datasets.folder import Folder, Sample
from segcritic.datasets.nuclei import nuclei

__all__ = ["CircleSettings", "Folder", "Sample", "circles", "nuclei"]
