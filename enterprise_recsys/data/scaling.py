"""Numbers with heavy tails become tame: by logarithms, or by their places among quantiles."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.records import Doubles

HEAVY = 5.0
"""Times the distance between the quartiles that the 1st or the 99th of a hundred lies from the median in a heavy tail.

It is 1.7 for a normal distribution, 3.6 for an exponential one and 6.4 for the standard log-normal one.
"""

_EDGES = 129


def is_heavy(values: Doubles) -> bool:
    """Whether a few values lie so far out that a mean and a deviation would be theirs."""
    low, quarter, middle, three, high = np.quantile(values, [0.01, 0.25, 0.5, 0.75, 0.99])
    return bool(max(high - middle, middle - low) > HEAVY * (three - quarter))


def quantiles(values: Doubles) -> tuple[float, ...]:
    """The values at even shares from 0 to 1."""
    return tuple(np.quantile(values, np.linspace(0, 1, _EDGES)).tolist())


def transformed(values: Doubles, log: bool, edges: tuple[float, ...]) -> Doubles:
    """Values [R] before they are centred and scaled; NaN stays.

    Args:
        values: as they are.
        log: log1p of them, what is negative as 0.
        edges: if there are some, the place of each value among them, from 0 to 1; linear between two edges, and in the
            middle of those that are equal.
    """
    if log:
        return np.asarray(np.log1p(np.maximum(values, 0.0)), dtype=np.float64)
    if not edges:
        return values
    different, first, counts = np.unique(edges, return_index=True, return_counts=True)
    return np.interp(values, different, (first + (counts - 1) / 2) / (len(edges) - 1))
