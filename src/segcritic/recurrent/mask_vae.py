"""A mask of one object <-> an action of a few numbers: the conditional variational auto-encoder of section 5.2.

The decoder is what turns the actor's actions into masks; after its own training it stays as it is.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from segcritic.recurrent.encoder import Block, norm
from segcritic.recurrent.settings import STRIDE, RecurrentSettings

_COARSE = 8
"""Pixels of a view per cell of the decoder's template."""

_N_CONTEXT = 9  # maps of `context`, beside the features at every scale


def start_certain(layer: nn.Linear) -> None:
    """Let a layer that gives mean and log-variance begin with small variances: noise must not drown what is new."""
    with torch.no_grad():
        layer.bias[layer.out_features // 2 :] = -4.0


def start_unseen(layers: Iterable[nn.Module]) -> None:
    """Let layers begin at zero: the image comes in bit by bit, and does not drown mask and action from the start."""
    with torch.no_grad():
        for layer in layers:
            for parameter in layer.parameters():
                parameter.zero_()


class MaskEncoder(nn.Module):
    """Mask -> mean and log-variance of the action; used to train the decoder only.

    A linear map of the coarse mask gives the mean its start: it tells masks apart before anything is learned.
    """

    def __init__(self, settings: RecurrentSettings):
        super().__init__()
        widths = settings.mask_channels
        self.first = nn.Conv2d(1, widths[0], 3, padding=1)
        self.down = nn.ModuleList(
            nn.Conv2d(fine, coarse, 3, stride=2, padding=1) for fine, coarse in itertools.pairwise(widths)
        )
        cells = settings.height * settings.width // STRIDE**2
        self.out = nn.Linear(cells * widths[-1], 2 * settings.latent)
        start_certain(self.out)
        self.direct = nn.Linear(settings.height * settings.width // _COARSE**2, settings.latent, bias=False)
        nn.init.normal_(self.direct.weight)

    def forward(self, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Encode masks (m, h, w); returns mean and log-variance of the action, (m, latent) float32."""
        coarse = functional.normalize(functional.avg_pool2d(masks[:, None], _COARSE // 2).flatten(1))
        x = functional.relu(self.first(masks[:, None]))
        for down in self.down:
            x = functional.relu(down(x))
        mean, log_variance = self.out(x.flatten(1)).float().chunk(2, 1)
        return mean + self.direct(coarse).float(), log_variance.clamp(-8, 4)


@dataclass
class DecoderImage:
    """What the decoder needs of the images, computed once for all their masks: one tensor per scale, coarse first."""

    laterals: list[Tensor]


class MaskDecoder(nn.Module):
    """Action and image -> mask. Everything that depends on the image alone is computed once per image, by `prepare`.

    A linear map of the action, the template, says roughly where the mask is, at stride 8; it is seen at every scale and
    is part of the result.
    """

    def __init__(self, settings: RecurrentSettings):
        super().__init__()
        widths = settings.mask_channels[::-1]
        self.grid = settings.height // STRIDE, settings.width // STRIDE
        self.state_pyramid = settings.state_pyramid
        self.start = nn.Linear(settings.latent, widths[0] * self.grid[0] * self.grid[1])
        self.coarse = settings.height // _COARSE, settings.width // _COARSE
        self.template = nn.Linear(settings.latent, self.coarse[0] * self.coarse[1])
        self.lateral = nn.ModuleList(
            nn.Conv2d(c + _N_CONTEXT, w, 3, padding=1) for c, w in zip(settings.channels[::-1], widths, strict=True)
        )
        start_unseen(self.lateral)
        before = (widths[0], *widths[:-1])
        self.join = nn.ModuleList(nn.Conv2d(b + 1, w, 3, padding=1) for b, w in zip(before, widths, strict=True))
        # Without normalisation at the two finest scales, where it would take a quarter of an episode's time.
        self.norm = nn.ModuleList([*(norm(w) for w in widths[:-2]), nn.Identity(), nn.Identity()])
        self.film = nn.ModuleList(nn.Linear(settings.latent, 2 * w) for w in widths)
        self.block = nn.ModuleList(Block(w) for w in widths[:-2])
        self.out = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def prepare(self, pyramid: list[Tensor]) -> DecoderImage:
        """Reduce the state pyramid (fine first) to what the decoder adds at each scale; zeros without state pyramid."""
        coarse_first = pyramid[::-1]
        if not self.state_pyramid:
            coarse_first = [torch.zeros_like(seen) for seen in coarse_first]
        return DecoderImage([layer(seen) for layer, seen in zip(self.lateral, coarse_first, strict=True)])

    def forward(self, action: Tensor, image: DecoderImage, owner: Tensor) -> Tensor:
        """Draw masks.

        Parameters
        ----------
        action : (m, latent) float
        image : from `prepare`
        owner : (m,) int64
            The image of each action.

        Returns
        -------
        (m, h, w) float32 logits
        """
        x = self.start(action).unflatten(1, (-1, *self.grid))
        template = self.template(action).unflatten(1, (1, *self.coarse))
        for level, (join, normalise, film) in enumerate(zip(self.join, self.norm, self.film, strict=True)):
            if level:
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
            where = functional.interpolate(template, size=x.shape[-2:], mode="bilinear", align_corners=False)
            scale, shift = film(action)[..., None, None].chunk(2, 1)
            x = torch.cat([x, where.to(x.dtype)], 1)
            x = functional.relu(normalise(join(x) + image.laterals[level][owner]) * (1 + scale) + shift)
            if level < len(self.block):
                x = self.block[level](x)
        return (self.out(x) + where)[:, 0].float()


def sample(mean: Tensor, log_variance: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw actions, (m, latent), differentiable in mean and log-variance."""
    noise = torch.randn(mean.shape, generator=generator, device=mean.device)
    return mean + (0.5 * log_variance).exp() * noise


def prior_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL divergence of each action's distribution from N(0, 1), (m,), in nats."""
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1)


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy and 1 - soft Dice of each mask.

    The cross-entropy is summed over the pixels and divided by the area of the true mask, so that small objects count as
    large ones do.

    Parameters
    ----------
    logits, truth : (..., h, w) float

    Returns
    -------
    (...) float
    """
    crossed = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").sum((-2, -1))
    probability = logits.sigmoid()
    both = (probability * truth).sum((-2, -1))
    total = probability.sum((-2, -1)) + truth.sum((-2, -1))
    return 0.5 * crossed / (truth.sum((-2, -1)) + 16) + 1 - (2 * both + 1) / (total + 1)
