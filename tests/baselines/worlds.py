"""Tiny logs for the tests of the baselines."""

import numpy as np

from enterprise_recsys.records import Events, Queries, Ragged


def events_of(pairs: list[tuple[int, int]], days: list[float] | None = None) -> Events:
    """(user row, item row) at some days (0, 1, 2, ... if not told), all relevant."""
    users, items = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    times = np.array(range(len(pairs)) if days is None else days, dtype=np.float64) * 86_400_000_000
    ones = np.ones(len(pairs), dtype=np.float32)
    return Events(users, items, times.astype(np.int64), ones * np.nan, ones, ones.astype(bool))


def asked(*histories: list[int], users: list[int] | None = None, repeats: bool = False) -> Queries:
    """Queries of some histories; with `repeats` nothing is excluded."""
    offsets = np.cumsum([0, *(len(one) for one in histories)])
    history = Ragged(offsets, np.array([item for one in histories for item in one], dtype=np.int64))
    nothing = Ragged(np.zeros(len(histories) + 1, dtype=np.int64), np.empty(0, dtype=np.int64))
    return Queries(history, nothing if repeats else None, None if users is None else np.array(users))


def blocks(users: int = 40, items: int = 20, seed: int = 0) -> list[tuple[int, int]]:
    """Even users take even items and odd users odd ones, each four fifths of his own half."""
    generator = np.random.default_rng(seed)
    return [
        (user, item)
        for user in range(1, users + 1)
        for item in range(1, items + 1)
        if user % 2 == item % 2 and generator.random() < 0.8
    ]
