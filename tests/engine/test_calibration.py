"""The map from logits to probabilities: known distortions are undone, and no order changes."""

from __future__ import annotations

import numpy as np
import pytest

from enterprise_recsys.engine.calibration import LEAST, Calibration, sigmoid
from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.predictions import area_under_curve, calibration_error


def _events(size: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from true logits."""
    generator = np.random.default_rng(0)
    true = generator.normal(-2.0, 1.5, size)
    return (generator.random(size) < sigmoid(true)).astype(np.float32), true


def test_the_untouched_map_is_the_sigmoid() -> None:
    logits = np.array([-800.0, -3.0, 0.0, 3.0, 800.0])
    assert np.allclose(Calibration().probabilities(logits), [0.0, 0.04742587, 0.5, 0.95257413, 1.0])
    assert np.allclose(Calibration().logits(logits), logits)


def test_by_hand_below_and_above_zero_the_slopes_are_the_two() -> None:
    told = Calibration(low=2.0, high=0.5, shift=1.0).logits(np.array([-50.0, 0.0, 50.0]))
    assert np.allclose(told, [1.0 - 2.0 * 50.0, 1.0 + (0.5 - 2.0) * np.log(2.0), 1.0 + 0.5 * 50.0])


def test_a_scaled_and_shifted_logit_is_undone() -> None:
    labels, true = _events()
    said = 3.0 * true - 4.0
    found = Calibration.of(labels, said)
    assert np.abs(found.probabilities(said) - sigmoid(true)).max() < 0.02
    assert calibration_error(labels, sigmoid(said)) > 0.05
    assert calibration_error(labels, found.probabilities(said)) < 0.004


def test_what_was_downsampled_is_undone() -> None:
    # One negative in five kept: the log-odds of what is left are too high by log 5.
    labels, true = _events()
    kept = (labels == 1) | (np.random.default_rng(1).random(len(labels)) < 0.2)
    of_kept = Calibration.of(labels[kept], true[kept])
    assert of_kept.shift + (of_kept.high - of_kept.low) * np.log(2) == pytest.approx(np.log(5), abs=0.05)
    again = Calibration.of(labels, true + np.log(5.0))
    assert np.abs(again.probabilities(true + np.log(5.0)) - sigmoid(true)).max() < 0.02


def test_it_is_at_least_as_likely_as_the_logistic_map_of_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason="the extra `baselines` is not installed")
    labels, true = _events(20_000)
    said = 0.4 * true + 1.0
    platt = linear.LogisticRegression(C=1e9).fit(said[:, None], labels).predict_proba(said[:, None])[:, 1]
    ours = Calibration.of(labels, said).probabilities(said).astype(np.float64)
    loss = [-np.mean(np.where(labels == 1, np.log(one), np.log1p(-one))) for one in (ours, platt)]
    assert loss[0] <= loss[1] + 1e-4  # ours is pulled towards the untouched map


def test_the_order_stays_even_where_the_labels_speak_against_it() -> None:
    labels, true = _events(5_000)
    found = Calibration.of(labels, -true)
    assert found.low == LEAST or found.high == LEAST
    told = found.logits(-true)
    assert (np.diff(told[np.argsort(-true)]) > 0).all()
    assert area_under_curve(labels, found.logits(-true)) == area_under_curve(labels, -true)


@pytest.mark.parametrize("labels", [[], [0, 0, 0], [1, 1]])
def test_labels_of_one_kind_leave_it_as_it_is(labels: list[int]) -> None:
    assert Calibration.of(np.array(labels), np.arange(len(labels)) - 1.0) == Calibration()


def test_a_few_labels_that_a_line_parts_give_no_certainty() -> None:
    found = Calibration.of(np.array([0, 0, 1, 1]), np.array([-2.0, -1.0, 1.0, 2.0]))
    assert 0.02 < found.probabilities(np.array([-2.0]))[0] < found.probabilities(np.array([2.0]))[0] < 0.98


def test_a_map_that_falls_is_refused() -> None:
    with pytest.raises(DataError, match=r"a calibration rises: low and high are at least 0.001, got low=0.0"):
        Calibration(low=0.0)
    with pytest.raises(DataError, match="a calibration rises"):
        Calibration(shift=float("nan"))
