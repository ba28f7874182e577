"""Every baseline fills its lists with items that the user has not had."""

import numpy as np
import pytest

from enterprise_recsys.baselines.simple import BASELINES
from enterprise_recsys.records import Events


def _events(pairs: list[tuple[int, int]]) -> Events:
    users, items = (np.array(column) for column in zip(*pairs, strict=True))
    ones = np.ones(len(pairs), dtype=np.float32)
    return Events(users, items, np.arange(len(pairs)), ones * np.nan, ones, ones.astype(bool))


EVENTS = _events([(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 3), (4, 3), (4, 4), (5, 3), (5, 4), (6, 1)])


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_lists_are_full_fresh_and_falling(name: str) -> None:
    source = BASELINES[name](EVENTS, 7, 5)
    found = source.candidates(np.array([0, 1, 1]), np.array([3]), 4)
    assert sorted(found.rows[1].tolist()) == [1, 2, 3, 4] and sorted(found.rows[0].tolist()) == [0, 1, 2, 4]
    assert found.rows[0, -1] == 0 and (np.diff(found.scores[1]) <= 0).all() and source.tag == name


def test_popularity_counts() -> None:
    found = BASELINES["popularity"](EVENTS, 7, 5).candidates(np.array([0, 0]), np.array([], dtype=np.int64), 4)
    assert found.rows[0].tolist() == [1, 3, 2, 4] and found.scores[0].tolist() == [4, 3, 2, 2]


def test_neighbours_are_those_taken_together() -> None:
    found = BASELINES["item_knn"](EVENTS, 7, 5).candidates(np.array([0, 1, 2]), np.array([3, 2]), 1)
    assert found.rows[:, 0].tolist() == [4, 1]
    assert np.isclose(found.scores[0, 0], 2 / (np.sqrt(3 * 2) + 10.0), atol=1e-5)
