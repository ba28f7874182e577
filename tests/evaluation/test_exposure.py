"""Who gets the places: by hand, and against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.exposure import (
    average_popularity,
    gini,
    group_exposure,
    novelty,
    popularity_percentile,
)
from enterprise_recsys.evaluation.lists import Catalogue

POPULAR = Catalogue(5, popularity=np.array([99.0, 8, 4, 4, 0]))


def test_gini_is_nothing_for_even_places_and_near_one_for_a_single_item() -> None:
    assert gini(np.array([[1, 2], [3, 4]]), POPULAR) == pytest.approx(0.0)
    assert gini(np.array([[3], [3], [3]]), POPULAR) == pytest.approx(3 / 4)  # (n - 1) / n of one item among n = 4
    # Places 0, 1, 1, 2: (-3*0 - 1*1 + 1*1 + 3*2) / (4 * 4).
    assert gini(np.array([[1, 2], [1, 3]]), POPULAR) == pytest.approx(6 / 16)
    assert math.isnan(gini(np.zeros((2, 2), int), POPULAR))


def test_gini_is_half_the_mean_difference_over_the_mean() -> None:
    rows = np.random.default_rng(0).integers(0, 30, (50, 6))
    shown = np.bincount(rows.ravel(), minlength=30)[1:]
    apart = np.abs(shown[:, None] - shown[None, :]).mean()
    assert gini(rows, Catalogue(30)) == pytest.approx(apart / (2 * shown.mean()))


def test_novelty_is_the_surprise_in_bits() -> None:
    # Shares 8/16, 4/16, 4/16; item 4 was never taken and counts as one event of 16.
    assert novelty(np.array([[1, 2]]), POPULAR) == pytest.approx((1 + 2) / 2)
    assert novelty(np.array([[1, 0], [4, 3], [0, 0]]), POPULAR) == pytest.approx((1 + (4 + 2) / 2) / 2)


def test_average_popularity_is_the_mean_share_of_events() -> None:
    assert average_popularity(np.array([[1, 2], [4, 0]]), POPULAR) == pytest.approx(((8 + 4) / 16 / 2 + 0) / 2)


def test_the_percentile_of_even_lists_is_a_half() -> None:
    every_item = np.arange(1, 5)[:, None]
    assert popularity_percentile(every_item, POPULAR) == pytest.approx(0.5)
    # Item 1 is over three others: (3 + 1/2) / 4; items 2 and 3 tie over one: (1 + 2/2) / 4.
    assert popularity_percentile(np.array([[1]]), POPULAR) == pytest.approx(3.5 / 4)
    assert popularity_percentile(np.array([[3]]), POPULAR) == pytest.approx(2 / 4)


def test_the_share_of_places_of_a_group() -> None:
    group = np.array([True, False, True, True, False])  # place 0 must not matter
    rows = np.array([[1, 2, 0], [3, 4, 2]])
    assert group_exposure(rows, group) == pytest.approx(3 / 5)
    second, third = 1 / math.log2(3), 1 / 2
    discounted = (1 + second + third) / (2 + 2 * second + third)
    assert group_exposure(rows, group, discounted=True) == pytest.approx(discounted)
    assert math.isnan(group_exposure(np.zeros((1, 3), int), group))


def test_without_events_there_is_no_popularity() -> None:
    rows = np.array([[1, 2]])
    for catalogue in (Catalogue(5), Catalogue(5, popularity=np.zeros(5))):
        assert math.isnan(novelty(rows, catalogue)) and math.isnan(average_popularity(rows, catalogue))
    with pytest.raises(DataError, match="popularity is a number of events, 0 or more, got -1"):
        novelty(rows, Catalogue(3, popularity=np.array([0.0, -1, 5])))
