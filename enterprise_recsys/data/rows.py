"""What makes one row unusable: a missing id, a time that cannot be, a number that is none; each with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import polars as pl

from enterprise_recsys.data.faults import exact_up_to
from enterprise_recsys.data.times import unusable
from enterprise_recsys.records import EVENT_TYPE, ITEM_ID, RATING, TIMESTAMP, USER_ID, WEIGHT

LONGEST_ID = 512
"""Characters; the service takes no longer id."""

NOBODY = ("NA", "N/A", "#N/A", "<NA>", "nan", "NaN", "None", "NULL", "null", r"\N")
"""How programs write that there is no id. As an id it would be one user, of whom everybody unknown is a part."""

_CONTROL = r"[\x00-\x1f\x7f-\x9f]"


def _user_ids(frame: pl.DataFrame, now: datetime) -> dict[str, pl.Series]:
    return _ids(frame[USER_ID], "user id")


def _item_ids(frame: pl.DataFrame, now: datetime) -> dict[str, pl.Series]:
    return _ids(frame[ITEM_ID], "item id")


def _ids(column: pl.Series, what: str) -> dict[str, pl.Series]:
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan().fill_null(False)
        broken = ((column != column.floor()) | (column.abs() > exact_up_to(column))).fill_null(False)
        return {f"{what} missing": missing, f"{what} is no whole number": broken & ~missing}
    if isinstance(column.dtype, pl.Categorical):  # each name is looked at once
        names = column.unique().drop_nulls()
        faults = _ids(names.cast(pl.String), what)
        found = {reason: column.is_in(names.filter(mask).implode()) for reason, mask in faults.items() if mask.any()}
        blank = found.pop(f"{what} missing", missing)
        told = {f"{what} missing": missing | blank.fill_null(False)}
        return told | {reason: mask.fill_null(False) for reason, mask in found.items()}
    if column.dtype != pl.String:
        return {f"{what} missing": missing}
    return {
        f"{what} missing": missing | column.str.strip_chars().is_in(["", *NOBODY]).fill_null(False),
        f"{what} with a control character": column.str.contains(_CONTROL).fill_null(False),
        f"{what} longer than {LONGEST_ID} characters": (column.str.len_chars() > LONGEST_ID).fill_null(False),
    }


def _times(frame: pl.DataFrame, now: datetime) -> dict[str, pl.Series]:
    return unusable(frame[TIMESTAMP], now)


def _ratings(frame: pl.DataFrame, now: datetime) -> dict[str, pl.Series]:
    if RATING not in frame.columns:
        return {}
    _, broken, infinite = _numbers(frame[RATING])
    return {"rating is no number": broken, "rating not finite": infinite}


def _weights(frame: pl.DataFrame, now: datetime) -> dict[str, pl.Series]:
    if WEIGHT not in frame.columns:
        return {}
    column = frame[WEIGHT]
    missing, broken, infinite = _numbers(column)
    negative = (column.cast(pl.Float64, strict=False) < 0).fill_null(False)
    return {"weight missing": missing, "weight is no number": broken | infinite, "weight below 0": negative}


def _numbers(column: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Masks [R]: missing (also NaN), no number, not finite."""
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        values = text.cast(pl.Float64, strict=False)
        empty = (text == "").fill_null(True)
    elif column.dtype.is_numeric():
        values, empty = column.cast(pl.Float64), column.is_null()
    else:
        nothing = column.is_null() & False
        return nothing, nothing, nothing  # a whole column of another type is refused by name
    return (
        empty | values.is_nan().fill_null(False),
        values.is_null() & ~empty,
        values.is_infinite().fill_null(False),
    )


def _event_types(frame: pl.DataFrame, now: datetime) -> dict[str, pl.Series]:
    return {"event type missing": frame[EVENT_TYPE].is_null()} if EVENT_TYPE in frame.columns else {}


ROW_FAULTS: Mapping[str, Callable[[pl.DataFrame, datetime], dict[str, pl.Series]]] = {
    "user ids": _user_ids,
    "item ids": _item_ids,
    "times": _times,
    "ratings": _ratings,
    "weights": _weights,
    "event types": _event_types,
}
"""What is looked at -> reason -> mask [R] of the rows that cannot be used for it; the first reason of a row counts."""
