"""Requests as they would have been at past moments of a log: what the ranker learns from, free of the future."""

from __future__ import annotations

import numpy as np
import polars as pl

from enterprise_recsys.data.aggregates import Timeline
from enterprise_recsys.data.features import time_columns
from enterprise_recsys.data.having import histories_of_had, left_out
from enterprise_recsys.data.histories import Histories, places_for
from enterprise_recsys.data.impressions import Impressions
from enterprise_recsys.data.live import most_taken
from enterprise_recsys.data.pairs import Pairs, Requests, ranker_columns
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.repeats import LONGEST, situations
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.records import Columns, Interactions, Ints

_DAY = 86_400_000_000


class Moments:
    """A log that can be asked for any user's request at any moment; users are numbered by this log itself.

    Args:
        processor: fitted; it may not know all users of the log (they have row 0 in the model and a slot here).
        log: every event that may lie before a moment.
        shown: events that tell what was shown; None: nobody knows.
    """

    def __init__(self, processor: DataProcessor, log: Interactions, *, shown: pl.DataFrame | None = None) -> None:
        self.processor = processor
        self.users = Vocabulary.of(log.events["user_id"])
        self.events = processor.events(log, self.users)
        events = self.events
        context = situations(processor, events)
        self.histories = Histories(events.users, events.items, events.times, len(self.users), context=context)
        self._had = histories_of_had(events, self.histories, len(self.users))
        self._columns = processor.user_columns(log.users, self.users)
        self._user_timeline = Timeline(events.users, events.times, events.ratings)
        self.shown = Impressions(shown, self.users, processor.items) if shown is not None else None
        self._item_timeline = Timeline(events.items, events.times, events.ratings)

    def requests(self, slots: Ints, times: Ints, context: Columns) -> Requests:
        """The requests of users [B] at moments [B], from events strictly before them."""
        as_of = self._as_of(times)
        ends = self.histories.ends(slots, times)
        until = ends if self._had is self.histories else self._had.ends(slots, times)
        offsets, seen = left_out(*self._had.before(slots, until), repeats=self.processor.config.repeats)
        most = self.processor.config.history_length
        length = places_for(self.histories.reach(slots, ends, most), most)
        back = self.histories.reach(slots, ends, LONGEST) if self.processor.config.lists_past else 0
        return Requests(
            columns={name: column[slots] for name, column in self._columns.items()},
            history=self.histories.last(slots, ends, length),
            ages=self.histories.ages(slots, ends, length, times),
            own=self.histories.last(slots, ends, back),
            situations=self.histories.contexts(slots, ends, back),
            context={**context, **time_columns(times)},
            statistics=self._user_timeline.read(slots, as_of, now=times),
            times=as_of,
            offsets=offsets,
            seen=seen,
        ).elsewhere(self.processor)

    def _as_of(self, times: Ints) -> Ints:
        """[B] just after the newest event before each moment: where time stood still then, as it does in `State`."""
        newest = np.searchsorted(self.events.times, times, side="left") - 1
        return np.where(newest >= 0, self.events.times[np.maximum(newest, 0)] + 1, times)

    def pair_columns(self, requests: Requests, items: Columns, pairs: Pairs) -> Columns:
        """The ranker's columns [B*K] for candidates at the requests' moments; see `ranker_columns`."""
        rows = pairs.rows
        statistics = self._item_timeline.read(rows.ravel(), np.repeat(requests.times, rows.shape[1]))
        return ranker_columns(self.processor, requests, items, statistics, pairs)

    def trending(self, times: Ints) -> Ints:
        """[B, T] what had been taken of late at the start of each moment's day, most first; 0 = no more."""
        days, place = np.unique(times // _DAY, return_inverse=True)
        everything = np.arange(len(self.processor.items))
        lists = []
        for day in days:
            late = self._item_timeline.read(everything, np.full(len(everything), day * _DAY))
            lists.append(most_taken(late.recent, late.count))
        width = max((len(one) for one in lists), default=0)
        return np.stack([np.pad(one, (0, width - len(one))) for one in lists])[place]
