"""Sampled metrics say what they are, and show why they are not used."""

from __future__ import annotations

import math

import numpy as np
import pytest

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.protocol import measure
from enterprise_recsys.evaluation.sampled import SampledMetricWarning, sampled_metrics
from enterprise_recsys.evaluation.top import from_scores
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.records import Doubles, Floats, Ints

ONE = Truth.of(np.arange(2000), np.full(2000, 1), n_users=2001)


def by_row(users: Ints, rows: Ints) -> Floats:
    return rows.astype(np.float32)


def taken(scores: object = by_row, truth: Truth = ONE, **options: object) -> dict[str, Doubles]:
    settings = {"n_items": 51, "generator": np.random.default_rng(0), **options}
    with pytest.warns(SampledMetricWarning):
        return sampled_metrics(scores, truth, **settings)  # type: ignore[arg-type]


def test_it_always_warns() -> None:
    with pytest.warns(SampledMetricWarning, match=r"against 3 sampled .* reverse the order .*Krichene and Rendle"):
        sampled_metrics(by_row, ONE, n_items=51, generator=np.random.default_rng(0), negatives=3)


def test_the_chance_of_a_hit_is_that_of_the_draw() -> None:
    truth = Truth.of(np.arange(4000), np.full(4000, 41), n_users=4001)  # 40 of the 49 others are lower
    figures = taken(truth=truth, negatives=2, ks=(1, 2, 3))
    over = 9 / 49
    assert np.nanmean(figures["HR_sampled@1"]) == pytest.approx((1 - over) ** 2, abs=0.03)
    assert np.nanmean(figures["HR_sampled@2"]) == pytest.approx(1 - over**2, abs=0.02)
    assert np.nanmean(figures["HR_sampled@3"]) == 1.0
    second = 2 * over * (1 - over) / math.log2(3)
    assert np.nanmean(figures["NDCG_sampled@2"]) == pytest.approx((1 - over) ** 2 + second, abs=0.03)
    assert np.isnan(figures["HR_sampled@1"][-1])


def test_no_relevant_item_is_drawn_and_an_item_outside_the_catalogue_is_last() -> None:
    seen: list[Ints] = []

    def scores(users: Ints, rows: Ints) -> Floats:
        seen.append(rows)
        return -rows.astype(np.float32)

    truth = Truth.of(np.zeros(4, int), np.array([1, 2, 3, 90]), n_users=1)
    figures = taken(scores, truth, n_items=6, negatives=50, ks=(1, 50))
    assert set(seen[0][:, 1:].ravel()) == {4, 5} and seen[0][:, 0].tolist() == [1, 2, 3]
    assert figures["HR_sampled@1"].tolist() == [3 / 4] and figures["HR_sampled@50"].tolist() == [3 / 4]


def test_a_system_that_knows_nothing_gets_nothing() -> None:
    figures = taken(lambda users, rows: np.zeros(rows.shape, np.float32), negatives=20, ks=(20,))
    assert np.nanmax(figures["HR_sampled@20"]) == 0.0


def test_weights_say_who_is_drawn() -> None:
    weights = np.zeros(51)
    weights[7] = 3.0
    drawn: list[Ints] = []

    def scores(users: Ints, rows: Ints) -> Floats:
        drawn.append(rows[:, 1:])
        return rows.astype(np.float32)

    taken(scores, negatives=5, weights=weights)
    assert {int(row) for row in np.unique(drawn[0])} == {7}


def test_the_order_of_systems_can_be_reversed() -> None:
    # A finds half of the items at once and has no idea of the others; B always comes close, and never into the top.
    n_items, users = 1001, 2000
    truth = Truth.of(np.arange(users), np.full(users, 500), n_users=users)
    place_of_a, place_of_b = np.where(np.arange(users) % 2 == 0, 1, 600), np.full(users, 30)

    def of(places: Ints) -> tuple[object, object]:
        def full(at: Ints) -> Floats:
            scores = np.tile(-np.arange(n_items, dtype=np.float32), (len(at), 1))
            scores[:, 500] = -(places[at] - 0.5)
            return scores

        return full, lambda at, rows: np.take_along_axis(full(at), rows, axis=1)

    (full_a, pairs_a), (full_b, pairs_b) = of(place_of_a), of(place_of_b)
    truly = [
        measure(from_scores(full, n_items=n_items), truth, n_items=n_items, ks=(10,)).means()["HR@10"]  # type: ignore[arg-type]
        for full in (full_a, full_b)
    ]
    sampled = [
        np.nanmean(taken(pairs, truth, n_items=n_items, negatives=100, ks=(10,))["HR_sampled@10"])
        for pairs in (pairs_a, pairs_b)
    ]
    assert truly == [0.5, 0.0]
    assert sampled[0] < 0.6 < 0.99 < sampled[1]


def test_wrong_dials_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"negatives=0, ks=\(10,\) are out of range"):
        taken(negatives=0)
    with pytest.raises(DataError, match=r"weights have a number for each item, row 0 included: \[51\], got \(3,\)"):
        taken(weights=np.ones(3))
    with pytest.raises(DataError, match=r"scores of pairs are \[2000, 101\], got \(2000, 5\)"):
        taken(lambda users, rows: np.ones((len(users), 5)))
    everything = Truth.of(np.zeros(5, int), np.arange(1, 6), n_users=1)
    with pytest.raises(DataError, match="leave .* nothing to draw; give a larger catalogue"):
        taken(truth=everything, n_items=6)
