"""Any data frame becomes Interactions, and back: names, ids, times and features in canonical form, or refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, overload

import polars as pl
import polars.selectors as cs

from enterprise_recsys.data import clicks
from enterprise_recsys.data.aliases import ALIASES, meant, renames
from enterprise_recsys.data.faults import exact_up_to, example, where
from enterprise_recsys.data.owners import with_owners
from enterprise_recsys.data.rows import NOBODY
from enterprise_recsys.data.times import to_utc
from enterprise_recsys.data.weights import weighed
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

__all__ = ["ALIASES", "Frame", "to_frame", "to_interactions", "to_polars"]

logger = logging.getLogger("enterprise_recsys")

_POINTED = r"^-?\d+\.0$"
_TEXT = (EVENT_TYPE, EVENT_ID, SESSION_ID, RECOMMENDATION_ID)


def to_interactions(
    frame: Frame,
    users: Frame | None = None,
    items: Frame | None = None,
    *,
    name: str = "log",
    columns: Mapping[str, str] | None = None,
    event_weights: Mapping[str, float] | None = None,
    row_order_as_time: bool = False,
    coded: bool = False,
    static: Mapping[str, str] | None = None,
) -> Interactions:
    """Bring a log, and tables of users and items, into canonical form.

    Ids become strings: 42 and 42.0 (as pandas makes whole numbers beside a gap) are "42". Times become UTC
    microseconds: a time without a zone is taken as UTC; a number below 1e11 is in seconds since 1970, below 1e14 in
    milliseconds, below 1e17 in microseconds, above in nanoseconds; a string is ISO 8601 or such a number. NaN is a
    missing value everywhere. Columns in `records.DERIVED` are dropped; columns `user_*` and `item_*`, and those that
    say the same at every event of a user or an item, are static and move to the tables (the last value in time that is
    not missing), see `owners`; all others stay with the events as context. In a log without event types a column such
    as `click` or `label` of ones and zeros gives them, see `clicks`.

    Args:
        frame: [R] events with user_id, item_id, timestamp, under these names or an alias in `ALIASES`; not changed.
        users: [U] features of users beside their id; a name without the prefix `user_` gets it. A feature that is in
            this table and in the log is taken from this table.
        items: [I] likewise, with the prefix `item_`.
        name: where the log came from, for messages and results.
        columns: own name -> canonical name, for the log and both tables.
        event_weights: event type -> how much such an event counts (0 or more); becomes `weight`, times the log's own.
        row_order_as_time: the log has no times and its rows stand in order of time: row r (from 1) is at second r.
        coded: the log's ids are coded, see `coding.coded`, and stay so.
        static: columns of the log that are a user's or an item's -> their names as such; None looks at the values.

    Raises:
        DataError: a required column is missing, an id, time, rating or weight cannot be used, an id stands twice in a
            table, or there are no rows; the message names the column, the count and the first row (from 1).
        MissingExtraError: a pandas frame without a working pyarrow.

    >>> log = to_interactions(pl.DataFrame({"uid": [7], "movieId": [1.0], "ts": [978300760]}))
    >>> log.events.row(0)[:2], log.events["timestamp"].dt.to_string()[0][:19]
    (('7', '1'), '2000-12-31 22:12:40')
    """
    given: dict[str, Frame | None] = {name: frame, f"the users of {name}": users, f"the items of {name}": items}
    tables = {
        label: to_polars(table, label, coded=coded and label == name)
        for label, table in given.items()
        if table is not None or label == name
    }
    found = {column for table in tables.values() for column in table.columns}
    if unknown := sorted(set(columns or {}) - found):
        raise DataError(
            f"columns= renames {unknown[0]!r}, which {name} does not have; found: {', '.join(sorted(found))}. "
            "It maps your own name to the canonical one, as in columns={'customer': 'user_id'}."
        )
    log = with_order(tables[name], columns or {}, name) if row_order_as_time else tables[name]
    log = _rename(log, REQUIRED, columns or {}, name).drop(DERIVED, strict=False)
    log = _with_event_types(log, columns or {}, name)
    log, told = with_owners(log, name, static)
    for one in told:
        logger.info("%s", one)
    events = log.with_columns(_events(log, name))
    if event_weights:
        events = events.with_columns(weighed(events, event_weights, name))
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


def to_polars(frame: Frame | None, name: str, *, coded: bool = False) -> pl.DataFrame:
    """Give any data frame as a polars one, NaN as null and categories as strings; the caller's frame is not changed.

    Args:
        frame: pandas, polars (eager or lazy), pyarrow, or any table that speaks the Arrow C stream protocol.
        name: where it came from, for messages.
        coded: its ids are coded and stay so.

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
    words = cs.categorical() | cs.enum()
    if coded:
        words = words - cs.by_name(USER_ID, ITEM_ID)
    return table.with_columns(cs.float().fill_nan(None), words.cast(pl.String))


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
    return frame.rename(renames(frame.columns, needed, columns, name))


def _with_event_types(log: pl.DataFrame, columns: Mapping[str, str], name: str) -> pl.DataFrame:
    typed, told = clicks.with_event_types(log, columns, name)
    for one in told:
        logger.info("%s", one)
    if EVENT_TYPE not in log.columns and EVENT_TYPE in typed.columns and (bad := typed[EVENT_TYPE].is_null()).any():
        raise DataError(f"what says whether an item was taken is missing in {where(bad, name)}; right is 1 or 0.")
    return typed


def _events(log: pl.DataFrame, name: str) -> list[pl.Series]:
    """The canonical columns that a log has, in canonical types."""
    made = [_ids(log[USER_ID], name), _ids(log[ITEM_ID], name), to_utc(log[TIMESTAMP], name)]
    made += [_strings(log[column], name) for column in _TEXT if column in log.columns]
    made += [_numbers(log[column], name) for column in (RATING, WEIGHT) if column in log.columns]
    if WEIGHT in log.columns:
        weights = made[-1]
        if (bad := weights.is_null() | (weights < 0).fill_null(False)).any():
            raise DataError(
                f"{WEIGHT} is missing or negative in {where(bad, name)}; right is 0 or more, 1 = one event."
            )
    return made


def with_order(log: pl.DataFrame, columns: Mapping[str, str], name: str) -> pl.DataFrame:
    """The log with its row numbers as times; a column of times beside the wish for none is refused."""
    found = [column for column in log.columns if (columns.get(column) or meant(column)) == TIMESTAMP]
    if found:
        raise DataError(
            f"row_order_as_time is set and {name} has the column {found[0]!r}, which says the time; "
            "leave the option away, or drop the column."
        )
    return log.with_columns(pl.int_range(1, pl.len() + 1).alias(TIMESTAMP))


def _ids(column: pl.Series, name: str) -> pl.Series:
    empty = column.is_null()
    if column.dtype == pl.String:
        empty = empty | (column == "").fill_null(False)
    if empty.any():
        raise DataError(f"{column.name} is null or empty in {where(empty, name)}; drop these rows or mend them.")
    if isinstance(column.dtype, pl.Enum):
        plain = _without_point(column.dtype.categories)
        return column if plain is None else column.to_physical().cat.to(pl.Enum(plain))
    ids = _strings(column, name)
    if (nobody := ids.is_in(NOBODY)).any():
        logger.warning(
            "%s is %s in %s: one id like any other; drop these rows if it means that there is none.",
            *(column.name, example(ids, nobody), where(nobody, name)),
        )
    plain = _without_point(ids)
    return ids if plain is None else plain


def _without_point(ids: pl.Series) -> pl.Series | None:
    """Ids that are all written `12.0`, as programs write whole numbers beside a gap, as `12`; None: they are not."""
    if not len(ids) or not all(some.str.contains(_POINTED).all() for some in (ids[:100], ids)):
        return None
    return ids.str.strip_suffix(".0")


def _strings(column: pl.Series, name: str) -> pl.Series:
    """Strings as they are, whole numbers as their digits."""
    if column.dtype in (pl.String, pl.Null) or column.dtype.is_integer():
        return column.cast(pl.String)
    if not column.dtype.is_numeric():
        raise DataError(f"{column.name} of {name} is of type {column.dtype}; right are strings or whole numbers.")
    values = column.cast(pl.Float64)
    if (bad := ((values != values.floor()) | (values.abs() > exact_up_to(column))).fill_null(False)).any():
        raise DataError(
            f"{column.name} is no whole number in {where(bad, name)}: {example(values, bad)}; "
            "right are strings, or whole numbers with all their digits (floats keep 15)."
        )
    return values.cast(pl.Int64).cast(pl.String)


def _numbers(column: pl.Series, name: str) -> pl.Series:
    """Float64, NaN and empty strings as null."""
    if not (column.dtype.is_numeric() or column.dtype in (pl.String, pl.Null)):
        raise DataError(f"{column.name} of {name} is of type {column.dtype}; right are numbers.")
    text = column.dtype == pl.String
    empty = column.is_null() | ((column.str.strip_chars() == "").fill_null(False) if text else False)
    values = column.str.strip_chars().cast(pl.Float64, strict=False) if text else column.cast(pl.Float64)
    if (bad := (values.is_null() & ~empty) | values.is_infinite().fill_null(False)).any():
        raise DataError(
            f"{column.name} is no finite number in {where(bad, name)}: {example(column, bad)}; "
            "right are numbers, or nothing where there is none."
        )
    return values.fill_nan(None)


def _static(events: pl.DataFrame, id_name: str) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """The events without one side's static columns, and these as a table in order of the id's first event."""
    prefix = id_name.removesuffix("id")
    features = [column for column in events.columns if column.startswith(prefix) and column != id_name]
    if not features:
        return events, None
    by_time = events.select(id_name, TIMESTAMP, *features).sort(TIMESTAMP, maintain_order=True)
    table = by_time.group_by(id_name, maintain_order=True).agg(pl.col(name).drop_nulls().last() for name in features)
    return events.drop(features), table.with_columns(pl.col(id_name).cast(pl.String))


def _table(frame: pl.DataFrame, id_name: str, label: str) -> pl.DataFrame:
    prefix = id_name.removesuffix("id")
    frame = frame.with_columns(_ids(frame[id_name], label))
    if (bad := frame[id_name].is_duplicated()).any():
        raise DataError(
            f"{id_name} stands more than once in {where(bad, label)}: {example(frame[id_name], bad)}; "
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
