"""GUARDS: what may leak from the test into learning, found before anything is learnt, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import polars as pl

from enterprise_recsys.choice import pick
from enterprise_recsys.data.features import Feature
from enterprise_recsys.data.frames import Frame, to_interactions, to_polars
from enterprise_recsys.data.leaks import Case, Finding, future, giveaway
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import Split
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import (
    EVENT_ID,
    EVENT_TYPE,
    ITEM_ID,
    RATING,
    REQUIRED,
    TIMESTAMP,
    USER_ID,
    Interactions,
)

Parts: TypeAlias = "Split | Mapping[str, Interactions | Frame]"
"""A split, or name -> log, raw frame or processed frame, in the order of learning: train, val, test."""


def check_split(
    parts: Parts,
    *,
    processor: DataProcessor | None = None,
    fitted_on: Sequence[str] = ("train",),
    by_time: bool = True,
    positive_rating: float | None = None,
    guards: Sequence[str] | None = None,
) -> list[Finding]:
    """Look for leaks between the parts of a split, in their columns, and in what a processor has learnt.

    Args:
        parts: in the order of learning. Processed frames are looked at as they are; their reserved statistics are
            recomputed from the parts given, so give every part that they were made from.
        processor: fitted, to see that it knows no more than it may. None: not looked at.
        fitted_on: names of the parts that the processor may know; ("train", "val") after a refit.
        by_time: whether the parts should follow each other in time, as `global_time` cuts them; False for splits that
            do not promise it.
        positive_rating: ratings from this on are positive, for columns that tell the label; None: from the median on.
        guards: names in GUARDS; None: all.

    Returns:
        What was found, in the order of the guards; empty if nothing was.

    Raises:
        ConfigError: a guard has no such name.
        DataError: a part cannot be read, or fitted_on names a part that is not there.

    Source: the taxonomy of leaks of Kapoor and Narayanan, Patterns 2023, doi:10.1016/j.patter.2023.100804; Ji et al.,
    arXiv:2010.11060, measure what a leak in time does to recommenders.
    """
    chosen = [pick(GUARDS, name, what="guard") for name in (GUARDS if guards is None else guards)]
    case = _case(parts, processor, tuple(fitted_on), by_time, positive_rating)
    return [finding for guard in chosen for finding in guard(case)]


def refuse_leaks(
    parts: Parts,
    *,
    processor: DataProcessor | None = None,
    fitted_on: Sequence[str] = ("train",),
    by_time: bool = True,
    positive_rating: float | None = None,
    guards: Sequence[str] | None = None,
) -> None:
    """As `check_split`, for those who will not go on with a leak.

    Raises:
        DataError: with every finding, which says what leaks and where.
    """
    findings = check_split(
        parts,
        processor=processor,
        fitted_on=fitted_on,
        by_time=by_time,
        positive_rating=positive_rating,
        guards=guards,
    )
    if findings:
        one = len(findings) == 1
        told = "\n".join(f"- {finding}" for finding in findings)
        raise DataError(f"the split leaks in {len(findings)} {'place' if one else 'places'}:\n{told}")


def _case(
    parts: Parts,
    processor: DataProcessor | None,
    fitted_on: tuple[str, ...],
    by_time: bool,
    positive_rating: float | None,
) -> Case:
    given = {"train": parts.train, "val": parts.val, "test": parts.test} if isinstance(parts, Split) else dict(parts)
    logs, frames = {}, {}
    for name, part in given.items():
        log = part if isinstance(part, Interactions) else to_interactions(part, name=name, static={})
        logs[name] = log
        frames[name] = _joined(log) if isinstance(part, Interactions) else _columns(to_polars(part, name), log)
    if missing := [name for name in fitted_on if processor is not None and name not in logs]:
        raise DataError(f"fitted_on names {missing[0]!r}, which is no part; the parts are: {', '.join(logs)}.")
    return Case(frames, logs, processor, fitted_on, by_time, positive_rating)


def _joined(log: Interactions) -> pl.DataFrame:
    frame = log.events
    for table, key in ((log.users, USER_ID), (log.items, ITEM_ID)):
        if table is not None:
            frame = frame.join(table, on=key, how="left", maintain_order="left")
    return frame


def _columns(frame: pl.DataFrame, log: Interactions) -> pl.DataFrame:
    """A frame's own columns, with the canonical ones read as `to_interactions` reads them."""
    canonical = log.events
    return frame.drop(canonical.columns, strict=False).hstack(canonical.get_columns())


def target_in_history(case: Case) -> Iterator[Finding]:
    """Events whose user and item stand in an earlier part at that moment or later: the history holds the target."""
    for earlier, later in _pairs(case):
        newest = case.parts[earlier].group_by(USER_ID, ITEM_ID).agg(pl.col(TIMESTAMP).max().alias("newest"))
        joined = case.parts[later].select(*REQUIRED).join(newest, on=[USER_ID, ITEM_ID], how="inner")
        held = joined.filter(pl.col("newest") >= pl.col(TIMESTAMP))
        if len(held):
            user, item, time, _ = held.row(0)
            message = (
                f"{len(held):,} events of {later} have their user and item in {earlier} at that moment or later, such "
                f"as user {user!r}, item {item!r}, {time:%Y-%m-%d %H:%M:%S}; a history that is made of {earlier} holds "
                f"the target. Remove them from {earlier}."
            )
            yield Finding("target_in_history", f"{earlier} and {later}", f"({USER_ID}, {ITEM_ID})", len(held), message)


def duplicate(case: Case) -> Iterator[Finding]:
    """Events that stand in two parts: by their event_id, or alike in user, item, time, rating and type."""
    for first, second in _pairs(case):
        one, other = case.parts[first], case.parts[second]
        shared = [c for c in (*REQUIRED, RATING, EVENT_TYPE) if c in one.columns and c in other.columns]
        keys = [[EVENT_ID]] if EVENT_ID in one.columns and EVENT_ID in other.columns else []
        for key in [*keys, shared]:
            twice = other.join(one.select(key).unique(), on=key, how="semi", nulls_equal=True)  # many lack a rating
            twice = twice.filter(pl.all_horizontal(pl.col(key[0]).is_not_null()))
            if len(twice):
                row = twice.select(key).row(0)
                values = ", ".join(f"{name} {value!s}" for name, value in zip(key, row, strict=True))
                message = (
                    f"{len(twice):,} events of {second} stand in {first} too, such as {values}. An event belongs to "
                    "one part: remove repetitions before splitting."
                )
                yield Finding("duplicate", f"{first} and {second}", ", ".join(key), len(twice), message)
                break


def overlap(case: Case) -> Iterator[Finding]:
    """Parts that do not follow each other in time, where they should."""
    if not case.by_time:
        return
    names = list(case.parts)
    for earlier, later in pairwise(names):
        begin = case.parts[later][TIMESTAMP].min()
        late = case.parts[earlier].filter(pl.col(TIMESTAMP) >= begin)
        if len(late):
            message = (
                f"{len(late):,} events of {earlier} are not before {later} begins ({_moment(begin)}); the newest is of "
                f"{_moment(late[TIMESTAMP].max())}. Cut at one moment, equal timestamps on one side; or, if the "
                "split is by user or by lot and means it, give check_split by_time=False."
            )
            yield Finding("overlap", f"{earlier} and {later}", TIMESTAMP, len(late), message)


def _moment(value: object) -> str:
    return str(value)[:19]


def vocabulary(case: Case) -> Iterator[Finding]:
    """Ids that the processor can only have learnt from parts that it may not know."""
    if case.processor is None:
        return
    log, where = _allowed(case)
    learnt = (
        (USER_ID, case.processor.users.ids, case.processor.learnt_users),
        (ITEM_ID, case.processor.items.ids, case.processor.learnt_items),
    )
    for key, ids, rows in learnt:
        held = ids.filter(pl.Series(rows[1:] > 0))
        strangers = held.filter(~held.is_in(log.events[key].unique().implode()))
        if len(strangers):
            yield Finding(
                "vocabulary",
                where,
                key,
                len(strangers),
                f"the processor has learnt {len(strangers):,} values of {key} that are not in {where}, such as "
                f"{strangers[0]!r}. Fit it on {where} alone.",
            )


def statistics(case: Case) -> Iterator[Finding]:
    """Means, deviations and values of features that the processor has not from the parts that it may know."""
    if case.processor is None:
        return
    log, where = _allowed(case)
    fresh = {one.name: one for one in DataProcessor(case.processor.config).fit(log).features}
    for feature in case.processor.of("statistic") + case.processor.of("context"):
        if (right := fresh.get(feature.name)) is None or not _alike(feature, right):
            right_told = "nothing" if right is None else _told(right)
            yield Finding(
                "statistics",
                where,
                feature.name,
                1,
                f"the processor's {feature.name!r} has {_told(feature)}, {where} gives {right_told}. "
                f"Fit it on {where} alone.",
            )


def _allowed(case: Case) -> tuple[Interactions, str]:
    """The events of all parts that the processor may know as one log, and the names of the parts."""
    allowed = [case.logs[name] for name in case.fitted_on]
    events = pl.concat([part.events for part in allowed], how="diagonal_relaxed")
    return allowed[0].with_events(events), " + ".join(case.fitted_on)


def _alike(one: Feature, other: Feature) -> bool:
    numbers = np.allclose([one.mean, one.std], [other.mean, other.std], rtol=1e-6, atol=1e-9)
    return bool(numbers) and one.values == other.values


def _told(feature: Feature) -> str:
    if feature.values:
        return f"{len(feature.values):,} values"
    return f"mean {feature.mean:.6g} and deviation {feature.std:.6g}"


def _pairs(case: Case) -> Iterator[tuple[str, str]]:
    names = list(case.parts)
    for place, later in enumerate(names):
        for earlier in names[:place]:
            yield earlier, later


GUARDS: dict[str, Callable[[Case], Iterator[Finding]]] = {
    "future": future,
    "target_in_history": target_in_history,
    "duplicate": duplicate,
    "vocabulary": vocabulary,
    "statistics": statistics,
    "giveaway": giveaway,
    "overlap": overlap,
}
