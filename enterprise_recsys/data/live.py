"""The same declared features for one request, from mutable state: histories, statistics, users' static columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC

import numpy as np
import polars as pl

from enterprise_recsys.data.aggregates import Counts, Running, Statistics
from enterprise_recsys.data.features import encode, time_columns
from enterprise_recsys.data.having import histories_of_had, left_out, means_having
from enterprise_recsys.data.histories import Histories, places_for
from enterprise_recsys.data.moving import Moving
from enterprise_recsys.data.overlay import Overlay
from enterprise_recsys.data.pairs import Pairs, Requests, halves
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.repeats import LONGEST, situations, taken_here, told_situations
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.records import Columns, Floats, Interactions, Ints, PastItem


class State:
    """All that moves: who did what, kept by outside user id; the artifact itself holds no history.

    Args:
        processor: the fitted processor whose rows and features are used.
        log: the events and users known so far.
    """

    def __init__(self, processor: DataProcessor, log: Interactions) -> None:
        self.processor = processor
        named = [log.events["user_id"]] + ([log.users["user_id"]] if log.users is not None else [])
        self.users = Vocabulary.of(*named)
        events = processor.events(log, self.users)
        self.length = processor.config.history_length
        self.histories = Histories(
            events.users,
            events.items,
            events.times,
            len(self.users),
            is_cut=False,
            context=situations(processor, events),
        )
        self.had = histories_of_had(events, self.histories, len(self.users), is_cut=False)
        self.item_counts = np.bincount(self.had.items, minlength=len(processor.items)).astype(np.float64)
        self.item_counts[0] = 0.0
        self.overlay = Overlay(len(self.users), int(events.times[-1]) if len(events) else 0)
        self._known_items = len(processor.items)
        self._trending: tuple[int, Ints] | None = None
        self._columns = processor.user_columns(log.users, self.users)
        self._user_statistics, self._item_statistics = Running(len(self.users)), Running(len(processor.items))
        self._user_statistics.update(events.users, events.ratings, events.times)
        self._item_statistics.update(events.items, events.ratings, events.times)
        self._moving = Moving(processor, self._item_statistics)
        self._untold = _untold(processor)

    @property
    def newest(self) -> int:
        """Microseconds: the newest event that counts."""
        return self.overlay.newest

    def update(
        self,
        user_ids: Sequence[str],
        item_ids: Sequence[str],
        times: Ints,
        ratings: Floats,
        event_types: Sequence[str | None] | None = None,
        contexts: Sequence[Mapping[str, object]] | None = None,
    ) -> None:
        """Count further events [R]; a user whom nobody knew is known from here on.

        Args:
            user_ids, item_ids: outside ids; an item that the catalogue lacks counts for its user alone.
            times: [R] microseconds since 1970 UTC, in any order.
            ratings: [R] NaN where an event has none.
            event_types: [R] what `means_having` looks at; None: of no type.
            contexts: [R] values by column name, which later requests are compared to; None: unknown.
        """
        order = np.argsort(times, kind="stable")
        had = means_having(self.processor.config, event_types or [None] * len(user_ids))[order]
        slots = np.array([self.users.add(user_ids[place]) for place in order], dtype=np.int64)
        rows = self.processor.items.rows([item_ids[place] for place in order])
        moments = self.overlay.moments(times[order])
        self._user_statistics.grow(len(self.users))
        self._user_statistics.update(slots, ratings[order], moments)
        self._item_statistics.update(rows, ratings[order], moments)
        self._moving.changed(rows)
        np.add.at(self.item_counts, rows[had], 1.0)
        self.item_counts[0] = 0.0
        told = told_situations(self.processor, contexts or [{}] * len(order))
        self.overlay.add(slots, rows, times[order], had, [told[place] for place in order])

    def tell(self, user_id: str, table: pl.DataFrame) -> None:
        """Hold one row of features [1] of a user in place of those on record."""
        slot = self.users.add(user_id)
        self._user_statistics.grow(len(self.users))
        row = self.processor.learnt_users[[self.processor.users.row(user_id)]]
        self.overlay.tell(slot, {"user_id": row, **encode(self.processor.of("user"), table)})

    def forget(self, user_id: str) -> bool:
        """Know nothing of a user any more: no history, no features; whether something was known."""
        slot = self.users.remove(user_id)
        self.overlay.forget(slot)
        return bool(self.processor.users.remove(user_id)) or slot > 0

    def renew(self, processor: DataProcessor) -> None:
        """Take a processor that has learnt of further items."""
        self.processor = processor
        further = len(processor.items) - len(self.item_counts)
        self.item_counts = np.concatenate([self.item_counts, np.zeros(further)])
        self._item_statistics.grow(len(processor.items))
        self._moving.renew(processor)

    def of_users(self, slots: Ints, times: Ints, context: Columns | None = None) -> Requests:
        """The requests of users in this state (slot 0 = nobody) at some moments [B]."""
        settled = self._settled(slots)
        ends = _ends(self.histories, settled)
        offsets, seen = left_out(*self.had_by(slots), repeats=self.processor.config.repeats)
        # A log that ends long before the request would show every item as untaken of late: time stands still with it.
        # How long the user was away is known none the less. `Moments` reads past requests by the same two clocks.
        last = self.histories.newest(settled)
        as_of, now = self.overlay.now(times, last), self.overlay.clock(times, last)
        further = self.overlay.most(slots)
        length = places_for(self.histories.reach(settled, ends, self.length) + further, self.length)
        history, ages = self.histories.last(settled, ends, length), self.histories.ages(settled, ends, length, now)
        back = self.histories.reach(settled, ends, LONGEST) + further
        back = min(back, LONGEST) if self.processor.config.lists_past else 0
        columns = self.overlay.columns({name: column[settled] for name, column in self._columns.items()}, slots)
        return Requests(
            columns=columns,
            history=self.overlay.histories(slots, history, self._known_items),
            ages=self.overlay.ages(slots, ages, times, self._known_items),
            own=self.overlay.histories(slots, self.histories.last(settled, ends, back), self._known_items),
            situations=self.overlay.situations(slots, self.histories.contexts(settled, ends, back), self._known_items),
            context={**self._context(len(slots)), **(context or {}), **time_columns(times)},
            statistics=self._user_statistics.read(slots, as_of, now=now),
            times=as_of,
            offsets=offsets,
            seen=seen,
        ).elsewhere(self.processor)

    def past(self, slots: Ints) -> tuple[Ints, Ints]:
        """The items of all events of users [B], oldest first, as (offsets [B+1], rows)."""
        settled = self._settled(slots)
        before = self.histories.before(settled, _ends(self.histories, settled))
        return self.overlay.rows(slots, *before, had_alone=False)

    def had_by(self, slots: Ints) -> tuple[Ints, Ints]:
        """What users [B] have had, as (offsets [B+1], rows); see `having`."""
        settled = self._settled(slots)
        before = self.had.before(settled, _ends(self.had, settled))
        return self.overlay.rows(slots, *before, had_alone=True)

    def _settled(self, slots: Ints) -> Ints:
        """[B] the slots as the log has them: it has nothing of a later one."""
        return np.where(slots < self.overlay.users, slots, 0)

    def of_one(
        self,
        user_id: str | None,
        time: int,
        *,
        history: Sequence[PastItem] | None = None,
        features: Mapping[str, object] | None = None,
        context: Mapping[str, object] | None = None,
        exclude: Collection[str] = (),
        exclude_seen: bool | None = None,
    ) -> Requests:
        """One request; what it brings itself (history, features) goes over what the state knows.

        `exclude_seen=None` leaves out what lists leave out by default: what the user had, but for `repeats`.
        """
        repeats = self.processor.config.repeats
        is_left = not repeats if exclude_seen is None else exclude_seen
        slot = self.users.row(user_id) if user_id is not None else 0
        request = self.of_users(np.array([slot]), np.array([time]))
        columns = dict(request.columns)
        for feature in self.processor.of("user"):
            if features and feature.name in features:
                columns[feature.name] = feature.encode_one(features[feature.name])
        told = dict(request.context)
        for feature in self.processor.of("context"):
            if context and feature.name in context:
                told[feature.name] = feature.encode_one(context[feature.name])
        newest, ages, seen, statistics = request.history, request.ages, request.seen, request.statistics
        own, past = request.own, request.situations
        if repeats and is_left:
            seen = self.had_by(np.array([slot]))[1]
        if history is not None:
            rows, newest, ages = self._told(history, time)
            own = newest if self.processor.config.lists_past else own
            past = {name: np.zeros_like(own) for name in past}  # it tells of items and times alone
            # It has no types: where these say what having is, it tells of hints, as events of no type do.
            seen = rows if means_having(self.processor.config, [None]).all() else seen
            # The counts of the last days take it for what has just happened, as most of what comes with a request has.
            statistics = Statistics.just_happened(len(rows))
        left_out = self.processor.items.rows(list(exclude))
        if repeats == "elsewhere" and exclude_seen is None:
            is_left, seen = True, taken_here(own, past, told)[1]
        seen = np.concatenate([seen if is_left else seen[:0], left_out[left_out > 0]])
        offsets = np.array([0, len(seen)])
        return Requests(columns, newest, ages, own, past, told, statistics, request.times, offsets, seen)

    def _told(self, history: Sequence[PastItem], now: int) -> tuple[Ints, Ints, Ints]:
        """A history that a request brings: all known rows [H]; the newest [1, L], and the seconds since each [1, L]."""
        rows = self.processor.items.rows([one if isinstance(one, str) else one[0] for one in history])
        moments = [None if isinstance(one, str) else one[1] for one in history]
        ages, age = np.zeros(len(rows), dtype=np.int64), 0
        for place, moment in reversed(list(enumerate(moments))):
            if moment is not None:
                taken = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
                age = max(now // 1_000_000 - int(taken.timestamp()), 0)
            ages[place] = age
        past = np.flatnonzero((rows > 0) & (rows < self._known_items))[-self.length :]  # towers know no later items
        width = places_for(len(past), self.length)
        newest, told = np.zeros((2, 1, width), dtype=np.int64)
        newest[0, width - len(past) :], told[0, width - len(past) :] = rows[past], ages[past]
        return rows[rows > 0], newest, told

    def _context(self, size: int) -> Columns:
        if size == 1:
            return dict(self._untold)
        return {name: np.repeat(missing, size, axis=0) for name, missing in self._untold.items()}

    def item_counts_of_late(self, time: int) -> Counts:
        """[I, W] events of each item in the last days before a moment, one column for each of `WINDOWS_DAYS`."""
        rows = np.arange(len(self.processor.items))
        return self._item_statistics.read(rows, self.overlay.now(np.full(len(rows), time))).recent

    def pair_columns(self, requests: Requests, items: Columns, pairs: Pairs) -> Columns:
        """The ranker's columns for candidates of requests: the users' [B, ...], the candidates' [B*K, ...]."""
        rows = pairs.rows
        moving = self._moving.read(rows.ravel(), np.repeat(requests.times, rows.shape[1]))
        users, candidates = halves(self.processor, requests, items, moving, pairs)
        return {**users, **candidates}

    def trending(self, size: int) -> Ints:
        """[B, T] what is taken of late, most first, the same for B requests; 0 = no more.

        Counted anew once the newest event is a minute younger than at the last count: a pass over the catalogue.
        """
        if self._trending is None or self.newest - self._trending[0] > 60_000_000:
            everything = np.arange(len(self.processor.items))
            late = self._item_statistics.read(everything, np.full(len(everything), self.newest + 1))
            self._trending = (self.newest, most_taken(late.recent, late.count))
        rows = self._trending[1]
        return rows[None, :] if size == 1 else np.broadcast_to(rows, (size, len(rows)))


def _ends(histories: Histories, settled: Ints) -> Ints:
    return np.where(settled > 0, histories.starts[settled + 1], histories.starts[settled])


def most_taken(recent: Counts, count: Counts, *, most: int = 500) -> Ints:
    """[T] item rows by what was taken in the last week, then month, then ever; items never taken are left out.

    Args:
        recent: [I, W] counts of the last `WINDOWS_DAYS`.
        count: [I] of all time.
        most: rows at most.
    """
    _, week, month = recent.T
    order = np.lexsort((count, month, week))[::-1][:most]
    return order[(count[order] > 0) & (order > 0)].astype(np.int64)


def _untold(processor: DataProcessor) -> Columns:
    """[1, ...] of each context feature, where a request tells nothing."""
    return {one.name: one.encode(pl.Series(one.name, [None])) for one in processor.of("context")}
