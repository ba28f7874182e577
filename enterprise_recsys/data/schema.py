"""What each column is, declared: whose property, and which kind; inferred, printed, and open to the user's word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import polars as pl

from enterprise_recsys.choice import known
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import (
    EVENT_ID,
    EVENT_TYPE,
    ITEM_ID,
    POSITION,
    RATING,
    RECOMMENDATION_ID,
    SESSION_ID,
    TIMESTAMP,
    USER_ID,
    WEIGHT,
    Interactions,
)

Owner = Literal["event", "user", "item", "context"]

KINDS: Mapping[str, str] = {
    "category": "one of a few values; a value never seen is row 0",
    "number": "scaled to mean 0 and deviation 1; heavy tails by logarithm or quantiles",
    "multi_value": "several values of a few, as genres or tags",
    "text": "words; learnt from where you name the kind, else kept for display",
    "time": "a moment",
    "vector": "numbers of one length, as an embedding made elsewhere",
    "skip": "left out",
}
"""Kind -> what it means."""

_ROLES: Mapping[str, str] = {
    USER_ID: "id",
    ITEM_ID: "id",
    TIMESTAMP: "time",
    RATING: "rating",
    WEIGHT: "weight",
    EVENT_TYPE: "type",
    EVENT_ID: "id",
    SESSION_ID: "id",
    RECOMMENDATION_ID: "id",
    POSITION: "number",
}
"""What the canonical columns of an event are; this is fixed."""

_FEW = 50
_MOST_DISTINCT = 0.5
# One cell of a list column: two or more parts, or one; a bar with blanks around it belongs to a sentence.
_LIST_CELL = r"^[^|\s]([^|]*[^|\s])?(\|[^|\s]([^|]*[^|\s])?)*$"


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: its canonical name; features of users and items begin with `user_` and `item_`.
        owner: event (a role such as `user_id`), user, item, or context (it belongs to the moment of the event).
        kind: a role, or a name in `KINDS`.
        type: how it is stored, in the words of polars.
        given: whether the user said so; otherwise it was inferred.
    """

    name: str
    owner: Owner
    kind: str
    type: str
    given: bool = False


@dataclass(frozen=True)
class Schema:
    """The columns of a log and its tables, in their order."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, log: Interactions, kinds: Mapping[str, str] | None = None) -> Schema:
        """Infer the schema of a log; the user's word goes over what is inferred.

        Args:
            log: a log in canonical form.
            kinds: column -> a name in `KINDS`; a feature of the users' or items' table goes by its canonical name or
                by its name without the prefix.

        Raises:
            ConfigError: an unknown kind.
            DataError: an unknown column, or a kind that the column's type does not allow.
        """
        kinds = dict(kinds or {})
        for column, kind in kinds.items():
            if kind not in KINDS:
                raise ConfigError(f"the kind {kind!r} of the column {column!r} is unknown; {known(KINDS, kind)}.")
        columns = []
        owned: tuple[tuple[Owner, pl.DataFrame | None], ...] = (
            ("context", log.events),
            ("user", log.users),
            ("item", log.items),
        )
        for owner, table in owned:
            for series in table.iter_columns() if table is not None else ():
                if owner == "context" and series.name in _ROLES:
                    stored = "String" if isinstance(series.dtype, pl.Enum) else str(series.dtype)  # Enum: coded ids
                    columns.append(Column(series.name, "event", _ROLES[series.name], stored))
                elif series.name not in (USER_ID, ITEM_ID):
                    columns.append(_column(series, owner, kinds))
        if kinds:
            names = [column.name for column in columns if column.owner != "event"]
            raise DataError(
                f"the kind of {next(iter(kinds))!r} is given and {log.name} has no such feature; "
                f"{known(names, next(iter(kinds)))}."
            )
        return cls(tuple(columns))

    def kinds(self, owner: Owner) -> dict[str, str]:
        """Feature -> kind of one owner, in order; what `features.fitted` learns from.

        A text that only looks like one (a title, a name) is kept for display and is `skip` here.
        """
        return {
            column.name: column.kind if column.given or column.kind != "text" else "skip"
            for column in self.columns
            if column.owner == owner
        }

    def without_skipped(self, log: Interactions) -> Interactions:
        """The log without the columns of the kind `skip` that the user named; others stay for display."""
        names = [column.name for column in self.columns if column.kind == "skip" and column.given]
        tables = [table.drop(names, strict=False) if table is not None else None for table in (log.users, log.items)]
        return Interactions(log.events.drop(names, strict=False), tables[0], tables[1], log.name)

    def to_json(self) -> dict[str, object]:
        """Plain values, for a manifest or an artifact."""
        return {"columns": [asdict(column) for column in self.columns]}

    @classmethod
    def from_json(cls, fields: Mapping[str, object]) -> Schema:
        """The inverse of `to_json`.

        Raises:
            DataError: it is not what `to_json` gives.
        """
        listed = fields.get("columns")
        if not isinstance(listed, list):
            raise DataError("this is no schema: it has no list 'columns'; right is what Schema.to_json gives.")
        try:
            return cls(tuple(Column(**one) for one in listed))
        except TypeError as error:
            raise DataError(f"this is no schema: {error}; right is what Schema.to_json gives.") from error

    def __str__(self) -> str:
        """A table for a reader: one line a column."""
        rows = [("column", "of", "kind", "stored as", "")]
        rows += [
            (one.name, one.owner, one.kind, one.type.partition("(time_unit")[0], "as you said" if one.given else "")
            for one in self.columns
        ]
        widths = [max(len(row[place]) for row in rows) for place in range(4)]
        lines = ("  ".join(word.ljust(width) for word, width in zip(row, (*widths, 0), strict=True)) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


def _column(series: pl.Series, owner: Owner, kinds: dict[str, str]) -> Column:
    given = [name for name in (series.name, series.name.removeprefix(f"{owner}_")) if name in kinds]
    if not given:
        lists = owner != "context" and series.dtype == pl.String and holds_lists(series)
        return Column(series.name, owner, "multi_value" if lists else inferred(series), str(series.dtype))
    kind = kinds.pop(given[0])
    if not _fits(series.dtype, kind):
        raise DataError(
            f"the column {series.name!r} is stored as {series.dtype}, which cannot be of the kind {kind!r}; "
            f"it looks like {inferred(series)!r}. Mend the column, or leave the kind away."
        )
    return Column(series.name, owner, kind, str(series.dtype), given=True)


def inferred(column: pl.Series) -> str:
    """The kind that a column's type and values suggest.

    Strings that differ in most rows (titles, descriptions) are text; lists of floats that are all of one length are a
    vector; a column without any value is skipped.
    """
    kind = column.dtype
    if column.null_count() == len(column):
        return "skip"
    if isinstance(kind, pl.List | pl.Array):
        if isinstance(kind.inner, pl.Struct | pl.Null):
            return "skip"
        is_float = kind.inner in (pl.Float64, pl.Float32)
        lengths = 1 if isinstance(kind, pl.Array) else column.drop_nulls().list.len().n_unique()
        return "vector" if is_float and lengths == 1 else "multi_value"
    if kind.is_temporal():
        return "time"
    if kind.is_numeric():
        return "number"
    if kind in (pl.Boolean, pl.Categorical, pl.Enum):
        return "category"
    if kind == pl.String:
        distinct = column.drop_nulls().n_unique()
        return "category" if distinct <= max(_FEW, _MOST_DISTINCT * len(column)) else "text"
    return "skip"


def holds_lists(column: pl.Series) -> bool:
    """Whether strings are lists as text files write them, `a|b|c`: one holds a bar, and each reads as parts.

    >>> holds_lists(pl.Series(["Drama|War", "Comedy", None])), holds_lists(pl.Series(["Up | Down", "Up"]))
    (True, False)
    """
    return bool(column.str.contains("|", literal=True).any() and column.str.contains(_LIST_CELL).all())


def _fits(kind: pl.DataType, wanted: str) -> bool:
    """Whether values of a type can be read as a kind."""
    is_list = isinstance(kind, pl.List | pl.Array)
    return {
        "skip": True,
        "category": not is_list,
        "text": kind == pl.String,
        "number": kind.is_numeric() or kind == pl.Boolean,
        "time": kind.is_temporal(),
        "multi_value": is_list or kind == pl.String,
        "vector": is_list and getattr(kind, "inner", pl.String()).is_numeric(),
    }[wanted]


def parsed(words: list[str]) -> dict[str, str]:
    """Pairs as they are written on the command line.

    Raises:
        ConfigError: a word is not `name=value`.

    >>> parsed(["zip=category"])
    {'zip': 'category'}
    """
    pairs = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise ConfigError(f"{word!r} is wrong: it should be name=value, for instance zip=category.")
        pairs[name] = value
    return pairs
