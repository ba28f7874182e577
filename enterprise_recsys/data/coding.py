"""Ids of a log as numbers beside one table of names: 4 bytes an event where a string takes 16 and more."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from enterprise_recsys.records import ITEM_ID, USER_ID, Interactions

SPARSE = 2
"""Numbers for each event that ids may spread over and still be looked up in a table of all of them."""

_STEP = 1 << 20


def coded(frame: pl.DataFrame) -> pl.DataFrame:
    """A log whose user and item ids are of a type `Enum` that holds every id once, as the string that it will be.

    Args:
        frame: `user_id` and `item_id` [R] without a gap, strings or numbers; a number is whole.
    """
    return frame.with_columns([_coded(frame[key]) for key in (USER_ID, ITEM_ID)])


def can_be_coded(frame: pl.DataFrame) -> bool:
    """Whether the ids of a log are of a type that can be an id's; any other is refused by `to_interactions`."""
    kinds = (frame.schema[key] for key in (USER_ID, ITEM_ID))
    return all(kind.is_numeric() or isinstance(kind, pl.String | pl.Categorical | pl.Enum) for kind in kinds)


def names_of(column: pl.Series) -> pl.Series:
    """The ids of a coded column by their numbers."""
    assert isinstance(column.dtype, pl.Enum)
    return column.dtype.categories


def numbers_of(column: pl.Series) -> NDArray[np.uint32]:
    """[R] a number from 0 on for each id, the same for the same id; of a coded column the numbers that it has."""
    if isinstance(column.dtype, pl.Enum):
        return column.to_physical().to_numpy().astype(np.uint32, copy=False)
    return numbers_of(_coded(column))


def counted(column: pl.Series, times: pl.Series) -> pl.DataFrame:
    """Of each id of a coded column its `id`, `count` of events and `first` time: a tenth of the cost of a group-by.

    Args:
        column: [R] coded ids.
        times: [R].
    """
    names, numbers, moments = names_of(column), numbers_of(column), times.to_physical().to_numpy()
    counts, first = np.zeros(len(names), np.int64), np.full(len(names), np.iinfo(np.int64).max)
    for begin in range(0, len(column), _STEP):
        part = numbers[begin : begin + _STEP]
        counts += np.bincount(part, minlength=len(names))
        np.minimum.at(first, part, moments[begin : begin + _STEP])
    told = pl.DataFrame({"id": names, "count": counts, "first": pl.Series(first).cast(times.dtype)})
    return told.with_columns(pl.col("count").cast(pl.UInt32)).filter(pl.col("count") > 0)


def named(log: Interactions) -> Interactions:
    """A log with strings as ids, as everywhere but while a large log is prepared."""
    return log.with_events(log.events.with_columns(pl.col(USER_ID, ITEM_ID).cast(pl.String)))


def _coded(ids: pl.Series) -> pl.Series:
    codes, names = _of_integers(ids) if ids.dtype.is_integer() and len(ids) else _of_texts(ids)
    return pl.Series(ids.name, codes).cat.to(pl.Enum(names))


def _of_texts(ids: pl.Series) -> tuple[NDArray[np.uint32], pl.Series]:
    whole = ids.cast(pl.Int64) if ids.dtype.is_numeric() else ids
    kind = pl.Categorical(pl.Categories.random())
    own = whole if isinstance(ids.dtype, pl.Categorical) else whole.cast(pl.String).cast(kind)
    if own.is_empty():
        return np.zeros(0, np.uint32), pl.Series([], dtype=pl.String)
    known = own.unique()
    names = known.cast(pl.String).gather(known.to_physical().arg_sort())
    return _of_integers(own.to_physical())[0], names  # numbered anew: not every category need be in use


def _of_integers(ids: pl.Series) -> tuple[NDArray[np.uint32], pl.Series]:
    wide = pl.UInt64 if ids.dtype.is_unsigned_integer() else pl.Int64
    least, largest = ids.min(), ids.max()
    assert isinstance(least, int) and isinstance(largest, int)

    def parts() -> Iterator[tuple[int, pl.Series]]:
        for begin in range(0, len(ids), _STEP):
            yield begin, ids[begin : begin + _STEP].cast(wide)

    codes = np.empty(len(ids), np.uint32)
    if largest - least >= SPARSE * len(ids):
        known = ids.unique().sort()
        for begin, part in parts():
            codes[begin : begin + _STEP] = known.search_sorted(part.cast(ids.dtype)).to_numpy()
        return codes, known.cast(pl.String)
    used = np.zeros(largest - least + 1, np.bool_)
    for _, part in parts():
        used[part.to_numpy() - least] = True
    number = (np.cumsum(used) - 1).astype(np.uint32)
    for begin, part in parts():
        codes[begin : begin + _STEP] = number[part.to_numpy() - least]
    return codes, (pl.Series(np.flatnonzero(used), dtype=wide) + least).cast(pl.String)
