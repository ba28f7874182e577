"""A made world whose users choose from lists that an old system shows: what impressions are worth can be measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from enterprise_recsys.data.clicks import CLICK
from enterprise_recsys.data.worlds import World, make_world
from enterprise_recsys.records import IMPRESSION, TIME_TYPE

_BY_PLACE = -0.9
"""Times log(place): what a place adds to the log chance of a click."""


def make_shown_world(
    users: int = 1500,
    items: int = 800,
    *,
    days: int = 180,
    events_per_user: float = 40.0,
    chance: float = 1.0,
    seed: int = 0,
) -> World:
    """A made world (see `make_world`) with other events: what each session was shown, and what was clicked of it.

    The old system shows ten items that the user has not clicked before. It goes by popularity, by a third of the
    user's taste, and by a favour that it has for each item, which nobody shares. The user clicks one to three of them,
    none twice, by the world's chances and by the place: the second has 0.54 of the chance of the first.

    Args:
        users, items, days, events_per_user, seed: as `make_world` has them.
        chance: how much of it the old system leaves to chance: 1 = its lists are drawn by its scores, 0 = they hold its
            best, so that most items are hardly ever shown.

    Raises:
        ConfigError: a number is out of its range.
    """
    world = make_world(users, items, days=days, events_per_user=events_per_user, seed=seed)
    generator = np.random.default_rng(seed + 1)
    favour, by_place = generator.normal(size=items), _BY_PLACE * np.log(np.arange(1, 11))
    clicked = np.zeros((users, items), dtype=bool)
    rows: list[tuple[int, int, int, str, int]] = []
    for user, second in world.sessions.tolist():
        values = world.logits(np.array([user]), np.array([second]))[0]
        free = ~clicked[user] & np.isfinite(values)
        policy = world.appeal + 0.35 * (values - world.appeal) + favour + chance * generator.gumbel(size=items)
        listed = np.argsort(-np.where(free, policy, -np.inf))[: min(10, free.sum())].tolist()
        rows += [(user, item, second, IMPRESSION, place) for place, item in enumerate(listed, start=1)]
        wishes = values[listed] + by_place[: len(listed)] + generator.gumbel(size=len(listed))
        for turn, at in enumerate(np.argsort(-wishes)[: min(generator.geometric(0.5), 3)].tolist()):
            rows.append((user, listed[at], second + 20 + 60 * turn, CLICK, at + 1))
            clicked[user, listed[at]] = True
    frame = pl.DataFrame(rows, schema=["user", "item", "second", "event_type", "position"], orient="row")
    events = frame.select(
        (pl.col("user") + 1).cast(pl.String).alias("user_id"),
        ("i" + (pl.col("item") + 1).cast(pl.String)).alias("item_id"),
        (pl.col("second") * 1_000_000).cast(TIME_TYPE).alias("timestamp"),
        "event_type",
        "position",
    )
    return replace(world, interactions=world.interactions.with_events(events.sort("timestamp", maintain_order=True)))
