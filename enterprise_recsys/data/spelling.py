"""A column of text held as the numbers or times that it spells, where that loses no letter: 8 bytes a cell or fewer."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from enterprise_recsys.data.aliases import is_id, stays_text

_TEXT, _GLIMPSE = "text", 64
_WHOLE, _DECIMAL = "whole number", "number"
_CLOCKS = [f"{mark}%H:%M:%S{part}{zone}" for mark in "T " for part in ("", "%.3f", "%.6f") for zone in ("Z", "")]
_TIMES = [f"%Y-%m-%d{clock}" for clock in (*_CLOCKS, "T%H:%M", " %H:%M", "")]
SPELLINGS = (_WHOLE, _DECIMAL, *_TIMES)
"""How cells may be spelt: as polars writes whole numbers, as it writes Float64, or as UTC times of one form."""


class Gathering:
    """Frames of strings that become one, as they are."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pl.Series]] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Take further rows, all columns strings; the first frame has no rows and tells the columns."""
        for column in frame.iter_columns():
            held = self._held(column)  # which may rewrite what was kept before
            self._parts.setdefault(column.name, []).append(held)

    def _held(self, column: pl.Series) -> pl.Series:
        return column

    def gathered(self) -> tuple[pl.DataFrame, Mapping[str, str]]:
        """All rows, and of the columns that are no longer strings how they are spelt; to be called once."""
        # One column after the other, so that only one is held twice.
        return pl.DataFrame({name: pl.concat(self._parts.pop(name), rechunk=True) for name in list(self._parts)}), {}


class Compact(Gathering):
    """Frames of strings that become one: ids as categories, other columns as what all their cells spell.

    A column stays text if one cell of it is spelt otherwise than the others, so that each can be given back to the
    letter, see `as_text`.

    Args:
        columns: own name -> canonical name.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        super().__init__()
        self._columns, self._spelt = columns, dict[str, str]()
        self._ids = pl.Categorical(pl.Categories.random())

    def _held(self, column: pl.Series) -> pl.Series:
        name = column.name
        if is_id(name, self._columns):
            return column.cast(self._ids)
        if column.null_count() == len(column) or stays_text(name, self._columns) or self._spelt.get(name) == _TEXT:
            return column
        before = self._spelt.get(name)
        for spelling in (before,) if before else SPELLINGS:
            if (held := _spelt(column, spelling)) is not None:
                self._spelt[name] = spelling
                return held
        self._spelt[name] = _TEXT
        if before:
            self._parts[name] = [as_text(part, before) for part in self._parts[name]]
        return column

    def gathered(self) -> tuple[pl.DataFrame, Mapping[str, str]]:
        """All rows, and of the columns that are no longer strings how they are spelt; to be called once."""
        spelt = {name: spelling for name, spelling in self._spelt.items() if spelling != _TEXT}
        for name, spelling in spelt.items():
            self._parts[name] = [part.cast(_type(spelling)) if _is_empty(part) else part for part in self._parts[name]]
        return super().gathered()[0], spelt


def as_text(column: pl.Series, spelling: str) -> pl.Series:
    """The strings that a column was read from."""
    if column.dtype == pl.String:
        return column
    return column.dt.strftime(spelling) if spelling in _TIMES else column.cast(pl.String)


def texts_of(frame: pl.DataFrame, spelt: Mapping[str, str]) -> pl.DataFrame:
    """The frame with those columns as the strings that they were read from."""
    return frame.with_columns([as_text(frame[name], spelling) for name, spelling in spelt.items()])


def without_empty(frame: pl.DataFrame, spelt: Mapping[str, str]) -> pl.DataFrame:
    """The frame with those columns that have no cell left as text: they look like nothing."""
    return frame.with_columns([frame[name].cast(pl.String) for name in spelt if _is_empty(frame[name])])


def _is_empty(column: pl.Series) -> bool:
    return column.null_count() == len(column)


def _type(spelling: str) -> pl.DataType:
    if spelling in _TIMES:
        return pl.Datetime("us", "UTC")
    return pl.Int64() if spelling == _WHOLE else pl.Float64()


def _spelt(column: pl.Series, spelling: str) -> pl.Series | None:
    """The column as what it spells; None if a cell would be lost, or be written otherwise."""
    return _tried(column, spelling) if _tried(column.drop_nulls()[:_GLIMPSE], spelling) is not None else None


def _tried(column: pl.Series, spelling: str) -> pl.Series | None:
    if spelling in _TIMES:
        parsed = column.str.to_datetime(spelling.replace("%.3f", "%.f").replace("%.6f", "%.f"), strict=False)
        held = parsed.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        is_odd = column.str.starts_with("0").any()  # as a zip code: such a column stays text, see `files.typed`
    else:
        held = column.cast(_type(spelling), strict=False)
        # Two texts that are one number for a comparison: a zero with a sign, and what is no number.
        is_odd = not held.dtype.is_integer() and (column.is_in(["-0.0"]) | held.is_nan()).any()
    return held if not is_odd and as_text(held, spelling).eq_missing(column).all() else None
