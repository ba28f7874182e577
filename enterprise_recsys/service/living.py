"""Living: the store and the recommender kept in step; every worker follows the same change log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby

import numpy as np

from enterprise_recsys.changing import Changes
from enterprise_recsys.errors import BusyError, ConfigError, StoreError
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.keeping import Keeping
from enterprise_recsys.service.metrics import Metrics
from enterprise_recsys.state.interface import Change, Slate, Store, digest_of

logger = logging.getLogger(__name__)

FOLLOW_S = 0.1
"""Seconds between two looks at the change log: another worker's change shows after at most this and its reading."""
PRUNE_S = 3600.0
MOST_BUFFERED = 10_000
"""Answers that wait for the store; where it cannot keep up the oldest are given up, for a list must not wait."""


class Living:
    """What a worker keeps between requests; all of it belongs to the event loop's thread.

    Args:
        recommender: what answers.
        store: what is known besides the model.
        keeping: how long, and how much is explored.
        metrics: counts what happens; None = of its own.
        generator: draws what is explored; None = seeded by the operating system.
    """

    def __init__(
        self,
        recommender: Recommender,
        store: Store,
        keeping: Keeping,
        metrics: Metrics | None = None,
        generator: np.random.Generator | None = None,
    ) -> None:
        self.recommender, self.store, self.keeping = recommender, store, keeping
        self.metrics = metrics or Metrics()
        self.generator = generator or np.random.default_rng()
        self.lost = self._told_lost = 0
        self._seen = 0
        self._waiting: deque[Slate] = deque(maxlen=MOST_BUFFERED)
        self._erased: dict[str, str] = {}
        self._is_reading, self._pruned = True, 0.0

    @cached_property
    def changes(self) -> Changes:
        """What may change in the recommender."""
        return Changes(self.recommender)

    # The change log --------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """Apply all that the store has learnt since; where it cannot be read, answers go on from what is known."""
        try:
            while changes := self.store.changes(self._seen):
                self._apply(changes)
                self._seen = changes[-1].sequence
            self._is_reading = True
        except StoreError as error:
            if self._is_reading:
                logger.error("answers go on without what is new: %s", error)
            self._is_reading = False

    def expect_erasure(self, user_id: str) -> None:
        """Know the user behind the digest that the change log will tell."""
        self._erased[digest_of(user_id, self.store.secret)] = user_id

    def _apply(self, changes: Sequence[Change]) -> None:
        for kind, group in groupby(changes, key=lambda one: one.kind):
            same = list(group)
            if kind == "event":
                self._events(same)
            elif kind == "items":
                self._items(same)
            elif kind == "users":
                for one in same:
                    self._user(one)
            else:
                self._forget([one.key for one in same])

    def _events(self, changes: Sequence[Change]) -> None:
        events = [one.event for one in changes if one.event is not None]
        ratings = [np.nan if one.rating is None else one.rating for one in events]
        self.changes.events(
            [one.user_id for one in events],
            [one.item_id for one in events],
            np.array([one.time for one in events], dtype=np.int64),
            np.array(ratings, dtype=np.float64),
            [one.event_type for one in events],
            [one.context for one in events],
        )

    def _items(self, changes: Sequence[Change]) -> None:
        rows = {one.key: one.row for one in changes if one.row is not None}
        put = {key: row for key, row in rows.items() if not row.is_gone and self._fits(row.features, item=key)}
        self.changes.items(
            {key: row.features for key, row in put.items()}, whole={key: row.whole for key, row in put.items()}
        )
        self.changes.drop([key for key, row in rows.items() if row.is_gone])

    def _user(self, change: Change) -> None:
        if change.row is not None and self._fits(change.row.features, user=change.key):
            self.changes.user(change.key, change.row.features, whole=change.row.whole)

    def _fits(self, features: Mapping[str, object], *, item: str | None = None, user: str | None = None) -> bool:
        """Whether this model takes what was told; another one may have had other columns when it was stored."""
        try:
            if item is not None:
                self.changes.check_item(item, features)
            if user is not None:
                self.changes.check_user(user, features)
        except ConfigError as error:
            logger.warning(
                "what the store holds of one %s does not fit this model: %s", "item" if item else "user", error
            )
            return False
        return True

    def _forget(self, digests: Sequence[str]) -> None:
        unknown = set(digests) - set(self._erased)
        if unknown:
            # Only a hash tells who it was, so everybody who is known is tried: about a second for a million users.
            state = self.recommender.state
            everyone = {*state.users.ids.drop_nulls(), *state.processor.users.ids.drop_nulls()}
            self._erased |= {
                digest: one for one in everyone if (digest := digest_of(one, self.store.secret)) in unknown
            }
        for digest in digests:
            user_id = self._erased.pop(digest, None)
            if user_id is not None:
                self.changes.forget(user_id)
                kept = [one for one in self._waiting if one.user_id != user_id]
                self._waiting = deque(kept, maxlen=MOST_BUFFERED)

    # The slate log ---------------------------------------------------------------------------------------------------

    def log(self, slate: Slate) -> None:
        """Keep an answer; it is written within FOLLOW_S, and an answer never waits for that."""
        self.lost += len(self._waiting) == MOST_BUFFERED
        self._waiting.append(slate)

    def flush(self) -> None:
        """Hand the waiting answers to the store."""
        if not self._waiting:
            return
        try:
            written = self.store.log(list(self._waiting))
        except (BusyError, StoreError):
            return  # they wait for the next time
        count = len(self._waiting)
        self._waiting.clear()
        written.add_done_callback(lambda done: self._written(count, done.exception()))

    def _written(self, count: int, error: BaseException | None) -> None:
        if error is not None:
            self.lost += count
            logger.error("%d answers are not in the slate log: %s", count, error)

    def queue(self) -> tuple[int, int]:
        """How many answers wait for the store, and how many were lost since this was last asked."""
        lost, self._told_lost = self.lost - self._told_lost, self.lost
        return len(self._waiting), lost

    def served(self, user_id: str, surface: str, since: int) -> list[str]:
        """Items shown to a user on a surface since a moment (microseconds), also what is not written yet."""
        waiting = [
            item
            for slate in self._waiting
            if (slate.user_id, slate.surface) == (user_id, surface) and slate.time >= since
            for item in slate.items
        ]
        try:
            return list(dict.fromkeys([*self.store.served(user_id, surface, since), *waiting]))
        except StoreError as error:
            logger.error("a list may repeat what was shown: %s", error)
            return waiting

    # Its life --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow and flush until cancelled."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            self.follow()
            self.flush()
            if time.monotonic() - self._pruned > PRUNE_S:
                self._pruned = time.monotonic()
                before = time.time_ns() // 1000 - int(self.keeping.keep_days * 86_400_000_000)
                try:
                    self.store.prune(before)
                except (BusyError, StoreError) as error:
                    logger.warning("old answers stay for now: %s", error)

    def close(self) -> None:
        """Write what waits, and let the store go."""
        self.flush()
        self.store.close()
