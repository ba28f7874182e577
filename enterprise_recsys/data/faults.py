"""The words in which rows at fault are named: how many, which one first, and what stands there."""

from __future__ import annotations

import polars as pl


def where(bad: pl.Series, name: str) -> str:
    """How many rows a mask [R] marks, and the first one, counted from 1.

    >>> where(pl.Series([False, True, True]), "log")
    '2 rows of log, first at row 2'
    """
    rows = bad.arg_true()
    return f"{counted(len(rows), 'row')} of {name}, first at row {rows[0] + 1:,}"


def counted(count: int, what: str) -> str:
    """A count with its noun.

    >>> counted(1, "row"), counted(2_000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def example(column: pl.Series, bad: pl.Series) -> str:
    """The first value that a mask marks, short enough for a sentence."""
    return cut(repr(column.filter(bad)[0]), 60)


def cut(text: str, longest: int = 100) -> str:
    """A text as it stands in a sentence: cut where it is long.

    >>> cut("x" * 100, 5)
    'xxxxx...'
    """
    return text if len(text) <= longest else f"{text[:longest]}..."


def exact_up_to(column: pl.Series) -> float:
    """Up to here a float type tells neighbouring whole numbers apart; inf and beyond are not."""
    return 2.0**24 if column.dtype == pl.Float32 else 2.0**53
