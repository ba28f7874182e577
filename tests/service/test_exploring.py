"""The propensity that is logged is how often it happens, and no item stands twice."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from enterprise_recsys.service.exploring import POOL, depth, explore


@pytest.mark.parametrize(
    ("count", "k", "items", "positions"),
    [
        (20, 10, 0.3, 0.0),
        (20, 10, 0.0, 0.4),
        (20, 10, 0.3, 0.4),
        (9, 5, 0.5, 0.5),
        (11, 10, 0.5, 0.2),
        (4, 2, 0.5, 0.5),
    ],
)
def test_the_logged_propensity_is_the_frequency(count: int, k: int, items: float, positions: float) -> None:
    generator, draws = np.random.default_rng(7), 10_000
    seen: Counter[tuple[int, int]] = Counter()
    told: dict[tuple[int, int], float] = {}
    for _ in range(draws):
        order, chances = explore(count, k, generator, items=items, positions=positions)
        assert len(set(order.tolist())) == k
        for place, (one, chance) in enumerate(zip(order.tolist(), chances.tolist(), strict=True)):
            seen[place, one] += 1
            # However it came about, the same item at the same place has the same propensity.
            assert told.setdefault((place, one), chance) == pytest.approx(chance)
    for key, chance in told.items():
        spread = np.sqrt(chance * (1 - chance) / draws)
        assert abs(seen[key] / draws - chance) <= 4.5 * spread + 1e-12, key
    for place in range(k):  # the chances of a place are those of a draw, once everything was seen
        assert sum(chance for (at, _), chance in told.items() if at == place) == pytest.approx(1.0)


def test_without_chance_the_list_is_the_list() -> None:
    order, chances = explore(20, 10, np.random.default_rng(0), items=0.0, positions=0.0)
    assert order.tolist() == list(range(10)) and chances.tolist() == [1.0] * 10
    assert depth(10, 0.0) == 10 and depth(10, 0.1) == 10 + 2 * POOL


def test_only_the_last_fifth_shows_items_from_further_down() -> None:
    generator = np.random.default_rng(1)
    drawn = np.array([explore(20, 10, generator, items=1.0, positions=0.0)[0] for _ in range(200)])
    assert (drawn[:, :8] == np.arange(8)).all() and (drawn[:, 8:] >= 10).all()


@pytest.mark.parametrize(("count", "k"), [(0, 10), (1, 10), (3, 10), (10, 10), (1, 1)])
def test_a_list_with_nothing_behind_it_explores_nothing(count: int, k: int) -> None:
    order, chances = explore(count, k, np.random.default_rng(2), items=1.0, positions=0.0)
    assert order.tolist() == list(range(min(count, k))) and (chances == 1.0).all()
