"""Any form of time becomes UTC microseconds: seconds to nanoseconds, ISO 8601, zones and dates; a mix is refused."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from enterprise_recsys.data.faults import exact_up_to, example, where
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import TIMESTAMP

UNITS = ("seconds", "milliseconds", "microseconds", "nanoseconds", "no known unit")
_EDGES = (1e11, 1e14, 1e17, 1e20)
"""A time of unit i is below edge i: 1e11 seconds is the year 5138, and 1e11 milliseconds is March 1973."""

_NUMBER = r"^\s*[+-]?\d+(\.\d*)?([eE][+-]?\d+)?\s*$"
ISO = r"^\s*(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(:\d{2})?(?:(\.\d{1,6})\d*)?)?\s*([Zz]|[+-]\d{2}:?\d{2})?\s*$"
"""Day, minute, second, fraction and zone of an ISO 8601 time; a blank may stand for the T."""

_C_TIME = "%a %b %d %H:%M:%S %z %Y"
"""Tue Apr 03 18:00:06 +0000 2012, as in logs of check-ins, of books and of short messages."""

_LATE = 100_000_000  # seconds since 1970: March 1973; no real log is older
_DATES = (19_000_101, 21_001_231)


def to_utc(column: pl.Series, name: str) -> pl.Series:
    """A column of times as Datetime(us, UTC); a time without a zone is taken as UTC.

    Args:
        column: [R] times, dates, numbers since 1970 whose unit shows in their size, ISO 8601 strings, or numbers
            written as strings.
        name: where it came from, for messages.

    Raises:
        DataError: a time is missing, cannot be read, is before 1970 as a number, or the column mixes units or forms.
    """
    if (empty := column.is_null()).any():
        raise DataError(f"{TIMESTAMP} is null in {where(empty, name)}; drop these rows or mend them.")
    if column.dtype == pl.String:
        whole = column.str.strip_chars().cast(pl.Int64, strict=False)
        if not whole.has_nulls():
            return from_numbers(whole, name)
        if column.str.contains(_NUMBER).any():
            return from_numbers(_numeric_text(column, name), name)
        return _from_text(column, name)
    if column.dtype.is_numeric():
        return from_numbers(column, name)
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        zoned = getattr(column.dtype, "time_zone", None)
        micros = column.cast(pl.Datetime("us", zoned))
        return micros.dt.convert_time_zone("UTC") if zoned else micros.dt.replace_time_zone("UTC")
    raise DataError(f"{TIMESTAMP} of {name} is of type {column.dtype}; right are times, numbers or ISO 8601 strings.")


def from_numbers(column: pl.Series, name: str) -> pl.Series:
    """Times since 1970 whose unit shows in their size, the same for the whole column."""
    column = column.cast(pl.Float64) if column.dtype.is_decimal() else column
    if (bad := column < 0).any():
        raise DataError(
            f"{TIMESTAMP} is negative in {where(bad, name)}: {example(column, bad)}; give times since 1970."
        )
    if column.dtype.is_float() and (bad := column > exact_up_to(column)).any():
        raise DataError(
            f"{TIMESTAMP} is a {column.dtype} too large to be exact in {where(bad, name)}: {example(column, bad)}; "
            "give whole numbers (integers), or Float64 seconds."
        )
    ends = pl.Series([column.min(), column.max()], dtype=column.dtype)  # one unit at both ends is one unit between
    units = units_of(ends.cast(pl.Float64))
    if units.n_unique() > 1 or units[0] == 4:
        units = units_of(column.cast(pl.Float64))
        counts = {UNITS[int(unit)]: units.eq(unit).sum() for unit in units.unique().sort()}
        mix = ", ".join(f"{count:,} in {unit}" for unit, count in counts.items())
        raise DataError(
            f"{TIMESTAMP} of {name} does not tell one unit by the size of its values: {mix}; give all in seconds."
        )
    if ends.is_between(*_DATES).all():  # 1970-08 in seconds: a month that no log comes from
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
        micros = (column.cast(pl.Float64) * (1e6, 1e3, 1.0)[unit]).round().cast(pl.Int64)
    else:
        micros = column.cast(pl.Int64) * (1_000_000, 1_000, 1)[unit]
    return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias(TIMESTAMP)


def units_of(sizes: pl.Series) -> pl.Series:
    """The place in UNITS [R] of each number, by its size."""
    nothing = pl.zeros(len(sizes), dtype=pl.UInt8, eager=True)
    return sum(((sizes >= edge).cast(pl.UInt8) for edge in _EDGES), nothing)


def unusable(column: pl.Series, now: datetime) -> dict[str, pl.Series]:
    """Rows whose time cannot be used, by reason; what is wrong with the whole column is left to `to_utc`.

    Args:
        column: [R] as in `to_utc`.
        now: times later than this are faults.

    Returns:
        Reason -> mask [R] without nulls.
    """
    latest = now.timestamp()
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        whole = text.cast(pl.Int64, strict=False)  # the usual case, and a tenth of the regular expression's cost
        if not whole.has_nulls():
            return _far(whole.cast(pl.Float64), latest)
        missing = (text == "").fill_null(True)
        is_number = column.str.contains(_NUMBER).fill_null(False)
        if is_number.sum() * 2 >= (~missing).sum():
            numbers = text.cast(pl.Float64, strict=False)
            return {"time missing": missing, "time unreadable": ~missing & ~is_number} | _far(numbers, latest)
        seconds = _moments(column).dt.epoch("us") / 1e6
        unread = ~missing & seconds.is_null()
        return {"time missing": missing, "time unreadable": unread, "time in the future": _over(seconds, latest)}
    if _is_plain(column, latest):
        return {}
    missing = column.is_null()
    if column.dtype.is_numeric():
        sizes = column.cast(pl.Float64)
        return {"time missing": missing | sizes.is_nan().fill_null(False)} | _far(sizes, latest)
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        late = _over(column.cast(pl.Datetime("us")).to_physical() / 1e6, latest)
        return {"time missing": missing, "time in the future": late}
    return {"time missing": missing}


def _is_plain(column: pl.Series, latest: float) -> bool:
    """Whether whole numbers are all of one unit, later than 1973 and not of the future: seen from two of them."""
    if not column.dtype.is_integer() or column.null_count() or not len(column):
        return False
    ends = pl.Series([column.min(), column.max()], dtype=pl.Float64)
    units = units_of(ends)
    seconds = ends / 10.0 ** (units.cast(pl.Float64) * 3)
    return bool(units[0] == units[1] and units[1] < 4 and seconds[0] > _LATE and seconds[1] <= latest)


def _over(seconds: pl.Series, latest: float) -> pl.Series:
    return (seconds > latest).fill_null(False)


def _far(sizes: pl.Series, latest: float) -> dict[str, pl.Series]:
    """Numbers that are no moment between 1970 and now; the unit is taken from each one's own size."""
    finite = sizes.is_finite().fill_null(False)
    scale = (10.0 ** (units_of(sizes.fill_null(0.0).fill_nan(0.0)).clip(upper_bound=3) * 3)).cast(pl.Float64)
    seconds = sizes / scale
    negative = (sizes < 0).fill_null(False)
    typical = seconds.filter(finite).median()
    # A zero among real times stands for "not known"; in a log that counts from zero it is a time like any other.
    unset = (sizes == 0).fill_null(False) if isinstance(typical, float) and typical > _LATE else negative & False
    return {
        "time not finite": ~finite & sizes.is_not_null() & ~sizes.is_nan().fill_null(False),
        "time before 1970": negative & finite,
        "time is zero": unset,
        "time in the future": _over(seconds, latest) & finite,
    }


def _numeric_text(column: pl.Series, name: str) -> pl.Series:
    bad = ~column.str.contains(_NUMBER)
    if bad.any():
        raise DataError(_unreadable(column, bad, name))
    text = column.str.strip_chars()
    whole = text.cast(pl.Int64, strict=False)
    return text.cast(pl.Float64) if whole.has_nulls() else whole


def _from_text(column: pl.Series, name: str) -> pl.Series:
    times = _moments(column)
    if (bad := times.is_null()).any():
        raise DataError(_unreadable(column, bad, name))
    return times


def _moments(column: pl.Series) -> pl.Series:
    """ISO 8601 with a blank or T, seconds and offset or not, as UTC; null where it is none.

    Taken apart, since one column may mix these. A column without any may be of times as C programs print them.
    """
    day, minute, second, fraction, zone = (column.str.extract(ISO, group) for group in range(1, 6))
    clock = minute.fill_null("00:00") + second.fill_null(":00") + fraction.fill_null(".0")
    local = (day + "T" + clock).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    digits = zone.str.replace_all("[^0-9]", "").str.zfill(4)
    minutes = digits.str.slice(0, 2).cast(pl.Int64, strict=False) * 60 + digits.str.slice(2, 2).cast(
        pl.Int64, strict=False
    )
    signed = minutes * zone.str.starts_with("-").cast(pl.Int64) * -2 + minutes
    shift = (signed.fill_null(0) * 60_000_000).cast(pl.Duration("us"))
    found = (local - shift).dt.replace_time_zone("UTC").alias(TIMESTAMP)
    if found.null_count() == len(found):
        return column.str.strip_chars().str.to_datetime(_C_TIME, time_unit="us", strict=False).alias(TIMESTAMP)
    return found


def _unreadable(column: pl.Series, bad: pl.Series, name: str) -> str:
    return (
        f"{TIMESTAMP} cannot be read in {where(bad, name)}: {example(column, bad)}; right is one form for the whole "
        "column: ISO 8601 such as 2024-05-01T12:30:00Z, or seconds since 1970."
    )
