"""Metrics of predictions: numbers beside what came true."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.errors import DataError
from enterprise_recsys.records import Bools, Doubles, Floats

Numbers = Floats | Doubles
"""Of either precision; measured in double."""


def area_under_curve(labels: Numbers, predictions: Numbers) -> float:
    """Chance that a positive stands above a negative; a tie counts half. NaN unless there are both.

    AUC = (sum of the positives' average ranks - P (P + 1) / 2) / (P N), with P positives and N negatives.
    Labels are 0 or 1; predictions may have any scale.

    Source: Hanley and McNeil, Radiology 1982, doi:10.1148/radiology.143.1.7063747.
    """
    labels, predictions = _pair(labels, predictions)
    positive = _yes_or_no(labels)
    _, places, ties = np.unique(predictions, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2.0)[places.reshape(-1)]  # [R] average rank, from 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        return float("nan")
    return float((ranks[positive].sum() - n_positive * (n_positive + 1) / 2.0) / (n_positive * n_negative))


def log_loss(labels: Numbers, predictions: Numbers) -> float:
    """Mean of -log of the probability that was given to what happened, in nats; 0 is best.

    Labels are 0 or 1. Probabilities of 0 and 1 are moved by 2.2e-16, as scikit-learn does, so that one sure mistake
    costs 36 nats and not infinity.

    Raises:
        DataError: a prediction is not a probability.
    """
    labels, predictions = _pair(labels, predictions)
    positive = _yes_or_no(labels)
    if len(predictions) and (np.min(predictions) < 0 or np.max(predictions) > 1):
        raise DataError(
            f"log loss needs probabilities from 0 to 1, got {np.min(predictions):g} to {np.max(predictions):g}; "
            "pass them through a sigmoid first."
        )
    tiny = float(np.finfo(np.float64).eps)
    probable = np.clip(predictions, tiny, 1.0 - tiny)
    return _mean(-np.log(np.where(positive, probable, 1.0 - probable)))


def root_mean_squared_error(labels: Numbers, predictions: Numbers) -> float:
    """Root of the mean squared difference, in the unit of the labels; 0 is best."""
    return float(np.sqrt(_mean(np.square(np.subtract(*_pair(labels, predictions))))))


def mean_absolute_error(labels: Numbers, predictions: Numbers) -> float:
    """Mean absolute difference, in the unit of the labels; 0 is best."""
    return _mean(np.abs(np.subtract(*_pair(labels, predictions))))


def _pair(labels: Numbers, predictions: Numbers) -> tuple[Doubles, Doubles]:
    first, second = np.asarray(labels, np.float64), np.asarray(predictions, np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError(f"labels and predictions are two arrays [R], got shapes {first.shape} and {second.shape}.")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("labels and predictions are finite numbers, got NaN or infinity; leave those events out.")
    return first, second


def _yes_or_no(labels: Doubles) -> Bools:
    wrong = labels[(labels != 0) & (labels != 1)]
    if len(wrong):
        raise DataError(f"labels of this metric are 0 or 1, got {wrong[0]:g}; compare ratings with a threshold first.")
    return np.asarray(labels == 1, np.bool_)


def _mean(values: Doubles) -> float:
    return float(values.mean()) if len(values) else float("nan")
