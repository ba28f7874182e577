"""Which events teach, which choose and which judge: a log is cut into train, val and test by one named rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import ITEM_ID, TIMESTAMP, USER_ID, Interactions

_FINER = "give more events or other shares, or finer timestamps"


@dataclass(frozen=True)
class Split:
    """Three parts of one log, each in source order, with the same users and items; every event is in exactly one.

    Attributes:
        train: events to learn from.
        val: events that choose (epochs, dials).
        test: events that judge, seen once.
    """

    train: Interactions
    val: Interactions
    test: Interactions


def global_time(interactions: Interactions, *, train: float = 0.8, val: float = 0.1) -> Split:
    """Cut by time, the same two moments for every user: the past teaches, the future judges.

    With R events and t the times in rising order (counted from 1), the part that ends at share q holds the events with
    timestamp <= t[floor(q * R)]: events with the same timestamp as the last one of a part stay with it, so equal
    timestamps never stand on both sides of a cut. train ends at q = train, val at q = train + val, test is the rest.

    Args:
        interactions: [R] events in any order.
        train: share of the events, the oldest, over 0.
        val: share of the events that follow, over 0; train + val is below 1.

    Raises:
        ConfigError: the shares leave nothing for one part.
        DataError: a part comes out empty, since there are too few events or too few different times.
    """
    part = part_by_time(interactions, train=train, val=val)
    return _parts(interactions, part, "global_time", _FINER)


def part_by_time(interactions: Interactions, *, train: float = 0.8, val: float = 0.1) -> pl.Series:
    """[R] the part of each event by the rule of `global_time`: 0 train, 1 val, 2 test.

    Raises:
        ConfigError: as `global_time`.
        DataError: as `global_time`.
    """
    _check_shares(train, val)
    times = interactions.events[TIMESTAMP].to_physical()
    # The end of an empty part is a moment before the first event; it is then told to be empty.
    ends = (_place(len(times), train), _place(len(times), train + val))
    ordered = np.partition(times.to_numpy(), [max(end - 1, 0) for end in ends])
    first, second = (int(ordered[end - 1]) if end else int(ordered.min()) - 1 for end in ends)
    part = (times > first).cast(pl.Int8) + (times > second).cast(pl.Int8)
    _check_parts(interactions, part, "global_time", _FINER)
    return part


def leave_last(interactions: Interactions) -> Split:
    """Each user's last event is test, the last but one is val, the others are train.

    Last = by (timestamp, source row): of two events at the same time the later row is later. Users with fewer than 3
    events stay wholly in train. Some users' train events are later than other users' test events, so a model may see
    the future of the catalogue; for claims about tomorrow take `global_time`.

    Raises:
        DataError: no user has 3 events.
    """
    by_time = interactions.events.select(USER_ID, TIMESTAMP).with_row_index("row").sort(TIMESTAMP, "row")
    from_end = pl.int_range(pl.len(), dtype=pl.Int64).reverse().over(USER_ID)
    part = pl.when((pl.len().over(USER_ID) < 3) | (from_end > 1)).then(0).otherwise(2 - from_end)
    parts = by_time.with_columns(part.cast(pl.Int8).alias("part")).sort("row")["part"]
    return _parts(interactions, parts, "leave_last", "give users of 3 events or more, or split by time")


def random(interactions: Interactions, *, train: float = 0.8, val: float = 0.1, seed: int = 0) -> Split:
    """Draw each event's part by lot; only for rating prediction, since the future then teaches about the past.

    Args:
        interactions: [R] events.
        train: share of the events, over 0; exact to one event.
        val: share of the events, over 0; train + val is below 1.
        seed: same seed and same order of events, same parts.

    Raises:
        ConfigError: the shares leave nothing for one part.
        DataError: a part comes out empty, since there are too few events.
    """
    _check_shares(train, val)
    rows = len(interactions.events)
    drawn = np.random.default_rng(seed).permutation(rows)
    part = (drawn >= _place(rows, train)).astype(np.int8) + (drawn >= _place(rows, train + val)).astype(np.int8)
    return _parts(interactions, pl.Series(part), "random", "give more events or other shares")


def checksum(interactions: Interactions) -> str:
    """Give the first 16 hex digits of the sha256 of the events' (user, item, time), so that a figure names its split.

    Each event is a line `user TAB item TAB microseconds since 1970`, sorted by (user, item, time); the order of the
    log and its other columns do not matter.
    """
    key = interactions.events.select(USER_ID, ITEM_ID, pl.col(TIMESTAMP).to_physical()).sort(pl.all())
    lines = key.select(pl.concat_str(pl.all(), separator="\t").alias("line"))["line"]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()[:16]


def follow_in_time(split: Split) -> bool:
    """Whether every event of a part is strictly later than all of the part before."""
    times = [part.events[TIMESTAMP].to_physical() for part in (split.train, split.val, split.test)]
    ends = [(int(column.min()), int(column.max())) for column in times]  # type: ignore[arg-type]
    return all(earlier[1] < later[0] for earlier, later in pairwise(ends))


def _place(rows: int, share: float) -> int:
    # 0.8 + 0.1 and the like may fall a hair below the whole number that is meant.
    return int(rows * share + 1e-6)


def _check_shares(train: float, val: float) -> None:
    if not (train > 0 and val > 0 and train + val < 1 - 1e-9):
        raise ConfigError(
            f"train={train}, val={val} leave {1 - train - val:g} for test; each of the three shares must be over 0."
        )


def _parts(interactions: Interactions, part: pl.Series, rule: str, cure: str) -> Split:
    """Filter the events by part: 0 train, 1 val, 2 test; events of another number are in none."""
    _check_parts(interactions, part, rule, cure)
    return Split(*(interactions.with_events(interactions.events.filter(part == number)) for number in range(3)))


def _check_parts(interactions: Interactions, part: pl.Series, rule: str, cure: str) -> None:
    counts = {name: int((part == number).sum()) for number, name in enumerate(("train", "val", "test"))}
    if empty := [name for name, count in counts.items() if not count]:
        shown = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        raise DataError(
            f"the split {rule!r} leaves {' and '.join(empty)} of {interactions.name} empty: "
            f"{len(interactions.events):,} events became {shown}; {cure}."
        )


SPLITS: Mapping[str, Callable[..., Split]] = {
    "global_time": global_time,
    "leave_last": leave_last,
    "random": random,
}
