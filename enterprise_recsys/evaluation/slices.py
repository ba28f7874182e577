"""Groups of users and of items that are shown beside all: new ones, the active, head and tail, any feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import Bools, Doubles, Ints

Groups = dict[str, Bools]
"""Name -> who is in it; what `measure` takes as `slices` (users) or in a `Catalogue` as `groups` (items)."""

LEVELS = {2: ("low", "high"), 3: ("low", "middle", "high")}
"""Names of the parts of a number, by how many there are; others are numbered from 1."""
VALUES = 8
"""A category is shown by this many values, the commonest; more would hide the table."""


def by_activity(counts: Ints | Doubles, *, parts: int = 3) -> Groups:
    """Users by their events in training: "new_users" have none, the others fall into parts of as many users.

    The names are "low_activity", "middle_activity", "high_activity". Users of equal count stay together, so a part may
    be larger than its share, and one that comes out empty is left out.

    Args:
        counts: [U] events of each user before the test.
        parts: 1 or more.
    """
    groups = {"new_users": counts == 0}
    return groups | _quantiles(np.where(counts > 0, counts, np.nan), "{}_activity", parts)


def by_popularity(popularity: Doubles, *, head: float = 0.2, tail: float = 0.2) -> Groups:
    """Items by their events in training, cut where a share of all events is reached, not a share of items.

    - "head_items": the fewest most popular items that hold at least the share `head` of the events;
    - "tail_items": the most of the least popular that hold at most the share `tail`, less those never seen;
    - "middle_items": between them;
    - "new_items": without an event in training, and all that the catalogue does not hold (place 0 speaks for them).

    Items of equal popularity are cut in the order of their rows. A group that comes out empty is left out, but for
    "new_items", which the truth may fill.

    Args:
        popularity: [I] events of each item; place 0 is not looked at.
        head, tail: shares over 0 that sum to less than 1.

    Raises:
        ConfigError: the shares leave no middle.

    Source: head, middle and tail by share of events as in Abdollahpouri et al., UMAP 2021, arXiv:2103.06364.
    """
    if not (head > 0 and tail > 0 and head + tail < 1):
        raise ConfigError(f"head={head}, tail={tail} leave no middle; take shares over 0 that sum to less than 1.")
    order = np.argsort(-popularity[1:], kind="stable") + 1
    total = max(float(popularity[1:].sum()), 1e-300)
    upto = np.cumsum(popularity[order]) / total
    before = upto - popularity[order] / total
    seen = popularity[order] > 0
    # A hair, so that a share that is reached exactly is not missed by the last digit of a sum.
    of_head, of_tail = seen & (before < head - 1e-12), seen & (before >= 1 - tail - 1e-12)
    of_tail &= ~of_head
    named = {"head_items": of_head, "middle_items": seen & ~of_head & ~of_tail, "tail_items": of_tail}
    groups = {name: _placed(mask, order, len(popularity)) for name, mask in named.items() if mask.any()}
    new = np.asarray(popularity == 0, np.bool_)
    new[:1] = True
    return groups | {"new_items": new}


def by_feature(column: pl.Series, *, name: str | None = None, parts: int = 3) -> Groups:
    """Users or items by one feature, "gender_F" or "year_low"; what has no value is in no group.

    A number with more different values than are shown is cut into parts of as many members; of lists (and strings
    divided by "|") a member is in the group of each of its values; else each of the 8 commonest values is a group.

    Args:
        column: [U] or [I] values in the order of the rows, row 0 included.
        name: beginning of the groups' names; None: the column's own.
        parts: of a number.
    """
    prefix = (name or column.name).replace("/", "_")
    if column.dtype.is_numeric() and column.drop_nulls().n_unique() > VALUES:
        return _quantiles(column.cast(pl.Float64).fill_null(np.nan).to_numpy(), prefix + "_{}", parts)
    if column.dtype == pl.String:
        lists = column.str.split("|")
    elif isinstance(column.dtype, pl.List | pl.Array):
        lists = column.cast(pl.List(pl.String), strict=False)
    else:
        lists = column.cast(pl.String, strict=False).reshape((-1, 1)).cast(pl.List(pl.String))
    members = pl.DataFrame({"place": pl.int_range(len(lists), eager=True), "value": lists}).explode(
        "value", empty_as_null=True
    )
    members = members.filter(pl.col("value").is_not_null() & (pl.col("value") != "")).unique()
    common = members.group_by("value").len().sort("len", "value", descending=[True, False]).head(VALUES)["value"]
    groups = {}
    for value in common.sort():
        mask = np.zeros(len(lists), np.bool_)
        mask[members.filter(pl.col("value") == value)["place"].to_numpy()] = True
        groups[f"{prefix}_{value.replace('/', '_')}"] = mask
    return groups


def standard(
    user_counts: Ints | Doubles,
    item_counts: Doubles,
    *,
    users: pl.DataFrame | None = None,
    items: pl.DataFrame | None = None,
    features: Sequence[str] = (),
) -> tuple[Groups, Groups]:
    """The groups of users and of items that a report shows: new and by activity, head to tail, and chosen features.

    Args:
        user_counts: [U] events of each user before the test.
        item_counts: [I] events of each item in training, row 0 included.
        users: [U] rows in the order of the truth's users. None: no features.
        items: [I] or [I-1] rows in the order of the catalogue, with or without row 0. None: no features.
        features: columns of either table that become groups.

    Raises:
        ConfigError: a feature is in neither table.
        DataError: a table has not a row for each user or item.
    """
    if users is not None and len(users) != len(user_counts):
        raise DataError(f"users has a row for each user: {len(user_counts)}, got {len(users)}.")
    if items is not None and len(items) == len(item_counts) - 1:
        items = pl.concat([items.clear(n=1), items])
    if items is not None and len(items) != len(item_counts):
        raise DataError(f"items has a row for each item: {len(item_counts)}, row 0 included, got {len(items)}.")
    of_users, of_items = by_activity(user_counts), by_popularity(item_counts)
    for feature in features:
        tables = [(table, groups) for table, groups in ((users, of_users), (items, of_items)) if table is not None]
        found = [(table, groups) for table, groups in tables if feature in table.columns]
        if not found:
            known = ", ".join(column for table, _ in tables for column in table.columns)
            raise ConfigError(f"the feature {feature!r} is in neither table; known: {known or 'none'}.")
        for table, groups in found:
            groups |= by_feature(table[feature])
    return of_users, of_items


def _quantiles(values: Doubles, pattern: str, parts: int) -> Groups:
    """Parts of as many members by rising value; equal values stay together, NaN is in none."""
    if parts < 1:
        raise ConfigError(f"parts={parts} is out of range; take 1 or more.")
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return {}
    edges = known[np.arange(1, parts) * len(known) // parts]
    place = np.where(np.isnan(values), -1, np.searchsorted(edges, values, side="right"))
    names = LEVELS.get(parts, tuple(str(number + 1) for number in range(parts)))
    groups: Mapping[str, Bools] = {pattern.format(name): place == part for part, name in enumerate(names)}
    return {name: mask for name, mask in groups.items() if mask.any()}


def _placed(mask: Bools, order: Ints, size: int) -> Bools:
    placed = np.zeros(size, np.bool_)
    placed[order[mask]] = True
    return placed
