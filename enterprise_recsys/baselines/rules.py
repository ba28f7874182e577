"""Sequential rules: after this item that one is often taken, soon."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from enterprise_recsys.baselines.neighbours import largest
from enterprise_recsys.baselines.sources import popularity_nudge, ranked
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import Events, Floats, Ints, Queries, Ranked

MOST_EVENTS = 5_000_000
"""Events, the newest, that rules are counted in: with ten to look ahead 50,000,000 different pairs at most.

Of 5,000,000 events of 300,000 items, 23,000,000 different pairs, counting took 5 s of one core and 0.56 GB, and finding
the 50 largest rules of each item 11 s.
"""


class SequentialRules:
    """How often an item is among the next few that the same user takes, as a share; the newest of the past count most.

    A pair that stands g events apart counts 1 / log2(1 + g). The weight of the rule a -> b is the sum of its pairs over
    that of all pairs from a, `shrink` added to the latter. A user's score of b sums the rules from what the user had,
    each times 0.5^(events since / half life).

    Args:
        events, n_users, n_items: see `Source`.
        ahead: events that are looked ahead, 1 or more.
        shrink: 0 or more. Damps the rules of items that were seldom taken.
        half_life_events: after which what was taken counts half; over 0.

    Raises:
        ConfigError: a dial is out of its range.

    Source: Kamehkhosh, Jannach and Ludewig, RecTemp 2017, and Ludewig and Jannach, UMUAI 2018, section 3.1.2,
    doi:10.1007/s11257-018-9209-6, who divide by the distance and ask the last item alone.
    """

    tag = "sequential_rules"

    def __init__(
        self,
        events: Events,
        n_users: int,
        n_items: int,
        *,
        ahead: int = 10,
        shrink: float = 20.0,
        half_life_events: float = 2.0,
    ) -> None:
        if not (ahead >= 1 and shrink >= 0 and half_life_events > 0):
            raise ConfigError(
                f"ahead={ahead}, shrink={shrink}, half_life_events={half_life_events}: ahead is 1 or more, shrink 0 or "
                "more, the half life over 0."
            )
        self._half_life = half_life_events
        known = np.flatnonzero((events.items > 0) & (events.users > 0))[-MOST_EVENTS:]
        known = known[np.argsort(events.users[known], kind="stable")]  # by user, in the order of time
        users, items, is_told = events.users[known], events.items[known], events.relevant[known]
        pairs = scipy.sparse.csr_matrix((n_items, n_items), dtype=np.float32)
        for gap in range(1, min(int(ahead), len(known) - 1) + 1):
            kept = np.flatnonzero((users[gap:] == users[:-gap]) & (items[gap:] != items[:-gap]) & is_told[gap:])
            ones = np.full(len(kept), 1.0 / np.log2(1.0 + gap), dtype=np.float32)
            pairs = pairs + scipy.sparse.csr_matrix((ones, (items[kept], items[kept + gap])), shape=pairs.shape)
        totals = np.asarray(pairs.sum(axis=1), dtype=np.float32).ravel()
        pairs.data /= np.repeat(totals + np.float32(shrink), np.diff(pairs.indptr))
        self._rules = pairs
        self._popular = popularity_nudge(np.bincount(items[is_told], minlength=n_items).astype(np.float32))

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`."""
        return ranked(self._scored, queries, k, n_items=len(self._popular))

    def table(self, most: int) -> tuple[Ints, Floats]:
        """What is most often next after each item [I, M], most first, 0 = no more, and the rules' weights [I, M].

        Args:
            most: M at most.
        """
        return largest(self._rules, most)

    def _scored(self, queries: Queries) -> Floats:
        history = queries.history
        owners = history.owners
        ages = history.offsets[1:][owners] - 1 - np.arange(len(owners))  # [H] 0 = the newest event of its query
        weights = np.exp2(-np.minimum(ages / self._half_life, 100.0)).astype(np.float32)
        shape = (len(queries), len(self._popular))
        past = scipy.sparse.csr_matrix((weights, (owners, history.rows)), shape=shape)
        summed: Floats = (past @ self._rules).toarray() + self._popular[None, :]
        return summed
