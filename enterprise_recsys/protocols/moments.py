"""Moments of a protocol's parts: which rows came later, and times for data that has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import polars as pl

from enterprise_recsys.protocols.tasks import ListTask, Trial
from enterprise_recsys.records import ITEM_ID, TIMESTAMP, USER_ID

_EARLY, _LATER = datetime(2000, 1, 1, 22, tzinfo=UTC), datetime(2000, 1, 2, tzinfo=UTC)
"""When the first two parts begin: within a day, so that what is counted of late is all, and on two days, since what
is trending is read at the start of a day."""
_BETWEEN = _LATER - _EARLY
_VISITS_APART_US = 31 * 60_000_000
"""Questions are visits of their own: see `data.visits.VISIT_GAP_S`."""


def beyond(before: pl.DataFrame, events: pl.DataFrame) -> pl.Series:
    """[R] which of the events are not in `before`; of equal ones (user, item, time), those that come after as many."""
    key = [USER_ID, ITEM_ID, TIMESTAMP]
    counts = before.group_by(key).len("_before")
    turn = events.select(*key, pl.int_range(pl.len()).over(key).alias("_turn"))
    joined = turn.join(counts, on=key, how="left", maintain_order="left")
    return joined.select(pl.col("_turn") >= pl.col("_before").fill_null(0))["_turn"]


def timed(task: ListTask) -> ListTask:
    """The same task with moments: first what `choose` learns from, two hours later the rest, and then what is asked.

    Within a part a user's events are a microsecond apart, in the order of their timestamps, which may tell the order of
    a user's events and nothing else, and of their rows. Where a user asks several questions these are half an hour and
    a minute apart, and so are the events that came between.
    """
    early, is_asked = task.choose.log.events, task.choose.questions is not None
    gap = _VISITS_APART_US if is_asked else 1
    judge = _split(early, task.judge.log.events, gap)
    end = cast(datetime, judge[TIMESTAMP].max())
    return replace(
        task,
        choose=_round(task.choose, early, _placed(task.choose, _LATER, gap), gap),
        judge=_round(task.judge, early, _placed(task.judge, max(end, _LATER) + _BETWEEN, gap), gap),
        has_times=True,
    )


def _round(trial: Trial, early: pl.DataFrame, targets: pl.DataFrame, gap: int) -> Trial:
    log = trial.log.with_events(_split(early, trial.log.events, gap))
    return replace(trial, log=log, past=_split(early, trial.past, gap), targets=targets)


def _placed(trial: Trial, begin: datetime, gap: int) -> pl.DataFrame:
    owners = trial.targets[USER_ID] if trial.questions is None else _owners(trial)
    return _at(trial.targets, owners, begin, gap)


def _owners(trial: Trial) -> pl.Series:
    """Who asks each of the targets' questions."""
    assert trial.questions is not None
    named = trial.targets.select(USER_ID).join(
        trial.questions.select(USER_ID, "owner"), on=USER_ID, how="left", maintain_order="left"
    )
    return named["owner"]


def _split(early: pl.DataFrame, events: pl.DataFrame, gap: int) -> pl.DataFrame:
    """Events of the first part, and after them the others."""
    late = beyond(early, events)
    before, after = events.filter(~late), events.filter(late)
    return pl.concat([_at(before, before[USER_ID], _EARLY, 1), _at(after, after[USER_ID], _LATER, gap)])


def _at(events: pl.DataFrame, owners: pl.Series, begin: datetime, gap: int) -> pl.DataFrame:
    """The events with times from `begin` on, each owner's `gap` microseconds apart."""
    place = pl.struct(TIMESTAMP, "_row").rank("ordinal").over("_owner").cast(pl.Int64) - 1
    time = pl.lit(begin).cast(events.schema[TIMESTAMP]) + pl.duration(microseconds=place * gap, time_unit="us")
    numbered = events.with_columns(owners.alias("_owner")).with_row_index("_row")
    return numbered.with_columns(time.alias(TIMESTAMP)).drop("_owner", "_row")
