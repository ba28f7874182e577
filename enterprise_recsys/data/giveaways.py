"""Columns that give the label away: known only once the event has happened, and so useless when a list is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from enterprise_recsys.records import (
    EVENT_TYPE,
    ITEM_ID,
    OPTIONAL,
    RATING,
    REQUIRED,
    USER_ID,
    Interactions,
)

NEARLY = 0.99
"""Correlation from which a number counts as the label in other words."""

KNOWS_ALL = 0.95
"""Correlation of a static number with the mean rating or the count of the whole log from which it counts as that."""

_LEAST = 50
_MOST_VALUES = 50
_ROWS_A_VALUE = 10  # a value that stands in one row only agrees with any label
_FEW_ITEMS = 20


def giveaways(log: Interactions) -> Iterator[tuple[str, str, float]]:
    """Columns that tell the label: column, what it tells, and how surely (1 = in every row).

    Looked at are columns of the events against the rating and the event type, and numbers of users and items against
    the mean rating and the count of events over the whole log, which hold each row's own future.
    """
    context = [name for name in log.events.columns if name not in REQUIRED + OPTIONAL]
    if context and len(log.events) >= _LEAST:
        yield from of_events(log.events, context)
    for key, table in ((USER_ID, log.users), (ITEM_ID, log.items)):
        if table is not None:
            yield from _of_table(log.events, table, key)


def of_events(events: pl.DataFrame, context: list[str]) -> Iterator[tuple[str, str, float]]:
    """Of some columns of the events those that tell the rating (where it is a number) or the event type; as above."""
    for label in (RATING, EVENT_TYPE):
        if label not in events.columns or (label == RATING and not events[label].dtype.is_numeric()):
            continue
        if events[label].drop_nulls().n_unique() > 1:
            yield from _of_label(events, context, label)


def _of_label(events: pl.DataFrame, context: list[str], label: str) -> Iterator[tuple[str, str, float]]:
    says = "rating" if label == RATING else "event type"
    known = events.filter(pl.col(label).is_not_null())
    for name in context:
        column = known[name]
        if isinstance(column.dtype, pl.List | pl.Array | pl.Struct):
            continue
        if label == EVENT_TYPE and 0 < column.null_count() < len(column):
            # An amount that only a purchase has: that it is there tells the type.
            filled = known.select(pl.col(label), there=pl.col(name).is_not_null())
            if filled.group_by(label).agg(pl.col("there").n_unique())["there"].max() == 1:
                yield name, says, 1.0
                continue
        if 1 < column.drop_nulls().n_unique() <= min(_MOST_VALUES, len(known) / _ROWS_A_VALUE):
            labels = known.group_by(name).agg(pl.col(label).n_unique().alias("labels"), pl.col(label).first())
            if labels["labels"].max() == 1 and labels[label].n_unique() > 1:
                yield name, says, 1.0
                continue
        if label == RATING and column.dtype.is_numeric():
            strength = _correlation(known, name, label)
            if strength >= NEARLY:
                yield name, says, min(strength, 0.999)


def _of_table(events: pl.DataFrame, table: pl.DataFrame, key: str) -> Iterator[tuple[str, str, float]]:
    """Static numbers that are in truth statistics of the whole log."""
    statistics = {"count of events": pl.len().cast(pl.Float64)}
    if RATING in events.columns:
        statistics["mean rating"] = pl.col(RATING).mean()
    counted = events.group_by(key).agg(**statistics).with_columns(pl.col(key).cast(pl.String))
    both = table.join(counted, on=key)
    if len(both) < _FEW_ITEMS:
        return
    for name in (column for column in table.columns if column != key and table[column].dtype.is_numeric()):
        for says in statistics:
            strength = _correlation(both, name, says)
            if strength >= KNOWS_ALL:
                yield name, says, min(strength, 0.999)


def _correlation(frame: pl.DataFrame, one: str, other: str) -> float:
    """|Pearson r| over the rows that have both; 0 where it is not defined."""
    value = frame.drop_nulls([one, other]).select(pl.corr(pl.col(one).cast(pl.Float64), pl.col(other))).item()
    return abs(float(value)) if value is not None and value == value else 0.0
