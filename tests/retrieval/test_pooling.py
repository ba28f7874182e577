"""Pooling: past items as a plain mean, or each by what it is; no hole counts, and no past is nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.retrieval.pooling import Attention, Mean

ROWS = torch.tensor([[0, 3, 0, 5], [0, 0, 0, 0], [1, 2, 3, 4]])


def vectors() -> torch.Tensor:
    return torch.randn(3, 4, 6, generator=torch.Generator().manual_seed(0))


def taught() -> Attention:
    part = Attention(6, ModelConfig())
    with torch.no_grad():
        part.weigh.weight.normal_(generator=torch.Generator().manual_seed(1))
    return part


def test_attention_begins_as_the_mean() -> None:
    mean = Mean(6, ModelConfig())(vectors(), ROWS)
    assert torch.allclose(Attention(6, ModelConfig())(vectors(), ROWS), mean, atol=1e-6)
    assert torch.allclose(mean[0], (vectors()[0, 1] + vectors()[0, 3]) / 2) and not mean[1].any()


def test_each_item_counts_by_what_it_is_as_worked_out_by_hand() -> None:
    part, past = taught(), vectors()
    weight, bias, asked = (one.detach().numpy() for one in (part.hidden.weight, part.hidden.bias, part.weigh.weight[0]))
    held = past[0, [1, 3]].numpy()
    scores = np.tanh(held @ weight.T + bias) @ asked
    shares = np.exp(scores) / np.exp(scores).sum()
    said = part(past, ROWS).detach()
    assert abs(shares[0] - 0.5) > 0.05
    assert np.allclose(said[0].numpy(), shares @ held, atol=1e-6) and not said[1].any()


@pytest.mark.parametrize("kind", [Mean, Attention])
def test_holes_and_order_say_nothing(kind: type[Mean]) -> None:
    part = taught() if kind is Attention else Mean(6, ModelConfig())
    past, order = vectors(), torch.tensor([3, 0, 2, 1])
    assert torch.allclose(part(past[:, order], ROWS[:, order]), part(past, ROWS), atol=1e-6)
    wider = torch.cat([torch.full((3, 2, 6), 9.0), past], dim=1), torch.cat([torch.zeros(3, 2).long(), ROWS], dim=1)
    assert torch.allclose(part(*wider), part(past, ROWS), atol=1e-6)
