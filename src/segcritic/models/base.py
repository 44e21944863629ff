"""What all trained models do alike: one image in, labels out."""

import os
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from segcritic.errors import UserError
from segcritic.io.samples import Images, Labels, Sample, Source

OneImage = str | os.PathLike[str] | NDArray[Any]


class Segmenter(ABC):
    """A trained model, or several together.

    `segment` and `analyse` take one image as the user has it. For many, `to_samples` lists and checks them, and `apply`
    segments one that was read.
    """

    def segment(
        self,
        image: OneImage,
        *,
        boundaries: OneImage | None = None,
        superpixels: OneImage | None = None,
        channel: int | str | None = None,
        refine: bool = False,
    ) -> NDArray[np.int32]:
        """Segment one image.

        Parameters
        ----------
        image : path or (H, W) array
            A file, or stored values (they are normalised here). A model that was trained from labels alone takes RGB,
            (H, W, 3), too: integers, or floats in [0, 1].
        boundaries : path or (H, W) or (2, H, W) array, optional
            Probability of outline in [0, 1], and of object; needed when the model was trained with boundary maps.
        superpixels : path, (H, W) integer array, or str, optional
            The user's own, or a method (shells, watershed, mutex, boundaries) instead of the rules'.
        channel : int or str, optional
            Of the image file, as in `io.images.read_image`; by default the one of the training images.
        refine : bool
            Go on from the actor's partition with a local search for what the rules like better.

        Returns
        -------
        (H, W) int32
            0 = background, objects 1..M.

        Raises
        ------
        UserError
            When a file cannot be used, shapes differ, what the model needs is missing, or something is given that it
            does not take.

        Examples
        --------
        >>> import numpy as np, segcritic
        >>> row, column = np.mgrid[:64, :64]
        >>> image = 100.0 * ((row - 30) ** 2 + (column - 30) ** 2 < 150)
        >>> int(segcritic.load("nuclei").segment(image).max())
        1
        """
        return self.analyse(
            image, boundaries=boundaries, superpixels=superpixels, channel=channel, refine=refine
        ).labels

    def analyse(
        self,
        image: OneImage,
        *,
        boundaries: OneImage | None = None,
        superpixels: OneImage | None = None,
        channel: int | str | None = None,
        refine: bool = False,
    ) -> Any:
        """Segment one image and keep everything that led there, a ``Segmentation``; otherwise as `segment`."""
        model, sources = self.to_samples(image, boundaries, superpixels, channel)
        if len(sources) > 1:
            where = image if isinstance(image, str | os.PathLike) else "what was given"
            raise UserError(f"{where} holds {len(sources)} images; give one, or use `segcritic segment` for a folder")
        return model.apply(sources[0].read(), refine)

    @abstractmethod
    def to_samples(
        self,
        images: Images,
        boundaries: Images | None = None,
        superpixels: Images | None = None,
        channel: int | str | None = None,
        labels: Labels | None = None,
    ) -> tuple[Self, list[Source]]:
        """Pair images with what belongs to them, and read nothing yet; the model that cuts superpixels as asked.

        Parameters as in `io.samples.find_samples`; `superpixels` may also be a method's name. With `labels`, images
        without are passed over. Raises UserError when something is missing, or given that the model does not take.
        """

    @abstractmethod
    def apply(self, sample: Sample, refine: bool = False) -> Any:
        """Segment a sample; one of equal pixels gives no objects, and an `InputWarning`. Otherwise as `analyse`."""
