"""Two logs become one."""

from __future__ import annotations

import polars as pl

from enterprise_recsys.records import Interactions


def joined(early: Interactions, late: Interactions) -> Interactions:
    """One log of two: all events, and the users and items of both (the earlier one's features win)."""
    return Interactions(
        pl.concat([early.events, late.events], how="diagonal_relaxed"),
        _tables(early.users, late.users, "user_id"),
        _tables(early.items, late.items, "item_id"),
        early.name,
    )


def _tables(first: pl.DataFrame | None, second: pl.DataFrame | None, key: str) -> pl.DataFrame | None:
    if first is None or second is None or first is second:
        return first if first is not None else second
    further = second.join(first, on=key, how="anti")
    return pl.concat([first, further], how="diagonal_relaxed")
