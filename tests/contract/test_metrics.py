"""Whatever stands in a table of metrics keeps what the table promises."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from enterprise_recsys.data.guards import GUARDS
from enterprise_recsys.evaluation.metrics import (
    LIST_METRICS,
    PREDICTION_METRICS,
    SURPRISE_METRICS,
    USER_METRICS,
    Catalogue,
)
from enterprise_recsys.evaluation.truth import Truth, judge


@pytest.mark.parametrize("name", USER_METRICS)
def test_a_metric_of_one_user_keeps_the_contract(name: str) -> None:
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 30, (80, 12))
    truth = Truth.of(
        generator.integers(0, 70, 300),
        generator.integers(0, 30, 300),
        generator.integers(1, 6, 300).astype(float),
        n_users=80,
    )
    judged = judge(rows, np.arange(80), truth, depth=12)
    before = judged.grades.copy()
    for k in (1, 5, 12):
        values = USER_METRICS[name](judged, k=k)
        assert values.shape == (80,) and values.dtype == np.float64
        assert np.array_equal(np.isnan(values), truth.counts == 0)
        assert np.nanmin(values) >= 0 and np.nanmax(values) <= 1 + 1e-12
        assert np.array_equal(values, USER_METRICS[name](judged, k=k), equal_nan=True)
    assert np.array_equal(judged.grades, before)


@pytest.mark.parametrize("name", USER_METRICS)
def test_a_hit_never_hurts_and_an_empty_list_is_worth_nothing(name: str) -> None:
    truth = Truth.of(np.zeros(3, int), np.array([4, 5, 6]), n_users=1)

    def value(*row: int) -> float:
        return float(USER_METRICS[name](judge(np.array([row]), np.array([0]), truth, depth=4), k=4)[0])

    assert value(0, 0, 0, 0) == value(7, 8, 9, 0) == 0.0
    assert value(4, 8, 9, 0) > 0
    assert value(4, 5, 9, 0) >= value(4, 8, 9, 0)
    assert value(4, 8, 9, 0) >= value(8, 9, 4, 0)  # earlier is no worse
    assert value(4, 4, 4, 0) == value(4, 0, 0, 0)  # repetitions are worth nothing


@pytest.mark.parametrize("name", USER_METRICS)
def test_a_metric_of_one_user_takes_no_users(name: str) -> None:
    truth = Truth.of(np.zeros(1, int), np.ones(1, int), n_users=1)
    assert USER_METRICS[name](judge(np.empty((0, 3), int), np.empty(0, int), truth, depth=3), k=3).shape == (0,)


@pytest.mark.parametrize("name", LIST_METRICS)
def test_a_metric_of_lists_keeps_the_contract(name: str) -> None:
    generator = np.random.default_rng(1)
    catalogue = Catalogue(
        20,
        generator.random((20, 4)).astype(np.float32),
        generator.integers(0, 9, (20, 3)),
        generator.integers(0, 9, 20).astype(float),
    )
    rows = generator.integers(0, 20, (30, 5))
    value = LIST_METRICS[name](rows, catalogue)
    assert type(value) is float and value > 0
    assert value <= 1 or name == "Novelty"  # in bits, without a bound
    assert LIST_METRICS[name](rows[::-1], catalogue) == pytest.approx(value)
    assert LIST_METRICS[name](rows[:, ::-1], catalogue) == pytest.approx(value)
    nothing = LIST_METRICS[name](np.zeros((0, 5), int), catalogue)
    assert nothing == 0 or math.isnan(nothing)
    bare = LIST_METRICS[name](rows, Catalogue(20))
    assert math.isnan(bare) or bare == value  # what the catalogue does not know is not guessed


@pytest.mark.parametrize("name", SURPRISE_METRICS)
def test_a_metric_of_surprise_keeps_the_contract(name: str) -> None:
    generator = np.random.default_rng(0)
    rows, expected = generator.integers(0, 30, (80, 12)), generator.integers(0, 30, (80, 15))
    truth = Truth.of(generator.integers(0, 70, 300), generator.integers(0, 30, 300), n_users=80)
    judged = judge(rows, np.arange(80), truth, depth=12)
    for k in (1, 5, 12):
        values = SURPRISE_METRICS[name](judged, rows, expected, k=k)
        assert values.shape == (80,) and values.dtype == np.float64
        assert np.array_equal(np.isnan(values), truth.counts == 0)
        assert np.nanmin(values) >= 0 and np.nanmax(values) <= 1
        assert np.nanmax(SURPRISE_METRICS[name](judged, rows, rows, k=k)) == 0.0  # what was expected surprises nobody


@pytest.mark.parametrize("name", PREDICTION_METRICS)
def test_a_metric_of_predictions_keeps_the_contract(name: str) -> None:
    generator = np.random.default_rng(2)
    labels, predictions = generator.integers(0, 2, 50).astype(float), generator.random(50)
    value = PREDICTION_METRICS[name](labels, predictions)
    order = generator.permutation(50)
    assert type(value) is float and value >= 0
    assert PREDICTION_METRICS[name](labels[order], predictions[order]) == pytest.approx(value)
    perfect = PREDICTION_METRICS[name](labels, labels)
    assert perfect == pytest.approx(1.0 if name == "AUC" else 0.0, abs=1e-12)


def test_every_metric_is_described_in_the_reference() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "reference.md").read_text()
    tables = (USER_METRICS, SURPRISE_METRICS, LIST_METRICS, PREDICTION_METRICS)
    assert [name for table in tables for name in table if not re.search(rf"\b{name}\b", page)] == []
    assert [name for name in GUARDS if f"- `{name}`: " not in page] == []
