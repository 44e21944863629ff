"""How large actor and critic are, and of which kind."""

from dataclasses import dataclass

from segcritic.nn.unet import UNet
from segcritic.stateless.actor import Actor
from segcritic.stateless.critic import Critic, Pooling


@dataclass(frozen=True)
class NetworkSettings:
    """How large the networks are, and of which kind. The defaults train in minutes on one CPU core.

    Attributes
    ----------
    width : int
        Length of a node's state in the GNNs, and of the critic's vector per edge. The paper does not give it.
    depth : int
        Number of graph convolutions; an edge sees its surroundings as many steps away.
    hidden_layers : int
        Hidden layers of each MLP in a GNN, at least one.
    hidden_width : int or None
        Units of each hidden layer, in GNNs and heads; None for `width`.
    head_hidden_layers : int
        Hidden layers of the critic's MLP for each subgraph size.
    pooling : {"mean", "concatenate"}
        How the critic brings a subgraph's edges together: their mean, or strung together as in the paper.
    subgraph_sizes : tuple of int
        Numbers of edges of the subgraphs that the critic judges.
    global_head : bool
        Let the critic predict a value per image as well.
    fixed_std : float or None
        Standard deviation of the policy, the same for all edges; None to learn one per edge.
    initial_std : float
        Where a learned standard deviation starts, between 0.01 and 5.
    pixel_features : int
        Channels that the U-Net learns per pixel and that are averaged over each superpixel; 0 for no U-Net.
    unet_widths : tuple of int
        Channels of the U-Net at each level, the finest first.
    freeze_unet : bool
        Keep the U-Net as it is, rather than train it end to end with actor and critic.
    hand_made : bool
        Give the networks the hand-made features of superpixels; without them a U-Net is needed.
    radial : bool
        Hand-made features relative to a centre are among those that come in; `train` sets it as the rules have it.
    warm_start : float
        Weight of the edge's standardised contrast in the policy's mean before anything is learned; 0 for none.
    episode_steps : int
        How often the actor acts before its partition is judged; from the second time on it sees what it has come to,
        and changes that (App. A.8). 1 is the stateless method.
    """

    width: int = 64
    depth: int = 3
    hidden_layers: int = 1
    hidden_width: int | None = None
    head_hidden_layers: int = 1
    pooling: Pooling = "mean"
    subgraph_sizes: tuple[int, ...] = (6, 12, 32, 128)
    global_head: bool = False
    fixed_std: float | None = None
    initial_std: float = 1.0
    pixel_features: int = 0
    unet_widths: tuple[int, ...] = (32, 64, 128, 256)
    freeze_unet: bool = False
    hand_made: bool = True
    radial: bool = False
    warm_start: float = 0.5
    episode_steps: int = 1

    @classmethod
    def paper(cls) -> "NetworkSettings":
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

    def actor(self, node_features: int, edge_features: int) -> Actor:
        """Return a new actor for so many features per node and per edge (the U-Net's among them)."""
        return Actor(
            node_features,
            edge_features,
            width=self.width,
            depth=self.depth,
            hidden_layers=self.hidden_layers,
            hidden_width=self.hidden_width,
            fixed_std=self.fixed_std,
            initial_std=self.initial_std,
        )

    def critic(self, node_features: int, edge_features: int) -> Critic:
        """Return a new critic for so many features per node and per edge (the U-Net's among them)."""
        return Critic(
            node_features,
            edge_features,
            self.subgraph_sizes,
            width=self.width,
            depth=self.depth,
            hidden_layers=self.hidden_layers,
            hidden_width=self.hidden_width,
            head_hidden_layers=self.head_hidden_layers,
            pooling=self.pooling,
            global_head=self.global_head,
        )

    def unet(self, in_channels: int) -> UNet | None:
        """Return a new feature extractor, or None when `pixel_features` is 0."""
        return UNet(in_channels, self.pixel_features, self.unet_widths) if self.pixel_features else None
