"""Statistics of users and items as of a moment, from the past only: one definition, two deliberate executors.

The naive version (a group-by over the whole log, joined back) gives each row the mean that contains its own rating and
its future: a model trained on it looks brilliant offline and fails live. Here a statistic read at a moment counts the
events strictly before it, so that events with equal timestamps never see each other.

The columnar executor is `past.Pass` (each event of a log at its own moment, in one pass) and `Timeline` (any owner at
any moment); the state executor is `Running`. A test replays a log through all three and compares every bit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import polars as pl
from numpy.typing import NDArray

from enterprise_recsys.data.ordering import DAY, Keys, sorted_places, starts_of
from enterprise_recsys.records import WINDOWS_DAYS, Bools, Doubles, Floats, Ints

Counts = NDArray[np.int32]

_MERGED_AT = 8192

_BACK = np.array([0, *(days * DAY for days in WINDOWS_DAYS)])
_FOREVER = 1 << 62
_FRACTIONS = (0, 1, 3, 6, 10)
_EXACT = 2.0**53


@dataclass(frozen=True)
class Statistics:
    """What is known of owners at their moments.

    Attributes:
        count: [R] events.
        mean: [R] mean rating; NaN where none was rated.
        std: [R] standard deviation of the ratings (population); NaN where none was rated.
        recent: [R, W] events of the last days, one column for each of `WINDOWS_DAYS`.
        since: [R] seconds since the newest event; NaN where there was none.
        age: [R] seconds since the first event; NaN where there was none.
    """

    count: Counts
    mean: Floats
    std: Floats
    recent: Counts
    since: Floats
    age: Floats

    def repeat(self, times: int) -> Statistics:
        """Each owner's line so many times, one after the other."""
        return Statistics(*(np.repeat(getattr(self, one.name), times, axis=0) for one in fields(self)))

    def take(self, index: Bools | Ints | slice) -> Statistics:
        """Some of the lines."""
        return Statistics(*(getattr(self, one.name)[index] for one in fields(self)))

    @classmethod
    def of_lines(cls, lines: Floats) -> Statistics:
        """What `past.Pass` gives, not copied."""
        mean, std, since, age, *_ = lines.T
        counts = lines.view(np.int32)
        return cls(counts[:, 4], mean, std, counts[:, 5:], since, age)

    @classmethod
    def just_happened(cls, count: int) -> Statistics:
        """One owner with so many events, all of this moment and none rated."""
        unrated, now = np.full(1, np.nan, np.float32), np.full(1, 0.0 if count else np.nan, np.float32)
        counts = np.full((1, 1 + len(WINDOWS_DAYS)), count, np.int32)
        return cls(counts[:, 0], unrated, unrated, counts[:, 1:], now, now)


def of_users(users: Statistics) -> dict[str, np.ndarray]:
    """The moving statistics of users by their column names, raw."""
    return {
        "user_count": users.count,
        **{f"user_count_{days}d": users.recent[:, place] for place, days in enumerate(WINDOWS_DAYS)},
        "user_since_last_s": users.since,
        "user_age_s": users.age,
        "user_mean_rating": users.mean,
        "user_std_rating": users.std,
    }


def of_items(items: Statistics) -> dict[str, np.ndarray]:
    """The moving statistics of items by their column names, raw."""
    return {
        "item_popularity": items.count,
        **{f"item_popularity_{days}d": items.recent[:, place] for place, days in enumerate(WINDOWS_DAYS)},
        "item_since_last_s": items.since,
        "item_age_s": items.age,
        "item_mean_rating": items.mean,
    }


def statistics_of(users: Statistics, items: Statistics) -> dict[str, np.ndarray]:
    """The moving statistics of both by their column names, raw."""
    return {**of_users(users), **of_items(items)}


def mean_std(rated: Doubles, total: Doubles, squares: Doubles) -> tuple[Floats, Floats]:
    """Mean and standard deviation [R] of ratings from their count, sum and sum of squares; NaN where there is none."""
    # One arithmetic for both executors; float64 sums are added event by event, so the bits agree.
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(rated > 0, total / rated, np.nan)
        std = np.where(rated > 0, np.sqrt(np.maximum(squares / rated - mean * mean, 0.0)), np.nan)
    return mean.astype(np.float32), std.astype(np.float32)


def seconds(now: Ints, then: Ints, known: Bools) -> Floats:
    """[R] seconds between moments in microseconds; NaN where none is known."""
    return np.where(known, (now - then) / 1e6, np.nan).astype(np.float32)


def running(owners: Ints, begin: Ints, ratings: Floats) -> tuple[Doubles, Doubles, Doubles]:
    """Each owner's running count, sum and sum of squares of its ratings, as if added one after the other from 0.

    Args:
        owners: [R] rising.
        begin: [R] place of each owner's first event.
        ratings: [R].
    """
    rating = ratings.astype(np.float64)
    has = ~np.isnan(rating)
    rating[~has] = 0.0
    columns = (has.astype(np.float64), rating, rating * rating)
    if _is_exact(rating, columns[2]):
        # No sum is ever rounded, so the sum of all before an owner can be taken away again: to the bit the same.
        rated, total, squares = (_since(one, begin) for one in columns)
        return rated, total, squares
    frame = pl.DataFrame({"row": owners, "rated": columns[0], "total": columns[1], "squares": columns[2]})
    summed = frame.select(pl.col("rated", "total", "squares").cum_sum().over("row"))
    rated, total, squares = (summed[name].to_numpy() for name in summed.columns)
    return rated, total, squares


def _since(values: Doubles, begin: Ints) -> Doubles:
    sums = np.cumsum(values)
    return sums - (sums - values)[begin]


def _is_exact(rating: Doubles, squares: Doubles) -> bool:
    """Whether every sum of these ratings and of their squares is a float64 without rounding: stars, halves, counts."""
    largest = max(float(np.abs(rating).sum()), float(squares.sum()))
    for bits in _FRACTIONS:
        scaled = rating * 2.0**bits
        if np.array_equal(scaled, np.rint(scaled)):
            return largest * 4.0**bits < _EXACT
    return False


class _Places:
    """Events by owner and time: how many there were before a moment is a binary search.

    Args:
        rows: [R] owner rows, in the order of time.
        times: [R] microseconds, not falling.
        owners: rows that may be asked for are below this.
    """

    def __init__(self, rows: Ints, times: Ints, owners: int) -> None:
        self.rows, self.times = rows, times
        order = sorted_places(rows)
        self.order = order.astype(np.int32) if len(rows) < 1 << 31 else order
        self._keys = Keys(times, owners)
        self._sorted = self._keys.of(rows[self.order], times[self.order])

    def before(self, rows: Ints, times: Ints) -> Ints:
        """[R] place, in the order of (owner, time), of each owner's first event at its moment or later."""
        return np.searchsorted(self._sorted, self._keys.of(rows, times), side="left").astype(np.int64)

    def recent(self, rows: Ints, times: Ints) -> Counts:
        """[R, W] events of each owner in the last days before its moment, the moment itself left out."""
        end, *starts = self._windows(rows, times)
        return np.stack([end - start for start in starts], axis=1).astype(np.int32)

    def lasting(self, rows: Ints, times: Ints) -> Ints:
        """[R] the latest moments (microseconds) up to which `recent` stays as it is while no event comes."""
        if not len(self.rows):
            return np.full(len(rows), _FOREVER)
        end, *starts = self._windows(rows, times)
        until = self._moment(end, rows)  # the next event joins all windows just after it
        for start, days in zip(starts, WINDOWS_DAYS, strict=True):
            until = np.minimum(until, np.where(start < end, self._moment(start, rows) + days * DAY, _FOREVER))
        return until

    def _windows(self, rows: Ints, times: Ints) -> Ints:
        """[1 + W, R] where each owner's events end, and where those of the last days begin."""
        # One search for all: for the few hundred rows of a request each call costs more than its work.
        moments = (times[None, :] - _BACK[:, None]).ravel()
        owners = np.concatenate([rows] * len(_BACK))  # a third of the time of np.tile
        return self.before(owners, moments).reshape(len(_BACK), len(rows))

    def _moment(self, places: Ints, rows: Ints) -> Ints:
        """[R] the times of events by their places in the order of (owner, time); `_FOREVER` for another owner's."""
        event = self.order[np.minimum(places, len(self.order) - 1)]
        is_own = (places < len(self.order)) & (self.rows[event] == rows)
        return np.where(is_own, self.times[event], _FOREVER)


class Timeline:
    """The columnar executor for any owner at any moment: running sums, read by a binary search.

    Args:
        rows: [R] owner rows, in the order of (time, source row).
        times: [R] microseconds, not falling.
        ratings: [R] NaN where an event has none.
    """

    def __init__(self, rows: Ints, times: Ints, ratings: Floats) -> None:
        self._owners = int(rows.max()) + 1 if len(rows) else 0
        self._places = _Places(rows, times, self._owners + 1)  # one more, which never had an event
        self._starts = starts_of(rows, self._owners + 1)
        order = self._places.order
        owners = rows[order]
        sums = running(owners, self._starts[owners], ratings[order])
        self._sums = np.zeros((3, len(rows) + 1))  # the last place: nothing known yet
        self._sums[:, :-1] = np.stack(sums) if len(rows) else 0.0
        self._times = np.append(times[order], 0)

    def read(self, rows: Ints, times: Ints, *, now: Ints | None = None) -> Statistics:
        """The statistics of owners [R] from their events strictly before the moments [R].

        Args:
            rows: [R] owners.
            times: [R] moments.
            now: [R] moments that seconds are counted to, where these are later; None: the same.
        """
        now = times if now is None else now
        owners = np.minimum(rows, self._owners)
        end, begin = self._places.before(owners, times), self._starts[owners]
        known = end > begin
        newest = np.where(known, end - 1, len(self._times) - 1)
        oldest = np.where(known, begin, len(self._times) - 1)
        return Statistics(
            (end - begin).astype(np.int32),
            *mean_std(*self._sums[:, newest]),
            self._places.recent(owners, times),
            seconds(now, self._times[newest], known),
            seconds(now, self._times[oldest], known),
        )


class Running:
    """The state executor: the same sums, mutable, for requests.

    Args:
        owners: number of rows that can be read; row 0 never learns.
    """

    def __init__(self, owners: int) -> None:
        self._sums = np.zeros((owners, 4))
        self._first, self._last = np.zeros(owners, np.int64), np.zeros(owners, np.int64)
        nothing = np.zeros(0, dtype=np.int64)
        # A large settled part and a small fresh one, so that an event costs a sort of the small part alone.
        self._settled, self._fresh = _Places(nothing, nothing, owners), _Places(nothing, nothing, owners)

    def update(self, rows: Ints, ratings: Floats, times: Ints) -> None:
        """Count events [R] in the order given, which is that of time, and none earlier than one counted before.

        Whoever reads for a moment reads before its events are counted.
        """
        counted = rows > 0
        if not counted.all():
            rows, ratings, times = rows[counted], ratings[counted], times[counted]
        rating = ratings.astype(np.float64)
        has = ~np.isnan(rating)
        rating = np.where(has, rating, 0.0)
        known, index = np.unique(rows, return_index=True)
        fresh = self._sums[known, 0] == 0
        self._first[known[fresh]] = times[index[fresh]]
        np.maximum.at(self._last, rows, times)
        # add.at adds one event after the other, as the running sums of the columnar executor do.
        np.add.at(self._sums, rows, np.column_stack([np.ones(len(rows)), has, rating, rating * rating]))
        self._fresh = self._with(self._fresh, rows, times)
        if len(self._fresh.rows) > _MERGED_AT:
            self._settled = self._with(self._settled, self._fresh.rows, self._fresh.times)
            nothing = np.zeros(0, dtype=np.int64)  # no slice, which would keep all that was merged
            self._fresh = _Places(nothing, nothing, len(self._sums))

    def _with(self, places: _Places, rows: Ints, times: Ints) -> _Places:
        # The first events of all are a whole log, whose times the statistics of users and of items share.
        if len(places.rows):
            rows, times = np.concatenate([places.rows, rows]), np.concatenate([places.times, times])
        return _Places(rows, times, len(self._sums))

    def grow(self, owners: int) -> None:
        """Have at least so many rows; new ones know nothing yet."""
        further = owners - len(self._sums)
        if further > 0:
            further += len(self._sums) // 8  # some to spare, so that a stream of new owners does not copy each time
            self._sums = np.pad(self._sums, ((0, further), (0, 0)))
            self._first, self._last = np.pad(self._first, (0, further)), np.pad(self._last, (0, further))
            self._settled, self._fresh = (
                _Places(one.rows, one.times, len(self._sums)) for one in (self._settled, self._fresh)
            )

    def read(self, rows: Ints, times: Ints, *, now: Ints | None = None) -> Statistics:
        """The statistics of owners [R] now.

        Args:
            rows: [R] owners.
            times: [R] moments that the recent events are counted back from.
            now: [R] moments that seconds are counted to; None: the same.
        """
        now = times if now is None else now
        sums = self._sums[rows]
        known = sums[:, 0] > 0
        return Statistics(
            sums[:, 0].astype(np.int32),
            *mean_std(*sums[:, 1:].T),
            self._recent(rows, times),
            seconds(now, self._last[rows], known),
            seconds(now, self._first[rows], known),
        )

    def lasting(self, rows: Ints, times: Ints) -> Ints:
        """[R] the latest moments up to which the counts that `read` gives stay while no event of the owner comes."""
        return np.minimum(self._settled.lasting(rows, times), self._fresh.lasting(rows, times))

    def _recent(self, rows: Ints, times: Ints) -> Counts:
        settled = self._settled.recent(rows, times)
        return settled + self._fresh.recent(rows, times) if len(self._fresh.rows) else settled
