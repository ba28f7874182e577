"""How much an event counts by its type: a purchase more than a click, as the user says; nothing is guessed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import polars as pl

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import EVENT_TYPE, WEIGHT


def parsed(words: list[str]) -> dict[str, float]:
    """Event weights as they are written on the command line.

    Raises:
        ConfigError: a word is not `type=number`.

    >>> parsed(["click=1", "buy=5"])
    {'click': 1.0, 'buy': 5.0}
    """
    weights = {}
    for word in words:
        kind, _, number = word.rpartition("=")
        try:
            weights[kind] = float(number)
        except ValueError:
            kind = ""
        if not kind:
            raise ConfigError(f"--event-weight {word!r} is wrong: it should be type=number, for instance buy=5.")
    return weights


def weighed(events: pl.DataFrame, event_weights: Mapping[str, float], name: str) -> pl.Series:
    """The weights [R] of the events by their type, times the log's own.

    Args:
        events: a log with `event_type`.
        event_weights: event type -> 0 or more; it must name every type that the log has, and no other.
        name: where the log came from, for messages.

    Raises:
        DataError: the log has no types, or other types than are named, or a weight is negative or not finite.
    """
    if EVENT_TYPE not in events.columns:
        raise DataError(
            f"event_weights names event types and {name} has no column {EVENT_TYPE!r}; found: "
            f"{', '.join(events.columns)}. Name it with columns={{'its name': {EVENT_TYPE!r}}}, or give no weights."
        )
    if wrong := [kind for kind, weight in event_weights.items() if not (weight >= 0 and math.isfinite(weight))]:
        raise DataError(
            f"event_weights gives {wrong[0]!r} the weight {event_weights[wrong[0]]}; right is 0 or more, 1 = one event."
        )
    counts = dict(events[EVENT_TYPE].value_counts(sort=True).iter_rows())
    faults = []
    if unnamed := [f"{count:,} of {kind!r}" for kind, count in counts.items() if kind not in event_weights]:
        faults.append(f"no weight for {', '.join(unnamed[:10])}")
    if absent := sorted(set(event_weights) - set(counts)):
        faults.append(f"no event of the type {absent[0]!r}, found: {', '.join(map(str, list(counts)[:10]))}")
    if faults:
        raise DataError(
            f"event_weights does not fit the event types of {name}: {'; '.join(faults)}. Give each type its weight; "
            "0 counts for nothing."
        )
    weights = events[EVENT_TYPE].replace_strict(dict(event_weights), return_dtype=pl.Float64)
    return (weights * events[WEIGHT] if WEIGHT in events.columns else weights).alias(WEIGHT)
