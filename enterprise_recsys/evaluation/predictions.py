"""Metrics of predictions: numbers beside what came true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import Bools, Doubles, Floats, Ints

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
    _check_probabilities(predictions, "log loss")
    tiny = float(np.finfo(np.float64).eps)
    probable = np.clip(predictions, tiny, 1.0 - tiny)
    return _mean(-np.log(np.where(positive, probable, 1.0 - probable)))


@dataclass(frozen=True)
class Reliability:
    """How often it happened where so much was promised: events gathered into bins of like predictions.

    A plot of `observed` against `predicted` lies on the diagonal where the predictions can be taken at their word.

    Attributes:
        predicted: [M] mean prediction of each bin, rising; bins without events are left out.
        observed: [M] share of positives of each bin.
        counts: [M] events of each bin.
    """

    predicted: Doubles
    observed: Doubles
    counts: Ints


def reliability(labels: Numbers, predictions: Numbers, *, bins: int = 15, by: str = "mass") -> Reliability:
    """Gather events into bins of like predictions: the reliability curve.

    Args:
        labels: [R] 0 or 1.
        predictions: [R] probabilities.
        bins: at most so many, 1 or more.
        by: "mass": bins of as many events each, cut between different predictions, so that equal ones stay together;
            "width": bins [0, 1/bins), ... of equal width, the last one with 1.

    Raises:
        ConfigError: `bins` or `by` is not one of those.
        DataError: a label is not 0 or 1, or a prediction is not a probability.

    Source: Niculescu-Mizil and Caruana, ICML 2005, doi:10.1145/1102351.1102430 (reliability diagrams).
    """
    labels, predictions = _pair(labels, predictions)
    positive = _yes_or_no(labels)
    _check_probabilities(predictions, "a reliability curve")
    if bins < 1 or by not in ("mass", "width"):
        raise ConfigError(f"bins={bins}, by={by!r} is unknown; take 1 bin or more, by 'mass' or by 'width'.")
    if by == "mass":
        edges = np.sort(predictions)[np.arange(1, bins) * len(predictions) // bins] if len(predictions) else np.empty(0)
        place = np.searchsorted(edges, predictions, side="right")
    else:
        place = np.minimum((predictions * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    filled = counts > 0
    predicted = np.bincount(place, predictions, minlength=bins)[filled] / counts[filled]
    observed = np.bincount(place, positive, minlength=bins)[filled] / counts[filled]
    return Reliability(predicted, observed, counts[filled].astype(np.int64))


def calibration_error(labels: Numbers, predictions: Numbers) -> float:
    """ECE over 15 bins of equal mass: mean over events of |mean prediction - share of positives| of their bin.

    ECE = sum over bins of count / R * |predicted - observed|; 0 is best. Bins of few events bias it upward.

    Source: Naeini, Cooper and Hauskrecht, AAAI 2015, doi:10.1609/aaai.v29i1.9602, with the bins of equal mass that
    Roelofs et al., AISTATS 2022 (arXiv:2012.08668), find the less biased.
    """
    return _error_of(reliability(labels, predictions, by="mass"))


def calibration_error_by_width(labels: Numbers, predictions: Numbers) -> float:
    """ECE over 15 bins of equal width, the form most often published; see `calibration_error`.

    With rare positives nearly all events share the first bin, so it may look better than it is.

    Source: Guo et al., ICML 2017, arXiv:1706.04599 (equation 5; 15 bins).
    """
    return _error_of(reliability(labels, predictions, by="width"))


def _error_of(curve: Reliability) -> float:
    if not len(curve.counts):
        return float("nan")
    return float(curve.counts @ np.abs(curve.predicted - curve.observed) / curve.counts.sum())


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


def _check_probabilities(predictions: Doubles, what: str) -> None:
    if len(predictions) and (np.min(predictions) < 0 or np.max(predictions) > 1):
        raise DataError(
            f"{what} needs probabilities from 0 to 1, got {np.min(predictions):g} to {np.max(predictions):g}; "
            "pass them through a sigmoid first."
        )


def _mean(values: Doubles) -> float:
    return float(values.mean()) if len(values) else float("nan")
