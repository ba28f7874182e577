"""Metrics of predictions: by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.metrics import PREDICTION_METRICS

AUC, LOG_LOSS, RMSE, MAE = (PREDICTION_METRICS[name] for name in ("AUC", "LogLoss", "RMSE", "MAE"))


def test_the_figures_worked_out_by_hand() -> None:
    labels = np.array([1.0, 0.0, 1.0, 0.0])
    assert AUC(labels, np.array([0.9, 0.8, 0.8, 0.1])) == pytest.approx(3.5 / 4)  # one tie, counted half
    assert LOG_LOSS(labels, np.full(4, 0.5)) == pytest.approx(math.log(2))
    assert RMSE(np.array([1.0, 5.0]), np.array([4.0, 1.0])) == pytest.approx(math.sqrt((9 + 16) / 2))
    assert MAE(np.array([1.0, 5.0]), np.array([4.0, 1.0])) == pytest.approx(3.5)


def test_a_sure_mistake_costs_thirty_six_nats() -> None:
    assert LOG_LOSS(np.array([1.0]), np.array([0.0])) == pytest.approx(-math.log(2.220446049250313e-16))
    assert LOG_LOSS(np.array([1.0]), np.array([1.0])) == pytest.approx(0.0, abs=1e-12)


def test_one_class_has_no_auc() -> None:
    assert math.isnan(AUC(np.ones(3), np.arange(3.0)))
    assert math.isnan(AUC(np.zeros(3), np.arange(3.0)))


def test_no_events_have_no_figure() -> None:
    for metric in PREDICTION_METRICS.values():
        assert math.isnan(metric(np.empty(0), np.empty(0)))


def test_hundreds_of_random_cases_agree_with_scikit_learn() -> None:
    generator = np.random.default_rng(2)
    for _ in range(500):
        size = int(generator.integers(2, 40))
        labels = generator.integers(0, 2, size).astype(float)
        labels[:2] = 0, 1
        predictions = np.round(generator.random(size), int(generator.integers(1, 4)))  # many ties, some exact 0 and 1
        assert AUC(labels, predictions) == pytest.approx(sklearn_metrics.roc_auc_score(labels, predictions))
        assert LOG_LOSS(labels, predictions) == pytest.approx(sklearn_metrics.log_loss(labels, predictions))
        assert RMSE(labels, predictions) ** 2 == pytest.approx(sklearn_metrics.mean_squared_error(labels, predictions))
        assert MAE(labels, predictions) == pytest.approx(sklearn_metrics.mean_absolute_error(labels, predictions))


def test_single_precision_is_measured_in_double() -> None:
    predictions = np.array([0.1, 0.9], np.float32)
    assert LOG_LOSS(np.array([0, 1], np.float32), predictions) == pytest.approx(-math.log(0.9), rel=1e-6)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DataError, match=r"two arrays \[R\], got shapes \(2,\) and \(3,\)"):
        RMSE(np.zeros(2), np.zeros(3))
    with pytest.raises(DataError, match="got NaN or infinity; leave those events out"):
        MAE(np.zeros(1), np.array([np.nan]))
    with pytest.raises(DataError, match="labels of this metric are 0 or 1, got 4; compare ratings with a threshold"):
        AUC(np.array([0.0, 4.0]), np.zeros(2))
    with pytest.raises(DataError, match="probabilities from 0 to 1, got -1.5 to 2; pass them through a sigmoid"):
        LOG_LOSS(np.array([0.0, 1.0]), np.array([-1.5, 2.0]))
