"""Repeats: how often, and how long ago, the history holds an item that may be listed all the same."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.records import Columns, Ints

REPEATS = ("own_count", "own_age")
"""Columns of a candidate: log(1 + how often the history holds it), and 1 / sqrt(1 + events since the last time)."""
HALF_LIFE = 20.0
"""Events after which a taking counts half as much for what is taken again."""
_CELLS = 8_000_000
"""Places of candidates and histories that are compared at a time."""


def repeat_columns(history: Ints, rows: Ints) -> Columns:
    """What the histories [B, L] (newest last, 0 = empty) say of candidates [B, K] themselves: REPEATS, each [B*K].

    Both are 0 for what the history does not hold.
    """
    count = np.zeros(rows.shape, dtype=np.float32)
    age = np.zeros(rows.shape, dtype=np.float32)
    length = history.shape[1]
    nearness = 1.0 / np.sqrt(np.arange(length, 0, -1, dtype=np.float32))  # [L] the newest place is 1
    step = max(_CELLS // max(rows.shape[1] * length, 1), 1)
    for begin in range(0, len(rows), step):
        own, asked = history[begin : begin + step], rows[begin : begin + step]
        same = (asked[:, :, None] == own[:, None, :]) & (asked > 0)[:, :, None]
        count[begin : begin + step] = np.log1p(same.sum(axis=2))
        age[begin : begin + step] = (same * nearness).max(axis=2, initial=0.0)
    return dict(zip(REPEATS, (count.ravel(), age.ravel()), strict=True))


def taken_again(history: Ints, n_items: int) -> tuple[Ints, np.ndarray]:
    """What each history [B, L] holds: keys request * n_items + row [T], rising, and how much it is in it [T].

    The often and lately taken are more: a sum of 0.5^(events since / HALF_LIFE), as in `baselines.popular.Repeats`.
    """
    ages = np.arange(history.shape[1])[::-1]
    weights = np.broadcast_to(np.exp2(-np.minimum(ages / HALF_LIFE, 100.0)), history.shape)
    keys = np.arange(len(history))[:, None] * n_items + history
    told, place = np.unique(keys[history > 0], return_inverse=True)
    return told, np.bincount(place, weights[history > 0], minlength=len(told)).astype(np.float32)
