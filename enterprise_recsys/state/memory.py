"""MemoryStore: the store that ends with its process, for tests and for a service without a folder to write to."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import TypeVar

from enterprise_recsys.errors import BusyError
from enterprise_recsys.state.interface import Appended, Change, Erased, Event, Row, Slate, Table, digest_of

T = TypeVar("T")


class MemoryStore:
    """A `Store` in lists and dicts.

    Args:
        most_events: more are refused, since nothing here is ever written out.
        most_slates: the newest answers that are kept.
    """

    def __init__(self, *, most_events: int = 1_000_000, most_slates: int = 20_000) -> None:
        self._lock, self._sequence, self._secret = Lock(), 0, secrets.token_bytes(32)
        self._events: dict[str, tuple[int, Event]] = {}
        self._rows: dict[tuple[Table, str], tuple[int, Row]] = {}
        self._erased: dict[str, tuple[int, int]] = {}
        self._slates: deque[tuple[int, Slate]] = deque(maxlen=most_slates)
        self._most_events = most_events

    @property
    def secret(self) -> bytes:
        """32 random bytes."""
        return self._secret

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _was_erased(self, user_id: str | None, time: int) -> bool:
        if user_id is None or not self._erased:
            return False
        return self._erased.get(digest_of(user_id, self._secret), (0, -1))[1] >= time

    def append(self, events: Sequence[Event]) -> Future[Appended]:
        """Add events that are not known yet."""
        with self._lock:
            if len(self._events) + len(events) > self._most_events:
                raise BusyError(
                    f"{len(self._events)} events stand in memory, and at most {self._most_events} may; "
                    "give the service a folder (RECSYS_STATE), where they are kept for good."
                )
            kept = [one for one in events if not self._was_erased(one.user_id, one.time)]
            before = len(self._events)
            for event in kept:
                if event.event_id not in self._events:
                    self._events[event.event_id] = (self._next(), event)
            stored = len(self._events) - before
        return _done(Appended(stored, len(kept) - stored, len(events) - len(kept)))

    def put(self, table: Table, key: str, row: Row) -> Future[None]:
        """Hold a row."""
        with self._lock:
            self._rows[table, key] = (self._next(), row)
        return _done(None)

    def patch(self, table: Table, key: str, features: Mapping[str, object]) -> Future[None]:
        """Change some features of a row."""
        with self._lock:
            known = self._rows.get((table, key), (0, Row(whole=False)))[1]
            self._rows[table, key] = (self._next(), known.patched(features))
        return _done(None)

    def row(self, table: Table, key: str) -> Row | None:
        """What was told of an item or a user."""
        return self._rows.get((table, key), (0, None))[1]

    def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """The next changes, in order."""
        if after >= self._sequence:
            return []
        with self._lock:
            found = [Change(at, "event", key, event=one) for key, (at, one) in self._events.items() if at > after]
            found += [Change(at, table, key, row=row) for (table, key), (at, row) in self._rows.items() if at > after]
            found += [Change(at, "erased", key, time=time) for key, (at, time) in self._erased.items() if at > after]
        return sorted(found, key=lambda one: one.sequence)[:limit]

    def log(self, slates: Sequence[Slate]) -> Future[int]:
        """Add answers to the slate log."""
        with self._lock:
            kept = [one for one in slates if not self._was_erased(one.user_id, one.time)]
            self._slates.extend((self._next(), one) for one in kept)
        return _done(len(kept))

    def slates(self, after: int = 0, limit: int = 1000) -> list[tuple[int, Slate]]:
        """The next answers of the slate log."""
        with self._lock:
            return [one for one in self._slates if one[0] > after][:limit]

    def events_of(self, recommendation_ids: Sequence[str]) -> list[Event]:
        """The events that follow some answers."""
        wanted = set(recommendation_ids)
        with self._lock:
            return [event for _, event in self._events.values() if event.recommendation_id in wanted]

    def served(self, user_id: str, surface: str, since: int) -> list[str]:
        """Items shown to a user on a surface since a moment."""
        with self._lock:
            shown = [slate for _, slate in self._slates if (slate.user_id, slate.surface) == (user_id, surface)]
        return sorted({item for slate in shown if slate.time >= since for item in slate.items})

    def erase(self, user_id: str, time: int) -> Future[Erased]:
        """Remove all rows of a user."""
        with self._lock:
            events = [key for key, (_, event) in self._events.items() if event.user_id == user_id]
            for key in events:
                del self._events[key]
            kept = [one for one in self._slates if one[1].user_id != user_id]
            slates = len(self._slates) - len(kept)
            self._slates = deque(kept, maxlen=self._slates.maxlen)
            profiles = self._rows.pop(("users", user_id), None) is not None
            self._erased[digest_of(user_id, self._secret)] = (self._next(), time)
        return _done(Erased(len(events), slates, int(profiles), time))

    def prune(self, before: int) -> Future[int]:
        """Remove old answers from the slate log."""
        with self._lock:
            kept = [one for one in self._slates if one[1].time >= before]
            count = len(self._slates) - len(kept)
            self._slates = deque(kept, maxlen=self._slates.maxlen)
        return _done(count)

    def close(self) -> None:
        """Nothing to finish."""


def _done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future
