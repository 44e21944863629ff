"""The losses of the stateless actor-critic, each for one subgraph size; the learners average over the sizes.

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
    mean, log_std : (E,) float tensor
    n_samples : int
        K.
    antithetic : bool
        Draw the noise of the first half of the samples only, and give its negative to the second half: sample k is
        mirrored by sample k + K/2. K must then be even.
    generator : torch.Generator, optional

    Returns
    -------
    (K, E) float tensor

    Examples
    --------
    >>> x = sample_actions(torch.tensor([1.0, 3.0]), torch.zeros(2), 4)
    >>> x.shape, torch.allclose(x.mean(0), torch.tensor([1.0, 3.0]))  # of mirrored pairs: the mean itself
    (torch.Size([4, 2]), True)
    """
    if antithetic and n_samples % 2:
        raise ValueError(f"antithetic samples come in pairs, but {n_samples} were asked for")
    n_drawn = n_samples // 2 if antithetic else n_samples
    noise = torch.randn(n_drawn, *mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    if antithetic:
        noise = torch.cat([noise, -noise])
    return mean + log_std.exp() * noise


def normal_log_prob(raw: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Return log N(x; mean, std) elementwise; `raw` is (..., E), `mean` and `log_std` are (E,).

    Examples
    --------
    >>> normal_log_prob(torch.tensor([2.0]), torch.tensor([2.0]), torch.zeros(1))  # -log(sqrt(2 pi)) at the mean
    tensor([-0.9189])
    """
    return -0.5 * ((raw - mean) / log_std.exp()) ** 2 - log_std - 0.5 * math.log(2 * math.pi)


def action_log_prob(raw: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Return the log-density of the action a = sigmoid(x) elementwise, (..., E).

    By the change of variables, log pi(a) = log N(x) - log a - log(1 - a), where -log a = softplus(-x) and
    -log(1 - a) = softplus(x) stay finite however far a has gone towards 0 or 1.

    Examples
    --------
    >>> action_log_prob(torch.tensor([0.0]), torch.zeros(1), torch.zeros(1))  # log N(0) - 2 log 0.5
    tensor([0.4674])
    """
    return normal_log_prob(raw, mean, log_std) + F.softplus(raw) + F.softplus(-raw)


def critic_loss(predicted: Tensor, rewards: Tensor) -> Tensor:
    """Return half the mean squared error of the critic's predictions (eq. 4).

    Parameters
    ----------
    predicted, rewards : (..., S) float tensor
        Q(s, a) of each subgraph, and the reward that a earned.

    Examples
    --------
    >>> critic_loss(torch.tensor([0.5, 0.0]), torch.tensor([0.1, 1.0]))  # (0.16 + 1) / 4
    tensor(0.2900)
    """
    return 0.5 * ((predicted - rewards) ** 2).mean()


def actor_loss(log_prob: Tensor, predicted: Tensor, subgraphs: SubgraphBatch, temperature: Tensor | float) -> Tensor:
    """Return the mean over subgraphs of temperature * joint log-probability - Q (eq. 2).

    Parameters
    ----------
    log_prob : (..., E) float tensor
        `action_log_prob` of reparameterised actions.
    predicted : (..., S) float tensor
        The critic's Q(s, a) for the same actions, so that its gradient flows through them into the policy. Only the
        actor's parameters are to be stepped.
    subgraphs : SubgraphBatch
    temperature : float or () float tensor
        alpha of this subgraph size; no gradient flows into it.

    Examples
    --------
    >>> from segcritic.stateless.subgraphs import dense_subgraphs
    >>> from segcritic.stateless.batches import collate_subgraphs
    >>> pair = collate_subgraphs([dense_subgraphs([[0, 1], [1, 2]], n_nodes=3, size=2, seed=0)], n_edges=[2])
    >>> actor_loss(torch.tensor([0.25, 0.75]), torch.tensor([0.5]), pair, temperature=0.1)  # 0.1 * 1 - 0.5
    tensor(-0.4000)
    """
    if isinstance(temperature, Tensor):
        temperature = temperature.detach()
    return (temperature * subgraphs.sums(log_prob) - predicted).mean()


def temperature_loss(
    log_temperature: Tensor, log_prob: Tensor, subgraphs: SubgraphBatch, target_entropy: float
) -> Tensor:
    """Return the loss that holds the policy's entropy at its target (Haarnoja et al. 2018, eq. 18).

    -alpha * (joint log-probability + target), averaged over the subgraphs: alpha grows where the entropy is too low.

    Parameters
    ----------
    log_temperature : () float tensor
        log alpha of this subgraph size: the parameter to learn.
    log_prob : (..., E) float tensor
        `action_log_prob`; no gradient flows into it.
    subgraphs : SubgraphBatch
    target_entropy : float
        Wanted entropy per edge of the action in nats; multiplied by each subgraph's number of edges. The uniform
        distribution has 0, the most there is on [0, 1].
    """
    gap = subgraphs.sums(log_prob.detach()) + target_entropy * subgraphs.n_edges
    return -log_temperature.exp() * gap.mean()


def leave_one_out(rewards: Tensor) -> Tensor:
    """Return each sample's reward less the mean reward of the others but its mirror image, (K, S) -> (K, S).

    The mean of independent samples leaves the policy gradient unbiased. The mirror image of a sample (sample k + K/2
    of `sample_actions`) is not independent of it, so it is left out as well.

    Examples
    --------
    >>> leave_one_out(torch.tensor([[1.0], [2.0], [4.0], [8.0]])).T  # 1 - (2 + 8) / 2, ...
    tensor([[-4.0000, -0.5000, -1.0000,  5.5000]])
    """
    n_samples = len(rewards)
    others = rewards.sum(0) - rewards - rewards.roll(n_samples // 2, 0)
    return rewards - others / (n_samples - 2) if n_samples > 2 else rewards


def sampled_policy_loss(log_prob: Tensor, rewards: Tensor, subgraphs: SubgraphBatch) -> Tensor:
    """Return the score-function loss of K samples in mirrored pairs, which needs no critic.

    -sum over k, s of (r_ks - b_ks) * sum over e in s of w_se log N(x_ke), divided by K and by the sum of w, where b_ks
    is the mean reward of the other pairs (`leave_one_out`), and w_se is one over the number of subgraphs that share
    the edge. Each edge thus climbs the expected mean reward of the subgraphs it lies in, all with the same weight.

    Parameters
    ----------
    log_prob : (K, E) float tensor
        `normal_log_prob` of DETACHED raw actions: the gradient must reach the policy through its density alone. (The
        density of the sigmoid differs from it by a constant and would do as well.)
    rewards : (K, S) float tensor
    subgraphs : SubgraphBatch
    """
    scores = leave_one_out(rewards).detach() * subgraphs.weighted_sums(log_prob)
    return -scores.sum() / (len(rewards) * subgraphs.weights.sum().clamp(min=1))
