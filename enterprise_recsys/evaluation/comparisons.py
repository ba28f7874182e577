"""Whether two systems differ: a paired test by turning signs, corrected where several pairs are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.evaluation.intervals import Interval, paired
from enterprise_recsys.records import Doubles

CELLS = 4_000_000
"""Signs held at once (32 MB as float64)."""
EXACT = 12
"""Up to so many users with a difference, all 2^n turns are tried instead of some drawn."""


@dataclass(frozen=True)
class Comparison:
    """One pair of systems by one metric.

    Attributes:
        first, second: names of the systems.
        difference: first - second, mean over users, with its bootstrap interval.
        p: of the sign-flip test: chance of so large a difference between systems that are alike; 0 to 1.
        adjusted: p after Holm's correction for all pairs compared together; the one to go by.
        users: those with a figure by both.
    """

    first: str
    second: str
    difference: Interval
    p: float
    adjusted: float
    users: int

    def is_real(self, *, level: float = 0.05) -> bool:
        """Whether the difference is too large to be chance at this level, all pairs considered."""
        return self.adjusted < level


def compare(
    figures: Mapping[str, Doubles],
    pairs: Sequence[tuple[str, str]],
    *,
    generator: np.random.Generator,
    resamples: int = 1000,
    flips: int = 5000,
    confidence: float = 0.95,
) -> list[Comparison]:
    """Compare systems pair by pair by one metric, with an interval and a test that knows how many pairs there are.

    Args:
        figures: system -> [U] figure of each user by one metric, such as `measured.of_users["NDCG@10"]`; the same
            users in each.
        pairs: (first, second), in the order of the answer.
        generator: draws users and signs.
        resamples: of the bootstrap, see `paired`.
        flips: of the test, see `sign_flip`; Holm's p of m pairs is never under m / (flips + 1).
        confidence: of the intervals, which are of one pair each and not corrected.

    Raises:
        ConfigError: a pair names an unknown system, or a dial is out of its range.
        DataError: the systems were not measured on the same users.
    """
    for name in (name for pair in pairs for name in pair):
        if name not in figures:
            raise ConfigError(f"pairs names the system {name!r}; measured are: {', '.join(figures)}.")
    intervals, chances = [], []
    for first, second in pairs:
        one, other = figures[first], figures[second]
        intervals.append(paired(one, other, generator=generator, resamples=resamples, confidence=confidence))
        chances.append(sign_flip(one, other, generator=generator, flips=flips))
    return [
        Comparison(first, second, interval, float(p), float(adjusted), _both(figures[first], figures[second]))
        for (first, second), interval, p, adjusted in zip(
            pairs, intervals, chances, holm(np.array(chances, np.float64)), strict=True
        )
    ]


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
    if flips < 100:
        raise ConfigError(f"flips={flips} is too few for a test; take 100 or more, 5000 is usual.")
    if first.ndim != 1 or first.shape != second.shape:
        raise DataError(
            f"a paired test needs the same users, [U] twice, got {first.shape} and {second.shape}; "
            "measure both on one truth."
        )
    difference = (first - second)[~np.isnan(first - second)]
    if not len(difference):
        return float("nan")
    moved = difference[difference != 0]  # a difference of 0 is the same with either sign
    # Sums of the same numbers in another order may differ in the last digits: those count as equal.
    real = abs(moved.sum()) - 1e-12 * np.abs(moved).sum()
    if len(moved) <= EXACT:
        turns = (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1
        return float((np.abs((2.0 * turns - 1.0) @ moved) >= real).mean())
    step, beyond = max(CELLS // len(moved), 1), 0
    for start in range(0, flips, step):
        size = (min(step, flips - start), len(moved))
        bits = np.unpackbits(np.frombuffer(generator.bytes(-(-size[0] * size[1] // 8)), np.uint8))
        positive = bits[: size[0] * size[1]].reshape(size).astype(np.float64) @ moved
        beyond += int((np.abs(2.0 * positive - moved.sum()) >= real).sum())
    return (1 + beyond) / (flips + 1)


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


def _both(first: Doubles, second: Doubles) -> int:
    return int((~np.isnan(first - second)).sum())
