"""One episode: a single step, as the method's default is, or several (App. A.8), each from where the last one ended.

With several steps the last edge feature of the graphs is the logit that each edge has come to. It starts at the warm
start, and each step moves it by a sample of the policy. Only the last step's partition is judged; as all steps share
that reward (discount 1, fixed length), a constant reward of the steps before it would change nothing. The paper moves
an edge's weight by at most 0.1 per step; here the step's size is learned.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from segcritic.stateless.batches import GraphBatch
from segcritic.stateless.losses import sample_actions
from segcritic.stateless.policy import Policy


@dataclass(frozen=True)
class Step:
    """What K sets of actions were drawn from.

    Attributes
    ----------
    graphs : GraphBatch
        What the policy saw: one graph of E edges at the first step, K copies of it at later ones.
    raw : (K, E) float32
        Raw actions, through which gradients flow to `mean` and `log_std` of this step, but to no step before.
    mean, log_std : (E,) or (K, E) float32
    """

    graphs: GraphBatch
    raw: Tensor
    mean: Tensor
    log_std: Tensor


def rollout(policy: Policy, graphs: GraphBatch, n_samples: int, generator: torch.Generator) -> list[Step]:
    """K episodes from one state, in mirrored pairs if K > 1: `NetworkSettings.episode_steps` steps."""
    mean, log_std = policy(graphs)
    antithetic = n_samples > 1
    steps = [Step(graphs, sample_actions(mean, log_std, n_samples, antithetic, generator), mean, log_std)]
    unit = torch.zeros_like(mean)
    for _ in range(policy.settings.episode_steps - 1):
        graphs = advance(graphs, steps[-1].raw)
        mean, log_std = (part.view(n_samples, -1) for part in policy(graphs))
        noise = sample_actions(unit, unit, n_samples, antithetic, generator)
        steps.append(Step(graphs, mean + log_std.exp() * noise, mean, log_std))
    return steps


def final_means(policy: Policy, graphs: GraphBatch) -> Tensor:
    """Means of the last step's Normals, (E,), when every step before it took its means."""
    mean = policy(graphs)[0]
    for _ in range(policy.settings.episode_steps - 1):
        graphs = advance(graphs, mean)
        mean = policy(graphs)[0]
    return mean


def advance(graphs: GraphBatch, raw: Tensor) -> GraphBatch:
    """The state after raw actions (E,) or (K, E), as K copies of the graph; `graphs` may be K copies already."""
    copies = graphs if raw.numel() == len(graphs.edges) else graphs.repeat(len(raw))
    return replace(copies, edge_features=torch.cat([copies.edge_features[:, :-1], raw.detach().reshape(-1, 1)], dim=1))
