"""Statistics of users and items as of a moment, from the past only: one definition, two deliberate executors.

The naive version (a group-by over the whole log, joined back) gives each row the mean that contains its own rating and
its future: a model trained on it looks brilliant offline and fails live. Here a statistic read at a moment counts the
events strictly before it, so that events with equal timestamps never see each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from enterprise_recsys.records import Doubles, Floats, Ints


@dataclass(frozen=True)
class Statistics:
    """What is known of owners at their moments.

    Attributes:
        count: [R] events.
        mean: [R] mean rating; NaN where none was rated.
        std: [R] standard deviation of the ratings (population); NaN where none was rated.
    """

    count: Doubles
    mean: Doubles
    std: Doubles


def _statistics(count: Doubles, rated: Doubles, total: Doubles, squares: Doubles) -> Statistics:
    # One arithmetic for both executors; float64 sums are added event by event, so the bits agree.
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(rated > 0, total / rated, np.nan)
        std = np.sqrt(np.maximum(squares / rated - mean * mean, 0.0))
    return Statistics(count, mean, np.where(rated > 0, std, np.nan))


class Timeline:
    """The columnar executor: every owner's running sums, read at any moment by a binary search.

    Args:
        rows: [R] owner rows, in the order of (time, source row).
        times: [R] microseconds, not falling.
        ratings: [R] NaN where an event has none.
    """

    def __init__(self, rows: Ints, times: Ints, ratings: Floats) -> None:
        order = np.argsort(rows, kind="stable")
        self._moments = np.unique(times)
        rating = ratings[order].astype(np.float64)
        has = ~np.isnan(rating)
        rating = np.where(has, rating, 0.0)
        sums = pl.DataFrame(
            {
                "row": rows[order],
                "count": np.ones(len(rows)),
                "rated": has.astype(np.float64),
                "total": rating,
                "squares": rating * rating,
            }
        )
        running = sums.select(pl.col("count", "rated", "total", "squares").cum_sum().over("row"))
        self._sums = np.vstack([running.to_numpy(), np.zeros((1, 4))])  # the last line: nothing known yet
        self._rows = rows[order]
        self._keys = self._key(rows, times)[order]

    def _key(self, rows: Ints, times: Ints) -> Ints:
        return rows * (len(self._moments) + 1) + np.searchsorted(self._moments, times, side="left")

    def read(self, rows: Ints, times: Ints) -> Statistics:
        """The statistics of owners [R] from their events strictly before the moments [R]."""
        place = np.searchsorted(self._keys, self._key(rows, times), side="left") - 1
        known = (
            (place >= 0) & (self._rows[np.maximum(place, 0)] == rows) if len(self._rows) else np.zeros(len(rows), bool)
        )
        sums = self._sums[np.where(known, place, len(self._rows))]
        return _statistics(sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3])


class Running:
    """The state executor: the same sums, mutable, for requests.

    Args:
        owners: number of rows that can be read; row 0 never learns.
    """

    def __init__(self, owners: int) -> None:
        self._sums = np.zeros((owners, 4))

    def update(self, rows: Ints, ratings: Floats) -> None:
        """Count events [R] in the order given; whoever reads for a moment reads before its events are counted."""
        rating = ratings.astype(np.float64)
        has = ~np.isnan(rating)
        rating = np.where(has, rating, 0.0)
        # add.at adds one event after the other, as the running sums of Timeline do.
        np.add.at(self._sums, rows, np.column_stack([np.ones(len(rows)), has, rating, rating * rating]))
        self._sums[0] = 0.0

    def read(self, rows: Ints) -> Statistics:
        """The statistics of owners [R] now."""
        sums = self._sums[rows]
        return _statistics(sums[:, 0], sums[:, 1], sums[:, 2], sums[:, 3])
