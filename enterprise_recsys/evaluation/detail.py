"""What a report shows beyond the figures: each metric at every k, and whether probabilities come true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from enterprise_recsys.evaluation.metrics import USER_METRICS, Judged
from enterprise_recsys.evaluation.report import Evaluation
from enterprise_recsys.evaluation.truth import Truth, judge
from enterprise_recsys.records import Doubles, Ints

CURVES = ("NDCG", "Recall", "HR", "Precision")
"""Names in USER_METRICS that are drawn over k."""


@dataclass(frozen=True)
class Bin:
    """Predictions of about the same height, beside what came true.

    Attributes:
        predicted: their mean, 0 to 1.
        observed: share of them that came true, 0 to 1.
        count: how many there are.
    """

    predicted: float
    observed: float
    count: int


@dataclass(frozen=True)
class Detail:
    """An evaluation with what its report draws.

    Attributes:
        evaluation: all figures.
        curves: metric -> system -> its mean over users at k = 1, 2, ...; empty where no depth was asked for.
        reliability: bins of the CTR head's predictions, in rising order; empty where nothing was predicted.
        uncalibrated: the same of the network's own probabilities, before calibration.
    """

    evaluation: Evaluation
    curves: Mapping[str, Mapping[str, Sequence[float]]] = field(default_factory=dict)
    reliability: Sequence[Bin] = ()
    uncalibrated: Sequence[Bin] = ()


def curves_of(lists: Mapping[str, Ints], truth: Truth, *, depth: int) -> dict[str, dict[str, list[float]]]:
    """Each of CURVES at k = 1 to depth: metric -> system -> [depth] mean over users with a relevant item.

    Args:
        lists: system -> [U, K] rows, best first, K = depth or more.
        truth: the relevant items of each user.
        depth: the largest k, 1 or more.
    """
    result: dict[str, dict[str, list[float]]] = {metric: {} for metric in CURVES}
    users = np.flatnonzero(truth.counts)
    for system, rows in lists.items():
        judged = judge(rows[users], users, truth, depth=depth)
        for metric, curve in result.items():
            curve[system] = [_mean(USER_METRICS[metric](judged, k=k)) for k in range(1, depth + 1)]
    return result


def best_order(judged: Judged) -> Judged:
    """The same candidates, the relevant ones first: what no ranker can better."""
    return Judged(-np.sort(-judged.grades, axis=1), judged.ideal, judged.counts)


def _mean(values: Doubles) -> float:
    return float(values.mean()) if len(values) else float("nan")
