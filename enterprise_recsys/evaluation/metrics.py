"""What is measured, in four tables: of one user's list, of its surprise, of all lists together, of predictions.

One signature for each table:

- `USER_METRICS`: `(judged, *, k) -> [B]`, with `judged = judge(rows [B, K], users [B], truth, depth=K)` and k from 1 to
  K, so that all metrics at all k share one look-up; the functions stand in this file.
- `SURPRISE_METRICS`: `(judged, rows [B, K], expected [B, K'], *, k) -> [B]`, expected = what needs no model.
- `LIST_METRICS`: `(rows [U, K], catalogue) -> number`; the functions stand in `lists.py` and `exposure.py`.
- `PREDICTION_METRICS`: `(labels [R], predictions [R]) -> number`; the functions stand in `predictions.py`.

Conventions that other libraries take otherwise, and that move figures by tens of percent:

- A user without relevant items has no figure: NaN, and left out of means.
- Empty places and repetitions are misses; an item counts once, at its first place.
- Recall and MAP divide by all relevant items; `Recall_min` and `MAP_min` by min(k, relevant).
- NDCG's ideal is the best list of k places that this user's own truth allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.evaluation.exposure import average_popularity, gini, novelty, popularity_percentile
from enterprise_recsys.evaluation.lists import Catalogue as Catalogue
from enterprise_recsys.evaluation.lists import coverage, diversity, feature_diversity
from enterprise_recsys.evaluation.predictions import (
    Numbers,
    area_under_curve,
    calibration_error,
    calibration_error_by_width,
    log_loss,
    mean_absolute_error,
    root_mean_squared_error,
)

# Re-exported, since whoever calls a metric needs its arguments too.
from enterprise_recsys.evaluation.truth import Judged as Judged
from enterprise_recsys.evaluation.truth import Truth as Truth
from enterprise_recsys.evaluation.truth import judge as judge
from enterprise_recsys.records import Bools, Doubles, Ints


def hit_rate(judged: Judged, *, k: int) -> Doubles:
    """1 if at least one of the first k places is relevant, else 0.

    Source: "HR@k" of He et al., WWW 2017, doi:10.1145/3038912.3052569 (there with one target a user); `Success@k` of
    trec_eval.
    """
    return _of_users(judged, np.asarray(_hits(judged, k).any(axis=1), dtype=np.float64))


def recall(judged: Judged, *, k: int) -> Doubles:
    """Hits in the first k places / all relevant items; below 1 for a user with more than k of them.

    Source: `recall_k` of trec_eval; LightGCN (doi:10.1145/3397271.3401063) divides so too.
    """
    return _ratio(_hits(judged, k).sum(axis=1), judged.counts)


def recall_min(judged: Judged, *, k: int) -> Doubles:
    """Hits in the first k places / min(k, relevant items); a perfect list always gives 1.

    Source: Liang et al., WWW 2018 (Mult-VAE), doi:10.1145/3178876.3186150.
    """
    return _ratio(_hits(judged, k).sum(axis=1), np.minimum(judged.counts, k))


def precision(judged: Judged, *, k: int) -> Doubles:
    """Hits in the first k places / k, also when the list is shorter than k. Source: `P_k` of trec_eval."""
    return _of_users(judged, np.asarray(_hits(judged, k).sum(axis=1) / k, dtype=np.float64))


def ndcg(judged: Judged, *, k: int) -> Doubles:
    """Discounted gain of the list / that of the best list of k places.

    DCG = sum over places i = 1..k of (2^grade - 1) / log2(i + 1); ideal: the user's own grades, falling, cut at k. For
    grades of 1 it is the usual binary NDCG. Lists are ordered, so there are no ties.

    Source: Burges et al., ICML 2005, doi:10.1145/1102351.1102363. Jarvelin and Kekalainen, TOIS 2002,
    doi:10.1145/582415.582418, take the grade itself as the gain.
    """
    _check_depth(judged, k)
    discounts = 1.0 / np.log2(np.arange(k) + 2.0)
    reached = np.exp2(judged.grades[:, :k]) - 1.0
    best = np.exp2(judged.ideal[:, :k]) - 1.0
    return _ratio(reached @ discounts, best @ discounts)


def average_precision(judged: Judged, *, k: int) -> Doubles:
    """Sum of the precision at each hit's place, for hits in the first k places / all relevant items.

    Source: `map_cut_k` of trec_eval.
    """
    return _ratio(_summed_precision(judged, k), judged.counts)


def average_precision_min(judged: Judged, *, k: int) -> Doubles:
    """Sum of the precision at each hit's place, for hits in the first k places / min(k, relevant items).

    Source: `map_at_k` of the Microsoft Recommenders, which divides so.
    """
    return _ratio(_summed_precision(judged, k), np.minimum(judged.counts, k))


def reciprocal_rank(judged: Judged, *, k: int) -> Doubles:
    """1 / the place (from 1) of the first hit; 0 if there is none in the first k. Source: `RR@k` of ir_measures."""
    hits = _hits(judged, k)
    return _of_users(judged, np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1.0), 0.0))


def serendipity(judged: Judged, rows: Ints, expected: Ints, *, k: int) -> Doubles:
    """Relevant items in the first k places that are not in the first k of an expected list / k.

    Args:
        judged: the lists as graded; a user without relevant items has no figure.
        rows: [B, K] the lists themselves.
        expected: [B, K'] what a primitive method gives each user, such as the popularity list; 0 = empty place.
        k: places that count, of both lists.

    Source: Ge, Delgado-Battenfeld and Jannach, RecSys 2010, doi:10.1145/1864708.1864761: useful and not given by the
    primitive method. We divide by k, as precision does, so that it is the part of precision that needs a model.
    """
    hits = _hits(judged, k)
    known = (rows[:, :k, None] == expected[:, None, :k]).any(axis=2)
    return _of_users(judged, np.asarray((hits & ~known).sum(axis=1) / k, dtype=np.float64))


def _summed_precision(judged: Judged, k: int) -> Doubles:
    hits = _hits(judged, k)
    summed: Doubles = (hits * np.cumsum(hits, axis=1) / np.arange(1, k + 1)).sum(axis=1)
    return summed


def _hits(judged: Judged, k: int) -> Bools:
    _check_depth(judged, k)
    return judged.grades[:, :k] > 0


def _check_depth(judged: Judged, k: int) -> None:
    depth = judged.grades.shape[1]
    if not 1 <= k <= depth:
        raise ConfigError(f"k={k} is out of range for lists judged to a depth of {depth}; take 1 to {depth}.")


def _ratio(over: Doubles | Ints, under: Doubles | Ints) -> Doubles:
    """[B] quotient; NaN where the user has nothing to find."""
    return np.where(under > 0, over / np.where(under > 0, under, 1), np.nan)


def _of_users(judged: Judged, values: Doubles) -> Doubles:
    return np.where(judged.counts > 0, values, np.nan)


class UserMetric(Protocol):
    """A metric of one user's list: the lists as judged, and how many places count."""

    def __call__(self, judged: Judged, *, k: int) -> Doubles:
        """[B] the figure of each user."""


USER_METRICS: dict[str, UserMetric] = {
    "HR": hit_rate,
    "Recall": recall,
    "Recall_min": recall_min,
    "Precision": precision,
    "NDCG": ndcg,
    "MAP": average_precision,
    "MAP_min": average_precision_min,
    "MRR": reciprocal_rank,
}


class SurpriseMetric(Protocol):
    """A metric of one user's list beside an expected one."""

    def __call__(self, judged: Judged, rows: Ints, expected: Ints, *, k: int) -> Doubles:
        """[B] the figure of each user."""


SURPRISE_METRICS: dict[str, SurpriseMetric] = {
    "Serendipity": serendipity,
}

LIST_METRICS: dict[str, Callable[[Ints, Catalogue], float]] = {
    "Coverage": coverage,
    "Gini": gini,
    "Novelty": novelty,
    "ARP": average_popularity,
    "PopularityPercentile": popularity_percentile,
    "Diversity": diversity,
    "FeatureDiversity": feature_diversity,
}

PREDICTION_METRICS: dict[str, Callable[[Numbers, Numbers], float]] = {
    "AUC": area_under_curve,
    "LogLoss": log_loss,
    "ECE": calibration_error,
    "ECE_width": calibration_error_by_width,
    "RMSE": root_mean_squared_error,
    "MAE": mean_absolute_error,
}
ERRORS = frozenset({"LogLoss", "ECE", "ECE_width", "RMSE", "MAE"})
"""Metrics of which less is better."""
