"""Intervals of predictions: the weighted figures are the plain ones, and users are drawn, not events."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.metrics import PREDICTION_METRICS
from enterprise_recsys.protocols.measuring import WEIGHTED, intervals, run_rows
from enterprise_recsys.protocols.tasks import Predictions
from tests.protocols.worlds import stars_task


@pytest.mark.parametrize("metric", sorted(WEIGHTED))
def test_an_event_of_weight_2_counts_as_two_events(metric: str) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 80).astype(float)
    predictions = np.round(generator.random(80), 1)  # many ties
    weights = generator.integers(0, 4, 80)
    repeated = np.repeat(np.arange(80), weights)
    wanted = PREDICTION_METRICS[metric](labels[repeated], predictions[repeated])
    assert np.isclose(WEIGHTED[metric](labels, predictions)(weights.astype(float)), wanted)


def test_the_table_has_every_metric_of_predictions_that_protocols_use() -> None:
    from enterprise_recsys.protocols.predictors import HIGHER

    assert set(WEIGHTED) == set(HIGHER) <= set(PREDICTION_METRICS)


def test_alike_events_of_one_user_widen_the_interval() -> None:
    generator = np.random.default_rng(1)
    level = np.repeat(generator.normal(0, 1, 50), 40)  # each user's errors are alike
    labels, predictions = np.zeros(2000), level + generator.normal(0, 0.1, 2000)
    grouped = intervals(labels, predictions, pl.Series(np.repeat(np.arange(50), 40)), ("RMSE",), 0)["RMSE"]
    single = intervals(labels, predictions, pl.Series(np.arange(2000)), ("RMSE",), 0)["RMSE"]
    assert grouped[1] - grouped[0] > 4 * (single[1] - single[0])
    rmse = float(np.sqrt(np.mean(predictions**2)))
    assert grouped[0] < rmse < grouped[1] and single[0] < rmse < single[1]


def test_a_system_that_gives_another_number_of_predictions_is_told() -> None:
    def short(task, *, metric, seed, trials, dials) -> Predictions:
        return Predictions(np.zeros(3))

    with pytest.raises(DataError, match=r"predicts each of the 240 events of test, got shape \(3,\)"):
        run_rows(stars_task(None), short, ("RMSE",), seed=0, trials=0, dials={})
