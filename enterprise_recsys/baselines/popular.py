"""Sources that need no similarity: what everybody takes, what everybody takes lately, what the user takes again."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.baselines.sources import ranked
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import Events, Floats, Queries, Ranked

DAY_US = 86_400_000_000.0
"""Microseconds of a day."""


class Popularity:
    """The most taken items of the whole log, the same for everybody but for what is excluded."""

    tag = "popularity"

    def __init__(self, events: Events, n_users: int, n_items: int) -> None:
        self._scores = np.bincount(events.items[events.relevant], minlength=n_items).astype(np.float32)

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`."""
        return _same_for_all(self._scores, queries, k)


class RecentPopularity:
    """The most taken items of late: each event counts 0.5^(age / half life), and none that is older than the window.

    Age is counted from the newest event of the log. Items that nobody took within the window follow by their count in
    the whole log, so that a short window does not leave lists unfilled.

    Args:
        events, n_users, n_items: see `Source`.
        half_life_days: after which an event counts half; over 0; infinite = all alike.
        window_days: oldest age that counts; over 0; infinite = the whole log.

    Raises:
        ConfigError: a dial is not over 0.

    Source: decay and window as in Ji, Sun, Zhang and Li, "A re-visit of the popularity baseline in recommender
    systems", SIGIR 2020, doi:10.1145/3397271.3401233.
    """

    tag = "recent_popularity"

    def __init__(
        self,
        events: Events,
        n_users: int,
        n_items: int,
        *,
        half_life_days: float = 30.0,
        window_days: float = float("inf"),
    ) -> None:
        if not (half_life_days > 0 and window_days > 0):
            raise ConfigError(
                f"half_life_days={half_life_days}, window_days={window_days}: both are days over 0, or infinity."
            )
        keep = events.relevant
        ages = (events.times.max(initial=0) - events.times[keep]) / DAY_US
        weights = np.where(ages <= window_days, np.exp2(-ages / half_life_days), 0.0)
        recent = np.bincount(events.items[keep], weights, minlength=n_items)
        counts = np.bincount(events.items[keep], minlength=n_items)
        # In double, and as ranks: the decayed count of an old item may be too small for float32 to tell from another.
        order = np.lexsort((counts, recent))
        ranks = np.empty(n_items, dtype=np.int64)
        changes = np.diff(recent[order], prepend=np.nan) != 0
        changes |= np.diff(counts[order], prepend=-1) != 0
        ranks[order] = np.cumsum(changes)
        self._scores = ranks.astype(np.float32)

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`."""
        return _same_for_all(self._scores, queries, k)


def _same_for_all(scores: Floats, queries: Queries, k: int) -> Ranked:
    return ranked(lambda part: np.repeat(scores[None, :], len(part), axis=0), queries, k, n_items=len(scores))


class Repeats:
    """What the user had before, the often and lately taken first; nothing else, so lists may be short.

    The score of an item is the sum over its places in the history of 0.5^(age / half life), the age in events from the
    newest one. It gives something only where the exclusions allow what one has had.

    Args:
        events, n_users, n_items: see `Source`; only n_items is used.
        half_life_events: after which an event counts half; over 0.

    Raises:
        ConfigError: the dial is not over 0.

    Source: the plain form of what Anderson, Kumar, Tomkins and Vassilvitskii find in "The dynamics of repeat
    consumption", WWW 2014, doi:10.1145/2566486.2568018: recency, then count.
    """

    tag = "repeats"

    def __init__(self, events: Events, n_users: int, n_items: int, *, half_life_events: float = 20.0) -> None:
        if not half_life_events > 0:
            raise ConfigError(f"half_life_events={half_life_events} is out of range; it is a number over 0.")
        self._n_items, self._half_life = n_items, half_life_events

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`."""
        return ranked(self._scored, queries, k, n_items=self._n_items)

    def _scored(self, queries: Queries) -> Floats:
        history = queries.history
        owners = history.owners
        ages = history.offsets[1:][owners] - 1 - np.arange(len(owners))  # [H] 0 = the newest event of its query
        # From 1 up, so that an old repeat does not vanish: 0.5^ages alone is 0 in float32 beyond 150 half lives.
        weights = np.exp2(-np.minimum(ages / self._half_life, 100.0))
        cells = owners * self._n_items + history.rows
        summed = np.bincount(cells, weights, minlength=len(queries) * self._n_items).astype(np.float32)
        return np.where(summed > 0, summed, np.float32(-np.inf)).reshape(len(queries), self._n_items)
