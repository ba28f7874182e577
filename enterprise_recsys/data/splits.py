"""Which events teach, which choose and which judge: a log is cut into train, val and test by one named rule."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl

from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import ITEM_ID, TIMESTAMP, USER_ID, Interactions

_NO_PART = 3
_LONGER = "give users of {} events or more, or split by time"
_FINER = "give more events or other shares, or finer timestamps"


@dataclass(frozen=True)
class Split:
    """Three parts of one log, each in source order, with the same users and items; no event is in two.

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


def time_quantile(interactions: Interactions, *, train: float = 0.8, val: float = 0.1, least: int = 1) -> Split:
    """As `global_time`, and val and test keep only users with at least so many events in train.

    Events of other users after the first cut are in no part. What is measured then says nothing of new users.

    Args:
        interactions: [R] events.
        train, val: shares of the events, as in `global_time`.
        least: events in train that a user needs to be judged by.

    Raises:
        ConfigError, DataError: as `global_time`.
    """
    part = part_by_time(interactions, train=train, val=val)
    known = interactions.events.filter(part == 0).group_by(USER_ID).len().filter(pl.col("len") >= least)[USER_ID]
    strangers = (part > 0) & ~interactions.events[USER_ID].is_in(known.implode())
    part = pl.select(pl.when(strangers).then(_NO_PART).otherwise(part)).to_series()
    return _parts(interactions, part, "time_quantile", f"give a smaller least than {least}, or more events")


def leave_last(interactions: Interactions) -> Split:
    """Each user's last event is test, the last but one is val, the others are train.

    Last = by (timestamp, source row): of two events at the same time the later row is later. Users with fewer than 3
    events stay wholly in train. Some users' train events are later than other users' test events, so a model may see
    the future of the catalogue; for claims about tomorrow take `global_time`.

    Raises:
        DataError: no user has 3 events.
    """
    return _parts(interactions, _by_last(interactions, 1), "leave_last", _LONGER.format(3))


def leave_last_k(interactions: Interactions, *, k: int = 5) -> Split:
    """As `leave_last`, with the last k events of each user in test and the k before them in val.

    Args:
        interactions: [R] events.
        k: at least 1; users with fewer than 2 k + 1 events stay wholly in train.

    Raises:
        ConfigError: k is below 1.
        DataError: no user has 2 k + 1 events.
    """
    if k < 1:
        raise ConfigError(f"k={k} is wrong: at least 1 event of each user must be left out.")
    return _parts(interactions, _by_last(interactions, k), "leave_last_k", _LONGER.format(2 * k + 1))


def _by_last(interactions: Interactions, k: int) -> pl.Series:
    by_time = interactions.events.select(USER_ID, TIMESTAMP).with_row_index("row").sort(TIMESTAMP, "row")
    return _by_place(by_time, pl.int_range(pl.len(), dtype=pl.Int64).reverse().over(USER_ID), test=k, val=k)


def _by_place(events: pl.DataFrame, from_end: pl.Expr, *, test: pl.Expr | int, val: pl.Expr | int) -> pl.Series:
    """[R] the part of each event in source order, by its place among its user's, counted from the end."""
    enough = pl.len().over(USER_ID) > test + val
    part = pl.when(~enough | (from_end >= test + val)).then(0).when(from_end >= test).then(1).otherwise(2)
    return events.with_columns(part.cast(pl.Int8).alias("part")).sort("row")["part"]


def random_per_user(interactions: Interactions, *, train: float = 0.8, val: float = 0.1, seed: int = 0) -> Split:
    """Draw each user's events by lot into the parts, so that every user with enough of them is in each.

    As in many published tables; the future teaches about the past, so it tells nothing about tomorrow. Of a user's n
    events floor(test * n) are test and floor(val * n) are val, but at least 1 each; users with fewer than 3 stay in
    train.

    Args:
        interactions: [R] events.
        train, val: shares, each over 0; train + val is below 1.
        seed: same seed and same order of events, same parts.

    Raises:
        ConfigError: the shares leave nothing for one part.
        DataError: no user has 3 events.
    """
    _check_shares(train, val)
    lots = np.random.default_rng(seed).permutation(len(interactions.events))
    drawn = interactions.events.select(USER_ID).with_row_index("row").with_columns(lot=pl.Series(lots)).sort("lot")
    count = pl.len().over(USER_ID).cast(pl.Float64)
    test, held = ((count * share + 1e-6).floor().cast(pl.Int64).clip(1) for share in (1 - train - val, val))
    from_end = pl.int_range(pl.len(), dtype=pl.Int64).over(USER_ID)
    return _parts(interactions, _by_place(drawn, from_end, test=test, val=held), "random_per_user", _LONGER.format(3))


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


def rolling(interactions: Interactions, dates: Sequence[datetime], *, span: timedelta | None = None) -> list[Split]:
    """A split for each date: test is what follows the date, val as long a time before it, train all before that.

    Args:
        interactions: [R] events.
        dates: rising; each begins a test.
        span: of each test and val; None: from one date to the next, and after the last date as long as before it.

    Raises:
        ConfigError: no date, dates that do not rise, or a span that is not over 0.
        DataError: a part comes out empty.
    """
    return [on_date(interactions, date, long) for date, long in spans_of(dates, span)]


def spans_of(dates: Sequence[datetime], span: timedelta | None) -> list[tuple[datetime, timedelta]]:
    """Each date of a rolling split with the length of its test.

    Raises:
        ConfigError: as `rolling`.
    """
    if not dates or any(later <= earlier for earlier, later in pairwise(dates)):
        told = ", ".join(str(date) for date in dates) or "none"
        raise ConfigError(f"the dates of a rolling split must rise, and be one at least; got {told}.")
    if (span is not None and span <= timedelta(0)) or (span is None and len(dates) < 2):
        raise ConfigError(
            f"span={span} is wrong: a test should last over 0 (rolling,days=7); only with several dates may that be "
            "left away."
        )
    gaps = [later - earlier for earlier, later in pairwise(dates)]
    return list(zip(dates, [span] * len(dates) if span is not None else [*gaps, gaps[-1]], strict=True))


def on_date(interactions: Interactions, date: datetime, span: timedelta) -> Split:
    """Test is so long a time from a date on, val as long before it, train all before that.

    Args:
        interactions: [R] events.
        date: UTC if it names no zone.
        span: over 0.

    Raises:
        DataError: a part comes out empty.
    """
    times = interactions.events[TIMESTAMP]
    begin = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    part = (times >= begin - span).cast(pl.Int8) + (times >= begin).cast(pl.Int8)
    part = pl.select(pl.when(times >= begin + span).then(_NO_PART).otherwise(part)).to_series()
    return _parts(interactions, part, f"rolling at {date:%Y-%m-%d}", "give other dates or a longer span")


def given(parts: Mapping[str, pl.Series], interactions: Interactions) -> Split:
    """A published split: who took what in each part is told by files.

    Args:
        parts: "train", "val" and "test" -> mask [R] of the events in it; no event may be in two.
        interactions: [R] events.

    Raises:
        DataError: a part is not told, empty, or shares an event with another one.
    """
    if missing := [name for name in ("train", "val", "test") if name not in parts]:
        raise DataError(f"the given split has no part {missing[0]!r}; told are: {', '.join(parts) or 'none'}.")
    masks = [parts[name].cast(pl.Int8) for name in ("train", "val", "test")]
    if twice := int(((masks[0] + masks[1] + masks[2]) > 1).sum()):
        raise DataError(f"{twice:,} events of {interactions.name} are in two of the given parts; each is in one.")
    part = masks[1] + 2 * masks[2] + _NO_PART * (1 - masks[0] - masks[1] - masks[2])
    return _parts(interactions, part, "given", "tell each part its events")


def k_core(interactions: Interactions, *, k: int = 5) -> Interactions:
    """The events of users and items that have at least k events each, among themselves; in source order.

    Users and items with fewer are left out again and again until none is. Published tables are often of a 5-core or a
    10-core, which leaves out what is hardest: say so beside a figure.

    Raises:
        ConfigError: k is below 1.
        DataError: nothing is left.
    """
    if k < 1:
        raise ConfigError(f"k={k} is wrong: it should be at least 1.")
    events, before = interactions.events, -1
    while len(events) != before:
        before = len(events)
        for key in (USER_ID, ITEM_ID):
            events = events.filter(pl.len().over(key) >= k)
    if events.is_empty():
        raise DataError(f"no user and item of {interactions.name} have {k} events each; give a smaller k.")
    return interactions.with_events(events)


def checksum(interactions: Interactions) -> str:
    """Give the first 16 hex digits of the sha256 of the events' (user, item, time), so that a figure names its split.

    Each event is a line `user TAB item TAB microseconds since 1970`, sorted by (user, item, time); the order of the
    log and its other columns do not matter.
    """
    ids = pl.col(USER_ID, ITEM_ID).cast(pl.String)
    key = interactions.events.select(ids, pl.col(TIMESTAMP).to_physical()).sort(pl.all())
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
    "time_quantile": time_quantile,
    "leave_last": leave_last,
    "leave_last_k": leave_last_k,
    "random": random,
    "random_per_user": random_per_user,
}
"""Name -> a log in three parts, with nothing but the log needed; `rolling` and `given` need to be told more."""
