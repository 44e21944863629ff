"""Pictures with words: panels with titles in a grid, and the panels that several figures have. (H, W, 3) uint8."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.figures.runs import Result, Run, pixel_features, tests
from segcritic.rules import Scorer

if TYPE_CHECKING:
    from segcritic.stateless.policy import Policy
    from segcritic.stateless.predict import Segmentation
    from segcritic.stateless.state import State

Picture = NDArray[np.uint8]
Titled = tuple[str, Picture]

TEXT = (28, 37, 48)
_GAP = 10  # pixels between panels
_SIZE = 20  # of a title's letters, pixels
_LARGEST = 300_000  # bytes of a file in full colours
_COLORS = 200  # of the palette that a larger picture is reduced to


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def titled(title: str, picture: Picture) -> Picture:
    """Put a title over a picture, in the middle; smaller letters where it would not fit."""
    size = _SIZE
    while font(size).getlength(title) > picture.shape[1] and size > 8:
        size -= 1
    head = Image.new("RGB", (picture.shape[1], _SIZE + 10), "white")
    ImageDraw.Draw(head).text((picture.shape[1] / 2, _SIZE / 2 + 3), title, TEXT, font(size), anchor="mm")
    return np.concatenate([np.asarray(head), picture])


def grid(rows: Sequence[Sequence[Titled | None]]) -> Picture:
    """Set panels of equal size in rows of equal length; None leaves a place empty."""
    shown = [[None if panel is None else titled(*panel) for panel in row] for row in rows]
    height, width = next(panel.shape for row in shown for panel in row if panel is not None)[:2]
    page = np.full((len(rows) * (height + _GAP) - _GAP, len(rows[0]) * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for i, row in enumerate(shown):
        for j, panel in enumerate(row):
            if panel is not None:
                top, left = i * (height + _GAP), j * (width + _GAP)
                page[top : top + height, left : left + width] = panel
    return page


def small_png(picture: Picture) -> bytes:
    """Encode as PNG; with a palette if it would be large otherwise, at the price of a few speckles."""
    image = Image.fromarray(picture)
    data = _encoded(image)
    if len(data) <= _LARGEST:
        return data
    return _encoded(image.quantize(_COLORS, kmeans=4, dither=Image.Dither.NONE))


def _encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def pieces_picture(pieces: NDArray[np.integer], scale: int) -> Picture:
    """Fill every piece, numbered from 0, with a colour of its own."""
    from segcritic.report.pictures import enlarge, label_colors

    return enlarge(label_colors(int(pieces.max()) + 1).astype(np.uint8)[pieces], scale)


@dataclass(frozen=True)
class Figure:
    """What a figure adds to the page, its picture, and what both were made from."""

    text: str
    picture: Picture
    results: list[Result]


def feature_picture(features: NDArray[np.floating], scale: int = 1) -> Picture:
    """Draw the first three principal components of pixel features, (C, H, W), as red, green and blue.

    Each component is stretched from its 1st to its 99th percentile, so colours of two pictures cannot be compared. What
    fewer than three channels leave empty, and a component of one value, is of medium brightness.
    """
    pixels = features.reshape(len(features), -1).T.astype(np.float64)
    _, axes = np.linalg.eigh(np.atleast_2d(np.cov(pixels.T)))
    axes = axes[:, ::-1][:, :3]  # the widest first
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])  # else the sign is arbitrary
    values = pixels @ axes
    low, high = np.percentile(values, (1, 99), axis=0)
    varies = high - low > 1e-6 * (high - low).max()
    components = np.full((len(pixels), 3), 0.5)
    components[:, : len(low)][:, varies] = np.clip((values - low)[:, varies] / (high - low)[varies], 0, 1)
    from segcritic.report.pictures import enlarge

    return enlarge((255 * components + 0.5).astype(np.uint8).reshape(*features.shape[1:], 3), scale)


@dataclass(frozen=True)
class Shown:
    """The first test image as an actor cuts it, and the panels of it that several figures have."""

    state: "State"
    true: Any
    policy: "Policy"
    found: "Segmentation"
    scale: int

    @classmethod
    def of(cls, run: Run, result: Result, scale: int, judged_by_labels: bool = False) -> "Shown":
        from segcritic.stateless.label_rewards import supervised
        from segcritic.stateless.predict import segment

        state, true = tests(run)[0]
        state = supervised(state, true if judged_by_labels else None, "the image shown")
        policy = result.policy()
        return cls(state, true, policy, segment(state, policy, Scorer(run.rules())), scale)

    def truth(self) -> Titled:
        return "truth", self.labelled(self.true)

    def raw(self) -> Titled:
        from segcritic.report.pictures import gray

        return "image", gray(self.state.image, self.scale)

    def pieces(self) -> Titled:
        return f"{self.state.graph.n_nodes} superpixels", pieces_picture(self.state.graph.superpixels, self.scale)

    def outlines(self) -> Titled:
        from segcritic.report.pictures import superpixel_picture

        return "superpixel edges", superpixel_picture(self.state.graph, self.state.image, self.scale)

    def actions(self, title: str = "actions") -> Titled:
        from segcritic.report.pictures import action_picture

        return title, action_picture(self.state.graph, self.found.split, self.state.image, self.scale)

    def objects(self, title: str = "segmentation") -> Titled:
        return title, self.labelled(self.found.labels)

    def rewards(self, title: str = "rewards") -> Titled:
        from segcritic.report.pictures import reward_picture

        return title, reward_picture(self.state.graph, self.found.node_reward, self.state.image, self.scale)

    def features(self, title: str, features: Any = None) -> Titled:
        """Principal components: of the U-Net's pixel features, unless others are given."""
        return title, feature_picture(
            pixel_features(self.policy, self.state) if features is None else features, self.scale
        )

    def labelled(self, labels: Any) -> Picture:
        from segcritic.report.pictures import label_picture

        return label_picture(self.state.image, labels, self.scale)
