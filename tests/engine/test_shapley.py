"""Shares add up, and are those of the definition."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from enterprise_recsys.engine.shapley import shapley, walked, walks


def _games(sets: np.ndarray) -> np.ndarray:
    """Three scores of four groups: a sum, a product of two, and one that looks at all of them."""
    a, b, c, d = sets.T.astype(float)
    return np.stack([2 * a - b + 0.5 * c, 3 * b * d, np.tanh(a + 2 * b - c) + a * b * c * d], axis=1)


def test_the_shares_of_a_sum_are_its_parts_and_a_product_is_halved() -> None:
    shares = shapley(_games, 4)
    assert np.allclose(shares[0], [2.0, -1.0, 0.5, 0.0])
    assert np.allclose(shares[1], [0.0, 1.5, 0.0, 1.5])


def test_the_shares_are_the_mean_gain_over_all_orders() -> None:
    expected = np.zeros((3, 4))
    for order in permutations(range(4)):
        held = np.zeros((5, 4), dtype=bool)
        for turn, group in enumerate(order):
            held[turn + 1 :, group] = True
        expected[:, list(order)] += np.diff(_games(held), axis=0).T / 24
    shares = shapley(_games, 4)
    assert np.allclose(shares, expected)
    ends = _games(np.array([[False] * 4, [True] * 4]))
    assert np.allclose(shares.sum(axis=1), ends[1] - ends[0])


def test_no_groups_share_nothing() -> None:
    assert shapley(lambda sets: np.zeros((len(sets), 2)), 0).shape == (2, 0)


def test_walks_go_both_ways_through_every_place() -> None:
    orders = walks(np.array([4, 7, 9]), np.random.default_rng(0))
    assert len(orders) == 4
    for there, back in (orders[:2], orders[2:]):
        assert sorted(there.tolist()) == [4, 7, 9] and there.tolist() == back.tolist()[::-1]


def test_what_places_added_on_the_way_adds_up_exactly() -> None:
    generator = np.random.default_rng(0)
    orders = walks(np.array([1, 2, 4]), generator)
    none, all_of_them = generator.normal(size=2), generator.normal(size=2)
    worth = [np.stack([none, *generator.normal(size=(2, 2)), all_of_them]) for _ in orders]
    shares = walked(orders, worth, 6)
    assert (shares[[0, 3, 5]] == 0).all()
    assert np.allclose(shares.sum(axis=0), all_of_them - none)
