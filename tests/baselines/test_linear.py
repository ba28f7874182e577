"""EASE and EDLAE against the regression that they stand for, solved column by column and by sampling."""

import numpy as np
import pytest

from enterprise_recsys.baselines import linear
from enterprise_recsys.baselines.linear import EASE, EDLAE
from enterprise_recsys.baselines.sources import taken
from enterprise_recsys.errors import ConfigError, DataError
from tests.baselines.worlds import asked, events_of


def world(seed: int = 1, users: int = 60, items: int = 9):
    generator = np.random.default_rng(seed)
    pairs = [(u, i) for u in range(1, users) for i in range(1, items) if generator.random() < 0.2 + 0.05 * i]
    return events_of(pairs), users, items


def regressed(events, users: int, items: int, *, ridge: float, dropout: float = 0.0) -> np.ndarray:
    """For each item: ridge regression of its column on all others, with p / q of each column's square on top."""
    dense = taken(events, users, items).toarray().astype(float)
    weights = np.zeros((items, items))
    for item in range(items):
        others = np.delete(np.arange(items), item)
        left = dense[:, others]
        penalty = ridge * np.eye(len(others)) + dropout / (1 - dropout) * np.diag((left**2).sum(axis=0))
        weights[others, item] = np.linalg.solve(left.T @ left + penalty, left.T @ dense[:, item])
    return weights


@pytest.mark.parametrize("most_double", [linear.DOUBLE_ITEMS, 0])
def test_ease_is_a_ridge_regression_of_each_item_on_the_others(
    most_double: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "DOUBLE_ITEMS", most_double)  # 0: solved in single precision
    events, users, items = world()
    weights = regressed(events, users, items, ridge=5.0)
    found = EASE(events, users, items, ridge=5.0).candidates(asked([2, 5], [7], repeats=True), items - 1)
    for place, history in enumerate([[2, 5], [7]]):
        scores = weights[history].sum(axis=0)
        assert np.allclose(found.scores[place], scores[found.rows[place]], atol=1e-4)
        assert sorted(found.rows[place].tolist()) == list(range(1, items))


def test_edlae_adds_the_penalty_of_the_hidden_items() -> None:
    events, users, items = world()
    weights = regressed(events, users, items, ridge=3.0, dropout=0.4)
    found = EDLAE(events, users, items, ridge=3.0, dropout=0.4).candidates(asked([1, 8], repeats=True), items - 1)
    assert np.allclose(found.scores[0], weights[[1, 8]].sum(axis=0)[found.rows[0]], atol=1e-5)


def test_edlae_is_what_regression_on_truly_hidden_items_gives() -> None:
    # Each user many times over with a share of his items hidden: the formula is the expectation of that.
    events, users, items = world(users=40, items=6)
    dense = taken(events, users, items).toarray().astype(float)
    generator = np.random.default_rng(0)
    gram, target = np.zeros((items, items)), np.zeros((items, items))
    times = 4000
    for _ in range(times):
        seen = dense * (generator.random(dense.shape) >= 0.3)
        gram += seen.T @ seen / times
        target += seen.T @ dense / times
    weights = np.zeros((items, items))
    for item in range(items):
        others = np.delete(np.arange(items), item)
        # The ridge that makes the two the same is q^2 * ridge on this side: inputs are scaled by q there.
        left = gram[np.ix_(others, others)] + 0.7**2 * 2.0 * np.eye(len(others))
        weights[others, item] = np.linalg.solve(left, target[others, item])
    found = EDLAE(events, users, items, ridge=2.0, dropout=0.3).candidates(asked([3], repeats=True), items - 1)
    # Unseen inputs are full at the time of asking, not hidden ones: the fitted weights are 1 / q of the closed form's.
    assert np.allclose(found.scores[0], 0.7 * weights[3][found.rows[0]], atol=0.01)


def test_edlae_without_dropout_is_ease() -> None:
    events, users, items = world()
    first = EASE(events, users, items, ridge=7.0).candidates(asked([4]), 5)
    second = EDLAE(events, users, items, ridge=7.0, dropout=0.0).candidates(asked([4]), 5)
    assert np.array_equal(first.rows, second.rows) and np.allclose(first.scores, second.scores)


def test_a_matrix_larger_than_a_block_is_filled_on_both_sides() -> None:
    generator = np.random.default_rng(0)
    half = generator.standard_normal((1500, 1500)) / 40
    matrix = half @ half.T + np.eye(1500)
    inverse = linear._inverse(np.asfortranarray(matrix.copy()))
    assert np.allclose(inverse @ matrix, np.eye(1500), atol=1e-8)


def test_a_catalogue_too_large_for_a_dense_solution_is_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"40,000 items would take 13 GB; they are for up to 25,000. Take item_knn"):
        EASE(events_of([(1, 1)]), 2, 40_000)


def test_dials_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="ridge=0, dropout=0.0: ridge is over 0"):
        EASE(events_of([(1, 1)]), 2, 3, ridge=0)
    with pytest.raises(ConfigError, match="dropout=1.0"):
        EDLAE(events_of([(1, 1)]), 2, 3, dropout=1.0)
