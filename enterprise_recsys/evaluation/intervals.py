"""How sure a mean is: the bootstrap over users, alone, for the difference of two systems, and over training seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import Bools, Doubles

CELLS = 4_000_000
"""Draws held at once (32 MB as int64)."""


@dataclass(frozen=True)
class Interval:
    """A mean and the range that its sampling error leaves open; all NaN if there was no user.

    Attributes:
        mean: of the users at hand.
        low: lower end.
        high: upper end.
        p: for a difference, the two-sided chance of such a one between equal systems, 0 to 1; None for a mean.
    """

    mean: float
    low: float
    high: float
    p: float | None = None


def bootstrap(
    values: Doubles, *, generator: np.random.Generator, resamples: int = 1000, confidence: float = 0.95
) -> Interval:
    """Percentile bootstrap of a mean over users.

    The users are drawn anew, with replacement, as many as there are; `low` and `high` are the percentiles of the means
    that come out. It says how far other users of the same kind could move the figure; it says nothing of other
    training seeds or of another day.

    Args:
        values: [U] figure of each user; NaN is left out.
        generator: draws the users.
        resamples: times that they are drawn, 100 or more; 1000 fixes a bound to about a tenth of the width.
        confidence: share of the means between the bounds, over 0 and under 1.

    Raises:
        ConfigError: a dial is out of its range.
        DataError: the values are not [U].

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    kept = _column(values)
    kept = kept[~np.isnan(kept)]
    means = resampled_means(kept[:, None], generator=generator, resamples=resamples)
    return interval_of(kept, means[:, 0], confidence=confidence)


def paired(
    first: Doubles,
    second: Doubles,
    *,
    generator: np.random.Generator,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> Interval:
    """Percentile bootstrap of the mean difference first - second, user by user.

    Both systems are measured on the same users, so the difference is far surer than either mean. `p` is twice the
    share of resampled differences on the rarer side of zero, counted with one resample more on each side; so it is
    never under 2 / (resamples + 1).

    Args:
        first: [U] figure of each user by one system; a user that is NaN in either is left out.
        second: [U] figure of the same users by the other.
        generator: draws the users.
        resamples: times that they are drawn, 100 or more.
        confidence: share of the differences between the bounds, over 0 and under 1.

    Raises:
        ConfigError: a dial is out of its range.
        DataError: the two are not [U] of the same users.

    Source: Efron and Tibshirani 1993, section 13.3; Smucker, Allan and Carterette, CIKM 2007,
    doi:10.1145/1321440.1321528, find it in line with the randomisation and the t test on rankings.
    """
    first, second = _column(first), _column(second)
    if first.shape != second.shape:
        raise DataError(
            f"a paired difference needs the same users, got {len(first)} and {len(second)}; measure both on one truth."
        )
    difference = first - second
    difference = difference[~np.isnan(difference)]
    means = resampled_means(difference[:, None], generator=generator, resamples=resamples)
    return difference_of(difference, means[:, 0], confidence=confidence)


@dataclass(frozen=True)
class OverSeeds:
    """A mean over several trainings and their users.

    Attributes:
        interval: of the mean, for other users and other seeds of the same kind; its p is None.
        std: standard deviation of the seeds' means (n - 1 below); NaN of one seed.
        means: [S] mean of each seed.
        users: those with a figure by every seed.
    """

    interval: Interval
    std: float
    means: Doubles
    users: int


def over_seeds(
    values: Doubles, *, generator: np.random.Generator, resamples: int = 1000, confidence: float = 0.95
) -> OverSeeds:
    """Mean of a figure over seeds and users, with an interval that both may move.

    Every seed is measured on the same users, so seeds and users are crossed: in each resample both are drawn anew, with
    replacement, and the mean is taken over what was drawn. A seed's distance from the seeds' mean is stretched by
    sqrt(S / (S - 1)), since S seeds drawn from S vary too little by that much. For the difference of two systems give
    the differences, seed by seed. One seed gives the interval over users alone.

    Args:
        values: [S, U] figure of each user by each seed; a user that is NaN by any is left out.
        generator: draws seeds and users.
        resamples: times that they are drawn, 100 or more.
        confidence: share of the means between the bounds, over 0 and under 1.

    Raises:
        ConfigError: a dial is out of its range.
        DataError: the values are not [S, U] with S of 1 or more.

    Source: the pigeonhole bootstrap, Owen, Annals of Applied Statistics 2007, doi:10.1214/07-AOAS122; the stretching:
    Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8.
    """
    if values.ndim != 2 or not len(values):
        raise DataError(f"figures of users by seed are an array [S, U], got shape {values.shape}.")
    kept = values[:, ~np.isnan(values).any(axis=0)]
    n_seeds, n_users = kept.shape
    by_seed = resampled_means(kept.T, generator=generator, resamples=resamples)  # [resamples, S]
    middle = by_seed.mean(axis=1)
    if n_seeds > 1:
        drawn = np.take_along_axis(by_seed, generator.integers(n_seeds, size=by_seed.shape), axis=1).mean(axis=1)
        middle = middle + (drawn - middle) * np.sqrt(n_seeds / (n_seeds - 1.0))
    interval = interval_of(kept.mean(axis=0), middle, confidence=confidence)
    means = kept.mean(axis=1) if n_users else np.full(n_seeds, np.nan)
    return OverSeeds(interval, float(means.std(ddof=1)) if n_seeds > 1 else float("nan"), means, n_users)


def resampled_means(values: Doubles, *, generator: np.random.Generator, resamples: int = 1000) -> Doubles:
    """Means of users drawn anew: [resamples, M].

    All columns share the draws, so the difference of two columns is a resampled paired difference.

    Args:
        values: [U, M] figures of each user, without NaN.
        generator: draws the users.
        resamples: times that they are drawn, 100 or more.
    """
    if resamples < 100:
        raise ConfigError(f"resamples={resamples} is too few for percentiles; take 100 or more, 1000 is usual.")
    n_users, n_columns = values.shape
    result = np.full((resamples, n_columns), np.nan)
    if not n_users:
        return result
    step = max(CELLS // n_users, 1)
    for start in range(0, resamples, step):
        times = min(step, resamples - start)
        drawn = generator.integers(n_users, size=(times, n_users)) + np.arange(times)[:, None] * n_users
        counts = np.bincount(drawn.reshape(-1), minlength=times * n_users).reshape(times, n_users)
        result[start : start + times] = counts @ values / n_users
    return result


def interval_of(values: Doubles, means: Doubles, *, confidence: float) -> Interval:
    """The interval of a mean: of users [U], from its resampled means."""
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence={confidence} is out of range; take a share over 0 and under 1, such as 0.95.")
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(means, [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    return Interval(float(values.mean()), float(low), float(high))


def difference_of(values: Doubles, means: Doubles, *, confidence: float) -> Interval:
    """The interval of a mean difference, with its p: of users [U], from its resampled means."""
    interval = interval_of(values, means, confidence=confidence)
    if not len(values):
        return interval
    rarer = min(_count(means <= 0.0), _count(means >= 0.0))
    p = min(1.0, 2.0 * (rarer + 1) / (len(means) + 1))
    return Interval(interval.mean, interval.low, interval.high, p)


def _count(flags: Bools) -> int:
    return int(flags.sum())


def _column(values: Doubles) -> Doubles:
    column = np.asarray(values, np.float64)
    if column.ndim != 1:
        raise DataError(f"figures of users are an array [U], got shape {column.shape}.")
    return column
