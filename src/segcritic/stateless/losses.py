"""The losses of the stateless actor-critic, each for one subgraph size; the trainer adds up the sizes.

Letters: E edges, S subgraphs, K samples of all actions, ... any leading dimensions. A raw action x is a sample of the
policy's Normal; the action is a = sigmoid(x), 1 = split.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from segcritic.stateless.batches import SubgraphBatch


def sample_actions(
    mean: Tensor,
    log_std: Tensor,
    n_samples: int,
    antithetic: bool = True,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw K raw actions per edge, x = mean + std * noise, through which gradients flow to `mean` and `log_std`.

    Parameters
    ----------
    mean, log_std : (E,) float
    n_samples : int
        K.
    antithetic : bool
        Draw the noise of the first half of the samples only, and give its negative to the second half: sample k is
        mirrored by sample k + K/2. K must then be even.
    generator : torch.Generator, optional

    Returns
    -------
    (K, E) float
    """
    if antithetic and n_samples % 2:
        raise ValueError(f"antithetic samples come in pairs, but {n_samples} were asked for")
    n_drawn = n_samples // 2 if antithetic else n_samples
    noise = torch.randn(n_drawn, *mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    if antithetic:
        noise = torch.cat([noise, -noise])
    return mean + log_std.exp() * noise


def normal_log_prob(raw: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Return log N(x; mean, std) elementwise; `raw` is (..., E), `mean` and `log_std` are (E,)."""
    return -0.5 * ((raw - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)


def action_log_prob(raw: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Return the log-density of the action a = sigmoid(x) elementwise, (..., E).

    By the change of variables, log pi(a) = log N(x) - log a - log(1 - a), where -log a = softplus(-x) and
    -log(1 - a) = softplus(x) stay finite however far a has gone towards 0 or 1.
    """
    return normal_log_prob(raw, mean, log_std) + F.softplus(raw) + F.softplus(-raw)


def _mean_over_subgraphs(values: Tensor, subgraphs: SubgraphBatch, weighted: bool) -> Tensor:
    """Mean of (..., S) over all but, if weighted, with each subgraph counted by the mean weight of its edges."""
    if values.numel() == 0:
        return values.sum()
    if not weighted:
        return values.mean()
    weights = subgraphs.subgraph_weights
    return (values * (weights / weights.sum())).sum(-1).mean()


def critic_loss(predicted: Tensor, rewards: Tensor, subgraphs: SubgraphBatch, weighted: bool = False) -> Tensor:
    """Return half the mean squared error of the critic's predictions (eq. 4).

    Parameters
    ----------
    predicted, rewards : (..., S) float
        Q(s, a) of each subgraph, and the reward that a earned.
    subgraphs : SubgraphBatch
    weighted : bool
        Count a subgraph less whose edges lie in many others (`SubgraphBatch.subgraph_weights`); the paper does not.
    """
    return _mean_over_subgraphs(0.5 * (predicted - rewards) ** 2, subgraphs, weighted)


def actor_loss(
    log_prob: Tensor, predicted: Tensor, subgraphs: SubgraphBatch, temperature: Tensor | float, weighted: bool = False
) -> Tensor:
    """Return the mean over subgraphs of temperature * joint log-probability - Q (eq. 2).

    Parameters
    ----------
    log_prob : (..., E) float
        `action_log_prob` of reparameterised actions.
    predicted : (..., S) float
        The critic's Q(s, a) for the same actions, so that its gradient flows through them into the policy. Only the
        actor's parameters are to be stepped.
    temperature : float or 0-d tensor
        alpha of this subgraph size; no gradient flows into it.
    """
    if isinstance(temperature, Tensor):
        temperature = temperature.detach()
    return _mean_over_subgraphs(temperature * subgraphs.sums(log_prob) - predicted, subgraphs, weighted)


def temperature_loss(
    log_temperature: Tensor,
    log_prob: Tensor,
    subgraphs: SubgraphBatch,
    target_entropy: float,
    weighted: bool = False,
) -> Tensor:
    """Return the loss that holds the policy's entropy at its target (Haarnoja et al. 2018, eq. 18).

    -alpha * (joint log-probability + target), averaged over the subgraphs: alpha grows where the entropy is too low.

    Parameters
    ----------
    log_temperature : 0-d tensor
        log alpha of this subgraph size: the parameter to learn.
    log_prob : (..., E) float
        `action_log_prob`; no gradient flows into it.
    target_entropy : float
        Wanted entropy per edge of the action in nats; multiplied by each subgraph's number of edges. The uniform
        distribution has 0, the most there is on [0, 1].
    """
    gap = subgraphs.sums(log_prob.detach()) + target_entropy * subgraphs.n_edges
    return -log_temperature.exp() * _mean_over_subgraphs(gap, subgraphs, weighted)


def leave_one_out(rewards: Tensor, antithetic: bool = True) -> Tensor:
    """Return each sample's reward less the mean reward of the other samples, (K, S) -> (K, S).

    The mean of independent samples leaves the policy gradient unbiased. The mirror image of a sample is not
    independent of it, so with antithetic samples (as `sample_actions` orders them) it is left out as well.
    """
    n_samples = len(rewards)
    others = rewards.sum(0) - rewards
    n_others = n_samples - 1
    if antithetic:
        others = others - rewards.roll(n_samples // 2, 0)
        n_others -= 1
    return rewards - others / n_others if n_others > 0 else rewards


def sampled_policy_loss(
    log_prob: Tensor,
    rewards: Tensor,
    subgraphs: SubgraphBatch,
    baseline: Tensor | None = None,
    antithetic: bool = True,
) -> Tensor:
    """Return the score-function loss of K samples, which needs no critic.

    -sum over k, s of (r_ks - b_ks) * sum over e in s of w_se log N(x_ke), divided by K and by the sum of w, where w_se
    is one over the number of subgraphs that share the edge. Each edge thus climbs the expected mean reward of the
    subgraphs it lies in, all edges with the same weight.

    Parameters
    ----------
    log_prob : (K, E) float
        `normal_log_prob` of DETACHED raw actions: the gradient must reach the policy through its density alone. (The
        density of the sigmoid differs from it by a constant and would do as well.)
    rewards : (K, S) float
    baseline : (S,) or (K, S) float, optional
        What reward to expect, such as a critic's prediction for the policy's mean. The gradient stays unbiased as long
        as b_ks does not depend on the actions of sample k. By default the mean of the other samples (`leave_one_out`).
    antithetic : bool
        Whether the samples are in mirrored pairs; only read without a baseline.
    """
    advantages = leave_one_out(rewards, antithetic) if baseline is None else rewards - baseline
    scores = advantages.detach() * subgraphs.weighted_sums(log_prob)
    return -scores.sum() / (len(rewards) * subgraphs.weights.sum().clamp(min=1))
