"""Repeats: how often, how long ago, and in what context the history holds an item that may be listed all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.records import Columns, Events, Ints

REPEATS = ("own_count", "own_age")
"""Columns of a candidate that every model of repeats has; see `repeat_columns`."""
LONGEST = 1000
"""Events of a user, the newest, that are looked through for what was taken before; the towers see fewer."""
HALF_LIFE = 20.0
"""Events after which a taking counts half as much for what is taken again."""


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


def told_situations(processor: DataProcessor, contexts: Sequence[Mapping[str, object]]) -> list[dict[str, int]]:
    """The contexts of further events as rows of their categories; what no model will ask for, or knows, is left out."""
    if not processor.config.lists_past:
        return [{}] * len(contexts)
    asked = {one.name: one for one in processor.of("context") if one.name in set(situation_names(processor))}
    rows: dict[tuple[str, object], int] = {}  # a batch tells few values many times
    found = []
    for context in contexts:
        told = {}
        for name in asked.keys() & context.keys():
            key = (name, context[name])
            if key not in rows:
                rows[key] = int(asked[name].encode_one(context[name])[0])
            told[name] = rows[key]
        found.append({name: row for name, row in told.items() if row})
    return found


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
    cell, at = _pairs(history, rows)
    owner, length = cell // max(rows.shape[1], 1), history.shape[1]
    out: Columns = {name: np.zeros(rows.size, dtype=np.float32) for name in REPEATS}
    out["own_count"] = _counted(cell, rows.size)
    np.maximum.at(out["own_age"], cell, (1.0 / np.sqrt(length - at)).astype(np.float32))
    agreeing = np.zeros(len(cell), dtype=np.float32)
    for name, column in past.items():
        then = column[owner, at].astype(np.int64)
        agrees = (then == now[name][owner]) & (then > 0) if name in now else np.zeros(len(cell), dtype=bool)
        out[f"own_in_{name}"] = _counted(cell[agrees], rows.size)
        agreeing += agrees
    if past:
        out["own_alike"] = np.zeros(rows.size, dtype=np.float32)
        np.maximum.at(out["own_alike"], cell, agreeing / len(past))
    return out


def taken_here(history: Ints, past: Columns, now: Columns) -> tuple[Ints, Ints]:
    """What each of the histories [B, L] holds from the very context of its request, as (offsets [B+1], rows).

    Args:
        history, past, now: see `repeat_columns`; where a part of the context is not known nothing is the same.
    """
    same = history > 0
    for name, column in past.items():
        then = column.astype(np.int64)
        same &= (then == now[name][:, None]) & (then > 0) if name in now else False
    owner, place = np.nonzero(same)
    return np.searchsorted(owner, np.arange(len(history) + 1)), history[owner, place]


def _pairs(history: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Each place of a history [B, L] that holds one of its candidates [B, K]: cells of the candidates, and places."""
    owner, place = np.nonzero(history)
    size = int(max(history.max(initial=0), rows.max(initial=0))) + 1
    keys = owner * size + history[owner, place]
    order = np.argsort(keys, kind="stable")
    asked = (np.arange(len(rows))[:, None] * size + rows).ravel()
    begin, end = (np.searchsorted(keys[order], asked, side=side) for side in ("left", "right"))
    counts = np.where(rows.ravel() > 0, end - begin, 0)
    cell = np.repeat(np.arange(rows.size), counts)
    turn = np.arange(len(cell)) - np.repeat(np.cumsum(counts) - counts, counts)
    return cell, place[order[begin[cell] + turn]]


def _counted(cells: Ints, size: int) -> np.ndarray:
    return np.log1p(np.bincount(cells, minlength=size)).astype(np.float32)


def taken_again(history: Ints, n_items: int) -> tuple[Ints, np.ndarray]:
    """What each history [B, L] holds: keys request * n_items + row [T], rising, and how much it is in it [T].

    The often and lately taken are more: a sum of 0.5^(events since / HALF_LIFE), as in `baselines.popular.Repeats`.
    """
    ages = np.arange(history.shape[1])[::-1]
    weights = np.broadcast_to(np.exp2(-np.minimum(ages / HALF_LIFE, 100.0)), history.shape)
    keys = np.arange(len(history))[:, None] * n_items + history
    told, place = np.unique(keys[history > 0], return_inverse=True)
    return told, np.bincount(place, weights[history > 0], minlength=len(told)).astype(np.float32)
