"""Every setting of rule-driven training, in one place."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, get_args

from segcritic.errors import UserError
from segcritic.graph.partition import Solver
from segcritic.stateless.network_settings import NetworkSettings
from segcritic.stateless.rewards import Credit

Learner = Literal["samples", "critic", "samples+critic"]
CreditBy = Literal["subgraph", "object"]
LabelReward = Literal["objects", "edges"]
GlobalReward = Literal["shared", "critic"]


@dataclass(frozen=True)
class TrainSettings:
    """How the agent learns.

    Attributes
    ----------
    learner
        "samples": several partitions per image, each subgraph's reward against the mean of the others (no critic).
        "critic": the paper's soft actor-critic, eq. 2 and 4. "samples+critic": several partitions, with the critic's
        prediction for the policy's mean as what to expect.
    steps
        Updates of the actor.
    images_per_step
        Graphs in one batch.
    labelled_share
        Part of a step's images that are drawn from those with labels, when some have labels and others do not.
    samples
        Partitions tried per image and step; even (they come in mirrored pairs), or 1 for learner "critic". The critic
        learns from all of them.
    learning_rate
        Of Adam, for actor and critic; falls to a tenth along a cosine.
    ema
        Decay of the moving average of the weights, which is what the model keeps.
    credit
        How a superpixel's reward reaches its edges: "share" (by area, sums up exactly) or "maximum" (the paper's).
    credit_by
        What an edge is rewarded with: "subgraph", the means of the subgraphs that it lies in, or "object", the mean
        over its objects (App. A.3, see `object_credit`; asks for `network.subgraph_sizes` of 1 alone).
    label_reward
        What labels reward: "edges", the Dice score of each subgraph's actions (the paper's A.10), or "objects", by
        their intersection over union (so always with credit by object).
    solver
        Of the multicut, in training and prediction: "greedy" additive contraction or "kernighan-lin" (the paper's).
    contrast_weight
        Part of eq. 18's edge term in an edge's reward, between 0 and 1.
    global_reward
        How the count rule reaches the subgraphs: "shared" (a weighted sum with each subgraph's reward) or "critic" (an
        output of the critic of its own). Both are in the paper's A.2.
    entropy_bonus
        Temperature of the exploration for learner "samples"; "critic" learns its temperatures.
    target_entropy
        Nats per edge that the learned temperatures hold the policy's actions at; 0 is a uniform action, the most.
    temperature_rate
        Learning rate of the temperatures.
    critic_target
        Rate at which the copy of the critic that advises the actor follows it, per step.
    pretraining_steps
        Updates of the U-Net's pixel features on superpixels alone, before the actor's first (paper, A.1).
    network
        Widths and kinds of the networks.
    """

    learner: Learner = "samples"
    steps: int = 400
    images_per_step: int = 4
    labelled_share: float = 0.5
    samples: int = 16
    learning_rate: float = 2e-3
    ema: float = 0.98
    credit: Credit = "share"
    credit_by: CreditBy = "subgraph"
    label_reward: LabelReward = "edges"
    solver: Solver = "greedy"
    contrast_weight: float = 0.0
    global_reward: GlobalReward = "shared"
    entropy_bonus: float = 0.0
    target_entropy: float = -1.0
    temperature_rate: float = 3e-3
    critic_target: float = 0.05
    pretraining_steps: int = 0
    network: NetworkSettings = field(default_factory=lambda: NetworkSettings(fixed_std=0.5))

    def __post_init__(self) -> None:
        alone = self.samples == 1 and self.learner == "critic"
        if not alone and (self.samples < 2 or self.samples % 2):
            raise UserError(
                f"training setting 'samples' is {self.samples}: give an even number (learner critic may do with 1)"
            )
        if self.steps < 1 or self.images_per_step < 1:
            raise UserError("training settings 'steps' and 'images_per_step' must be at least 1")
        if self.pretraining_steps < 0:
            raise UserError(f"training setting 'pretraining_steps' is {self.pretraining_steps}: give 0 or more")
        if self.pretraining_steps and not self.network.pixel_features:
            raise UserError(
                f"training setting 'pretraining_steps' is {self.pretraining_steps}, but there is no U-Net to train:"
                " leave it out, or take one (network.pixel_features above 0, as preset paper has it)"
            )
        if not 0 <= self.labelled_share <= 1:
            raise UserError(f"training setting 'labelled_share' is {self.labelled_share:g}: give 0 to 1")
        if not 0 <= self.contrast_weight <= 1:
            raise UserError(f"training setting 'contrast_weight' is {self.contrast_weight:g}: give 0 to 1")
        if self.network.episode_steps < 1:
            raise UserError(f"network setting 'episode_steps' is {self.network.episode_steps}: give 1 or more")
        choices = {
            "learner": Learner,
            "credit": Credit,
            "credit_by": CreditBy,
            "label_reward": LabelReward,
            "solver": Solver,
        }
        for name, kinds in (choices | {"global_reward": GlobalReward}).items():
            if getattr(self, name) not in get_args(kinds):
                raise UserError(
                    f"training setting '{name}' is {getattr(self, name)!r}: choose from {', '.join(get_args(kinds))}"
                )
        if self.credit_by == "object" and self.network.subgraph_sizes != (1,):
            raise UserError("training setting credit_by: object needs network.subgraph_sizes of 1 alone")
        if self.global_reward == "critic" and not (self.learner == "critic" and self.network.global_head):
            raise UserError("training setting global_reward: critic needs learner: critic and network.global_head")

    @classmethod
    def paper(cls) -> Self:
        """The paper's agent (section 3, A.9): soft actor-critic, one partition per image, its widths, Adam at 1e-4."""
        return cls(
            learner="critic",
            steps=20_000,
            images_per_step=1,
            samples=1,
            learning_rate=1e-4,
            credit="maximum",
            solver="kernighan-lin",
            critic_target=0.005,
            network=NetworkSettings.paper(),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; `from_dict` reads it back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read settings from JSON. Raises UserError for an unknown setting."""
        try:
            network = dict(values["network"])
            for name in ("subgraph_sizes", "unet_widths"):
                network[name] = tuple(network[name])
            return cls(**{**values, "network": NetworkSettings(**network)})
        except (KeyError, TypeError) as error:
            raise UserError(f"the model's training settings cannot be read: {error}") from error
