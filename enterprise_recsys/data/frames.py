"""Any data frame becomes Interactions, and back: names, ids, times and features in canonical form, or refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import polars as pl
import polars.selectors as cs

from enterprise_recsys.errors import DataError, MissingExtraError
from enterprise_recsys.records import (
    DERIVED,
    EVENT_ID,
    EVENT_TYPE,
    ITEM_ID,
    OPTIONAL,
    RATING,
    RECOMMENDATION_ID,
    REQUIRED,
    SESSION_ID,
    TIMESTAMP,
    USER_ID,
    WEIGHT,
    Interactions,
)

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped, unused-ignore]
    import pyarrow as pa  # type: ignore[import-untyped, unused-ignore]

Frame: TypeAlias = "pl.DataFrame | pl.LazyFrame | pd.DataFrame | pa.Table"

logger = logging.getLogger("enterprise_recsys")

ALIASES: Mapping[str, tuple[str, ...]] = {
    USER_ID: ("userId", "userID", "user", "visitor_id", "customer_id", "uid"),
    ITEM_ID: ("itemId", "itemID", "movieId", "product_id", "item", "iid"),
    TIMESTAMP: ("datetime", "time", "ts", "created_at", "event_timestamp", "date"),
    RATING: ("score", "stars"),
}
"""Canonical name -> names read as it when it is absent and exactly one of them is there."""

_TEXT = (EVENT_TYPE, EVENT_ID, SESSION_ID, RECOMMENDATION_ID)
_UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds", "no known unit")
_NUMBER = r"^\s*[+-]?\d+(\.\d*)?([eE][+-]?\d+)?\s*$"
_ISO = r"^\s*(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(:\d{2})?(?:(\.\d{1,6})\d*)?)?\s*([Zz]|[+-]\d{2}:?\d{2})?\s*$"


def to_interactions(
    frame: Frame,
    users: Frame | None = None,
    items: Frame | None = None,
    *,
    name: str = "log",
    columns: Mapping[str, str] | None = None,
) -> Interactions:
    """Bring a log, and tables of users and items, into canonical form.

    Ids become strings: 42 and 42.0 (as pandas makes whole numbers beside a gap) are "42". Times become UTC
    microseconds: a time without a zone is taken as UTC; a number below 1e11 is in seconds since 1970, below 1e14 in
    milliseconds, below 1e17 in microseconds, above in nanoseconds; a string is ISO 8601 or such a number. NaN is a
    missing value everywhere. Columns in `records.DERIVED` are dropped; columns `user_*` and `item_*` are static and
    move to the tables (the last value in time that is not missing); all others stay with the events as context.

    Args:
        frame: [R] events with user_id, item_id, timestamp, under these names or an alias in `ALIASES`; not changed.
        users: [U] features of users beside their id; a name without the prefix `user_` gets it. A feature that is in
            this table and in the log is taken from this table.
        items: [I] likewise, with the prefix `item_`.
        name: where the log came from, for messages and results.
        columns: own name -> canonical name, for the log and both tables.

    Raises:
        DataError: a required column is missing, an id, time, rating or weight cannot be used, an id stands twice in a
            table, or there are no rows; the message names the column, the count and the first row (from 1).
        MissingExtraError: a pandas frame without a working pyarrow.

    >>> log = to_interactions(pl.DataFrame({"uid": [7], "movieId": [1.0], "ts": [978300760]}))
    >>> log.events.row(0)[:2], log.events["timestamp"].dt.to_string()[0][:19]
    (('7', '1'), '2000-12-31 22:12:40')
    """
    given: dict[str, Frame | None] = {name: frame, f"the users of {name}": users, f"the items of {name}": items}
    tables = {label: to_polars(table, label) for label, table in given.items() if table is not None or label == name}
    found = {column for table in tables.values() for column in table.columns}
    if unknown := sorted(set(columns or {}) - found):
        raise DataError(
            f"columns= renames {unknown[0]!r}, which {name} does not have; found: {', '.join(sorted(found))}. "
            "It maps your own name to the canonical one, as in columns={'customer': 'user_id'}."
        )
    log = _rename(tables[name], REQUIRED, columns or {}, name).drop(DERIVED, strict=False)
    events = log.with_columns(_events(log, name))
    events, user_table = _static(events, USER_ID)
    events, item_table = _static(events, ITEM_ID)
    for label, id_name in ((f"the users of {name}", USER_ID), (f"the items of {name}", ITEM_ID)):
        if label in tables:
            table = _table(_rename(tables[label], (id_name,), columns or {}, label), id_name, label)
            if id_name == USER_ID:
                user_table = _merge(table, user_table, id_name)
            else:
                item_table = _merge(table, item_table, id_name)
    first = [column for column in REQUIRED + OPTIONAL if column in events.columns]
    return Interactions(events.select(*first, pl.exclude(first)), user_table, item_table, name)


def to_polars(frame: Frame | None, name: str) -> pl.DataFrame:
    """Give any data frame as a polars one, NaN as null and categories as strings; the caller's frame is not changed.

    Args:
        frame: pandas, polars (eager or lazy), pyarrow, or any table that speaks the Arrow C stream protocol.
        name: where it came from, for messages.

    Raises:
        DataError: it is no data frame, has no rows, has two columns of one name, or a column of mixed types.
        MissingExtraError: a pandas frame without a working pyarrow.
    """
    if isinstance(frame, pl.LazyFrame):
        table = frame.collect()
    elif isinstance(frame, pl.DataFrame):
        table = frame
    elif type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        table = _from_pandas(frame, name)
    elif hasattr(frame, "__arrow_c_stream__"):
        table = _from_arrow(frame, name)
    else:
        raise DataError(_no_frame(frame, name))
    if table.is_empty():
        raise DataError(
            f"{name} holds no rows; found columns: {', '.join(table.columns) or 'none'}. Give at least one."
        )
    return table.with_columns(cs.float().fill_nan(None), (cs.categorical() | cs.enum()).cast(pl.String))


@overload
def to_frame(interactions: Interactions, *, pandas: Literal[False]) -> pl.DataFrame: ...
@overload
def to_frame(interactions: Interactions, *, pandas: Literal[True]) -> pd.DataFrame: ...
@overload
def to_frame(interactions: Interactions, *, pandas: bool) -> pl.DataFrame | pd.DataFrame: ...
def to_frame(interactions: Interactions, *, pandas: bool) -> pl.DataFrame | pd.DataFrame:
    """Give the events in source order with the `user_*` and `item_*` columns joined: `to_interactions` backwards.

    Args:
        interactions: a log; a user or an item without events does not appear in the result.
        pandas: True gives a pandas frame (whole numbers with gaps as Int64), False a polars one.

    Raises:
        MissingExtraError: pandas or pyarrow is not installed, and pandas=True.
    """
    frame = interactions.events
    for table, id_name in ((interactions.users, USER_ID), (interactions.items, ITEM_ID)):
        if table is not None:
            frame = frame.join(table, on=id_name, how="left", maintain_order="left")
    if not pandas:
        return frame
    gaps = [column.name for column in frame.select(cs.integer()) if column.null_count()]
    try:
        result = frame.to_pandas()
        for column in gaps:  # pandas' default would turn them into floats, and an id of 17 digits into another one
            result[column] = frame[column].to_pandas(use_pyarrow_extension_array=True).astype("Int64")
    except ImportError as error:
        raise MissingExtraError(_pandas_needs(error)) from error
    return result


def _from_arrow(frame: pa.Table, name: str) -> pl.DataFrame:
    try:
        return pl.DataFrame(frame)
    except pl.exceptions.SchemaError as error:  # one column has a stream too
        raise DataError(_no_frame(frame, name)) from error


def _no_frame(frame: object, name: str) -> str:
    return f"{name} is a {type(frame).__name__}; give a pandas, polars or pyarrow data frame."


def _from_pandas(frame: pd.DataFrame, name: str) -> pl.DataFrame:
    names = [str(column) for column in frame.columns]
    if twice := sorted({column for column in names if names.count(column) > 1}):
        raise DataError(f"{name} has two columns named {twice[0]!r}; found: {', '.join(names)}. Rename or drop one.")
    try:
        return pl.DataFrame([_series(frame, place, column, name) for place, column in enumerate(names)])
    except ImportError as error:
        raise MissingExtraError(_pandas_needs(error)) from error


def _series(frame: pd.DataFrame, place: int, column: str, name: str) -> pl.Series:
    try:
        return pl.Series(column, frame.iloc[:, place], nan_to_null=True)
    except (TypeError, ValueError, NotImplementedError, OverflowError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"column {column!r} of {name} cannot be read: {error}. Give all its values one type: strings, numbers, "
            "times or lists of these."
        ) from error


def _pandas_needs(error: ImportError) -> str:
    return f"pandas frames need pandas and pyarrow ({error}); pip install pandas pyarrow, or use polars frames."


def _rename(frame: pl.DataFrame, needed: tuple[str, ...], columns: Mapping[str, str], name: str) -> pl.DataFrame:
    """Apply the caller's names, then the aliases, and hold the frame to the columns that it needs."""
    own = {old: new for old, new in columns.items() if old in frame.columns and old != new}
    after = [own.get(column, column) for column in frame.columns]
    if twice := sorted({column for column in after if after.count(column) > 1}):
        raise DataError(
            f"columns= makes two columns named {twice[0]!r} in {name}; found: {', '.join(frame.columns)}. "
            "Drop one of them, or rename only one."
        )
    frame = frame.rename(own)
    found = ", ".join(frame.columns)
    wanted = (*needed, RATING) if TIMESTAMP in needed else needed
    for canonical in wanted:
        likely = [alias for alias in ALIASES[canonical] if alias in frame.columns]
        if canonical in frame.columns:
            continue
        if len(likely) == 1:
            logger.info("%s: column %r is read as %r", name, likely[0], canonical)
            frame = frame.rename({likely[0]: canonical})
        elif canonical in needed:
            several = f"; it could be {' or '.join(map(repr, likely))}" if likely else ""
            raise DataError(
                f"column {canonical!r} is missing in {name}; found: {found}{several}. "
                f"Rename it or pass columns={{'its name': {canonical!r}}}."
            )
    return frame


def _events(log: pl.DataFrame, name: str) -> list[pl.Series]:
    """The canonical columns that a log has, in canonical types."""
    made = [_ids(log[USER_ID], name), _ids(log[ITEM_ID], name), _times(log[TIMESTAMP], name)]
    made += [_strings(log[column], name) for column in _TEXT if column in log.columns]
    made += [_numbers(log[column], name) for column in (RATING, WEIGHT) if column in log.columns]
    if WEIGHT in log.columns:
        weights = made[-1]
        if (bad := weights.is_null() | (weights < 0).fill_null(False)).any():
            raise DataError(
                f"{WEIGHT} is missing or negative in {_where(bad, name)}; right is 0 or more, 1 = one event."
            )
    return made


def _where(bad: pl.Series, name: str) -> str:
    rows = bad.arg_true()
    return f"{len(rows):,} row{'' if len(rows) == 1 else 's'} of {name}, first at row {rows[0] + 1:,}"


def _example(column: pl.Series, bad: pl.Series) -> str:
    return repr(column.filter(bad)[0])


def _ids(column: pl.Series, name: str) -> pl.Series:
    empty = column.is_null()
    if column.dtype == pl.String:
        empty = empty | (column == "").fill_null(False)
    if empty.any():
        raise DataError(f"{column.name} is null or empty in {_where(empty, name)}; drop these rows or mend them.")
    return _strings(column, name)


def _strings(column: pl.Series, name: str) -> pl.Series:
    """Strings as they are, whole numbers as their digits."""
    if column.dtype in (pl.String, pl.Null) or column.dtype.is_integer():
        return column.cast(pl.String)
    if not column.dtype.is_numeric():
        raise DataError(f"{column.name} of {name} is of type {column.dtype}; right are strings or whole numbers.")
    values = column.cast(pl.Float64)
    if (bad := ((values != values.floor()) | (values.abs() > _exact(column))).fill_null(False)).any():
        raise DataError(
            f"{column.name} is no whole number in {_where(bad, name)}: {_example(values, bad)}; "
            "right are strings, or whole numbers with all their digits (floats keep 15)."
        )
    return values.cast(pl.Int64).cast(pl.String)


def _exact(column: pl.Series) -> float:
    """Up to here a float type tells neighbouring whole numbers apart; inf and beyond are not."""
    return 2.0**24 if column.dtype == pl.Float32 else 2.0**53


def _numbers(column: pl.Series, name: str) -> pl.Series:
    """Float64, NaN and empty strings as null."""
    if not (column.dtype.is_numeric() or column.dtype in (pl.String, pl.Null)):
        raise DataError(f"{column.name} of {name} is of type {column.dtype}; right are numbers.")
    text = column.dtype == pl.String
    empty = column.is_null() | ((column.str.strip_chars() == "").fill_null(False) if text else False)
    values = column.str.strip_chars().cast(pl.Float64, strict=False) if text else column.cast(pl.Float64)
    if (bad := (values.is_null() & ~empty) | values.is_infinite().fill_null(False)).any():
        raise DataError(
            f"{column.name} is no finite number in {_where(bad, name)}: {_example(column, bad)}; "
            "right are numbers, or nothing where there is none."
        )
    return values.fill_nan(None)


def _times(column: pl.Series, name: str) -> pl.Series:
    """UTC microseconds of any form of time that `to_interactions` names."""
    if (empty := column.is_null()).any():
        raise DataError(f"{TIMESTAMP} is null in {_where(empty, name)}; drop these rows or mend them.")
    if column.dtype == pl.String:
        if column.str.contains(_NUMBER).any():
            return _from_numbers(_numeric_text(column, name), name)
        return _from_text(column, name)
    if column.dtype.is_numeric():
        return _from_numbers(column, name)
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        zoned = getattr(column.dtype, "time_zone", None)
        micros = column.cast(pl.Datetime("us", zoned))
        return micros.dt.convert_time_zone("UTC") if zoned else micros.dt.replace_time_zone("UTC")
    raise DataError(f"{TIMESTAMP} of {name} is of type {column.dtype}; right are times, numbers or ISO 8601 strings.")


def _from_numbers(column: pl.Series, name: str) -> pl.Series:
    """Times since 1970 whose unit shows in their size, the same for the whole column."""
    column = column.cast(pl.Float64) if column.dtype.is_decimal() else column
    if (bad := column < 0).any():
        raise DataError(
            f"{TIMESTAMP} is negative in {_where(bad, name)}: {_example(column, bad)}; give times since 1970."
        )
    if column.dtype.is_float() and (bad := column > _exact(column)).any():
        raise DataError(
            f"{TIMESTAMP} is a {column.dtype} too large to be exact in {_where(bad, name)}: {_example(column, bad)}; "
            "give whole numbers (integers), or Float64 seconds."
        )
    sizes = column.cast(pl.Float64)
    units = sum(((sizes >= edge).cast(pl.Int64) for edge in (1e11, 1e14, 1e17, 1e20)), pl.zeros(len(sizes), eager=True))
    counts = {_UNITS[int(unit)]: units.eq(unit).sum() for unit in units.unique().sort()}
    if len(counts) > 1 or _UNITS[4] in counts:
        mix = ", ".join(f"{count:,} in {unit}" for unit, count in counts.items())
        raise DataError(
            f"{TIMESTAMP} of {name} does not tell one unit by the size of its values: {mix}; give all in seconds."
        )
    if column.is_between(19000101, 21001231).all():  # 1970-08 in seconds: a month that no log comes from
        dates = column.cast(pl.Int64).cast(pl.String).str.to_date("%Y%m%d", strict=False)
        if not dates.has_nulls():
            raise DataError(
                f"{TIMESTAMP} of {name} looks like dates written YYYYMMDD: {column[0]}; "
                "give dates, or ISO 8601 strings such as 2024-05-01."
            )
    unit = int(units[0])
    if unit == 3:
        micros = (column // 1000).cast(pl.Int64)
    elif column.dtype.is_float():
        micros = (sizes * (1e6, 1e3, 1.0)[unit]).round().cast(pl.Int64)
    else:
        micros = column.cast(pl.Int64) * (1_000_000, 1_000, 1)[unit]
    return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias(TIMESTAMP)


def _numeric_text(column: pl.Series, name: str) -> pl.Series:
    bad = ~column.str.contains(_NUMBER)
    if bad.any():
        raise DataError(_unreadable(column, bad, name))
    text = column.str.strip_chars()
    whole = text.cast(pl.Int64, strict=False)
    return text.cast(pl.Float64) if whole.has_nulls() else whole


def _from_text(column: pl.Series, name: str) -> pl.Series:
    """ISO 8601 with a blank or T, seconds and offset or not; taken apart, since one column may mix these."""
    day, minute, second, fraction, zone = (column.str.extract(_ISO, group) for group in range(1, 6))
    clock = minute.fill_null("00:00") + second.fill_null(":00") + fraction.fill_null(".0")
    local = (day + "T" + clock).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    if (bad := local.is_null()).any():
        raise DataError(_unreadable(column, bad, name))
    digits = zone.str.replace_all("[^0-9]", "").str.zfill(4)
    minutes = digits.str.slice(0, 2).cast(pl.Int64, strict=False) * 60 + digits.str.slice(2, 2).cast(
        pl.Int64, strict=False
    )
    signed = minutes * zone.str.starts_with("-").cast(pl.Int64) * -2 + minutes
    shift = (signed.fill_null(0) * 60_000_000).cast(pl.Duration("us"))
    return (local - shift).dt.replace_time_zone("UTC").alias(TIMESTAMP)


def _unreadable(column: pl.Series, bad: pl.Series, name: str) -> str:
    return (
        f"{TIMESTAMP} cannot be read in {_where(bad, name)}: {_example(column, bad)}; right is one form for the whole "
        "column: ISO 8601 such as 2024-05-01T12:30:00Z, or seconds since 1970."
    )


def _static(events: pl.DataFrame, id_name: str) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """The events without one side's static columns, and these as a table in order of the id's first event."""
    prefix = id_name.removesuffix("id")
    features = [column for column in events.columns if column.startswith(prefix) and column != id_name]
    if not features:
        return events, None
    by_time = events.select(id_name, TIMESTAMP, *features).sort(TIMESTAMP, maintain_order=True)
    table = by_time.group_by(id_name, maintain_order=True).agg(pl.col(name).drop_nulls().last() for name in features)
    return events.drop(features), table


def _table(frame: pl.DataFrame, id_name: str, label: str) -> pl.DataFrame:
    prefix = id_name.removesuffix("id")
    frame = frame.with_columns(_ids(frame[id_name], label))
    if (bad := frame[id_name].is_duplicated()).any():
        raise DataError(
            f"{id_name} stands more than once in {_where(bad, label)}: {_example(frame[id_name], bad)}; "
            "give one row for each id."
        )
    names = {column: column if column.startswith(prefix) else prefix + column for column in frame.columns}
    names[id_name] = id_name
    if len(set(names.values())) < len(names):
        raise DataError(
            f"two columns of {label} would have one name, since features are named {prefix}*; "
            f"found: {', '.join(frame.columns)}. Drop or rename one."
        )
    reserved = [column for column in names.values() if column in DERIVED]
    if reserved:
        logger.info("%s: %s dropped, since these names are computed from the log", label, ", ".join(reserved))
    return frame.rename(names).select(id_name, pl.exclude(id_name, *reserved))


def _merge(given: pl.DataFrame, found: pl.DataFrame | None, id_name: str) -> pl.DataFrame:
    """A given table, with what only the log knows joined to it."""
    fresh = [] if found is None else [column for column in found.columns if column not in given.columns]
    if found is None or not fresh:
        return given
    return given.join(found.select(id_name, *fresh), on=id_name, how="full", coalesce=True, maintain_order="left_right")
