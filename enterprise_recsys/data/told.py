"""Features told of users and items become rows of their tables; a wrong name or type is refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import polars as pl

from enterprise_recsys.errors import ConfigError


def checked(
    schema: Mapping[str, pl.DataType], key: str, features: Mapping[str, object], prefix: str
) -> dict[str, object]:
    """Features by the full names of their columns, as values that these can hold.

    Args:
        schema: column -> type of the table.
        key: its column of ids.
        features: by column name, or short: `title` for `item_title`; None = missing.
        prefix: what short names lack, `item_`.

    Raises:
        ConfigError: a name that the table has not, or a value that its column cannot hold.
    """
    row: dict[str, object] = {}
    for name, value in features.items():
        full = name if name in schema else f"{prefix}{name}"
        if full not in schema or full == key:
            known = ", ".join(sorted(column for column in schema if column != key)) or "none"
            raise ConfigError(f"feature {name!r} is unknown; known: {known}.")
        if full in row:
            raise ConfigError(f"feature {full!r} is told twice, in full and short; tell it once.")
        row[full] = _value(full, schema[full], value)
    return row


def table_of(schema: Mapping[str, pl.DataType], key: str, rows: Mapping[str, Mapping[str, object]]) -> pl.DataFrame:
    """A table of checked rows by id, in their order; what is not told is missing."""
    columns = [
        pl.Series(name, list(rows) if name == key else [row.get(name) for row in rows.values()], dtype=kind)
        for name, kind in schema.items()
    ]
    return pl.DataFrame(columns)


def _value(name: str, kind: pl.DataType, value: object) -> object:
    if value is None:
        return None
    wanted, plain = _plain(kind, value)
    if plain is not None and isinstance(kind, pl.Enum | pl.Categorical):
        return plain if not isinstance(kind, pl.Enum) or plain in kind.categories else None  # never seen: missing
    try:
        # The column has the last word: an 8-bit number has no room for 300, a list of numbers none for texts.
        held = None if plain is None else pl.Series([plain]).cast(kind, strict=False)[0]
    except (TypeError, OverflowError, pl.exceptions.PolarsError):
        held = None
    if isinstance(held, pl.Series):
        held = None if held.null_count() else held.to_list()
    if held is None:
        raise ConfigError(f"feature {name!r} is wrong: it should be {wanted}, and a {type(value).__name__} was told.")
    return held


def _plain(kind: pl.DataType, value: object) -> tuple[str, object]:
    """What a column's type wants, in words, and the value as such; None = it is something else."""
    if kind == pl.Boolean:
        return "true or false", value if isinstance(value, bool) else None
    if kind.is_numeric():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if kind.is_integer():
            is_whole = is_number and (not isinstance(value, float) or value.is_integer())
            return f"a whole number that {kind} holds", int(value) if is_whole else None  # type: ignore[call-overload]
        return "a number", value if is_number else None
    if kind.is_temporal():
        return "a time as in 2026-03-01T12:00:00", _moment(value)
    is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
    if isinstance(kind, pl.List | pl.Array):
        return f"a list of texts that {kind} holds", value if is_list else None
    if isinstance(value, list) and is_list and kind == pl.String:
        return "a text", "|".join(value)  # lists in text columns are written so: Action|Comedy
    return "a text", value if isinstance(value, str) else None


def _moment(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
