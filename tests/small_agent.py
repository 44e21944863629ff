"""A tiny mask-by-mask agent that was never trained: for the tests of models and verbs."""

import dataclasses

import torch

from segcritic.recurrent.networks import Networks
from segcritic.recurrent.settings import RecurrentSettings
from segcritic.recurrent.train import TrainedAgent

TINY = RecurrentSettings(
    height=64,
    width=64,
    max_objects=5,
    channels=(8, 8, 8, 8, 8),
    mask_channels=(8, 8, 8, 8, 8),
    latent=4,
    hidden=16,
    context_steps=1,
    masks_steps=1,
    first_steps=1,
    episodes_steps=1,
    critic_steps=0,
    batch=2,
    states=2,
)


def agent(**change):
    settings = dataclasses.replace(TINY, **change)
    torch.manual_seed(1)
    networks = Networks(settings)
    with torch.no_grad():
        networks.decoder.template.weight.normal_(0, 3)  # masks that show
        networks.actor.stop[-1].bias.fill_(-5.0)  # and do not end at once
    return TrainedAgent(networks.state_dict(), settings, [])
