"""A column that says whether what was shown was taken, 1 or 0, is read as clicks and impressions."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from enterprise_recsys.data.aliases import meant, plain
from enterprise_recsys.data.faults import example, where
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import EVENT_TYPE, IMPRESSION, RATING

CLICK = "click"
"""The canonical name of the column, and the type of the events that it makes of its ones."""

ALIASES = (CLICK, "clicked", "is_click", "is_clicked", "label", "target")
"""Names read as it where a log has no event types and the column holds ones and zeros."""

_PLAIN = [plain(name) for name in ALIASES]
_WORDS = {"1": True, "true": True, "0": False, "false": False}


def with_event_types(log: pl.DataFrame, columns: Mapping[str, str], name: str) -> tuple[pl.DataFrame, list[str]]:
    """A log whose column of ones and zeros has become `event_type`, 'click' or 'impression'; and what is to be told.

    A zero is nothing that a user took: as one event among others it would count as a success. Where such a row has a
    rating, the user had the item none the less, so that the column is left out: the ratings say what it says, and
    `positive_rating` says which are a success.

    Args:
        log: [R] with canonical names.
        columns: own name -> canonical name, as the caller gave them.
        name: where the log came from, for messages.

    Raises:
        DataError: `columns` names the column, and it holds something else or there are event types too.
    """
    is_named = CLICK in columns.values() and CLICK in log.columns
    if is_named and EVENT_TYPE in log.columns:
        raise DataError(f"{name} has {EVENT_TYPE!r} and a column named as {CLICK!r}; give one of them.")
    if EVENT_TYPE in log.columns:
        return log, []
    if is_named:
        found = {CLICK: _named(log[CLICK], name)}
    else:
        found = {one: taken for one in log.columns if plain(one) in _PLAIN and (taken := _taken(log[one])) is not None}
    if len(found) != 1:
        said = [f"{name}: {' or '.join(map(repr, found))} could say what was taken; none is read so"] if found else []
        return log, said
    ((column, taken),) = found.items()
    if RATING in log.columns and (log[RATING].cast(pl.Float64, strict=False).is_not_null() & ~taken).any():
        return log.drop(column), [
            f"{name}: {column!r} is left out, since rows with 0 are rated; positive_rating says which are a success"
        ]
    types = pl.select(pl.when(taken).then(pl.lit(CLICK)).when(~taken).then(pl.lit(IMPRESSION)).alias(EVENT_TYPE))
    n_taken, n_shown = int(taken.sum()), int((~taken).sum())
    return log.drop(column).with_columns(types.to_series()), [
        f"{name}: {column!r} is read as what was taken: {n_taken:,} clicks, {n_shown:,} shown and not taken"
    ]


def impressions(log: pl.LazyFrame, name: str) -> int:
    """How many rows of a log, under its own names, tell what was shown; only the column that says so is read."""
    meanings = {one: meant(one) for one in log.collect_schema().names()}
    typed = [one for one, meaning in meanings.items() if meaning == EVENT_TYPE]
    if typed:
        return int(
            log.select((pl.col(typed[0]).cast(pl.String) == IMPRESSION).sum()).collect(engine="streaming").item()
        )
    said = [one for one in meanings if plain(one) in _PLAIN]
    if not said or RATING in meanings.values():
        return 0
    types, _ = with_event_types(log.select(said).collect(engine="streaming"), {}, name)
    return int((types[EVENT_TYPE] == IMPRESSION).sum()) if EVENT_TYPE in types.columns else 0


def _named(column: pl.Series, name: str) -> pl.Series:
    taken = _taken(column)
    if taken is None:
        wrong = ~column.cast(pl.String).str.to_lowercase().is_in([*_WORDS, "1.0", "0.0"]).fill_null(True)
        told = f"holds {example(column, wrong)} in {where(wrong, name)}" if wrong.any() else f"of {name} is empty"
        raise DataError(f"{column.name} {told}; right is 1 (taken) or 0 (shown and not taken).")
    return taken


def _taken(column: pl.Series) -> pl.Series | None:
    """[R] True, False, or null where it says nothing; None: it holds something else, or nothing at all."""
    if column.dtype == pl.String:
        words = column.str.strip_chars().str.to_lowercase()
        is_told = words.is_in(list(_WORDS)) | words.is_null()
        taken = words.replace_strict(_WORDS, default=None, return_dtype=pl.Boolean) if is_told.all() else None
    elif column.dtype.is_numeric():
        known = column.fill_nan(None) if column.dtype.is_float() else column
        taken = known == 1 if ((known == 0) | (known == 1)).all() else None
    else:
        taken = column if column.dtype == pl.Boolean else None
    return taken if taken is not None and len(taken.drop_nulls()) else None
