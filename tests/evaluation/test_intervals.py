"""Intervals cover the truth as often as they say, and tell a real difference from none."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation import intervals
from enterprise_recsys.evaluation.intervals import bootstrap, over_seeds, paired, resampled_means


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        values = generator.exponential(1.0, 150)  # skewed, as NDCG is
        interval = bootstrap(values, generator=generator, resamples=300)
        covered += interval.low <= 1.0 <= interval.high
    assert 0.90 <= covered / 400 <= 0.98


def test_the_interval_is_that_of_the_normal_law_for_many_users() -> None:
    values = np.random.default_rng(3).normal(5.0, 2.0, 5000)
    interval = bootstrap(values, generator=np.random.default_rng(4), resamples=2000, confidence=0.9)
    error = values.std() / math.sqrt(5000)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - 1.645 * error, abs=0.15 * error)
    assert interval.high == pytest.approx(values.mean() + 1.645 * error, abs=0.15 * error)


def test_it_agrees_with_scipy() -> None:
    values = np.random.default_rng(8).exponential(1.0, 80)
    ours = bootstrap(values, generator=np.random.default_rng(0), resamples=9999)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=9999, method="percentile", random_state=0)
    width = ours.high - ours.low
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.03 * width)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.03 * width)


def test_a_planted_difference_is_found_though_the_means_overlap() -> None:
    generator = np.random.default_rng(5)
    hardness = generator.random(400)
    first, second = hardness + 0.02 + generator.normal(0, 0.05, 400), hardness + generator.normal(0, 0.05, 400)
    difference = paired(first, second, generator=generator)
    assert 0 < difference.low < difference.mean < difference.high
    assert difference.mean == pytest.approx((first - second).mean())
    assert difference.p is not None and difference.p <= 0.01
    alone, other = bootstrap(first, generator=generator), bootstrap(second, generator=generator)
    assert alone.low < other.high


def test_no_difference_is_found_where_there_is_none() -> None:
    generator = np.random.default_rng(6)
    false_alarms = 0
    for _ in range(300):
        first, second = generator.random(120), generator.random(120)
        difference = paired(first, second, generator=generator, resamples=300)
        assert difference.p is not None
        false_alarms += not difference.low <= 0 <= difference.high
    assert false_alarms / 300 <= 0.09
    assert paired(first, first, generator=generator).p == 1.0


def test_users_without_a_figure_are_left_out() -> None:
    values = np.array([1.0, np.nan, 3.0])
    interval = bootstrap(values, generator=np.random.default_rng(0))
    assert interval.mean == 2.0 and 1.0 <= interval.low <= interval.high <= 3.0 and interval.p is None
    difference = paired(values, np.array([0.0, 1.0, np.nan]), generator=np.random.default_rng(0))
    assert (difference.mean, difference.low, difference.high) == (1.0, 1.0, 1.0)


def test_no_users_leave_everything_open() -> None:
    empty = bootstrap(np.array([np.nan]), generator=np.random.default_rng(0))
    assert all(math.isnan(value) for value in (empty.mean, empty.low, empty.high))
    difference = paired(np.empty(0), np.empty(0), generator=np.random.default_rng(0))
    assert math.isnan(difference.mean) and difference.p is None


def test_the_same_seed_gives_the_same_bits() -> None:
    values = np.random.default_rng(0).random(50)
    once = bootstrap(values, generator=np.random.default_rng(9))
    assert once == bootstrap(values, generator=np.random.default_rng(9))
    assert once != bootstrap(values, generator=np.random.default_rng(10))


def test_columns_share_the_draws_also_over_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "CELLS", 200)
    values = np.random.default_rng(0).random((60, 1))
    means = resampled_means(np.hstack([values, 2 * values + 1]), generator=np.random.default_rng(1), resamples=101)
    assert means.shape == (101, 2)
    assert means[:, 1] == pytest.approx(2 * means[:, 0] + 1)
    assert means.std() > 0


def test_dials_out_of_range_are_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="resamples=10 is too few for percentiles; take 100 or more"):
        bootstrap(np.ones(3), generator=generator, resamples=10)
    with pytest.raises(ConfigError, match="confidence=95 is out of range; take a share over 0 and under 1"):
        bootstrap(np.ones(3), generator=generator, confidence=95)
    with pytest.raises(DataError, match="the same users, got 3 and 2; measure both on one truth"):
        paired(np.ones(3), np.ones(2), generator=generator)
    with pytest.raises(DataError, match=r"an array \[U\], got shape \(2, 2\)"):
        bootstrap(np.ones((2, 2)), generator=generator)


def test_an_interval_over_seeds_and_users_covers_the_truth_as_often_as_it_says() -> None:
    generator = np.random.default_rng(2)
    covered, users_alone, rounds = 0, 0, 300
    for _ in range(rounds):
        users, seeds = generator.normal(0, 0.3, 200), generator.normal(0, 0.05, 5)
        values = 1.0 + users + seeds[:, None] + generator.normal(0, 0.1, (5, 200))
        told = over_seeds(values, generator=generator, resamples=300).interval
        covered += told.low <= 1.0 <= told.high
        alone = bootstrap(values[0], generator=generator, resamples=300)
        users_alone += alone.low <= 1.0 <= alone.high
    # Five seeds are few for a percentile; one seed's interval over users does not know that seeds differ.
    assert 0.87 <= covered / rounds <= 0.98
    assert users_alone / rounds < 0.75


def test_its_width_is_that_of_both_sources_together() -> None:
    generator = np.random.default_rng(5)
    seeds = np.array([-0.1, 0.0, 0.1])
    values = seeds[:, None] + generator.normal(0, 0.5, 400)  # every seed errs alike on a user
    told = over_seeds(values, generator=generator, resamples=4000)
    assert told.std == pytest.approx(0.1) and told.users == 400
    assert told.means - told.means.mean() == pytest.approx(seeds)
    by_hand = math.sqrt(0.1**2 / 3 + values[0].var() / 400)
    assert (told.interval.high - told.interval.low) / (2 * 1.96) == pytest.approx(by_hand, rel=0.1)


def test_one_seed_gives_the_interval_over_users() -> None:
    values = np.array([[0.5, np.nan, 1.0, 0.0]])
    told = over_seeds(values, generator=np.random.default_rng(1))
    assert told.interval == bootstrap(values[0], generator=np.random.default_rng(1))
    assert math.isnan(told.std) and told.users == 3
    nobody = over_seeds(np.full((2, 1), np.nan), generator=np.random.default_rng(1))
    assert nobody.users == 0 and math.isnan(nobody.interval.mean)
    with pytest.raises(DataError, match=r"by seed are an array \[S, U\], got shape \(3,\)"):
        over_seeds(np.ones(3), generator=np.random.default_rng(1))
