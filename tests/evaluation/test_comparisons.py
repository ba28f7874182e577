"""Tests keep their level, find what is there, and are corrected for their number."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation import comparisons
from enterprise_recsys.evaluation.comparisons import holm, sign_flip, sign_flips


def test_few_users_are_counted_out_exactly() -> None:
    generator = np.random.default_rng(0)
    # Three differences of one sign: of 8 turns only all and none are as far out.
    assert sign_flip(np.array([1.0, 2, 3]), np.zeros(3), generator=generator) == 2 / 8
    # A user without a difference changes nothing, one without a figure is left out.
    assert sign_flip(np.array([1.0, 2, 3, 5, np.nan]), np.array([0.0, 0, 0, 5, 1]), generator=generator) == 2 / 8
    assert sign_flip(np.ones(4), np.ones(4), generator=generator) == 1.0
    assert math.isnan(sign_flip(np.array([np.nan]), np.ones(1), generator=generator))


def test_it_agrees_with_scipys_permutation_test_and_with_t() -> None:
    generator = np.random.default_rng(1)
    for shift in (0.0, 0.1, 0.25):
        first, second = generator.exponential(1.0, 150) + shift, generator.exponential(1.0, 150)
        ours = sign_flip(first, second, generator=generator, flips=20_000)
        theirs = stats.permutation_test(
            (first, second),
            lambda a, b, axis: (a - b).mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=5000,
            rng=2,
        )
        assert ours == pytest.approx(theirs.pvalue, abs=0.02)
        assert ours == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.02)


@pytest.mark.parametrize("users", [8, 40])
def test_between_equal_systems_a_false_alarm_is_as_rare_as_it_says(users: int) -> None:
    generator = np.random.default_rng(3)
    chances = [
        sign_flip(generator.exponential(1.0, users), generator.exponential(1.0, users), generator=generator, flips=400)
        for _ in range(600)
    ]
    assert 0.03 <= np.mean(np.array(chances) <= 0.05) <= 0.07
    assert np.mean(chances) == pytest.approx(0.5, abs=0.05)


def test_the_chunks_do_not_change_the_kind_of_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparisons, "CELLS", 999)
    generator = np.random.default_rng(5)
    first, second = generator.random(60) + 0.1, generator.random(60)
    ours = sign_flip(first, second, generator=generator, flips=9000)
    assert ours == pytest.approx(stats.ttest_rel(first, second).pvalue, abs=0.02)


def test_holm_worked_out_by_hand() -> None:
    # Of 0.01, 0.02, 0.03, 0.9: times 4, 3, 2, 1, never falling.
    assert holm(np.array([0.9, 0.02, 0.01, 0.03])).tolist() == pytest.approx([0.9, 0.06, 0.04, 0.06])
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]
    assert holm(np.array([0.01, np.nan, 0.04])).tolist() == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert holm(np.empty(0)).tolist() == []


def test_many_columns_are_tested_as_each_by_itself() -> None:
    generator = np.random.default_rng(4)
    differences = generator.normal([0.0, 0.1, 0.25, 0.5], 1.0, (150, 4))
    differences[9:, 3] = 0.0  # nine users: counted out
    together = sign_flips(differences, generator=generator, flips=20_000)
    alone = [sign_flip(column, np.zeros(150), generator=generator, flips=20_000) for column in differences.T]
    assert together.tolist() == pytest.approx(alone, abs=0.01)
    assert together[3] == alone[3] and (together[3] * 2**9) % 1 == 0
    assert np.isnan(sign_flips(np.empty((0, 2)), generator=generator)).all()


def test_what_cannot_be_compared_is_refused() -> None:
    generator = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="flips=10 is too few for a test; take 100 or more"):
        sign_flip(np.ones(3), np.ones(3), generator=generator, flips=10)
    with pytest.raises(DataError, match=r"same users, \[U\] twice, got \(3,\) and \(2,\); measure both on one truth"):
        sign_flip(np.ones(3), np.ones(2), generator=generator)
