"""Statistics of users and items as of a moment, from the past only: one definition, two deliberate executors.

The naive version (a group-by over the whole log, joined back) gives each row the mean that contains its own rating and
its future: a model trained on it looks brilliant offline and fails live. Here a statistic read at a moment counts the
events strictly before it, so that events with equal timestamps never see each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from enterprise_recsys.records import WINDOWS_DAYS, Doubles, Floats, Ints

_MICROSECONDS_PER_DAY = 86_400_000_000
_MERGED_AT = 8192


@dataclass(frozen=True)
class Statistics:
    """What is known of owners at their moments.

    Attributes:
        count: [R] events.
        mean: [R] mean rating; NaN where none was rated.
        std: [R] standard deviation of the ratings (population); NaN where none was rated.
        recent: [R, W] events of the last days, one column for each of `WINDOWS_DAYS`.
    """

    count: Doubles
    mean: Doubles
    std: Doubles
    recent: Doubles

    def repeat(self, times: int) -> Statistics:
        """Each owner's line so many times, one after the other."""
        return Statistics(*(np.repeat(one, times, axis=0) for one in (self.count, self.mean, self.std, self.recent)))


def _statistics(sums: Doubles, recent: Doubles) -> Statistics:
    # One arithmetic for both executors; float64 sums are added event by event, so the bits agree.
    count, rated, total, squares = sums.T
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(rated > 0, total / rated, np.nan)
        std = np.sqrt(np.maximum(squares / rated - mean * mean, 0.0))
    return Statistics(count, mean, np.where(rated > 0, std, np.nan), recent)


class _Places:
    """Events by owner and time, as one sorted key: how many there were before a moment is a binary search.

    Args:
        rows: [R] owner rows, in the order of time.
        times: [R] microseconds, not falling.
    """

    def __init__(self, rows: Ints, times: Ints) -> None:
        self.rows, self.times = rows, times
        self.order = np.argsort(rows, kind="stable")
        self._moments = np.unique(times)
        self._keys = self._key(rows, times)[self.order]

    def _key(self, rows: Ints, times: Ints) -> Ints:
        return rows * (len(self._moments) + 1) + np.searchsorted(self._moments, times, side="left")

    def before(self, rows: Ints, times: Ints) -> Ints:
        """[R] place, in the order of (owner, time), of each owner's first event at its moment or later."""
        return np.searchsorted(self._keys, self._key(rows, times), side="left").astype(np.int64)

    def recent(self, rows: Ints, times: Ints) -> Doubles:
        """[R, W] events of each owner in the last days before its moment, the moment itself left out."""
        end = self.before(rows, times)
        return np.stack(
            [end - self.before(rows, times - days * _MICROSECONDS_PER_DAY) for days in WINDOWS_DAYS], axis=1
        ).astype(np.float64)


class Timeline:
    """The columnar executor: every owner's running sums, read at any moment by a binary search.

    Args:
        rows: [R] owner rows, in the order of (time, source row).
        times: [R] microseconds, not falling.
        ratings: [R] NaN where an event has none.
    """

    def __init__(self, rows: Ints, times: Ints, ratings: Floats) -> None:
        self._places = _Places(rows, times)
        order = self._places.order
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

    def read(self, rows: Ints, times: Ints) -> Statistics:
        """The statistics of owners [R] from their events strictly before the moments [R]."""
        place = self._places.before(rows, times) - 1
        known = (
            (place >= 0) & (self._rows[np.maximum(place, 0)] == rows) if len(self._rows) else np.zeros(len(rows), bool)
        )
        return _statistics(self._sums[np.where(known, place, len(self._rows))], self._places.recent(rows, times))


class Running:
    """The state executor: the same sums, mutable, for requests.

    Args:
        owners: number of rows that can be read; row 0 never learns.
    """

    def __init__(self, owners: int) -> None:
        self._sums = np.zeros((owners, 4))
        nothing = np.zeros(0, dtype=np.int64)
        # A large settled part and a small fresh one, so that an event costs a sort of the small part alone.
        self._settled, self._fresh = _Places(nothing, nothing), _Places(nothing, nothing)

    def update(self, rows: Ints, ratings: Floats, times: Ints) -> None:
        """Count events [R] in the order given, which is that of time, and none earlier than one counted before.

        Whoever reads for a moment reads before its events are counted.
        """
        rating = ratings.astype(np.float64)
        has = ~np.isnan(rating)
        rating = np.where(has, rating, 0.0)
        # add.at adds one event after the other, as the running sums of Timeline do.
        np.add.at(self._sums, rows, np.column_stack([np.ones(len(rows)), has, rating, rating * rating]))
        self._sums[0] = 0.0
        counted = rows > 0
        self._fresh = self._with(self._fresh, rows[counted], times[counted])
        if len(self._fresh.rows) > _MERGED_AT:
            self._settled = self._with(self._settled, self._fresh.rows, self._fresh.times)
            self._fresh = _Places(rows[:0], times[:0])

    @staticmethod
    def _with(places: _Places, rows: Ints, times: Ints) -> _Places:
        return _Places(np.concatenate([places.rows, rows]), np.concatenate([places.times, times]))

    def grow(self, owners: int) -> None:
        """Have at least so many rows; new ones know nothing yet."""
        if owners > len(self._sums):  # some to spare, so that a stream of new owners does not copy each time
            self._sums = np.vstack([self._sums, np.zeros((owners - len(self._sums) + len(self._sums) // 8, 4))])

    def read(self, rows: Ints, times: Ints) -> Statistics:
        """The statistics of owners [R] now; `times` [R] is the moment that the recent events are counted back from."""
        recent = self._settled.recent(rows, times) + self._fresh.recent(rows, times)
        return _statistics(self._sums[rows], recent)
