"""Protocols of the new: items that nobody took yet, known by their features alone, and users without a past."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from enterprise_recsys.data.holdouts import checksum_of_pairs, ordered
from enterprise_recsys.data.sources import read
from enterprise_recsys.protocols.tasks import ListTask, Protocol, Trial
from enterprise_recsys.records import ITEM_ID, USER_ID, Interactions

HELD = 0.2
"""Share of the items whose events are hidden."""


def ml1m_cold_items(data: Path | None, seed: int) -> ListTask:
    """MovieLens 1M, ours: a fifth of the films, drawn by `seed`, is new; whoever rated some is asked for them.

    Learnt from: the ratings of the other films, and the features of all. Ranked: the new films alone. Dials are chosen
    on a fifth of the other films, which are as new in that round, and are given back after the choice.
    """
    log = read("ml-1m", folder=data)
    generator = np.random.default_rng(seed)
    known, judge = _without(log, log.events, generator)
    _, choose = _without(log, known, generator)
    return ListTask(known[ITEM_ID].unique().sort(), choose, judge, checksum_of_pairs(judge.targets), has_times=True)


def _without(log: Interactions, events: pl.DataFrame, generator: np.random.Generator) -> tuple[pl.DataFrame, Trial]:
    """The events of all items but a drawn fifth, and a round that asks for those."""
    items = events[ITEM_ID].unique().sort()
    new = items.filter(pl.Series(generator.random(len(items)) < HELD))
    known = events.filter(~pl.col(ITEM_ID).is_in(new.implode()))
    targets = events.filter(pl.col(ITEM_ID).is_in(new.implode()))
    past = known.join(targets.select(USER_ID).unique(), on=USER_ID, how="semi", maintain_order="left")
    return known, Trial(log.with_events(known), ordered(past), targets, listed=new)


def ml1m_cold_users(data: Path | None, seed: int) -> ListTask:
    """MovieLens 1M, ours: a tenth of the users each, drawn by `seed`, is new in validation and in test.

    Learnt from: the ratings of the others, after the dials are chosen as before it. Of the new users features alone are
    known (gender, age, occupation, zip code). Relevant: all that they rated.
    """
    log = read("ml-1m", folder=data)
    users = log.events[USER_ID].unique().sort()
    place = np.random.default_rng(seed).random(len(users))
    rest, val, test = (
        log.events.filter(pl.col(USER_ID).is_in(users.filter(pl.Series(part)).implode()))
        for part in (place < 0.8, (place >= 0.8) & (place < 0.9), place >= 0.9)
    )
    nothing = rest.clear()
    return ListTask(
        rest[ITEM_ID].unique().sort(),
        Trial(log.with_events(rest), nothing, val),
        Trial(log.with_events(rest), nothing, test),
        checksum_of_pairs(test),
        has_times=True,
    )


_METRICS = ("NDCG@10", "Recall@10", "HR@10", "MRR@10", "Coverage@10")

COLD = {"ml1m-cold-items": Protocol(ml1m_cold_items, _METRICS), "ml1m-cold-users": Protocol(ml1m_cold_users, _METRICS)}
