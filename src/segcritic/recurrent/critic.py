"""State -> what can still be earned. Used in training only."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from segcritic.recurrent.actor import StateMap
from segcritic.recurrent.settings import RecurrentSettings


class Critic(nn.Module):
    """Value of the masks so far: of the state after an action, or of a state and an action.

    The value adds up over the view: every place holds a part of an object that can still be found. n objects that are
    found perfectly, one after the other, are worth 1 + gamma + ... + gamma^(n-1) = (1 - gamma^n) / (1 - gamma).
    """

    def __init__(self, settings: RecurrentSettings):
        super().__init__()
        self.discount = settings.discount
        self.state = StateMap(settings, 2 if settings.critic == "q" else 1)
        self.density = nn.Conv2d(self.state.width, 1, 1)
        assert self.density.bias is not None
        nn.init.constant_(self.density.bias, -4.0)  # some hundred places: a few objects to begin with

    def prepare(self, pyramid: list[Tensor]) -> Tensor:
        """What the image alone gives: computed once per image."""
        return self.state.prepare(pyramid)

    def forward(self, masks: Tensor, image: Tensor, owner: Tensor) -> Tensor:
        """Judge masks.

        Parameters
        ----------
        masks : (e, 1 or 2, h, w) float
            Critic "future": the union of all masks, the action's included. Critic "q" (the paper's): the union before
            the action, and the action's mask.
        image : from `prepare`
        owner : (e,) int64
            The image of each.

        Returns
        -------
        (e,) float32
            Discounted sum of the rewards: of the steps that follow ("future"), or of the action and these ("q").
        """
        objects = functional.softplus(self.density(self.state(masks, image, owner)).float()).sum((1, 2, 3))
        if self.discount == 1:
            return objects
        return (1 - torch.pow(self.discount, objects)) / (1 - self.discount)
