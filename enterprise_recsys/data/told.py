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
    right, wanted = False, str(kind)
    if kind == pl.Boolean:
        right, wanted = isinstance(value, bool), "true or false"
    elif kind.is_numeric():
        right, wanted = isinstance(value, int | float) and not isinstance(value, bool), "a number"
        if right and kind.is_integer():
            right, wanted = float(value) == int(float(value)) and abs(float(value)) < 2**31, "a whole number"  # type: ignore[arg-type]
            value = int(float(value)) if right else value  # type: ignore[arg-type]
    elif kind.is_temporal():
        wanted = "a time as in 2026-03-01T12:00:00"
        try:
            moment = datetime.fromisoformat(value) if isinstance(value, str) else None
            cast = pl.Series([moment]).cast(kind, strict=False) if moment is not None else None
            value, right = (cast[0], cast[0] is not None) if cast is not None else (value, False)
        except (ValueError, pl.exceptions.PolarsError):
            right = False
    elif isinstance(kind, pl.List | pl.Array):
        wanted = "a list of texts"
        right = isinstance(value, list) and all(isinstance(one, str) for one in value)
    elif kind in (pl.String, pl.Categorical, pl.Enum):
        right, wanted = isinstance(value, str), "a text"
        if isinstance(value, list) and kind == pl.String and all(isinstance(one, str) for one in value):
            right, value = True, "|".join(value)  # lists in text columns are written so: Action|Comedy
        if right and isinstance(kind, pl.Enum) and value not in kind.categories:
            value = None  # a value never seen, as everywhere
    if not right:
        raise ConfigError(f"feature {name!r} is a {type(value).__name__}; it should be {wanted}.")
    return value
