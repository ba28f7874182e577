"""Whose column it is: what says the same at every event of an item, or of a user, is a feature of that item or user."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import polars as pl

from enterprise_recsys.data.giveaways import of_events
from enterprise_recsys.records import DERIVED, EVENT_TYPE, ITEM_ID, OPTIONAL, RATING, REQUIRED, USER_ID

_PREFIXES = {ITEM_ID: "item_", USER_ID: "user_"}
_LOOKED_AT = (*_PREFIXES, RATING, EVENT_TYPE)
CONTEXT = "context_"
"""How a column's name begins that stays with the events, whatever it says."""

AGREES = {ITEM_ID: 0.9, USER_ID: 0.98}
"""Agreement from which a column is its owner's. A price or a title is mended now and then; but a user who mostly holds
the same device, or mostly is in the same town, tells something when it is another."""
NEARLY = 0.5
"""Agreement with the item from which a column is as good as a hint at it, see `checks.leaks`."""

_LEAST_ROWS, _LEAST_OWNERS, _LEAST_OTHERS = 100, 20, 20
_MOST_ROWS, _MOST_KNOWN = 1_000_000, 200_000
"""Rows, drawn by lot from larger logs, that are looked at, and those of them with a value."""


def with_owners(
    log: pl.DataFrame, name: str, static: Mapping[str, str] | None = None
) -> tuple[pl.DataFrame, list[str]]:
    """A log whose columns of items and users are named as such, `genre` as `item_genre`; and what is to be told.

    Flat files carry the item's category or the user's country in each row. As context they would be asked for with
    each request, which cannot know them, and what is new would have no features.

    Args:
        log: [R] with canonical names.
        name: where it came from, for messages.
        static: column -> name, from another part of the same log; None looks at the values.
    """
    found = dict(owned(log) if static is None else static)
    told = [
        f"{name}: {old!r} says the same at every event of {_who(new)} and is read as {new!r}"
        for old, new in found.items()
    ]
    return log.rename(found, strict=False), told


def _who(name: str) -> str:
    return "an item" if name.startswith(_PREFIXES[ITEM_ID]) else "a user"


def owned(log: pl.DataFrame) -> dict[str, str]:
    """Columns of the context that are an item's or a user's -> the name that says so.

    What gives the rating or the event type away, such as a price that is there only where something was bought, stays
    where it is found to do so.
    """
    names, taken = list(contexts(log)), log.columns
    log = _some(log.select(name for name in log.columns if name in names or name in _LOOKED_AT))
    found = {}
    telling = {name for name, _, _ in of_events(log, names)}
    for column in names:
        if column in telling:
            continue
        agreed = {key: agreement(log, key, column) for key in _PREFIXES}
        key = max(agreed, key=lambda one: agreed[one] - AGREES[one])
        if agreed[key] >= AGREES[key] and _PREFIXES[key] + column not in taken:
            found[column] = _PREFIXES[key] + column
    return found


def _some(log: pl.DataFrame, most: int = _MOST_ROWS) -> pl.DataFrame:
    """Rows drawn by lot where there are more, about so many; a larger log is not copied for it."""
    if len(log) <= most:
        return log
    return log[np.unique(np.random.default_rng(0).integers(0, len(log), most))]


def as_before(columns: Collection[str], known: Collection[str]) -> dict[str, str]:
    """Likewise for another part of a log, from the columns that the first part turned out to have.

    What stayed with the moment there does here, though a table of items has a column of that name too.

    >>> as_before(["user_id", "genre", "device", "price"], ["item_genre", "user_age", "price", "item_price"])
    {'genre': 'item_genre'}
    """
    free = [one for one in columns if one not in known]
    names = {one: prefix + one for one in free for prefix in _PREFIXES.values() if prefix + one in known}
    return {old: new for old, new in names.items() if new not in columns}


def contexts(log: pl.DataFrame) -> Iterator[str]:
    """Columns that are neither canonical nor named as somebody's."""
    ours = {*REQUIRED, *OPTIONAL, *DERIVED}
    for name, kind in log.schema.items():
        if name not in ours and not name.startswith((*_PREFIXES.values(), CONTEXT)) and not isinstance(kind, pl.Struct):
            yield name


def agreement(log: pl.DataFrame, key: str, column: str) -> float:
    """How much oftener two events of one owner agree in a column than two events of anybody: 0 as often, 1 always.

    Rows without a value are passed over; 0 too where there are too few to tell. The mean over events, so that an owner
    of many does not outweigh the others (Cohen's kappa of two events drawn from one owner).

    Args:
        log: [R].
        key: the column that tells the owner.
        column: any scalar or list.
    """
    known = _some(_some(log.select(key, column)).drop_nulls(), _MOST_KNOWN)
    cells = (
        known.group_by(key, column).len("n").with_columns(pl.col("n").cast(pl.Float64), of=pl.col("n").sum().over(key))
    )
    cells = cells.filter(pl.col("of") > 1)
    rows, owners = float(cells["n"].sum()), cells[key].n_unique()
    if rows < _LEAST_ROWS or owners < _LEAST_OWNERS:
        return 0.0
    # Of an owner's n events a pair agrees with the chance sum m (m - 1) / n (n - 1); weighed by n.
    within = cells.select((pl.col("n") * (pl.col("n") - 1) / (pl.col("of") - 1)).sum()).item() / rows
    of_all = cells.group_by(column).agg(pl.col("n").sum())["n"]
    chance = float((of_all * (of_all - 1)).sum()) / (rows * (rows - 1))
    return (within - chance) / (1 - chance) if (1 - chance) * rows >= _LEAST_OTHERS else 0.0
