"""State (image, what is covered so far, memory) -> distribution of the next action, and whether there is none."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from segcritic.recurrent.encoder import Block, norm
from segcritic.recurrent.mask_vae import start_certain
from segcritic.recurrent.settings import RecurrentSettings

_N_CONTEXT = 9
_LEVEL = 2  # of the pyramid: the actor works at stride 8
_UNSHUFFLE = 4  # from the masks' stride 2 to there
_WAVES = 4


class StateMap(nn.Module):
    """Image and masks at stride 8 -> map of the state; actor and critic have one each.

    Parameters
    ----------
    settings : RecurrentSettings
    n_masks : int
        Masks seen beside the image: the covered part, and for a critic that judges actions the new mask.
    """

    def __init__(self, settings: RecurrentSettings, n_masks: int = 1):
        super().__init__()
        self.width = settings.channels[_LEVEL]
        self.fine = nn.Conv2d(settings.channels[_LEVEL] + _N_CONTEXT, self.width, 3, padding=1)
        self.coarse = nn.Conv2d(settings.channels[_LEVEL + 1] + _N_CONTEXT, self.width, 1)
        self.masks = nn.Conv2d(n_masks * _UNSHUFFLE**2, self.width, 3, padding=1)
        self.norm = norm(self.width)
        self.blocks = nn.Sequential(Block(self.width), Block(self.width))

    def prepare(self, pyramid: list[Tensor]) -> Tensor:
        """What the image alone gives, (B, width, H/8, W/8): computed once per image."""
        fine, coarse = pyramid[_LEVEL], pyramid[_LEVEL + 1]
        return self.fine(fine) + functional.interpolate(self.coarse(coarse), size=fine.shape[-2:], mode="nearest")

    def forward(self, masks: Tensor, image: Tensor, owner: Tensor) -> Tensor:
        """Map of the state, (e, width, H/8, W/8), of masks (e, n_masks, h, w) in the images `owner` (e,)."""
        seen = self.masks(functional.pixel_unshuffle(masks, _UNSHUFFLE))
        return self.blocks(functional.relu(self.norm(seen + image[owner])))


@dataclass
class Step:
    """What the actor says of a state.

    Attributes
    ----------
    mean, log_variance : (e, latent) float32, of the action's normal distribution
    stop : (e,) float32, logit of there being no further object
    attention : (e, H/8 * W/8) float32, where it looked: a distribution, or None when it looks everywhere
    memory : hidden and cell state of the LSTM, (e, hidden) each
    """

    mean: Tensor
    log_variance: Tensor
    stop: Tensor
    attention: Tensor | None
    memory: tuple[Tensor, Tensor]


class Actor(nn.Module):
    """The policy: a map of the state, a look at it, an LSTM, and the next action (the paper's section 5.3)."""

    def __init__(self, settings: RecurrentSettings):
        super().__init__()
        self.state = StateMap(settings)
        width, hidden = self.state.width, settings.hidden
        cells = settings.height * settings.width // 64
        self.hidden = hidden
        self.attends = settings.pooling == "attention"
        places = _places(settings.height // 8, settings.width // 8)
        self.places: Tensor
        self.register_buffer("places", places, persistent=False)
        if self.attends:
            self.score = nn.Conv2d(width, 1, 1)
            self.key = nn.Conv2d(width, width, 1)
            self.query = nn.Linear(hidden, width)
            seen = width + places.shape[1]
        else:
            self.look = nn.Linear(cells * width, hidden)
            seen = hidden
        self.lstm = nn.LSTMCell(seen + width + 1, hidden)
        out = nn.Linear(hidden, 2 * settings.latent)
        start_certain(out)
        self.action = nn.Sequential(nn.Linear(seen + 2 * hidden, hidden), nn.ReLU(), out)
        self.stop = nn.Sequential(nn.Linear(hidden + width + 1, 64), nn.ReLU(), nn.Linear(64, 1))

    def prepare(self, pyramid: list[Tensor]) -> tuple[Tensor, Tensor]:
        """What the image alone gives: the state map's part, and the foreground (B, h, w)."""
        return self.state.prepare(pyramid), pyramid[0][:, -_N_CONTEXT]

    def start(self, n: int) -> tuple[Tensor, Tensor]:
        """Memory of `n` episodes that begin: zeros."""
        zeros = self.places.new_zeros(n, self.hidden)
        return zeros, zeros

    def forward(
        self, covered: Tensor, image: tuple[Tensor, Tensor], owner: Tensor, memory: tuple[Tensor, Tensor]
    ) -> Step:
        """Look at the state and decide.

        Parameters
        ----------
        covered : (e, h, w) float
            Union of the masks so far, in [0, 1].
        image : from `prepare`
        owner : (e,) int64
            The image of each episode.
        memory : from the step before, or `start`
        """
        lateral, foreground = image
        state = self.state(covered[:, None], lateral, owner)
        # Area of foreground that is not covered yet, as a share of the view.
        left = (foreground[owner] * (1 - covered)).float().mean((-2, -1))[:, None]
        overall = state.float().mean((-2, -1))
        attention = None
        if self.attends:
            asked = self.query(memory[0])
            scores = self.score(state).flatten(1).float()
            keys = self.key(state).flatten(2)
            scores = scores + torch.einsum("ew,ewp->ep", asked.to(keys.dtype), keys).float() / math.sqrt(keys.shape[1])
            attention = scores.softmax(1)
            seen = torch.einsum("ep,ewp->ew", attention, state.flatten(2).float())
            seen = torch.cat([seen, attention @ self.places], 1)
        else:
            seen = functional.relu(self.look(state.flatten(1))).float()
        hidden, cell = self.lstm(torch.cat([seen, overall, left], 1), memory)
        mean, log_variance = self.action(torch.cat([seen, hidden, cell], 1)).float().chunk(2, 1)
        stop = self.stop(torch.cat([hidden, overall, left], 1))[:, 0].float()
        return Step(mean, log_variance.clamp(-8, 4), stop, attention, (hidden.float(), cell.float()))


def _places(height: int, width: int) -> Tensor:
    """Coordinates of each cell and waves of them, (height * width, 2 + 4 * _WAVES): where it is, beside what it is."""
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    at = torch.stack([rows.flatten(), columns.flatten()], 1)
    waves = [at]
    for octave in range(_WAVES):
        angle = at * math.pi / 2 * 2**octave
        waves += [angle.sin(), angle.cos()]
    return torch.cat(waves, 1)
