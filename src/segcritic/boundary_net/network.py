"""The network, applied to images and kept as a folder: settings.json, weights.safetensors, card.md; no code in it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from segcritic.errors import UserError
from segcritic.io.atomic import atomic_dir, atomic_path
from segcritic.nn.unet import UNet
from segcritic.pixels.preprocess import normalise
from segcritic.training.device import choose_device
from segcritic.training.folder import summary

VERSION = 1
_SHIPPED = Path(__file__).parent / "shipped"
_TILE, _MARGIN = 1024, 48  # pixels: larger images go through in tiles that overlap by twice the margin
_RANGE = (-0.5, 2.0)  # of normalised intensities; brighter spots are cut off
_DIM = 0.03  # of normalised intensity: below, the logarithm is nearly linear
_SMALLEST = 16  # pixels: shorter sides are continued by their edge
_CHANNELS = 2  # of what `prepare` returns


class BoundaryUNet(nn.Module):
    """A U-Net that works at half of the image's resolution: four pixels are four channels, going in and coming out.

    As fine an outline for a third of the cost, most of which would lie in the finest level.

    Parameters
    ----------
    widths : tuple of int
        Channels of the U-Net's levels, the first of which has half of the image's resolution.
    n_maps : int
        C, channels of the output.
    """

    def __init__(self, widths: tuple[int, ...], n_maps: int = 2):
        super().__init__()
        self.unet = UNet(4 * _CHANNELS, 4 * n_maps, widths)

    def forward(self, images: Tensor) -> Tensor:
        """Take images (B, 2, H, W) and return (B, C, H, W): of a boundary network, logits of outline and of object."""
        height, width = images.shape[-2:]
        even = F.pad(images, (0, width % 2, 0, height % 2), mode="replicate")
        return F.pixel_shuffle(self.unet(F.pixel_unshuffle(even, 2)), 2)[..., :height, :width]


@dataclass
class MapNet:
    """Image -> C maps, values for every pixel; what these say is up to the subclass.

    Attributes
    ----------
    network : BoundaryUNet
        Of two input channels (`prepare`) and C outputs.
    widths : tuple of int
        Channels of its levels.
    card : str
        Markdown: what it was trained on and how.
    """

    kind: ClassVar[str]  # as messages and settings.json name it
    n_maps: ClassVar[int]  # C
    network: BoundaryUNet
    widths: tuple[int, ...]
    card: str = ""

    @classmethod
    def new(cls, widths: tuple[int, ...]) -> Self:
        """Return an untrained one."""
        return cls(BoundaryUNet(widths, cls.n_maps), widths)

    @staticmethod
    def activated(outputs: Tensor) -> Tensor:
        """What the network puts out, (C, H, W) -> the maps, (C, H, W)."""
        raise NotImplementedError

    def maps(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Predict the maps of one image.

        Parameters
        ----------
        pixels : (H, W) numbers
            As stored; they are normalised here.

        Returns
        -------
        (C, H, W) float32
        """
        image = prepare(pixels)
        height, width = image.shape[1:]
        found = np.empty((self.n_maps, height, width), np.float32)
        for top in range(0, height, _TILE):
            for left in range(0, width, _TILE):
                rows = slice(max(top - _MARGIN, 0), top + _TILE + _MARGIN)
                columns = slice(max(left - _MARGIN, 0), left + _TILE + _MARGIN)
                tile = self._predict(image[:, rows, columns])
                inner = tile[:, top - rows.start :, left - columns.start :][:, :_TILE, :_TILE]
                found[:, top : top + _TILE, left : left + _TILE] = inner
        return found

    def _predict(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = image.shape[1:]
        lacking = ((0, 0), (0, max(0, _SMALLEST - height)), (0, max(0, _SMALLEST - width)))
        padded = np.pad(image, lacking, "edge")
        self.network.eval()
        with torch.no_grad():
            device = next(self.network.parameters()).device
            outputs: Tensor = self.network(torch.from_numpy(padded)[None].to(device))[0]
            return self.activated(outputs).cpu().numpy()[:, :height, :width]

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write the network as a folder, at once or not at all.

        Raises
        ------
        UserError
            When the folder holds anything else, or cannot be written.
        """
        from safetensors.torch import save

        folder = Path(folder)
        if folder.is_dir() and any(folder.iterdir()) and _settings(folder, self.kind) is None:
            raise UserError(f"{folder} holds files that are no {self.kind}; give the name of a new folder")
        settings = {"format": f"segcritic {self.kind}", "version": VERSION, "widths": self.widths}
        with atomic_dir(folder) as temporary:
            (temporary / "settings.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
            weights = {name: value.detach().cpu().contiguous() for name, value in self.network.state_dict().items()}
            (temporary / "weights.safetensors").write_bytes(save(weights))
            (temporary / "card.md").write_text(self.card, encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder that `save` wrote.

        Raises
        ------
        UserError
            When it is none, or a file of it is missing, damaged, or of a newer version.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        settings = _settings(folder, cls.kind)
        if settings is None:
            raise UserError(f"{folder} is no {cls.kind} of segcritic; give a folder that its training wrote")
        version = settings.get("version")
        if not isinstance(version, int) or version > VERSION:
            raise UserError(f"the {cls.kind} {folder} is of format {version!r}, unknown here: update segcritic")
        try:
            found = cls.new(tuple(int(width) for width in settings["widths"]))
            found.network.load_state_dict(load_file(folder / "weights.safetensors"))
            card = folder / "card.md"
            found.card = card.read_text(encoding="utf-8") if card.is_file() else ""
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
            what = " ".join(str(error).split())[:200]
            raise UserError(f"the {cls.kind} {folder} is damaged ({what}); copy the whole folder again") from error
        return found


class BoundaryNet(MapNet):
    """Image -> probability in [0, 1] of outline, and of object: the maps that `boundaries` takes everywhere."""

    kind = "boundary network"
    n_maps = 2

    @staticmethod
    def activated(outputs: Tensor) -> Tensor:
        return torch.sigmoid(outputs)


def prepare(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels as stored -> what the network sees, (2, H, W) float32: intensity, and its logarithm for what is dim."""
    image = np.clip(normalise(np.asarray(pixels, np.float32)), *_RANGE)
    return np.stack([image, dimmed(image)])


def dimmed(image: NDArray[np.floating]) -> NDArray[np.float32]:
    """Logarithm of normalised intensities: 0 on the background, 1 where the image is bright."""
    return (np.log1p(np.maximum(image, -0.5 * _DIM) / _DIM) / np.log1p(1 / _DIM)).astype(np.float32)


def shipped() -> dict[str, str]:
    """Names of the networks that come with segcritic, and the first sentence of each one's card."""
    folders = [path for path in sorted(_SHIPPED.glob("*")) if is_network(path)] if _SHIPPED.is_dir() else []
    return {path.name: summary((path / "card.md").read_text(encoding="utf-8")) for path in folders}


def load(name_or_folder: str | os.PathLike[str], device: str = "auto") -> BoundaryNet:
    """Load a network's folder, or one that comes with segcritic by its name, to run on a device.

    Raises
    ------
    UserError
        When there is none, or a file of it is missing, damaged, or of a newer version; or there is no such device.
    """
    folder, names = Path(name_or_folder), shipped()
    if not folder.exists() and str(name_or_folder) in names:
        folder = _SHIPPED / str(name_or_folder)
    if not folder.is_dir():
        raise UserError(f"there is no boundary network {folder}; those that come with segcritic are {', '.join(names)}")
    found = BoundaryNet.read(folder)
    found.network.to(choose_device(device))
    return found


def is_network(folder: str | os.PathLike[str]) -> bool:
    """Tell whether a folder holds a boundary network (not whether all its files are sound)."""
    return _settings(Path(folder), BoundaryNet.kind) is not None


def write_maps(path: str | os.PathLike[str], maps: NDArray[np.floating]) -> None:
    """Write maps from `BoundaryNet.maps`, (2, H, W) in [0, 1], as a 16-bit TIFF of two channels, zlib-compressed.

    Raises
    ------
    UserError
        When the file cannot be written.
    """
    import tifffile

    stored = np.round(np.asarray(maps) * np.iinfo(np.uint16).max).astype(np.uint16)
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, stored, compression="zlib", photometric="minisblack", metadata={"axes": "CYX"})


def _settings(folder: Path, kind: str) -> dict[str, Any] | None:
    """What settings.json says, if it is of a network of that kind."""
    try:
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return settings if isinstance(settings, dict) and settings.get("format") == f"segcritic {kind}" else None
