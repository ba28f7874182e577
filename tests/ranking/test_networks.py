"""The networks of the ranker and its masked losses."""

import pytest
import torch

from enterprise_recsys.ranking.losses import LOSSES
from enterprise_recsys.ranking.networks import NETWORKS, Cross, LowRank, Shape


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_gives_the_width_it_says_and_learns(name: str) -> None:
    network = NETWORKS[name](7, Shape([5, 3], rank=3))
    out = network(torch.randn(4, 7))
    assert out.shape == (4, network.width_out)
    out.sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_cross_layer_worked_out_by_hand() -> None:
    cross = Cross(2, Shape([1], cross_layers=1))
    with torch.no_grad():
        cross.layers[0].weight.copy_(torch.tensor([[1.0, 2.0], [0.0, 1.0]]))
        cross.layers[0].bias.copy_(torch.tensor([1.0, 0.0]))
    # x0 * (W x + b) + x = [3, 4] * ([3 + 8, 4] + [1, 0]) + [3, 4]
    assert cross(torch.tensor([[3.0, 4.0]])).tolist() == [[39.0, 20.0]]


def test_a_low_rank_layer_is_the_matrix_of_its_factors() -> None:
    shape = Shape([1], cross_layers=1, rank=2)
    low, full = Cross(4, shape, LowRank), Cross(4, shape)
    with torch.no_grad():
        inward, outward = low.layers[0]
        full.layers[0].weight.copy_(outward.weight @ inward.weight)
        full.layers[0].bias.copy_(outward.bias)
    rows = torch.randn(3, 4)
    assert torch.allclose(low(rows), full(rows), atol=1e-6)
    assert sum(one.numel() for one in low.parameters()) == 2 * 4 * 2 + 4


def test_a_missing_label_is_masked() -> None:
    labels, ones = torch.tensor([1.0, torch.nan]), torch.ones(2)
    logits = torch.tensor([0.0, 50.0], requires_grad=True)
    loss = LOSSES["ctr"](logits, labels, ones)
    loss.backward()
    assert torch.isclose(loss, torch.tensor(0.6931), atol=1e-4) and logits.grad[1] == 0
    assert LOSSES["rating"](torch.tensor([3.0, 9.0]), torch.tensor([5.0, torch.nan]), ones) == 4.0
    assert LOSSES["rating"](torch.tensor([3.0]), torch.tensor([torch.nan]), torch.ones(1)) == 0.0


def test_the_listwise_loss_worked_out_by_hand() -> None:
    logits = torch.tensor([[0.0, 0.0, 0.0, 9.0], [1.0, 2.0, 3.0, 4.0]])
    labels = torch.tensor([[1.0, 1.0, 0.0, torch.nan], [0.0, 0.0, 0.0, 0.0]])
    # The first list: three equal items share the chance, the unlabelled one has none. The second holds no success.
    assert torch.isclose(LOSSES["list"](logits, labels, torch.ones(2, 4)), torch.tensor(3.0).log())
    assert LOSSES["list"](logits[1:], labels[1:], torch.ones(1, 4)) == 0.0


def test_the_listwise_loss_weighs_lists_and_not_their_successes() -> None:
    logits = torch.tensor([[0.0, 2.0, 0.0], [0.0, 1.0, 0.0]])
    labels, weights = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]), torch.tensor([[1.0] * 3, [3.0] * 3])
    each = [LOSSES["list"](logits[[one]], labels[[one]], weights[[one]]) for one in (0, 1)]
    assert torch.isclose(LOSSES["list"](logits, labels, weights), (each[0] + 3 * each[1]) / 4)
