"""What came after the log that a state was made from: further events, new users, features told of a user."""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping, Sequence

import numpy as np

from enterprise_recsys.records import WINDOWS_DAYS, Bools, Columns, Ints

_MICROSECONDS_PER_DAY = 86_400_000_000
LONGEST_GAP = max(WINDOWS_DAYS) * _MICROSECONDS_PER_DAY
"""Microseconds. After a longer pause no event of the log would lie in any window of the statistics."""


_Further = tuple[int, int, int, bool, Mapping[str, int]]
"""A further event of a user: its time, its turn among all, the item, whether that was had, and its context."""


class Overlay:
    """Further items and features by user slot, laid over what the log says.

    Args:
        users: rows of users that the log has; a slot from here on is new.
        newest: microseconds, of the log's newest event.
    """

    def __init__(self, users: int, newest: int) -> None:
        self.users, self.newest = users, newest
        self._gap: int | None = None
        self._items: dict[int, list[_Further]] = {}
        self._columns: dict[int, Columns] = {}
        self._count = 0

    def moments(self, times: Ints) -> Ints:
        """When events [R] count in the statistics: never before one that counted already.

        A late event counts when it arrives. And if the log ended long before its first further event, the pause is
        taken out of all further times: one event would otherwise empty every "of late" of everybody else.
        """
        if self._gap is None and len(times):
            pause = int(times.min()) - self.newest
            self._gap = pause - 1 if pause > LONGEST_GAP and self.newest > 0 else 0
        moments = np.maximum.accumulate(np.maximum(times - (self._gap or 0), self.newest))
        self.newest = int(moments[-1]) if len(moments) else self.newest
        return moments

    def clock(self, times: Ints, last: Ints) -> Ints:
        """Moments of requests [B] on the same clock; one before the user's own newest event [B] is after all events.

        The log may go on for others after it, as where each user's last event is asked for.
        """
        told = times - (self._gap or 0)
        return np.where(told >= last, told, self.newest + 1)

    def now(self, times: Ints, last: Ints | None = None) -> Ints:
        """As `clock`, or without `last` whatever is told, but none later than just after the newest event."""
        told = times - (self._gap or 0) if last is None else self.clock(times, last)
        return np.minimum(told, self.newest + 1)

    def add(
        self, slots: Ints, rows: Ints, times: Ints, had: Bools, contexts: Sequence[Mapping[str, int]] | None = None
    ) -> None:
        """Events [R] of users and items; a late one takes its place by time.

        Args:
            slots, rows, times: of users, of items, and when.
            had: whether the users had the items by them.
            contexts: what is known of each one's context, as rows of its category; None: nothing.
        """
        told = contexts if contexts is not None else [{}] * len(slots)
        lists = (one.tolist() for one in (slots, rows, times, had))
        for slot, row, time, own, context in zip(*lists, told, strict=True):
            if slot and row:
                self._count += 1
                insort(self._items.setdefault(slot, []), (time, self._count, row, own, context))

    def tell(self, slot: int, columns: Columns) -> None:
        """Static columns [1, ...] of a user, in place of all that stood there."""
        self._columns[slot] = columns

    def forget(self, slot: int) -> None:
        """Drop all that is held of a user."""
        self._items.pop(slot, None)
        self._columns.pop(slot, None)

    def columns(self, columns: Columns, slots: Ints) -> Columns:
        """The columns [B, ...] of users with what was told of them; arrays that change are the caller's own."""
        for place, slot in enumerate(slots.tolist()):
            for name, value in self._columns.get(slot, {}).items():
                columns[name][place] = value[0]
        return columns

    def ages(self, slots: Ints, ages: Ints, times: Ints, known: int) -> Ints:
        """[B, L] seconds from the items of `histories` to the moments of requests [B].

        Args:
            slots: [B].
            ages: of the log's items alone.
            times: [B] of the requests, by the world's clock.
            known: see `histories`.
        """
        length = ages.shape[1]
        for place, slot in enumerate(slots.tolist()):
            further = [time for time, _, row, *_ in self._items.get(slot, ()) if row < known]
            if further:
                seconds = np.maximum(times[place] // 1_000_000 - np.array(further) // 1_000_000, 0)
                newest = np.concatenate([ages[place], seconds])
                ages[place] = newest[len(newest) - length :]
        return ages

    def histories(self, slots: Ints, history: Ints, known: int) -> Ints:
        """The histories [B, L] with the further items of each user at the end.

        Args:
            slots: [B].
            history: of the log alone; it is written on.
            known: rows of items that a history may name; the towers have never heard of later ones.
        """
        length = history.shape[1]
        for place, slot in enumerate(slots.tolist()):
            further = [row for _, _, row, *_ in self._items.get(slot, ()) if row < known]
            if further:
                newest = np.concatenate([history[place], np.array(further, dtype=np.int64)])
                history[place] = newest[len(newest) - length :]
        return history

    def most(self, slots: Ints) -> int:
        """Further items of that of the users [B] who has the most."""
        return max((len(self._items.get(slot, ())) for slot in slots.tolist()), default=0)

    def situations(self, slots: Ints, columns: Columns, known: int) -> Columns:
        """Name -> [B, L] the context of the items of `histories`; 0 where it was not told.

        Args:
            slots: [B].
            columns: of the log's items alone; they are written on.
            known: see `histories`.
        """
        for place, slot in enumerate(slots.tolist() if columns else []):
            further = [context for _, _, row, _, context in self._items.get(slot, ()) if row < known]
            for name, column in columns.items() if further else ():
                told = np.array([context.get(name, 0) for context in further], dtype=column.dtype)
                column[place] = np.concatenate([column[place], told])[len(told) :]
        return columns

    def rows(self, slots: Ints, offsets: Ints, rows: Ints, *, had_alone: bool) -> tuple[Ints, Ints]:
        """What users [B] have in the log, as (offsets [B+1], rows), with their further items at the end.

        Args:
            slots: [B].
            offsets, rows: of the log alone.
            had_alone: whether only those further items count that the user has had.
        """
        if not any(slot in self._items for slot in slots.tolist()):
            return offsets, rows
        parts = []
        for place, slot in enumerate(slots.tolist()):
            further = [row for _, _, row, had, _ in self._items.get(slot, ()) if had or not had_alone]
            parts.append(np.concatenate([rows[offsets[place] : offsets[place + 1]], np.array(further, dtype=np.int64)]))
        lengths = np.array([len(part) for part in parts])
        return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), np.concatenate(parts)
