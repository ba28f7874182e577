"""Two logs become one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast

import numpy as np
import polars as pl

from enterprise_recsys.data.ordering import by_time
from enterprise_recsys.data.visits import VISIT_GAP_S
from enterprise_recsys.records import TIMESTAMP, USER_ID, Interactions, Ints


def joined(early: Interactions, late: Interactions) -> Interactions:
    """One log of two: all events, and the users and items of both (the earlier one's features win)."""
    return Interactions(
        pl.concat([early.events, late.events], how="diagonal_relaxed"),
        _tables(early.users, late.users, "user_id"),
        _tables(early.items, late.items, "item_id"),
        early.name,
    )


def later_places(early: Interactions, late: Interactions) -> Ints:
    """Places of `late`'s events among those of `joined(early, late)` in the order of time, rising.

    Not all that came at its first moment or after: where each user's last events were set aside, the parts overlap in
    time, and most of what came then is of `early`.
    """
    times = pl.concat([part.events[TIMESTAMP].to_physical() for part in (early, late)]).to_numpy()
    places: Ints = np.flatnonzero(by_time(times) >= len(early.events))
    return places


def is_mixed(early: Interactions, late: Interactions) -> bool:
    """Whether most of `late`'s events came before others of their users in `early`, as where they were drawn by lot."""
    newest = early.events.group_by(USER_ID).agg(pl.col(TIMESTAMP).max().alias("newest"))
    known = late.events.select(USER_ID, TIMESTAMP).join(newest, on=USER_ID, how="inner")
    return len(known) > 0 and bool(2 * (known[TIMESTAMP] < known["newest"]).sum() > len(known))


def moved_after(early: Interactions, late: Interactions) -> Interactions:
    """`late` as if it were one visit of each user after all of `early`, all at one time, in the order that it has."""
    end = cast(datetime, early.events[TIMESTAMP].max()) + timedelta(seconds=2 * VISIT_GAP_S)
    turn = pl.duration(microseconds=pl.col(TIMESTAMP).rank("ordinal").over(USER_ID).cast(pl.Int64))
    moved = (pl.lit(end) + turn).cast(late.events.schema[TIMESTAMP]).alias(TIMESTAMP)
    return late.with_events(late.events.with_columns(moved))


def _tables(first: pl.DataFrame | None, second: pl.DataFrame | None, key: str) -> pl.DataFrame | None:
    if first is None or second is None or first is second:
        return first if first is not None else second
    further = second.join(first, on=key, how="anti")
    return pl.concat([first, further], how="diagonal_relaxed")
