"""Curves and reliability, by hand."""

import numpy as np
import pytest

from enterprise_recsys.evaluation.detail import CURVES, best_order, curves_of
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
