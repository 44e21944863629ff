"""Train the boundary network on label images."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage as ndi
from torch import Tensor, nn

from segcritic.boundary_net.network import BoundaryNet, MapNet, dimmed, prepare
from segcritic.errors import UserError
from segcritic.training import loop
from segcritic.training.loop import Stage

Net = TypeVar("Net", bound=MapNet)
_TOUCHING_WEIGHT = 6.0  # of pixels where two objects touch: few, and all that tells the two apart


@dataclass(frozen=True)
class BoundaryTraining:
    """How the network learns.

    Attributes
    ----------
    widths : channels of the U-Net's levels, the first at half of the image's resolution
    steps : updates
    batch : crops in one update
    crop : pixels, the side of a crop
    learning_rate : of Adam at its highest; rises over the first twentieth, then falls to zero along a cosine
    zoom : largest factor by which crops are enlarged or reduced
    ema : decay of the moving average of the weights, which is what is kept
    """

    widths: tuple[int, ...] = (32, 64, 128)
    steps: int = 6000
    batch: int = 4
    crop: int = 128
    learning_rate: float = 3e-3
    zoom: float = 1.3
    ema: float = 0.99


class _Task:
    """Network, optimiser and updates, as `training.loop` asks for them."""

    def __init__(
        self,
        net: "type[MapNet]",
        pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
        loss: Callable[[Tensor, Tensor], Tensor],
        settings: BoundaryTraining,
        mode: str,
        seed: int,
    ) -> None:
        self.pairs, self.loss, self.settings, self.mode, self.seed = pairs, loss, settings, mode, seed
        with torch.random.fork_rng(devices=[]):  # the user's random numbers go on as if nothing had been
            torch.default_generator.manual_seed(seed)
            self.network = net.new(settings.widths).network
            self.average = net.new(settings.widths).network.requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.optimizer = torch.optim.AdamW(self.network.parameters(), settings.learning_rate, weight_decay=1e-3)
        self.autocast = torch.autocast("cpu", torch.bfloat16, enabled=_has_fast_bfloat16())

    def modules(self) -> dict[str, nn.Module]:
        return {"network": self.network, "average": self.average}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        return {"optimizer": self.optimizer}

    def begin(self, stage: str) -> None:
        """There is one stage."""

    def end(self, stage: str) -> None:
        """As `begin`."""

    def update(self, stage: str, step: int, fraction: float) -> dict[str, float]:
        settings, rng = self.settings, np.random.default_rng([self.seed, step])
        drawn = rng.choice(len(self.pairs), settings.batch, replace=len(self.pairs) < settings.batch)
        chosen = [self.pairs[number] for number in drawn]
        crops = [crop_pair(image, target, settings, rng, self.mode) for image, target in chosen]
        batch = torch.from_numpy(np.stack(crops))
        rate = settings.learning_rate * min(20 * fraction + 0.05, 0.5 + 0.5 * math.cos(math.pi * fraction))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with self.autocast:
            outputs = self.network(batch[:, :2])
        value = self.loss(outputs.float(), batch[:, 2:])
        self.optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        decay = min(settings.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mine.lerp_(theirs, 1 - decay)
        return {"loss": value.item()}


def targets(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Label image -> what the network shall predict.

    Returns
    -------
    (3, H, W) float32
        Outline (1 on both sides of every change of label), object, and the weight of each pixel in the loss.
    """
    high, low = ndi.maximum_filter(labels, 3), ndi.minimum_filter(labels, 3)
    outline = high != low
    lowest = ndi.minimum_filter(np.where(labels > 0, labels, np.iinfo(np.int32).max), 5)
    touching = (lowest < ndi.maximum_filter(labels, 5)) & (lowest > 0)
    weight = 1 + (_TOUCHING_WEIGHT - 1) * touching
    return np.stack([outline, labels > 0, weight]).astype(np.float32)


def crop_pair(
    image: NDArray[np.float32],
    target: NDArray[np.float32],
    settings: BoundaryTraining,
    rng: np.random.Generator,
    mode: str = "bilinear",
) -> NDArray[np.float32]:
    """One crop of `prepare`'s image and of its target, zoomed, turned, changed in brightness.

    Half of the crops change much in brightness, half in gamma, some are blurred or get noise: on held-out nuclei the
    outlines were better for it (python -m benchmarks.nuclei --peers), although how bright an object is tells where
    annotators saw its outline. Returns (2 + T, crop, crop) of a target (T, H, W). `mode` is how the target is zoomed: a
    map "bilinear", numbers "nearest-exact".
    """
    side = settings.crop
    zoom = settings.zoom ** rng.uniform(-1, 1)
    wanted = max(8, round(side / zoom))
    stack = np.concatenate([image, target])
    lacking = [(0, 0), *((0, max(0, wanted - length)) for length in stack.shape[1:])]
    stack = np.pad(stack, lacking, "reflect" if min(stack.shape[1:]) > wanted // 2 else "edge")
    top, left = (int(rng.integers(0, length - wanted + 1)) for length in stack.shape[1:])
    part = torch.from_numpy(np.ascontiguousarray(stack[:, top : top + wanted, left : left + wanted]))[None]
    seen = F.interpolate(part[:, :2], (side, side), mode="bilinear", align_corners=False)
    truth = F.interpolate(part[:, 2:], (side, side), mode=mode)
    part = torch.cat([seen, truth], 1)[0].numpy()
    part = np.rot90(part, int(rng.integers(4)), (1, 2))
    part = (part[:, :, ::-1] if rng.random() < 0.5 else part).copy()
    part[0] = part[0] * math.exp(rng.uniform(-0.15, 0.15)) + rng.normal(0, rng.uniform(0, 0.01), part[0].shape)
    seen = part[0]
    if rng.random() < 0.5:
        seen = seen * math.exp(rng.uniform(-0.3, 0.3))
    if rng.random() < 0.5:
        seen = np.sign(seen) * np.abs(seen) ** math.exp(rng.uniform(-0.4, 0.4))
    if rng.random() < 0.3:
        seen = ndi.gaussian_filter(seen, rng.uniform(0.3, 1.2))
    if rng.random() < 0.3:
        seen = seen + rng.normal(0, rng.uniform(0, 0.03), seen.shape)
    part[0], part[1] = seen, dimmed(seen)
    return part


def loss(logits: Tensor, target: Tensor) -> Tensor:
    """Weighted cross-entropy of both maps, plus one minus their soft Dice.

    Parameters
    ----------
    logits : (B, 2, H, W) float
    target : (B, 3, H, W) float
        From `targets`; between 0 and 1 where a crop was zoomed.
    """
    truth, weight = target[:, :2], target[:, 2:]
    entropy = (F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * weight).mean()
    probability = torch.sigmoid(logits)
    shared, total = (probability * truth).sum((0, 2, 3)), (probability + truth).sum((0, 2, 3))
    return entropy + (1 - (2 * shared + 1) / (total + 1)).mean()


def train(
    images: Sequence[NDArray[Any]],
    labels: Sequence[NDArray[np.integer]],
    settings: BoundaryTraining | None = None,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    on_step: Callable[[int, int, float], None] | None = None,
) -> BoundaryNet:
    """Train a network.

    Parameters
    ----------
    images : (H, W) arrays of stored values
    labels : (H, W) integer arrays, 0 = background
    settings : BoundaryTraining, optional
    seed : the same seed, images, labels and settings give the same network on the same machine
    checkpoint : a folder in which to keep the state of training; the same call goes on from there
    on_step : called after each step with the number of steps done, their number, and a running mean of the loss

    Raises
    ------
    UserError
        When there are no images, or one differs in shape from its labels, or the checkpoint is of another training.
    """
    check_pairs(images, labels)
    pairs = [(prepare(image), targets(label)) for image, label in zip(images, labels, strict=True)]
    settings = settings or BoundaryTraining()
    return fit(BoundaryNet, pairs, loss, settings, seed=seed, checkpoint=checkpoint, on_step=on_step)


def check_pairs(images: Sequence[NDArray[Any]], labels: Sequence[NDArray[np.integer]]) -> None:
    """Raise UserError when there are no images, or one differs in shape from its labels."""
    if not images or len(images) != len(labels):
        raise UserError(f"there are {len(images)} images and {len(labels)} label images; give pairs")
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        if np.shape(image) != np.shape(label):
            raise UserError(f"image {number} has the shape {image.shape}, its labels {label.shape}; make them equal")


def fit(
    net: type[Net],
    pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    loss: Callable[[Tensor, Tensor], Tensor],
    settings: BoundaryTraining,
    *,
    mode: str = "bilinear",
    seed: int = 0,
    checkpoint: Path | None = None,
    on_step: Callable[[int, int, float], None] | None = None,
) -> Net:
    """Train a network of any kind.

    Parameters
    ----------
    net : the kind
    pairs : images from `prepare`, (2, H, W), and what the loss needs to know of each, (T, H, W)
    loss : of the network's outputs (B, C, H, W) and of targets (B, T, H, W), ()
    mode : as in `crop_pair`
    settings, seed, checkpoint, on_step : as in `train`

    Raises
    ------
    UserError
        When the checkpoint is of another training.
    """
    task = _Task(net, pairs, loss, settings, mode, seed)
    digest = sha256(b"".join(image.tobytes() + target.tobytes() for image, target in pairs)).hexdigest()
    course = loop.run(
        task,
        [Stage("maps", settings.steps)],
        training={"seed": seed, "settings": asdict(settings), "images": [len(pairs), digest]},
        checkpoint=checkpoint,
        on_tick=None if on_step is None else lambda tick: on_step(tick.step, tick.steps, tick.told["loss"]),
    )
    if course.interrupted:
        raise KeyboardInterrupt
    return net(task.average.eval(), settings.widths)


def _has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; elsewhere it would be slower than float32."""
    supported = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return supported is not None and bool(supported())
