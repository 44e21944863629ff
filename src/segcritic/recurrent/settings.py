"""Every setting of the recurrent method, in one place."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

from segcritic.errors import UserError

Objective = Literal["bce", "truncated-bce", "actor-critic"]
Measure = Literal["dice", "iou"]
Critic = Literal["future", "q"]
Pooling = Literal["attention", "flatten"]

STRIDE = 32
"""Pixels of a view per cell of the coarsest features; heights and widths of views are multiples of it."""


@dataclass(frozen=True)
class RecurrentSettings:
    """How the mask-by-mask agent looks, what it is made of, and how it learns.

    Attributes
    ----------
    height, width
        Size of the view of an image that the networks see, in pixels; multiples of 32. Masks have half of it.
    zoom
        Look at the whole image first, and then at the box that holds the foreground. False: the whole image alone.
    upright
        Whether the images have an up (street scenes): they are not turned in training. Plants from above have none.
    max_objects
        Most objects in an image; an episode has one step more.
    channels
        Feature channels of the image encoder at strides 2, 4, 8, 16 and 32.
    mask_channels
        Channels of the mask decoder at the same strides.
    latent
        Numbers in an action (the paper: 16 for leaves, 64 for cars).
    hidden
        Units of the LSTM (the paper: 512).
    pooling
        How the actor turns its map of the state into a vector: "attention" over the places of the map, asked for by
        the LSTM's state, or "flatten" (the paper: a linear layer on the whole map).
    state_pyramid
        Whether the mask decoder sees the image's features at every scale. False is the paper's NoSP.
    context
        Whether foreground and angles are put beside the features.
    objective
        Of the last stage: "actor-critic", or the paper's baselines "bce" (BL: binary cross-entropy and Dice on matched
        truth, through time) and "truncated-bce" (BL-Trunc: gradients stay within a step; the best in docs/rosettes.md).
    reward
        The measure F of eq. 4, "dice" or "iou".
    critic
        "future": the critic learns the value of the state after an action, and the action's own reward, which is known,
        is differentiated exactly. "q": the paper's critic, which judges state and action.
    discount
        gamma.
    exploration
        Weight of the KL divergence between the actor's actions and the prior; 0 is the paper's NoKL (no noise).
    matching_noise
        Standard deviation of the noise on the scores that truth is matched by (eq. 2); for the baselines.
    mask_kl
        Weight of the KL divergence in the mask VAE.
    context_steps, masks_steps, first_steps, episodes_steps
        Updates of the four stages: image encoder with foreground and angles; mask VAE; actor, supervised, on short
        episodes; actor on episodes that grow to all objects.
    critic_steps
        Updates of the critic alone before the actor's, of those in the last stage; for objective "actor-critic".
    batch
        Images in an update.
    first_length
        Steps to which the short, supervised episodes grow; 1 is the published release's initial stage.
    end_to_end
        Whether the last stage trains image encoder and mask decoder too. False: they stay as they are, as in the paper.
    states
        States of one image that the actor is shown at once while episodes have one step (fewer, as they grow); masks of
        one image that the mask VAE draws at once.
    learning_rate
        Of AdamW, at the start of each stage; it falls along a cosine.
    episodes_rate
        Learning rate of the last stage at its start, as a part of that: it must not undo what the actor has learned.
    ema
        Decay of the moving average of the weights, which is what the model keeps.
    stop_at
        Probability of termination at which an episode ends.
    """

    height: int = 160
    width: int = 160
    zoom: bool = True
    upright: bool = False
    max_objects: int = 20
    channels: tuple[int, int, int, int, int] = (32, 48, 64, 96, 128)
    mask_channels: tuple[int, int, int, int, int] = (16, 24, 48, 64, 64)
    latent: int = 32
    hidden: int = 256
    pooling: Pooling = "attention"
    state_pyramid: bool = True
    context: bool = True
    objective: Objective = "truncated-bce"
    reward: Measure = "dice"
    critic: Critic = "future"
    discount: float = 0.9
    exploration: float = 1e-3
    matching_noise: float = 0.0
    mask_kl: float = 1e-3
    context_steps: int = 400
    masks_steps: int = 1200
    first_steps: int = 1800
    episodes_steps: int = 3000
    critic_steps: int = 150
    batch: int = 6
    states: int = 8
    first_length: int = 8
    end_to_end: bool = True
    learning_rate: float = 2e-3
    episodes_rate: float = 0.2
    ema: float = 0.995
    stop_at: float = 0.5

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            if getattr(self, name) < STRIDE or getattr(self, name) % STRIDE:
                raise UserError(f"setting '{name}' is {getattr(self, name)}: give a multiple of {STRIDE}")
        for name in ("max_objects", "latent", "hidden", "batch", "states", "first_length"):
            if getattr(self, name) < 1:
                raise UserError(f"setting '{name}' is {getattr(self, name)}: give at least 1")
        for name in ("context_steps", "masks_steps", "first_steps", "episodes_steps", "critic_steps"):
            if getattr(self, name) < 0:
                raise UserError(f"setting '{name}' is {getattr(self, name)}: give 0 or more")
        for name, low, high in (("learning_rate", 0, 1), ("ema", 0, 1), ("stop_at", 0, 1), ("episodes_rate", 0, 10)):
            if not low < getattr(self, name) <= high:
                raise UserError(
                    f"setting '{name}' is {getattr(self, name):g}: give a number above {low}, at most {high}"
                )
        for name in ("channels", "mask_channels"):
            if len(getattr(self, name)) != 5:
                raise UserError(f"setting '{name}' has {len(getattr(self, name))} numbers: give 5, one a scale")
        if not 0 <= self.discount <= 1:
            raise UserError(f"setting 'discount' is {self.discount:g}: give 0 to 1")
        choices = (("objective", Objective), ("reward", Measure), ("critic", Critic), ("pooling", Pooling))
        for name, kinds in choices:
            if getattr(self, name) not in get_args(kinds):
                known = ", ".join(get_args(kinds))
                raise UserError(f"setting '{name}' is {getattr(self, name)!r}: choose from {known}")

    @property
    def mask_shape(self) -> tuple[int, int]:
        """Height and width of a mask: half of the view's."""
        return self.height // 2, self.width // 2

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read settings from JSON. Raises UserError for an unknown setting."""
        try:
            plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            return cls(**plain)
        except TypeError as error:
            raise UserError(f"the model's training settings cannot be read: {error}") from error
