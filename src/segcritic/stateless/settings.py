"""Every setting of rule-driven training, in one place: of the networks, and of how they learn."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, get_args

from segcritic.errors import UserError
from segcritic.graph.partition import Solver
from segcritic.stateless.rewards import Credit

Pooling = Literal["mean", "concatenate"]
Learner = Literal["samples", "critic"]
CreditBy = Literal["subgraph", "object"]
LabelReward = Literal["objects", "edges"]
GlobalReward = Literal["shared", "critic"]

_GONE = ("entropy_bonus",)
"""Settings of training in models saved by earlier versions; none of them is read in prediction."""

_GONE_OF_NETWORKS = ("initial_std",)
"""The same of the networks: where a learned standard deviation starts."""

_GONE_LEARNERS: dict[str, Learner] = {"samples+critic": "samples"}
"""Learners of earlier versions, and the one that leaves the same policy."""


_SMALL_WIDTH = 256  # of a network's layers


@dataclass(frozen=True)
class NetworkSettings:
    """How large the networks are, and of which kind. The defaults train in minutes on one CPU core."""

    width: int = 64
    """Length of a node's state in the GNNs, and of the critic's vector per edge. The paper does not give it."""

    depth: int = 3
    """Number of graph convolutions; an edge sees its surroundings as many steps away."""

    hidden_layers: int = 1
    """Hidden layers of each MLP in a GNN, at least one."""

    hidden_width: int | None = None
    """Units of each hidden layer, in GNNs and heads; None for `width`."""

    head_hidden_layers: int = 1
    """Hidden layers of the critic's MLP for each subgraph size."""

    pooling: Pooling = "mean"
    """How the critic brings a subgraph's edges together: their mean, or strung together as in the paper."""

    subgraph_sizes: tuple[int, ...] = (6, 12, 32, 128)
    """Numbers of edges of the subgraphs that are rewarded, and that the critic judges."""

    fixed_std: float | None = None
    """Standard deviation of the policy, the same for all edges; None to learn one per edge."""

    pixel_features: int = 0
    """Channels that the U-Net learns per pixel and that are averaged over each superpixel; 0 for no U-Net."""

    unet_widths: tuple[int, ...] = (32, 64, 128, 256)
    """Channels of the U-Net at each level, the finest first."""

    freeze_unet: bool = False
    """Keep the U-Net as it is, rather than train it with the others."""

    hand_made: bool = True
    """Give the networks the hand-made features of superpixels; without them a U-Net is needed."""

    radial: bool = False
    """Hand-made features relative to a centre are among those that come in; `train` sets it as the rules have it."""

    warm_start: float = 0.5
    """Weight of the edge's standardised contrast in the policy's mean before anything is learned; 0 for none."""

    global_head: bool = False
    """Variant A.2: let the critic predict a value per image as well."""

    episode_steps: int = 1
    """Variant A.8: how often the actor acts before its partition is judged; 1 is the stateless method."""

    @property
    def hidden_units(self) -> int:
        """Units of each hidden layer."""
        return self.hidden_width or self.width

    @classmethod
    def paper(cls) -> Self:
        """Return the sizes of App. A.9: for a GPU."""
        return cls(
            depth=2,
            hidden_layers=3,
            hidden_width=2028,
            head_hidden_layers=2,
            pooling="concatenate",
            pixel_features=16,
            hand_made=False,
            warm_start=0.0,
        )


@dataclass(frozen=True)
class TrainSettings:
    """How the agent learns."""

    learner: Learner = "samples"
    """
    "samples": several partitions per image, each subgraph's reward against the mean of the others (no critic).
    "critic": the paper's soft actor-critic, eq. 2 and 4.
    """

    steps: int = 400
    """Updates of the actor."""

    images_per_step: int = 4
    """Graphs in one batch."""

    labelled_share: float = 0.5
    """Part of a step's images that are drawn from those with labels, when some have labels and others do not."""

    samples: int = 16
    """
    Partitions tried per image and step; even (they come in mirrored pairs), or 1 for learner "critic". The critic
    learns from all of them.
    """

    learning_rate: float = 2e-3
    """Of Adam, for actor and critic; falls to a tenth along a cosine."""

    ema: float = 0.98
    """Decay of the moving average of the weights, which is what the model keeps."""

    credit: Credit = "share"
    """How a superpixel's reward reaches its edges: "share" (by area, sums up exactly) or "maximum" (the paper's)."""

    credit_by: CreditBy = "subgraph"
    """
    What an edge is rewarded with: "subgraph", the means of the subgraphs that it lies in, or variant A.3, "object",
    the mean over its objects (see `variants.object_credit`; asks for `network.subgraph_sizes` of 1 alone).
    """

    label_reward: LabelReward = "edges"
    """
    What labels reward: "edges", the Dice score of each subgraph's actions (the paper's A.10), or "objects", by their
    intersection over union (so always with credit by object).
    """

    solver: Solver = "greedy"
    """Of the multicut, in training and prediction: "greedy" additive contraction or "kernighan-lin" (the paper's)."""

    contrast_weight: float = 0.0
    """Variant of eq. 17 and 18: part of the term on contrast in an edge's reward, between 0 and 1."""

    global_reward: GlobalReward = "shared"
    """
    How the count rule reaches the subgraphs: "shared" (a weighted sum with each subgraph's reward) or "critic" (an
    output of the critic of its own). Both are in the paper's A.2.
    """

    target_entropy: float = -1.0
    """Nats per edge that the learned temperatures hold the policy's actions at; 0 is a uniform action, the most."""

    temperature_rate: float = 3e-3
    """Learning rate of the temperatures."""

    critic_target: float = 0.05
    """Rate at which the copy of the critic that advises the actor follows it, per step."""

    pretraining_steps: int = 0
    """Variant A.1: updates of the U-Net's pixel features on superpixels alone, before the actor's first."""

    network: NetworkSettings = field(default_factory=lambda: NetworkSettings(fixed_std=0.5))
    """Widths and kinds of the networks."""

    def __post_init__(self) -> None:
        self._check_numbers()
        self._check_choices()

    def _check_numbers(self) -> None:
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
        for name in ("labelled_share", "contrast_weight"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"training setting '{name}' is {getattr(self, name):g}: give 0 to 1")
        if self.network.episode_steps < 1:
            raise UserError(f"network setting 'episode_steps' is {self.network.episode_steps}: give 1 or more")

    def _check_choices(self) -> None:
        choices = {
            "learner": Learner,
            "credit": Credit,
            "credit_by": CreditBy,
            "label_reward": LabelReward,
            "solver": Solver,
            "global_reward": GlobalReward,
        }
        for name, kinds in choices.items():
            if getattr(self, name) not in get_args(kinds):
                raise UserError(
                    f"training setting '{name}' is {getattr(self, name)!r}: choose from {', '.join(get_args(kinds))}"
                )
        if self.credit_by == "object" and self.network.subgraph_sizes != (1,):
            raise UserError("training setting credit_by: object needs network.subgraph_sizes of 1 alone")
        if self.global_reward == "critic" and not (self.learner == "critic" and self.network.global_head):
            raise UserError("training setting global_reward: critic needs learner: critic and network.global_head")

    @property
    def small(self) -> bool:
        """Whether the networks are so small that more than one thread gains nothing."""
        return (self.network.hidden_width or self.network.width) <= _SMALL_WIDTH and not self.network.pixel_features

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
        """Read settings from JSON; what earlier versions wrote and is gone is dropped.

        Raises
        ------
        UserError
            For a setting that no version had.

        Examples
        --------
        >>> saved = TrainSettings(steps=50).to_dict() | {"entropy_bonus": 0.0, "learner": "samples+critic"}
        >>> TrainSettings.from_dict(saved) == TrainSettings(steps=50)
        True
        """
        try:
            network = {name: value for name, value in values["network"].items() if name not in _GONE_OF_NETWORKS}
            for name in ("subgraph_sizes", "unet_widths"):
                network[name] = tuple(network[name])
            kept = {name: value for name, value in values.items() if name not in _GONE}
            if kept.get("learner") in _GONE_LEARNERS:
                kept["learner"] = _GONE_LEARNERS[kept["learner"]]
            return cls(**{**kept, "network": NetworkSettings(**network)})
        except (AttributeError, KeyError, TypeError) as error:
            raise UserError(f"the model's training settings cannot be read: {error}") from error
