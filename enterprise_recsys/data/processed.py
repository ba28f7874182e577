"""Processed frames: the canonical columns of events beside what was known just before each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from enterprise_recsys.data.aggregates import Statistics, statistics_of
from enterprise_recsys.data.coding import numbers_of
from enterprise_recsys.data.features import Feature, time_columns
from enterprise_recsys.data.past import Pass
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


@dataclass(frozen=True)
class Past:
    """What was known before each event of a log, [R] in source order."""

    users: Statistics
    items: Statistics

    def take(self, index: Bools | Ints | slice) -> Past:
        """Some of the events."""
        return Past(self.users.take(index), self.items.take(index))


def past_of(events: pl.DataFrame) -> Past:
    """The statistics of each event's user and item, from the events of this log strictly before it."""
    passing = Pass(times_of(events), ratings_of(events))
    return Past(*(Statistics.of_lines(passing.lines(numbers_of(events[key]))) for key in (USER_ID, ITEM_ID)))


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
