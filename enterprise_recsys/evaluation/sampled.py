"""Sampled metrics, only for those who must compare with a paper that has them: they do not rank systems rightly."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.records import Bools, Doubles, Floats, Ints

PairScores = Callable[[Ints, Ints], Floats]
"""Positions of users [B] and item rows [B, N] -> score of each pair [B, N], higher is better."""


class SampledMetricWarning(UserWarning):
    """A figure was taken against a sample of the catalogue."""


def sampled_metrics(
    scores: PairScores,
    truth: Truth,
    *,
    n_items: int,
    generator: np.random.Generator,
    negatives: int = 100,
    ks: Sequence[int] = (10,),
    weights: Doubles | None = None,
) -> dict[str, Doubles]:
    """Rank each relevant item among a few drawn ones; the figures say little of the full catalogue.

    With r the place of the relevant item among itself and the negatives, "HR_sampled@k" is whether r <= k and
    "NDCG_sampled@k" is 1 / log2(r + 1) if so, else 0; of several relevant items the mean, each ranked alone. A tie
    with a negative goes against the system, so that equal scores for all are worth nothing. Items of the truth that
    the catalogue does not hold have the last place.

    Args:
        scores: of pairs.
        truth: the relevant items of each user.
        n_items: rows of the item table, row 0 included.
        generator: draws the negatives.
        negatives: drawn for each relevant item, with replacement, never one of the user's own relevant ones.
        ks: lengths, 1 or more.
        weights: [I] chance of each item to be drawn, up to a factor, such as its popularity. None: all alike.

    Returns:
        metric -> [U] figure of each user; NaN for one without relevant items.

    Raises:
        ConfigError: `negatives` or `ks` is out of range.
        DataError: a user's relevant items are the whole catalogue; weights are not [I]; scores have a wrong shape.

    Warns:
        SampledMetricWarning: always.

    Source: He et al., WWW 2017, doi:10.1145/3038912.3052569 (the protocol); Krichene and Rendle, KDD 2020,
    doi:10.1145/3394486.3403226 (why not to use it: it may reverse the order of systems).
    """
    warnings.warn(
        f"metrics against {negatives} sampled negatives can reverse the order of systems (Krichene and Rendle, "
        "KDD 2020); use them only beside a paper that does, and `measure` for everything else.",
        SampledMetricWarning,
        stacklevel=2,
    )
    if negatives < 1 or not ks or min(ks) < 1:
        raise ConfigError(f"negatives={negatives}, ks={tuple(ks)} are out of range; take 1 or more of each.")
    users = np.repeat(np.arange(truth.n_users), truth.counts)
    places = np.full(len(users), float(negatives + 1))
    held = np.flatnonzero((truth.items > 0) & (truth.items < n_items))
    for part in np.split(held, range(8192, len(held), 8192)):
        drawn = _draw(users[part], truth, n_items, generator, negatives, weights)
        told = scores(users[part], np.column_stack([truth.items[part], drawn]))
        if told.shape != (len(part), negatives + 1):
            raise DataError(f"scores of pairs are [{len(part)}, {negatives + 1}], got {told.shape}.")
        # `not over` rather than `at least`: a score that is NaN wins against nobody.
        places[part] = 1.0 + (~(told[:, :1] > told[:, 1:])).sum(axis=1)
    figures = {}
    for k in dict.fromkeys(ks):
        hit = places <= k
        figures[f"HR_sampled@{k}"] = _mean_of_users(hit.astype(np.float64), users, truth)
        figures[f"NDCG_sampled@{k}"] = _mean_of_users(np.where(hit, 1.0 / np.log2(places + 1.0), 0.0), users, truth)
    return figures


def _draw(
    users: Ints, truth: Truth, n_items: int, generator: np.random.Generator, size: int, weights: Doubles | None
) -> Ints:
    """[B, N] item rows that are not relevant to their user; drawn again until none is."""
    if weights is not None and weights.shape != (n_items,):
        raise DataError(f"weights have a number for each item, row 0 included: [{n_items}], got {weights.shape}.")
    chances = np.ones(n_items) if weights is None else np.maximum(weights, 0.0)
    chances[0] = 0.0
    cumulated = np.cumsum(chances)
    held = truth.items < n_items
    own = np.repeat(np.arange(truth.n_users), truth.counts)[held] * n_items + truth.items[held]
    drawn = np.zeros((len(users), size), np.int64)
    wrong: Bools = np.ones(drawn.shape, np.bool_)
    for _ in range(1000):
        asked = np.flatnonzero(wrong)
        if not len(asked):
            return drawn
        lots = generator.random(len(asked)) * cumulated[-1]
        drawn.reshape(-1)[asked] = np.minimum(np.searchsorted(cumulated, lots, side="right"), n_items - 1)
        fresh = drawn.reshape(-1)[asked]
        keys = users[asked // size] * n_items + fresh
        found = own[np.minimum(np.searchsorted(own, keys), len(own) - 1)] == keys  # own rises, as the truth does
        wrong.reshape(-1)[asked] = found | (fresh == 0)
    raise DataError("a user's relevant items leave (nearly) nothing to draw; give a larger catalogue or other weights.")


def _mean_of_users(values: Doubles, users: Ints, truth: Truth) -> Doubles:
    sums = np.bincount(users, values, minlength=truth.n_users)
    return np.where(truth.counts > 0, sums / np.maximum(truth.counts, 1), np.nan)
