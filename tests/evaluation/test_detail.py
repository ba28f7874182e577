"""Curves and reliability, by hand."""

import numpy as np
import pytest

from enterprise_recsys.evaluation.detail import CURVES, Bin, best_order, curves_of, reliability_of
from enterprise_recsys.evaluation.metrics import ndcg
from enterprise_recsys.evaluation.truth import Truth, judge


def test_a_curve_holds_the_metric_at_every_k() -> None:
    truth = Truth.of(np.array([0, 0, 1]), np.array([1, 2, 3]), n_users=3)
    curves = curves_of({"ours": np.array([[1, 9, 2], [9, 9, 3], [7, 7, 7]])}, truth, depth=3)
    assert list(curves) == list(CURVES)
    assert curves["Recall"]["ours"] == [0.25, 0.25, 1.0]
    assert curves["HR"]["ours"] == [0.5, 0.5, 1.0]
    assert curves["Precision"]["ours"] == pytest.approx([0.5, 0.25, 0.5])


def test_the_best_order_puts_the_highest_grades_first() -> None:
    truth = Truth.of(np.array([0, 0, 0]), np.array([1, 2, 3]), np.array([1.0, 3.0, 2.0]), n_users=1)
    judged = judge(np.array([[1, 9, 2]]), np.array([0]), truth, depth=3)
    assert best_order(judged).grades.tolist() == [[3.0, 1.0, 0.0]]
    assert ndcg(judged, k=3) < ndcg(best_order(judged), k=3) < 1.0


def test_a_bin_holds_equally_many_predictions() -> None:
    labels = np.array([False, False, True, True])
    assert reliability_of(labels, np.array([0.4, 0.1, 0.3, 0.8]), bins=2) == [
        Bin(pytest.approx(0.2), 0.5, 2),
        Bin(pytest.approx(0.6), 0.5, 2),
    ]
    assert reliability_of(np.array([], bool), np.array([])) == []


def test_equal_predictions_stay_in_one_bin() -> None:
    found = reliability_of(np.arange(100) < 30, np.repeat([0.1, 0.9], [70, 30]), bins=10)
    assert [(one.predicted, one.count) for one in found] == [(pytest.approx(0.1), 70), (pytest.approx(0.9), 30)]


def test_probabilities_that_come_true_lie_on_the_diagonal() -> None:
    generator = np.random.default_rng(0)
    told = generator.beta(1, 20, 200_000)
    for one in reliability_of(generator.uniform(size=len(told)) < told, told):
        assert one.observed == pytest.approx(one.predicted, abs=0.005)
