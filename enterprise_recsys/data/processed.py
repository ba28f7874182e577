"""Processed frames: the canonical columns of events beside what was known just before each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from enterprise_recsys.data.aggregates import Statistics, lines_of_past, statistics_of
from enterprise_recsys.data.features import Feature, time_columns
from enterprise_recsys.data.ordering import by_time
from enterprise_recsys.records import (
    AGGREGATE_COLUMNS,
    COUNT_COLUMNS,
    ITEM_ID,
    RATING,
    RECENCY_COLUMNS,
    TIMESTAMP,
    USER_ID,
    Bools,
    Floats,
    Interactions,
    Ints,
)

_SPARSE = 2
"""Numbers for each event that ids may spread over and still be used as they are."""


@dataclass(frozen=True)
class Past:
    """What was known before each event of a log, [R] in source order."""

    users: Statistics
    items: Statistics

    def take(self, index: Bools | Ints | slice) -> Past:
        """Some of the events."""
        return Past(self.users.take(index), self.items.take(index))


@dataclass(frozen=True)
class InTime:
    """The events of a log in the order of (time, source row), as every pass over its past needs them.

    Attributes:
        order: [R] source rows.
        times: [R] microseconds since 1970, not falling.
        ratings: [R] NaN where there is none.
    """

    order: Ints
    times: Ints
    ratings: Floats

    @classmethod
    def of(cls, events: pl.DataFrame) -> InTime:
        """Sort a log; only its times and ratings are looked at."""
        times = times_of(events)
        order = by_time(times)
        return cls(order, times[order], ratings_of(events)[order])

    def past(self, ids: pl.Series) -> Floats:
        """[R, ...] in source order, the lines of what was known of each event's owner; `ids` [R] in source order."""
        return lines_of_past(_codes(ids)[self.order], self.times, self.ratings, places=self.order)


def past_of(events: pl.DataFrame) -> Past:
    """The statistics of each event's user and item, from the events of this log strictly before it."""
    in_time = InTime.of(events)
    return Past(*(Statistics.of_lines(in_time.past(events[key])) for key in (USER_ID, ITEM_ID)))


def _codes(ids: pl.Series) -> NDArray[np.uint32]:
    """A number from 0 on for each id, the same for the same id; most of them are in use."""
    if ids.dtype.is_integer():
        least, largest = ids.min(), ids.max()
        if isinstance(least, int) and isinstance(largest, int) and largest - least < _SPARSE * len(ids):
            return (ids.to_numpy() - least).astype(np.uint32)
        ids = ids.cast(pl.String)
    own = pl.Categorical(pl.Categories.random())
    return ids.cast(own).to_physical().to_numpy().astype(np.uint32, copy=False)


def times_of(events: pl.DataFrame) -> Ints:
    """[R] microseconds since 1970."""
    return events[TIMESTAMP].to_physical().to_numpy().astype(np.int64, copy=False)


def ratings_of(events: pl.DataFrame) -> Floats:
    """[R] NaN where there is none."""
    if RATING not in events.columns:
        return np.full(len(events), np.nan, np.float32)
    return events[RATING].cast(pl.Float32).fill_null(np.nan).to_numpy()


def statistic_names(*, rated: bool) -> tuple[str, ...]:
    """The statistics that a log has: those of ratings only if there are some."""
    return AGGREGATE_COLUMNS if rated else COUNT_COLUMNS + RECENCY_COLUMNS


def processed(log: Interactions, past: Past, names: Sequence[str], scales: Sequence[Feature] = ()) -> pl.DataFrame:
    """The events with hour, day_of_week, is_weekend, their statistics, and the features of users and items joined.

    Args:
        log: [R] events.
        past: [R] what was known before each.
        names: the statistics to give, see `statistic_names`.
        scales: fitted features of statistics that are given scaled, too, as `*_scaled`.
    """
    values, clock = statistics_of(past.users, past.items), time_columns(times_of(log.events))
    told = {name: values[name] for name in names}
    told |= {f"{feature.name}_scaled": feature.scale(values[feature.name]) for feature in scales}
    derived = pl.DataFrame(
        {
            "hour": (clock["hour"] - 1).astype(np.int8),
            "day_of_week": clock["day_of_week"].astype(np.int8),
            "is_weekend": clock["is_weekend"] == 2,
            **told,
        }
    ).with_columns(pl.col(pl.Float32).fill_nan(None))
    out = log.events.hstack(derived)
    for table, key in ((log.users, USER_ID), (log.items, ITEM_ID)):
        if table is not None:
            out = out.join(table, on=key, how="left", maintain_order="left")
    return out
