"""A user is found from what they took: by hand, and in a made catalogue whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from enterprise_recsys import ModelConfig
from enterprise_recsys.retrieval import fold_in
from enterprise_recsys.retrieval.fold_in import Crowd, FoldIn

CONFIG = ModelConfig(temperature=0.5)


def catalogue(items: int, width: int = 8, *, seed: int = 0) -> torch.Tensor:
    """[I + 1, D] unit vectors; row 0 is nothing."""
    vectors = functional.normalize(torch.randn(items + 1, width, generator=torch.Generator().manual_seed(seed)), dim=1)
    vectors[0] = 0.0
    return vectors


def likelihood(queries: torch.Tensor, vectors: torch.Tensor, taken: list[int]) -> float:
    logs = torch.log_softmax(queries @ vectors[1:].T / 0.5, dim=1)
    return logs[0, torch.tensor(taken) - 1].mean().item()


def test_the_steps_are_those_of_the_formula() -> None:
    vectors, part = catalogue(5), FoldIn(8, CONFIG)
    begin = part.begin(None, 1)
    found = part(begin, vectors[torch.tensor([[0, 2, 4]])], torch.tensor([[0, 2, 4]]), part.crowd(vectors))[0]
    query, items = begin[0].detach().numpy().astype(np.float64), vectors[1:].numpy().astype(np.float64)
    for _ in range(2):
        shares = np.exp(items @ query / 0.5)
        shares /= shares.sum()
        query = query + 1.5 * (items[1] + items[3] - 2 * shares @ items) / (2 + 1)
        query /= np.linalg.norm(query)
    assert found.detach().numpy() == pytest.approx(query, abs=1e-6)


def test_what_was_taken_becomes_likelier_and_nothing_taken_leaves_the_beginning() -> None:
    torch.manual_seed(0)  # where the search begins; by luck that may lie near the taken items already
    vectors, part = catalogue(200), FoldIn(8, CONFIG)
    begin = part.begin(None, 1)
    taken = torch.argsort(-(vectors @ vectors[7]))[:6].tolist()
    found = part(begin, vectors[torch.tensor([taken])], torch.tensor([taken]), part.crowd(vectors))
    assert likelihood(found, vectors, taken) > likelihood(begin, vectors, taken) + 0.5
    nothing = torch.zeros(1, 6, dtype=torch.int64)
    assert torch.allclose(part(begin, vectors[nothing], nothing, part.crowd(vectors)), begin, atol=1e-6)


def test_features_tell_where_the_steps_begin() -> None:
    part, told = FoldIn(8, CONFIG), torch.randn(3, 8)
    wanted = functional.normalize(part.start + told, dim=1)
    assert torch.equal(part.begin(told, 3), wanted)
    assert torch.allclose(wanted.norm(dim=1), torch.ones(3))


def test_a_drawn_crowd_stands_for_a_large_catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fold_in, "CROWD", 600)
    torch.manual_seed(0)
    vectors, part = catalogue(4000, seed=1), FoldIn(8, CONFIG)
    shares = torch.rand(4001, generator=torch.Generator().manual_seed(2)) ** 8
    shares[0] = 0.0
    part.draw_crowd(shares / shares.sum(), torch.Generator().manual_seed(3))
    crowd = part.crowd(vectors)
    assert crowd.log_weights is not None and 300 < len(crowd.vectors) < 900 and (part.crowd_rows > 0).all()
    assert crowd.log_weights.exp().sum().item() == pytest.approx(4000, rel=0.15), "each stands for as many as it should"
    begin = part.begin(None, 20)
    sums = torch.stack([vectors[torch.randint(1, 4001, (12,))].sum(dim=0) for _ in range(20)])
    counts = torch.full((20, 1), 12.0)
    exact = part.climb(begin, sums, counts, Crowd(vectors[1:], None))
    drawn = part.climb(begin, sums, counts, crowd)
    assert (exact * drawn).sum(dim=1).mean().item() > 0.97


def test_a_small_catalogue_stands_for_itself() -> None:
    part, vectors = FoldIn(8, CONFIG), catalogue(30)
    part.draw_crowd(torch.full((31,), 1 / 30), torch.Generator().manual_seed(0))
    crowd = part.crowd(vectors)
    assert crowd.log_weights is None and torch.equal(crowd.vectors, vectors[1:])
