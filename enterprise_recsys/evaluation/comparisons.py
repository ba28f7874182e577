"""Whether two systems differ: a paired test by turning signs, corrected where several pairs are compared."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import Doubles

CELLS = 4_000_000
"""Signs held at once (32 MB as float64)."""
EXACT = 12
"""Up to so many users with a difference, all 2^n turns are tried instead of some drawn."""


def sign_flip(first: Doubles, second: Doubles, *, generator: np.random.Generator, flips: int = 5000) -> float:
    """Two-sided p of the mean difference by Fisher's randomisation test; NaN if no user has a figure by both.

    Were the systems alike, it would be chance which of a user's two figures belongs to which; so the sign of each
    difference is turned by lot. p = (1 + turns with a mean as far from 0 as the real one) / (flips + 1); with 12 users
    or fewer that differ, all turns are counted, and p is exact.

    Args:
        first: [U] figure of each user by one system; a user that is NaN in either is left out.
        second: [U] figure of the same users by the other.
        generator: draws the signs.
        flips: times that they are drawn, 100 or more.

    Raises:
        ConfigError: too few flips.
        DataError: the two are not [U] of the same users.

    Source: Fisher, The Design of Experiments, 1935, section 21; Smucker, Allan and Carterette, CIKM 2007,
    doi:10.1145/1321440.1321528, advise it for rankings; p with the one added: Phipson and Smyth, 2010,
    doi:10.2202/1544-6115.1585.
    """
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError(
            f"a paired test needs the same users, [U] twice, got {first.shape} and {second.shape}; "
            "measure both on one truth."
        )
    difference = (first - second)[~np.isnan(first - second)]
    return float(sign_flips(difference[:, None], generator=generator, flips=flips)[0])


def sign_flips(differences: Doubles, *, generator: np.random.Generator, flips: int = 5000) -> Doubles:
    """The test of `sign_flip` for many columns of differences at once, [M]; all columns share the draws of signs.

    Args:
        differences: [U, M] first - second of each user, by several metrics or of several pairs, without NaN.
        generator: draws the signs.
        flips: times that they are drawn, 100 or more.

    Raises:
        ConfigError: too few flips.
    """
    if flips < 100:
        raise ConfigError(f"flips={flips} is too few for a test; take 100 or more, 5000 is usual.")
    n_users, n_columns = differences.shape
    if not n_users:
        return np.full(n_columns, np.nan)
    totals = differences.sum(axis=0)
    # Sums of the same numbers in another order may differ in the last digits: those count as equal.
    real = np.abs(totals) - 1e-12 * np.abs(differences).sum(axis=0)
    moved = np.count_nonzero(differences, axis=0)  # a difference of 0 is the same with either sign
    chances = np.empty(n_columns)
    few = moved <= EXACT
    for column in np.flatnonzero(few):
        values = differences[differences[:, column] != 0, column]
        turns = (np.arange(2 ** len(values))[:, None] >> np.arange(len(values))) & 1
        chances[column] = (np.abs((2.0 * turns - 1.0) @ values) >= real[column]).mean()
    if few.all():
        return chances
    many = differences[:, ~few]
    step, beyond = max(CELLS // n_users, 1), np.zeros(many.shape[1])
    for start in range(0, flips, step):
        size = (min(step, flips - start), n_users)
        bits = np.unpackbits(np.frombuffer(generator.bytes(-(-size[0] * size[1] // 8)), np.uint8))
        positive = bits[: size[0] * size[1]].reshape(size).astype(np.float64) @ many
        beyond += (np.abs(2.0 * positive - totals[~few]) >= real[~few]).sum(axis=0)
    chances[~few] = (1.0 + beyond) / (flips + 1.0)
    return chances


def holm(chances: Doubles) -> Doubles:
    """Correct p values [M] of tests that are read together: the chance of any false alarm stays under the level.

    With p_1 <= ... <= p_m: adjusted_i = max over j <= i of min(1, (m - j + 1) p_j). NaN stays NaN and is no test.

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]

    Source: Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
    """
    adjusted: Doubles = np.full(len(chances), np.nan)
    order = np.argsort(chances, kind="stable")[: int((~np.isnan(chances)).sum())]  # NaN sorts last
    steps = chances[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
