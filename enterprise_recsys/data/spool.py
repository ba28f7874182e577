"""A log in slices on disk, so that no step of preparing holds more than it works on.

A slice holds the events of one part from one stretch of the log, in source order. What is known before each event is
found owner by owner, and so in another order: it is appended to its slice's file as it comes, each line with its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import polars as pl
from numpy.typing import NDArray

from enterprise_recsys.data import coding
from enterprise_recsys.data.aggregates import Statistics
from enterprise_recsys.data.kernels import Places
from enterprise_recsys.data.past import WIDTH, Pass
from enterprise_recsys.data.processed import Past, processed, ratings_of, times_of
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import ITEM_ID, USER_ID, Bools, Floats, Interactions

STRETCH_BITS = 20
"""2 to this power are the events of a stretch."""

PARTS = 3
"""Numbers of parts; events with this number itself are in none."""

_LOCKS, _MOST = 16, 1 << 32


class Spool:
    """The events of a log and what was known before each, a file for each slice and kind.

    Args:
        folder: an empty folder, ours alone.
        log: its events, with coded ids, go to the disk; the tables of users and items are kept.
        part: [R] the part of each event, from 0 on.
    """

    def __init__(self, folder: Path, log: Interactions, part: NDArray[np.int8]) -> None:
        self._folder, self._part = folder, part
        self._log = coding.named(log.with_events(log.events.clear()))
        self._names = {key: coding.names_of(log.events[key]) for key in (USER_ID, ITEM_ID)}
        self._numbers = {key: coding.numbers_of(log.events[key]) for key in (USER_ID, ITEM_ID)}
        self._moments = times_of(log.events), ratings_of(log.events)
        self._lay_out(log.events)
        self._locks = [Lock() for _ in range(_LOCKS)]

    def _lay_out(self, events: pl.DataFrame) -> None:
        """Write the events, and tell where each one's line belongs: its slice, and the place in it."""
        size = 1 << STRETCH_BITS
        if self._slice(len(events) >> STRETCH_BITS, PARTS) << STRETCH_BITS >= _MOST:
            raise DataError(
                f"{self._log.name} has {len(events):,} rows, and at most {_MOST // PARTS - 2 * size:,} can be prepared "
                "at once; use the newest months."
            )
        self._target = np.empty(len(events), np.uint32)
        self._sizes = np.zeros((-(-len(events) // size), PARTS), np.int64)
        for stretch, begin in enumerate(range(0, len(events), size)):
            part = self._part[begin : begin + size]
            frame = events[begin : begin + size].with_columns(pl.col(USER_ID, ITEM_ID).to_physical())
            for number in range(PARTS):
                places = np.flatnonzero(part == number)
                if len(places):
                    name = self._slice(stretch, number)
                    self._target[begin + places] = np.arange(len(places)) + (name << STRETCH_BITS)
                    whole = len(places) == len(frame)
                    (frame if whole else frame[places]).write_ipc(self._folder / f"events-{name}")
                    self._sizes[stretch, number] = len(places)

    @staticmethod
    def _slice(stretch: int, number: int) -> int:
        return stretch * PARTS + number

    def rows(self, number: int) -> int:
        """Events of a part."""
        return int(self._sizes[:, number].sum())

    def add_past(self, *, follow_in_time: bool) -> None:
        """Find what was known before each event, from the strictly earlier ones of its own part and those before it.

        To be called once: what only this needs is let go.

        Args:
            follow_in_time: every event of a part is later than all of the part before: then one pass does for all.
        """
        numbers = [PARTS - 1] if follow_in_time else list(range(PARTS))
        for number in numbers:
            known = self._part <= number
            chosen = None if known.all() else np.flatnonzero(known).astype(np.uint32)
            times, ratings = self._moments
            if number == numbers[-1]:
                self._moments = (np.zeros(0, np.int64), np.zeros(0, np.float32))
            passing = Pass(times, ratings) if chosen is None else Pass(times[chosen], ratings[chosen])
            del times, ratings  # what is needed of them, `passing` has
            for key in (USER_ID, ITEM_ID):
                rows = self._numbers[key] if chosen is None else self._numbers[key][chosen]
                wanted = None if follow_in_time else self._part == number
                passing.over(rows, _Sink(self, key, chosen, wanted))
        self._numbers.clear()
        self._part, self._target = np.zeros(0, np.int8), np.zeros(0, np.uint32)

    def keep(self, key: str, places: Places, told: Floats) -> None:
        """Put the lines [N] of some events where they belong; may be called from several threads."""
        target = self._target[places]
        slices = target >> STRETCH_BITS
        counts = np.bincount(slices)
        order = np.argsort(slices.astype(np.uint16 if len(counts) < 1 << 16 else np.uint32), kind="stable")
        lines = np.empty((len(order), 1 + WIDTH), np.uint32)
        lines[:, 0] = target.take(order) & ((1 << STRETCH_BITS) - 1)
        lines[:, 1:] = told.view(np.uint32).take(order, axis=0)
        ends = np.cumsum(counts)
        for name in np.flatnonzero(counts).tolist():
            part = lines[ends[name] - counts[name] : ends[name]]
            with self._locks[name % _LOCKS], (self._folder / f"{key}-{name}").open("ab", buffering=0) as file:
                if file.write(part.data) != part.nbytes:
                    raise OSError("the disk is full")

    def _lines(self, key: str, name: int, size: int) -> Floats:
        kept = np.fromfile(self._folder / f"{key}-{name}", np.uint32).reshape(-1, 1 + WIDTH)
        assert len(kept) == size, "a line was lost"
        order = np.empty(size, np.int64)
        order[kept[:, 0]] = np.arange(size)
        return kept.take(order, axis=0)[:, 1:].view(np.float32)  # a take copies whole lines, half the cost of a scatter

    def processed(self, names: Sequence[str], number: int) -> Iterator[pl.DataFrame]:
        """The processed frame of a part, a slice at a time; see `processed.processed`."""
        for stretch, size in enumerate(self._sizes[:, number].tolist()):
            if not size:
                continue
            name = self._slice(stretch, number)
            events = pl.read_ipc(self._folder / f"events-{name}")
            ids = [self._names[key].gather(events[key]).alias(key) for key in (USER_ID, ITEM_ID)]
            past = Past(*(Statistics.of_lines(self._lines(key, name, size)) for key in (USER_ID, ITEM_ID)))
            yield processed(self._log.with_events(events.with_columns(ids)), past, names)


class _Sink:
    """Takes the lines of a pass over some of a spool's events."""

    def __init__(self, spool: Spool, key: str, chosen: Places | None, wanted: Bools | None) -> None:
        self._spool, self._key, self._chosen, self._wanted = spool, key, chosen, wanted

    def __call__(self, places: Places, told: Floats) -> None:
        if self._chosen is not None:
            places = self._chosen[places]
        if self._wanted is not None:
            mask = self._wanted[places]
            places, told = places[mask], told[mask]
        self._spool.keep(self._key, places, told)
