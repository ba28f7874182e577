"""Repeats: how often, how long ago, and in what context the history holds an item that may be listed all the same."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.records import Columns, Events, Ints

REPEATS = ("own_count", "own_age")
"""Columns of a candidate that every model of repeats has; see `repeat_columns`."""
HALF_LIFE = 20.0
"""Events after which a taking counts half as much for what is taken again."""
_CELLS = 8_000_000
"""Places of candidates and histories that are compared at a time."""


def situation_names(processor: DataProcessor) -> list[str]:
    """What of its context an event is remembered by: the categories that the log holds of it.

    Not the hour and day that its time gives: no log at hand shows that they help, and where times only tell an order
    they mislead.
    """
    return [one.name for one in processor.of("context") if one.kind == "category"]


def repeat_names(processor: DataProcessor) -> list[str]:
    """The columns of `repeat_columns`, where the model lists what users had."""
    if not processor.config.lists_past:
        return []
    names = situation_names(processor)
    return [*REPEATS, *(["own_alike"] if names else []), *(f"own_in_{name}" for name in names)]


def situations(processor: DataProcessor, events: Events) -> Columns:
    """The context [R] of each event, as rows of its category, 0 = unknown; nothing where no model will ask for it."""
    if not processor.config.lists_past:
        return {}
    return {name: events.context[name].astype(np.int32) for name in situation_names(processor)}


def repeat_columns(history: Ints, rows: Ints, past: Columns, now: Columns) -> Columns:
    """What the histories [B, L] (newest last, 0 = empty) say of candidates [B, K] themselves, each [B*K].

    - `own_count`: log(1 + how often the history holds it).
    - `own_age`: 1 / sqrt(1 + events since the last time).
    - `own_in_<name>`, for each part of a context: log(1 + how often it was there when it was as it is now).
    - `own_alike`: the share of these parts that were as they are now, of the time when most were.

    All are 0 for what the history does not hold.

    Args:
        history, rows: see there.
        past: name -> [B, L] the context that each event of the histories was in, 0 = unknown.
        now: name -> [B] the context of the requests; what it lacks agrees with nothing.
    """
    parts = [f"own_in_{name}" for name in past] + (["own_alike"] if past else [])
    out: Columns = {name: np.zeros(rows.size, dtype=np.float32) for name in (*REPEATS, *parts)}
    length, depth = history.shape[1], rows.shape[1]
    nearness = 1.0 / np.sqrt(np.arange(length, 0, -1, dtype=np.float32))  # [L] the newest place is 1
    step = max(_CELLS // max(depth * length, 1), 1)
    for begin in range(0, len(rows), step):
        own, asked = history[begin : begin + step], rows[begin : begin + step]
        owner, place, at = np.nonzero((asked[:, :, None] == own[:, None, :]) & (asked > 0)[:, :, None])
        cell = (begin + owner) * depth + place
        mine = slice(begin * depth, begin * depth + asked.size)
        out["own_count"][mine] = _counted(cell, mine)
        np.maximum.at(out["own_age"], cell, nearness[at])
        agreeing = np.zeros(len(cell), dtype=np.float32)
        for name, column in past.items():
            if name not in now:
                continue
            then = column[begin + owner, at].astype(np.int64)
            agrees = (then == now[name][begin + owner]) & (then > 0)
            out[f"own_in_{name}"][mine] = _counted(cell[agrees], mine)
            agreeing += agrees
        if past:
            np.maximum.at(out["own_alike"], cell, agreeing / len(past))
    return out


def _counted(cells: Ints, within: slice) -> np.ndarray:
    return np.log1p(np.bincount(cells - within.start, minlength=within.stop - within.start))


def taken_again(history: Ints, n_items: int) -> tuple[Ints, np.ndarray]:
    """What each history [B, L] holds: keys request * n_items + row [T], rising, and how much it is in it [T].

    The often and lately taken are more: a sum of 0.5^(events since / HALF_LIFE), as in `baselines.popular.Repeats`.
    """
    ages = np.arange(history.shape[1])[::-1]
    weights = np.broadcast_to(np.exp2(-np.minimum(ages / HALF_LIFE, 100.0)), history.shape)
    keys = np.arange(len(history))[:, None] * n_items + history
    told, place = np.unique(keys[history > 0], return_inverse=True)
    return told, np.bincount(place, weights[history > 0], minlength=len(told)).astype(np.float32)
