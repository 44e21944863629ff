"""Actor, critic and U-Net: what a prediction may depend on, the cheap form against the plain one, shapes."""

import numpy as np
import pytest
import torch

from segcritic.errors import UserError
from segcritic.nn.unet import UNet, pool_superpixels
from segcritic.stateless.actor import Actor
from segcritic.stateless.batches import GraphBatch, SubgraphBatch, collate, collate_subgraphs
from segcritic.stateless.critic import Critic
from segcritic.stateless.gnn import MessagePassing, Neighbours
from segcritic.stateless.policy import Policy
from segcritic.stateless.settings import NetworkSettings
from segcritic.stateless.subgraphs import dense_subgraphs
from segcritic.stateless.variants.global_reward import IMAGE, GlobalCritic

NODE_FEATURES, EDGE_FEATURES = 5, 4


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def random_graph(n_nodes, n_edges, seed=0):
    rng = np.random.default_rng(seed)
    pairs = np.stack(np.triu_indices(n_nodes, 1), 1)
    edges = pairs[rng.choice(len(pairs), n_edges, replace=False)]
    return GraphBatch.single(
        rng.standard_normal((n_nodes, NODE_FEATURES)), rng.standard_normal((n_edges, EDGE_FEATURES)), edges
    )


def actor_with_opinions(**settings):
    """An actor whose output layer is not zero, or every test of its predictions would pass."""
    actor = Actor(NetworkSettings(width=16, **settings), NODE_FEATURES, EDGE_FEATURES)
    torch.nn.init.normal_(actor.network.edge_head[-1].weight)
    return actor


def subgraphs_of(graphs, size) -> SubgraphBatch:
    parts = [dense_subgraphs(graph.edges.numpy(), len(graph.node_features), size, seed=0) for graph in graphs]
    return collate_subgraphs(parts, [len(graph.edges) for graph in graphs])


def small_critic(kind=Critic, **settings):
    return kind(NetworkSettings(subgraph_sizes=(3, 8), width=16, **settings), NODE_FEATURES, EDGE_FEATURES)


GRAPHS = [random_graph(12, 30, seed=1), random_graph(3, 2, seed=2), random_graph(4, 0, seed=3), random_graph(9, 20, 4)]


def test_collate_numbers_nodes_edges_and_graphs_through():
    batch = collate([collate(GRAPHS[:2]), *GRAPHS[2:]])
    assert batch.n_graphs == 4
    assert torch.equal(batch.node_graph, torch.repeat_interleave(torch.arange(4), torch.tensor([12, 3, 4, 9])))
    assert torch.equal(batch.edge_graph, torch.repeat_interleave(torch.arange(4), torch.tensor([30, 2, 0, 20])))
    assert torch.equal(batch.edges[32:], GRAPHS[3].edges + 19)
    assert torch.equal(batch.node_features[15:19], GRAPHS[2].node_features)
    assert batch.to("meta").edges.device.type == "meta"
    assert batch.to("cpu").n_graphs == 4


@pytest.mark.parametrize("hidden_layers", [1, 2, 3])
def test_cheap_message_passing_equals_the_plain_form(hidden_layers):
    layer = MessagePassing(8, EDGE_FEATURES, 11, hidden_layers)
    graph = collate(GRAPHS)
    nodes = torch.randn(len(graph.node_features), 8)
    with torch.no_grad():
        cheap = layer.mean_message(nodes, graph.edge_features, Neighbours.of(graph.edges, len(nodes)))
        plain = torch.zeros_like(nodes)
        for i in range(len(nodes)):
            messages = []
            for (a, b), features in zip(graph.edges.tolist(), graph.edge_features, strict=True):
                if i in (a, b):
                    messages.append(layer.phi(torch.cat([nodes[i], nodes[a + b - i], features])))
            if messages:
                plain[i] = torch.stack(messages).mean(0)
    torch.testing.assert_close(cheap, plain, rtol=1e-5, atol=1e-6)


def test_a_new_actor_is_its_warm_start():
    actor = Actor(NetworkSettings(), NODE_FEATURES, EDGE_FEATURES)
    prior = torch.linspace(-30, 30, 30)
    mean, log_std = actor(GRAPHS[0], prior)
    torch.testing.assert_close(mean, 5 * torch.tanh(prior / 5))
    torch.testing.assert_close(log_std.exp(), torch.ones(30))
    assert torch.equal(actor(GRAPHS[0])[0], torch.zeros(30))


@pytest.mark.parametrize(("output", "mean", "std"), [(-1e4, -5, 0.01), (1e4, 5, 5)])
def test_policy_stays_in_its_bounds(output, mean, std):
    actor = Actor(NetworkSettings(), NODE_FEATURES, EDGE_FEATURES)
    torch.nn.init.constant_(actor.network.edge_head[-1].bias, output)
    means, log_stds = actor(GRAPHS[0])
    torch.testing.assert_close(means, torch.full((30,), float(mean)))
    torch.testing.assert_close(log_stds.exp(), torch.full((30,), float(std)))


def test_fixed_standard_deviation():
    _, log_std = actor_with_opinions(fixed_std=0.5)(GRAPHS[0])
    torch.testing.assert_close(log_std.exp(), torch.full((30,), 0.5))


def test_actor_ignores_the_other_graphs_of_the_batch():
    actor = actor_with_opinions()
    alone = torch.cat([torch.stack(actor(graph)) for graph in GRAPHS], 1)
    together = torch.stack(actor(collate(GRAPHS)))
    assert alone.std() > 0.1
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "concatenate"])
def test_critic_ignores_the_other_graphs_and_the_other_sets_of_actions(pooling):
    critic = small_critic(GlobalCritic, pooling=pooling)
    actions = torch.rand(3, 52)
    sizes = {size: subgraphs_of(GRAPHS, size) for size in (3, 8)}
    together = critic(collate(GRAPHS), actions, sizes)
    start = 0
    by_graph = []
    for graph in GRAPHS:
        own = {size: subgraphs_of([graph], size) for size in (3, 8)}
        own_actions = actions[:, start : start + len(graph.edges)]
        by_graph.append([critic(graph, one, own) for one in own_actions])
        start += len(graph.edges)
    for size in (3, 8):
        alone = torch.cat([torch.stack([output[size] for output in sets]) for sets in by_graph], 1)
        assert together[size].shape == (3, len(sizes[size]))
        torch.testing.assert_close(together[size], alone, rtol=1e-5, atol=1e-6)
    alone = torch.cat([torch.stack([output[IMAGE] for output in sets]) for sets in by_graph], 1)
    torch.testing.assert_close(together[IMAGE], alone, rtol=1e-5, atol=1e-6)


def renamed_graph(graph, nodes, edges, flip):
    """The same graph with its nodes and edges in another order and the ends of some edges exchanged."""
    place = torch.argsort(nodes)
    new_edges = place[graph.edges[edges]]
    new_edges[flip] = new_edges[flip].flip(1)
    return GraphBatch.single(graph.node_features[nodes], graph.edge_features[edges], new_edges)


def test_names_of_nodes_and_directions_of_edges_change_nothing():
    graph = GRAPHS[0]
    edges = torch.randperm(30)
    other = renamed_graph(graph, torch.randperm(12), edges, torch.arange(0, 30, 2))
    actor, critic, actions = actor_with_opinions(), small_critic(), torch.rand(30)
    for expected, actual in zip(actor(graph), actor(other), strict=True):
        torch.testing.assert_close(actual, expected[edges], rtol=1e-5, atol=1e-6)
    part = subgraphs_of([graph], 8)
    moved = SubgraphBatch(torch.argsort(edges)[part.edge_index], part.mask, part.weights, part.graph)
    expected = critic(graph, actions, {8: part})[8]
    actual = critic(other, actions[edges], {8: moved})[8]
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-6)


def test_mean_pooling_ignores_the_order_of_edges_and_concatenation_does_not():
    part = subgraphs_of(GRAPHS[:1], 8)
    turned = SubgraphBatch(part.edge_index.flip(1), part.mask.flip(1), part.weights.flip(1), part.graph)
    actions = torch.rand(30)
    for pooling, same in (("mean", True), ("concatenate", False)):
        critic = small_critic(pooling=pooling)
        values = [critic(GRAPHS[0], actions, {8: one})[8] for one in (part, turned)]
        assert torch.allclose(*values, atol=1e-6) is same


def test_critic_sees_the_actions_through_which_the_actor_learns():
    critic = small_critic()
    actions = torch.rand(30, requires_grad=True)
    critic(GRAPHS[0], actions, {3: subgraphs_of(GRAPHS[:1], 3)})[3].sum().backward()
    assert actions.grad is not None
    assert torch.all(actions.grad != 0)


def test_padding_does_not_reach_the_critic():
    """A component of two edges asked for eight: its value is that of its mean over two."""
    critic = small_critic()
    actions = torch.rand(2)
    padded = subgraphs_of([GRAPHS[1]], 8)
    assert padded.n_edges.tolist() == [2]
    short = SubgraphBatch(padded.edge_index[:, :2], padded.mask[:, :2], padded.weights[:, :2], padded.graph)
    values = [critic(GRAPHS[1], actions, {8: part})[8] for part in (padded, short)]
    torch.testing.assert_close(*values)


def test_sums_over_subgraphs():
    part = subgraphs_of(GRAPHS, 8)
    values = torch.rand(3, 52)
    expected = torch.stack([(values[:, row] * keep).sum(1) for row, keep in zip(part.edge_index, part.mask)], 1)  # noqa: B905
    torch.testing.assert_close(part.sums(values), expected)
    torch.testing.assert_close(part.sums(values[0]), expected[0])
    torch.testing.assert_close(part.means(values), expected / part.n_edges)
    torch.testing.assert_close(part.weighted_sums(values).sum(1), values.sum(1))
    assert sorted(set(part.graph.tolist())) == [0, 1, 3]


def test_a_batch_without_edges():
    graph, part = GRAPHS[2], subgraphs_of([GRAPHS[2]], 3)
    mean, log_std = Actor(NetworkSettings(), NODE_FEATURES, EDGE_FEATURES)(graph)
    assert mean.shape == log_std.shape == (0,)
    output = small_critic(GlobalCritic)(graph, torch.zeros(4, 0), {3: part})
    assert output[3].shape == (4, 0)
    assert output[IMAGE].shape == (4, 1)
    assert part.sums(torch.zeros(4, 0)).shape == (4, 0)


def test_settings_build_what_they_say():
    small = NetworkSettings(width=16, hidden_width=24, subgraph_sizes=(4,), fixed_std=0.5)
    critic = Critic(small, 3, 2)
    assert Actor(small, 3, 2).network.encoder.out_features == 16
    assert list(critic.heads) == ["4"]
    assert critic.heads["4"].mlp[0].out_features == 24
    assert Policy(small).unet is None
    with torch.device("meta"):
        paper = NetworkSettings.paper()
        actor, critic, unet = Actor(paper, 16, 1), Critic(paper, 16, 1), Policy(paper).unet
    assert actor.network.layers[0].phi[2].weight.shape == (2028, 2028)
    assert len(actor.network.layers) == 2
    assert critic.heads["128"].mlp[0].in_features == 128 * paper.width
    assert unet.output.out_channels == 16


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 33), (40, 23), (9, 64)])
def test_unet_takes_any_image_size(height, width):
    unet = UNet(2, 5, widths=(4, 8, 8, 16))
    features = unet(torch.rand(2, 2, height, width))
    assert features.shape == (2, 5, height, width)
    assert torch.isfinite(features).all()


def test_unet_ignores_the_other_images_of_the_batch():
    unet = UNet(1, 3, widths=(4, 8, 8, 16))
    images = torch.rand(3, 1, 20, 24)
    torch.testing.assert_close(unet(images)[1:2], unet(images[1:2]), rtol=1e-5, atol=1e-5)


def test_unet_refuses_images_smaller_than_its_coarsest_pixel():
    with pytest.raises(UserError, match="at least 8 x 8"):
        UNet(1, 3, widths=(4, 8, 8, 16))(torch.rand(1, 1, 7, 40))


def test_pool_superpixels_is_the_mean_over_each():
    features = torch.rand(2, 3, 6, 5, requires_grad=True)
    superpixels = torch.randint(0, 4, (2, 6, 5)) + torch.tensor([0, 4])[:, None, None]
    pooled = pool_superpixels(features, superpixels, n_nodes=9)
    for node in range(8):
        torch.testing.assert_close(pooled[node], features.permute(0, 2, 3, 1)[superpixels == node].mean(0))
    assert torch.equal(pooled[8], torch.zeros(3))
    pooled.sum().backward()
    assert features.grad is not None
    assert torch.all(features.grad > 0)
