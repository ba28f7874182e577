"""Small tasks whose best answers are known."""

from __future__ import annotations

import numpy as np
import polars as pl

from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.splits import random
from enterprise_recsys.protocols.contextual import questions
from enterprise_recsys.protocols.tasks import ListTask, RowTask, Trial
from enterprise_recsys.records import Interactions


def of(rows: list[tuple[str, str, int]]) -> Interactions:
    return to_interactions(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"))


def blocks_task(*, has_times: bool = True, users: int = 40, items: int = 20) -> ListTask:
    """Even users take even items and odd users odd ones; what is left out of a half is its target."""
    generator = np.random.default_rng(0)
    rows, val, test = [], [], []
    for user in range(users):
        own = generator.permutation(np.arange(user % 2, items, 2))
        name = f"u{user:02}"
        rows += [(name, f"i{item:02}", 100 + place) for place, item in enumerate(own[:-2])]
        val.append((name, f"i{own[-2]:02}", 200))
        test.append((name, f"i{own[-1]:02}", 300))
    log, later, latest = of(rows), of(val), of(test)
    both = of(rows + val)
    catalogue = pl.Series([f"i{item:02}" for item in range(items)])
    return ListTask(
        catalogue,
        Trial(log, log.events, later.events),
        Trial(both, both.events, latest.events),
        "made",
        has_times=has_times,
    )


def stars_task(threshold: float | None, *, users: int = 60, items: int = 40, seed: int = 0) -> RowTask:
    """Ratings = 3 + bias of the user + bias of the item + a little noise; a genre tells half of the item's."""
    generator = np.random.default_rng(seed)
    of_users, of_genres = generator.normal(0, 0.6, users), np.array([-0.8, 0.0, 0.8])
    genre = generator.integers(0, 3, items)
    of_items = of_genres[genre] + generator.normal(0, 0.4, items)
    rows = []
    for user in range(users):
        for item in range(items):
            rating = 3 + of_users[user] + of_items[item] + generator.normal(0, 0.2)
            rows.append((f"u{user}", f"i{item}", user * items + item, float(rating)))
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "rating"], orient="row")
    films = pl.DataFrame(
        {"item_id": [f"i{item}" for item in range(items)], "item_genre": [["abc"[one]] for one in genre]}
    )
    parts = random(to_interactions(frame, items=films), seed=seed)
    return RowTask(parts.train, parts.val, parts.test, threshold, "made")


def places_task(*, users: int = 60) -> ListTask:
    """Everybody has one app for home and one for work, among two kinds of each; asked is at one place or the other."""
    generator = np.random.default_rng(0)

    def drawn(times: int) -> pl.DataFrame:
        rows = []
        for user in range(users):
            for _ in range(times):
                place = "home" if generator.random() < 0.5 else "work"
                rows.append((f"u{user:02}", f"{place}_app{user % 2}", 0, place))
        frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "place"], orient="row")
        return to_interactions(frame).events

    train, val, test = drawn(12), drawn(4), drawn(4)
    log = Interactions(train)
    catalogue = pl.Series(sorted(f"{place}_app{kind}" for place in ("home", "work") for kind in (0, 1)))
    both = pl.concat([train, val])
    judge = questions(log, both, test, ["place"])
    return ListTask(catalogue, questions(log, train, val, ["place"]), judge, "made", has_times=False, repeats=True)
