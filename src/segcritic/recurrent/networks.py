"""The networks of a trained agent together."""

import torch
from torch import Tensor, nn

from segcritic.recurrent.actor import Actor
from segcritic.recurrent.encoder import ImageEncoder, state_pyramid
from segcritic.recurrent.episode import Seen
from segcritic.recurrent.mask_vae import MaskDecoder
from segcritic.recurrent.settings import RecurrentSettings


class Networks(nn.Module):
    """All that a trained agent consists of: `encoder`, `decoder`, `actor`."""

    def __init__(self, settings: RecurrentSettings):
        super().__init__()
        self.settings = settings
        self.encoder = ImageEncoder(settings.channels)
        self.decoder = MaskDecoder(settings)
        self.actor = Actor(settings)

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(self.parameters()).device

    def pyramid(self, views: Tensor) -> tuple[list[Tensor], Tensor]:
        """State pyramid of views (b, 3, H, W), and the logits of foreground and angles."""
        features, context = self.encoder(views)
        return state_pyramid(features, context, self.settings.context), context

    def see(self, pyramid: list[Tensor]) -> Seen:
        """What actor and decoder need of the images, once for all steps."""
        return Seen(self.actor.prepare(pyramid), self.decoder.prepare(pyramid))
