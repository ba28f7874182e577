"""Samplers say truly how often they draw, and the corrected softmax means the whole catalogue."""

import pytest
import torch

from enterprise_recsys.retrieval import losses, negatives
from enterprise_recsys.retrieval.losses import LOSSES, Drawn, Hits, drawn_softmax, exact_softmax, meetings
from enterprise_recsys.retrieval.negatives import SAMPLERS, Popularity

POPULARITY = Popularity(torch.tensor([0.0, 0.5, 0.3, 0.1, 0.06, 0.04]))


@pytest.fixture(params=[negatives.LARGE_ROWS, 1], ids=["small", "large"])
def any_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn as from a small catalogue, and as from a large one."""
    monkeypatch.setattr(negatives, "LARGE_ROWS", request.param)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_log_q_is_the_log_of_the_expected_count(name: str, any_size: None) -> None:
    torch.manual_seed(0)
    counts, expected = torch.zeros(6), torch.full((6,), -torch.inf)
    for _ in range(4000):
        drawn = SAMPLERS[name](POPULARITY, count=4, hard_share=0.5)
        counts.index_add_(0, drawn.rows, torch.ones(len(drawn.rows)))
        expected[drawn.rows] = drawn.log_q
    assert counts[0] == 0
    assert torch.allclose(counts[1:] / 4000, expected[1:].exp(), rtol=0.12)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_the_same_seed_draws_the_same(name: str, any_size: None) -> None:
    draws = []
    for _ in range(2):
        torch.manual_seed(7)
        draws.append(SAMPLERS[name](POPULARITY, count=4, hard_share=0.5).rows)
    assert torch.equal(*draws)


def test_random_negatives_are_the_whole_catalogue_where_it_is_small(any_size: None) -> None:
    drawn = SAMPLERS["random"](POPULARITY, count=99, hard_share=0.5)
    assert sorted(drawn.rows.tolist()) == [1, 2, 3, 4, 5] and torch.equal(drawn.log_q, torch.zeros(5))


def test_a_large_catalogue_is_drawn_from_without_being_gone_through() -> None:
    shares = torch.zeros(1_000_001)
    shares[[1, 500_000, 1_000_000]] = torch.tensor([0.25, 0.25, 0.5])
    popularity = Popularity(shares)
    torch.manual_seed(0)
    rows, counts = popularity.taken(10_000).unique(return_counts=True)
    assert rows.tolist() == [1, 500_000, 1_000_000]
    assert torch.allclose(counts / 10_000, torch.tensor([0.25, 0.25, 0.5]), atol=0.02)
    rows = popularity.even(1000)
    assert torch.equal((rows - 1) // 1000, torch.arange(1000)), "one of each thousand"


def test_the_softmax_over_the_whole_catalogue_is_cross_entropy() -> None:
    scores, target = torch.randn(8, 5, generator=torch.Generator().manual_seed(1)), torch.arange(8) % 5
    positive = scores.gather(1, target[:, None])[:, 0]
    negative = scores.masked_fill(torch.nn.functional.one_hot(target, 5).bool(), -torch.inf)
    loss = LOSSES["softmax"](positive, negative, torch.zeros(5))
    assert torch.allclose(loss, torch.nn.functional.cross_entropy(scores, target, reduction="none"), atol=1e-6)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_the_correction_makes_the_sampled_sum_that_of_the_catalogue(name: str) -> None:
    torch.manual_seed(3)
    scores, sums = torch.tensor([0.0, 1.0, -1.0, 0.5, 2.0, 0.0]), []
    for _ in range(6000):
        drawn = SAMPLERS[name](POPULARITY, count=4, hard_share=0.5)
        sums.append((scores[drawn.rows] - drawn.log_q).exp().sum())
    assert torch.isclose(torch.stack(sums).mean(), scores[1:].exp().sum(), rtol=0.05)


def test_the_exact_softmax_and_its_gradients_are_those_of_cross_entropy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "scores_at_once", lambda device: 70)  # 32 rows at a time, and a rest
    generator = torch.Generator().manual_seed(2)
    queries, items = (torch.randn(rows, 8, generator=generator).requires_grad_() for rows in (75, 50))
    owners = torch.cat([torch.arange(75), torch.arange(10, 60)]).sort().values  # some with two hits
    hits = Hits(owners, torch.arange(125) % 50, torch.rand(125, generator=generator))
    exact_softmax(queries, items, hits, is_half=False).mul(2.0).backward()
    got = [queries.grad, items.grad]
    queries.grad = items.grad = None
    each = torch.nn.functional.cross_entropy(queries[owners] @ items.T, hits.targets, reduction="none")
    wanted = 2.0 * (each * hits.weights).sum()
    wanted.backward()
    assert torch.allclose(got[0], queries.grad, atol=1e-5) and torch.allclose(got[1], items.grad, atol=1e-5)
    loss = exact_softmax(queries, items, hits, is_half=False)
    assert loss.item() == pytest.approx(wanted.item() / 2.0, rel=1e-5)
    half = exact_softmax(queries, items, hits, is_half=True)
    assert half.item() == pytest.approx(loss.item(), rel=0.01)


def test_the_drawn_softmax_and_its_gradients_are_those_of_the_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "scores_at_once", lambda device: 70)  # 32 rows at a time, and a rest
    generator = torch.Generator().manual_seed(4)
    given = [torch.randn(rows, 8, generator=generator).requires_grad_() for rows in (75, 75, 40)]
    queries, true, vectors = given
    targets, rows = torch.randint(0, 30, (75,), generator=generator), torch.randint(0, 30, (40,), generator=generator)
    log_q, weights = torch.randn(40, generator=generator), torch.rand(75, generator=generator)
    drawn = Drawn(vectors, log_q, meetings(targets, rows))
    drawn_softmax(queries, true, drawn, weights, is_half=False).mul(2.0).backward()
    got = [one.grad for one in given]
    for one in given:
        one.grad = None
    negative = (queries @ vectors.T).masked_fill(targets[:, None] == rows, -torch.inf)
    wanted = 2.0 * (LOSSES["softmax"]((queries * true).sum(dim=1), negative, log_q) * weights).sum()
    wanted.backward()
    for one, gradient in zip(given, got, strict=True):
        assert torch.allclose(gradient, one.grad, atol=1e-5)
    loss = drawn_softmax(queries, true, drawn, weights, is_half=False)
    assert loss.item() == pytest.approx(wanted.item() / 2.0, rel=1e-5)
    half = drawn_softmax(queries, true, drawn, weights, is_half=True)
    assert half.item() == pytest.approx(loss.item(), rel=0.01)


def test_meetings_are_all_places_where_both_are_alike() -> None:
    found = meetings(torch.tensor([5, 2, 9, 5]), torch.tensor([5, 1, 2, 5]))
    assert found.tolist() == [[0, 0, 1, 3, 3], [0, 3, 2, 0, 3]]
    assert meetings(torch.tensor([4]), torch.tensor([3, 5])).shape == (2, 0)


def test_all_items_are_looked_through_while_that_is_quick() -> None:
    assert losses.is_exact(3_706, 1_000_000), "MovieLens 1M"
    assert not losses.is_exact(19_000, 2_000_000) and not losses.is_exact(30_000, 1_000)
