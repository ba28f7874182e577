"""A filter over the catalogue's fields becomes the set of items that a search may find."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache, reduce

import numpy as np
import polars as pl

from enterprise_recsys.choice import known
from enterprise_recsys.data.schema import holds_lists
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.engine.grammar import Both, Comparison, Not, Tree, Value, parse, wrong
from enterprise_recsys.engine.indexes import Allowed
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import ITEM_ID, Bools, Ints

REMEMBERED_BYTES = 32_000_000
"""Of the masks of filters asked for before, the last ones used are kept."""


class Filters:
    """Filters over one catalogue.

    >>> films = pl.DataFrame({"item_id": ["a", "b"], "item_year": [1994, 2001], "item_genres": [["Drama"], None]})
    >>> filters = Filters(films, Vocabulary(films["item_id"]))
    >>> filters.allowed("year < 2000 and genres contains 'Drama'").mask.tolist()
    [False, True, False]

    Args:
        catalogue: one row an item, row 1 first, as `DataProcessor.catalogue` has it. A field is a column's name; the
            prefix `item_` may be left out.
        items: the rows of its ids.
    """

    def __init__(self, catalogue: pl.DataFrame, items: Vocabulary) -> None:
        self.catalogue, self.items = catalogue, items
        self._columns: dict[str, pl.Series] = {}
        entries = max(8, min(512, REMEMBERED_BYTES // (len(catalogue) + 1)))
        self.allowed: Callable[[str], Allowed] = lru_cache(maxsize=entries)(self._allowed)
        """The items that a filter's text lets through; raises ConfigError, which points at the fault."""

    def _allowed(self, text: str) -> Allowed:
        mask = np.concatenate([[False], self._held(text, parse(text))])
        mask.setflags(write=False)
        return Allowed(mask)

    def name(self, field: str) -> str | None:
        """The catalogue's column for a field; None if it has none."""
        return next((name for name in (field, f"item_{field}") if name in self.catalogue.columns), None)

    def mask(self, text: str) -> Bools:
        """[I] the items that a filter's text lets through."""
        return self.allowed(text).mask

    def values(self, field: str) -> pl.Series:
        """A field's values [I-1] as filters see them, row 1 first.

        Raises:
            ConfigError: the items have no such field.
        """
        name = self.name(field)
        if name is None:
            raise ConfigError(f"the items have no field {field!r}; {known(self.fields(), field)}.")
        return self.column(name)

    def rows(self, ids: Iterable[str]) -> Ints:
        """Item rows [R] of outside ids; 0 for those unknown."""
        return self.items.rows(ids)

    def fields(self) -> list[str]:
        """The names that a filter may use, without their prefix."""
        return [column if column == ITEM_ID else column.removeprefix("item_") for column in self.catalogue.columns]

    def column(self, name: str) -> pl.Series:
        """A column as filters see it: numbers without NaN, categories as texts, times as microseconds UTC."""
        if name not in self._columns:
            self._columns[name] = _plain(self.catalogue[name])
        return self._columns[name]

    def _held(self, text: str, tree: Tree) -> Bools:
        if isinstance(tree, Comparison):
            return self._compared(text, tree)
        if isinstance(tree, Not):
            return ~self._held(text, tree.part)
        masks = [self._held(text, part) for part in tree.parts]
        joined: Bools = reduce(np.logical_and if isinstance(tree, Both) else np.logical_or, masks)
        return joined

    def _compared(self, text: str, one: Comparison) -> Bools:
        name = self.name(one.field)
        if name is None:
            raise wrong(text, one.place, f"the items have no field {one.field!r}; {known(self.fields(), one.field)}")
        column = self.column(name)
        try:
            held = _held_by(column, one)
        except _Mismatch as fault:
            raise wrong(text, one.place, f"{one.field} {fault}") from None
        # Polars fills by a query of its own, a millisecond each; a field that every item has needs none.
        return (held.fill_null(False) if held.null_count() else held).to_numpy().astype(bool)


class _Mismatch(Exception):
    """The values or the operator do not fit the column's type; the text goes on after the field's name."""


_MICROS = pl.Datetime("us", "UTC")


def _plain(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if kind.is_float():
        return column.cast(pl.Float64).fill_nan(None)
    if kind.is_decimal():
        return column.cast(pl.Float64)
    if kind in (pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    if kind == pl.Date or isinstance(kind, pl.Datetime):
        aware = column.cast(pl.Datetime("us")) if kind == pl.Date or kind.time_zone is None else column  # type: ignore[attr-defined]
        zoned = aware.dt.replace_time_zone("UTC") if aware.dtype.time_zone is None else aware.cast(_MICROS)  # type: ignore[attr-defined]
        return zoned.cast(_MICROS)
    if isinstance(kind, pl.List | pl.Array):
        return column.cast(pl.List(pl.String), strict=False)
    return column


def _held_by(column: pl.Series, one: Comparison) -> pl.Series:
    if one.operator == "is null":
        return column.is_null()
    if one.operator == "is not null":
        return column.is_not_null()
    if one.operator in ("contains", "not contains"):
        return _contains(column, one)
    kind = column.dtype
    if isinstance(kind, pl.List):
        raise _Mismatch("holds several values: ask with contains")
    values = [_value(column, value) for value in one.values]
    if kind == pl.Boolean and one.operator in ("<", "<=", ">", ">="):
        raise _Mismatch("is true or false: ask with = or !=")
    if one.operator in ("in", "not in"):
        found = reduce(lambda left, right: left | right, (column == value for value in set(values)))
        return ~found if one.operator == "not in" else found
    return _COMPARISONS[one.operator](column, values[0])


def _contains(column: pl.Series, one: Comparison) -> pl.Series:
    """Of several values one equals the text; in a single text it stands somewhere, in capitals or not."""
    value = one.values[0]
    if not isinstance(value, str):
        raise _Mismatch(f"contains texts, got {value!r}; write it in quotes")
    if column.dtype == pl.String:
        if holds_lists(column.filter(column != "")):
            found = column.str.split("|").list.contains(value)
        else:
            found = column.str.contains(f"(?i){pl.escape_regex(value)}")
    elif isinstance(column.dtype, pl.List):
        found = column.list.contains(value)
    else:
        raise _Mismatch("holds one value: ask with = or in")
    return ~found if one.operator == "not contains" else found


def _value(column: pl.Series, value: Value) -> object:
    """The value in the column's own type.

    Raises:
        _Mismatch: it has another type.
    """
    kind, is_number = column.dtype, isinstance(value, int | float) and not isinstance(value, bool)
    if kind == pl.Boolean and isinstance(value, bool):
        return value
    if kind.is_numeric() and is_number:
        return value
    if kind == pl.String and isinstance(value, str):
        return value
    if kind == _MICROS and isinstance(value, str):
        return _moment(value)
    wish = next((wish for suits, wish in _WISHES if suits(kind)), "has a type that filters cannot read")
    raise _Mismatch(f"{wish}, got {value!r}")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _Mismatch(f"is a time, as '2026-03-01' or '2026-03-01T12:00:00', got {text!r}") from None


_WISHES: Sequence[tuple[Callable[[pl.DataType], bool], str]] = (
    (lambda kind: kind == pl.Boolean, "is true or false"),
    (lambda kind: kind.is_numeric(), "is a number"),
    (lambda kind: kind == pl.String, "is a text, in quotes"),
    (lambda kind: kind == _MICROS, "is a time, as '2026-03-01' in quotes"),
)
_COMPARISONS: dict[str, Callable[[pl.Series, object], pl.Series]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
}
