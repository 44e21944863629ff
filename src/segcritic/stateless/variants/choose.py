"""The learner and the edge rewards that the settings ask for: the only place that knows all variants."""

import torch

from segcritic.errors import UserError
from segcritic.stateless.actor_critic import ActorCriticLearner
from segcritic.stateless.environment import EdgeVariant
from segcritic.stateless.policy import FeatureScale
from segcritic.stateless.sampled import SampledLearner
from segcritic.stateless.settings import TrainSettings
from segcritic.stateless.variants.contrast import Contrast
from segcritic.stateless.variants.episode_learners import EpisodicActorCriticLearner, EpisodicSampledLearner
from segcritic.stateless.variants.global_reward import GlobalRewardLearner
from segcritic.stateless.variants.object_credit import ObjectCreditLearner, share_over_objects

AnyLearner = SampledLearner | ActorCriticLearner

LEARNERS: dict[tuple[str, str], type[AnyLearner]] = {
    ("samples", ""): SampledLearner,
    ("critic", ""): ActorCriticLearner,
    ("samples", "episode_steps"): EpisodicSampledLearner,
    ("critic", "episode_steps"): EpisodicActorCriticLearner,
    ("critic", "credit_by: object"): ObjectCreditLearner,
    ("critic", "global_head"): GlobalRewardLearner,
}
"""By the setting `learner`, and by the variant that changes more than the edges' rewards."""


def new_learner(settings: TrainSettings, scale: FeatureScale, seed: int, device: torch.device) -> AnyLearner:
    """Return a learner that has not learned anything yet.

    Raises
    ------
    UserError
        When the settings ask for two variants of the learner at once.
    """
    variants = ["episode_steps"] if settings.network.episode_steps > 1 else []
    if settings.learner == "critic":
        variants += ["credit_by: object"] if settings.credit_by == "object" else []
        variants += ["global_head"] if settings.network.global_head else []
    if len(variants) > 1:
        raise UserError(f"training settings {' and '.join(variants)} do not go together: choose one of them")
    learner = LEARNERS[settings.learner, variants[0] if variants else ""]
    return learner(settings, scale, seed, device, edge_variant(settings))


def edge_variant(settings: TrainSettings) -> EdgeVariant | None:
    """What changes the rewards of the edges, if anything does: contrast first, then the means over objects."""
    contrast = Contrast(settings.contrast_weight) if settings.contrast_weight else None
    if settings.credit_by == "subgraph":
        return contrast
    if contrast is None:
        return share_over_objects
    return lambda graph, labels, raw, reward, weight: share_over_objects(
        graph, labels, raw, contrast(graph, labels, raw, reward, weight), weight
    )
