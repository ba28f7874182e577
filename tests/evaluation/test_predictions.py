"""Metrics of predictions: by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics
from sklearn.calibration import calibration_curve

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.metrics import PREDICTION_METRICS
from enterprise_recsys.evaluation.predictions import reliability

ECE, ECE_WIDTH = PREDICTION_METRICS["ECE"], PREDICTION_METRICS["ECE_width"]
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


def test_random_cases_agree_with_scikit_learn() -> None:
    generator = np.random.default_rng(2)
    for _ in range(200):
        size = int(generator.integers(2, 40))
        labels = generator.integers(0, 2, size).astype(float)
        labels[:2] = 0, 1
        # Many ties, some exact 0 and 1, sometimes nothing but one value.
        predictions = np.round(generator.random(size), int(generator.integers(0, 4)))
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


def test_thousands_of_cases_full_of_ties_agree_with_all_pairs() -> None:
    generator = np.random.default_rng(3)
    for _ in range(3000):
        size = int(generator.integers(2, 30))
        labels = generator.integers(0, 2, size).astype(float)
        predictions = generator.integers(0, int(generator.integers(1, 8)), size) / 7.0
        apart = predictions[labels == 1][:, None] - predictions[labels == 0][None, :]
        expected = ((apart > 0) + 0.5 * (apart == 0)).mean() if apart.size else math.nan
        assert AUC(labels, predictions) == pytest.approx(expected, nan_ok=True)


def test_calibration_worked_out_by_hand() -> None:
    # Promised 0.2 four times and kept once, promised 0.9 twice and kept once.
    labels, predictions = np.array([1.0, 0, 0, 0, 1, 0]), np.array([0.2, 0.2, 0.2, 0.2, 0.9, 0.9])
    expected = 4 / 6 * 0.05 + 2 / 6 * 0.4
    assert ECE(labels, predictions) == pytest.approx(expected)
    assert ECE_WIDTH(labels, predictions) == pytest.approx(expected)


def test_equal_predictions_share_a_bin_whatever_their_order() -> None:
    generator = np.random.default_rng(4)
    labels, predictions = generator.integers(0, 2, 400).astype(float), np.round(generator.random(400), 1)
    curve = reliability(labels, predictions, bins=40)
    assert curve.predicted.tolist() == pytest.approx(np.unique(predictions).tolist())
    order = generator.permutation(400)
    assert ECE(labels[order], predictions[order]) == pytest.approx(ECE(labels, predictions))


def test_what_was_drawn_as_promised_is_calibrated_and_squared_is_not() -> None:
    generator = np.random.default_rng(6)
    promised = generator.random(60_000)
    labels = (generator.random(60_000) < promised).astype(float)
    assert ECE(labels, promised) < 0.01 and ECE_WIDTH(labels, promised) < 0.01
    # |p^2 - p| has the mean 1/6 over even p.
    assert ECE(labels, promised**2) == pytest.approx(1 / 6, abs=0.01)


@pytest.mark.parametrize(("by", "strategy"), [("mass", "quantile"), ("width", "uniform")])
def test_the_curve_agrees_with_scikit_learn(by: str, strategy: str) -> None:
    generator = np.random.default_rng(9)
    for _ in range(50):
        size, bins = int(generator.integers(30, 300)) * 10 + 1, 10
        predictions = generator.random(size) ** 2
        labels = (generator.random(size) < predictions).astype(float)
        curve = reliability(labels, predictions, bins=bins, by=by)
        observed, predicted = calibration_curve(labels, predictions, n_bins=bins, strategy=strategy)
        # On the cut itself scikit-learn takes the lower bin and we the upper one: at most one event a bin.
        slack = 1e-9 if by == "width" else 2.5 * bins / size
        assert curve.observed == pytest.approx(observed, abs=slack)
        assert curve.predicted == pytest.approx(predicted, abs=slack)
        assert curve.counts.sum() == size
        error = curve.counts @ np.abs(curve.predicted - curve.observed) / size
        assert {"mass": ECE, "width": ECE_WIDTH}[by](labels, predictions) == pytest.approx(error, abs=0.1)


def test_bins_of_equal_mass_hold_as_many_events() -> None:
    predictions = np.random.default_rng(1).random(1000)
    assert reliability(predictions.round(), predictions, bins=10).counts.tolist() == [100] * 10
    assert reliability(predictions.round(), predictions, bins=1, by="width").counts.tolist() == [1000]


def test_a_wrong_curve_is_refused() -> None:
    with pytest.raises(ConfigError, match="bins=0, by='mass' is unknown; take 1 bin or more"):
        reliability(np.ones(2), np.ones(2), bins=0)
    with pytest.raises(ConfigError, match="by='size' is unknown; .* by 'mass' or by 'width'"):
        reliability(np.ones(2), np.ones(2), by="size")
    with pytest.raises(DataError, match="a reliability curve needs probabilities from 0 to 1, got -1 to 2"):
        reliability(np.ones(2), np.array([-1.0, 2.0]))
