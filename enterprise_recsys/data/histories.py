"""Each user's past items, in the order of (time, source row), cut at any moment."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.records import Columns, Ints

SHORTEST = 16
"""Places of the shortest history that the user tower is shown; longer ones take twice as many, and so on."""


def places_for(events: int, most: int) -> int:
    """Places [L] that hold a history of so many events: SHORTEST, twice, four times as many ..., or `most`."""
    return min(SHORTEST << (max(events - 1, 0) // SHORTEST).bit_length(), most)


class Histories:
    """Events grouped by user; the history at a moment is what lies strictly before it.

    Args:
        users: [R] user rows or slots, in the order of (time, source row).
        items: [R] item rows.
        times: [R] microseconds, not falling.
        n_users: rows of users.
        is_cut: whether somebody will ask for `ends`, which takes 16 bytes an event.
        context: name -> [R] what else somebody will ask of past events; None: nothing.
    """

    def __init__(
        self,
        users: Ints,
        items: Ints,
        times: Ints,
        n_users: int,
        *,
        is_cut: bool = True,
        context: Columns | None = None,
    ) -> None:
        order = np.argsort(users, kind="stable")
        self._context = {name: column[order] for name, column in (context or {}).items()}
        self.items = items[order]
        self.starts = np.searchsorted(users[order], np.arange(n_users + 1))
        self._origin = int(times[0]) // 1_000_000 if len(times) else 0
        # Whole seconds in 4 bytes hold 136 years of a log.
        self._seconds = (times[order] // 1_000_000 - self._origin).astype(np.uint32)
        if is_cut:
            self._moments = np.unique(times)
            self._keys = users[order] * (len(self._moments) + 1) + np.searchsorted(self._moments, times[order])

    def ends(self, users: Ints, times: Ints) -> Ints:
        """[B] where the history of each user strictly before its moment ends (a place in `items`)."""
        keys = users * (len(self._moments) + 1) + np.searchsorted(self._moments, times, side="left")
        return np.searchsorted(self._keys, keys, side="left").astype(np.int64)

    def last(self, users: Ints, ends: Ints, length: int) -> Ints:
        """[B, L] the newest item rows before the ends, oldest first, 0 where there was none yet (on the left)."""
        places = ends[:, None] + np.arange(-length, 0)[None, :]
        inside = places >= self.starts[users][:, None]
        if len(self.items) == 0:
            return np.zeros(places.shape, dtype=np.int64)
        return np.where(inside, self.items[np.maximum(places, 0)], 0)

    def reach(self, users: Ints, ends: Ints, most: int) -> int:
        """The length of the longest of the histories before the ends [B], or `most`."""
        return min(int((ends - self.starts[users]).max(initial=0)), most)

    def contexts(self, users: Ints, ends: Ints, length: int) -> Columns:
        """Name -> [B, L] the context of each of what `last` gives; 0 where there is none."""
        places = ends[:, None] + np.arange(-length, 0)[None, :]
        inside = places >= self.starts[users][:, None]
        if len(self.items) == 0:
            return {name: np.zeros(places.shape, dtype=np.int64) for name in self._context}
        places = np.maximum(places, 0)
        return {name: np.where(inside, column[places], 0) for name, column in self._context.items()}

    def ages(self, users: Ints, ends: Ints, length: int, now: Ints) -> Ints:
        """[B, L] whole seconds from each of what `last` gives to the moments `now` [B]; 0 where there is none."""
        places = ends[:, None] + np.arange(-length, 0)[None, :]
        if len(self.items) == 0:
            return np.zeros(places.shape, dtype=np.int64)
        seconds = (now // 1_000_000 - self._origin)[:, None] - self._seconds[np.maximum(places, 0)].astype(np.int64)
        return np.where(places >= self.starts[users][:, None], np.maximum(seconds, 0), 0)

    def newest(self, users: Ints) -> Ints:
        """[B] microseconds of each user's newest event, in whole seconds; far in the past where there is none."""
        ends = self.starts[users + 1] if len(self.items) else np.zeros(len(users), dtype=np.int64)
        known = ends > self.starts[users]
        seconds = self._seconds[np.maximum(ends - 1, 0)].astype(np.int64) if len(self.items) else ends
        return np.where(known, (seconds + self._origin) * 1_000_000, np.iinfo(np.int64).min)

    def before(self, users: Ints, ends: Ints) -> tuple[Ints, Ints]:
        """Every item row before the ends, as (offsets [B+1], rows): what a list leaves out."""
        starts = self.starts[users]
        if len(users) == 1:
            begin, end = int(starts[0]), int(ends[0])
            return np.array([0, end - begin]), self.items[begin:end]
        offsets = np.concatenate([[0], np.cumsum(ends - starts)])
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], ends - starts)
        return offsets.astype(np.int64), self.items[places]
