"""Two logs become one."""

from __future__ import annotations

import numpy as np
import polars as pl

from enterprise_recsys.data.ordering import by_time
from enterprise_recsys.records import TIMESTAMP, Interactions, Ints


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


def _tables(first: pl.DataFrame | None, second: pl.DataFrame | None, key: str) -> pl.DataFrame | None:
    if first is None or second is None or first is second:
        return first if first is not None else second
    further = second.join(first, on=key, how="anti")
    return pl.concat([first, further], how="diagonal_relaxed")
