"""What items say of others: which the same users take, which are often taken next, and what that says of a history."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enterprise_recsys.records import Floats, Ints

_CELLS = 1_000_000
"""Additions that are made together (some 40 MB); a request alone never fills them."""

REACH, HALF_LIFE = 20, 2.0
"""Events of a history, the newest, that followers are asked of, and after how many of them one counts half.

By validation NDCG@10 of what followers alone say is best at about this: with half lives of 1, 2 and 5 events .092 .097
.091 on ml1m-temporal90, .070 .072 .070 on video-loo (all of an item's followers, not the 50 largest).
"""

_SPARSE = 8
"""Additions to fewer places of the catalogue than so many times their number are counted, to more they are sorted."""


@dataclass(frozen=True)
class Said:
    """What one table says of B histories: a sum for each item that is near to something in them.

    Attributes:
        keys: [T] request * n_items + item row, rising.
        sums: [T] summed weights, over 0.
        n_items: rows of the catalogue, row 0 included.
    """

    keys: Ints
    sums: Floats
    n_items: int

    def of(self, rows: Ints) -> Floats:
        """[B, K] the sums of item rows [B, K]; 0 where an item is near to nothing."""
        if not len(self.keys):
            return np.zeros(rows.shape, dtype=np.float32)
        asked = np.arange(len(rows))[:, None] * self.n_items + rows
        place = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return np.where((self.keys[place] == asked) & (rows > 0), self.sums[place], np.float32(0.0))

    def shares(self, rows: Ints) -> Floats:
        """[B, K] the sums of item rows [B, K] as shares of their request's largest, 0 to 1.

        A sum grows with the history and with the log that the table was counted in: a ranker that learnt from lists of
        a part of the log would see other numbers where it serves. On a part of the training data of ml100k-random75
        NDCG@10 of two stages is .281 and .268 with shares, .271 and .267 with sums (two cuts; retrieval .273, .266).
        """
        starts = np.searchsorted(self.keys, np.arange(len(rows) + 1) * self.n_items)
        told = starts[1:] > starts[:-1]
        largest = np.ones((len(rows), 1), dtype=np.float32)
        if told.any():
            largest[told, 0] = np.maximum.reduceat(self.sums, starts[:-1][told])
        largest[largest == 0] = 1.0  # 16 bits may round a weight to nothing
        shares: Floats = self.of(rows) / largest
        return shares


@dataclass(frozen=True)
class Neighbours:
    """For each item those that it speaks for; one that came after they were counted has none, and is nobody's.

    Attributes:
        rows: [I, M] int32 rows of these items, most first, 0 = no more.
        weights: [I, M] float16 how much it speaks for each, 0 to 1.
        half_life: events after which what a past item says counts half; None: each says as much.
    """

    rows: np.ndarray
    weights: np.ndarray
    half_life: float | None = None

    @classmethod
    def of(cls, rows: Ints, weights: Floats, half_life: float | None = None) -> Neighbours:
        """Keep rows [I, M] and weights [I, M] in 6 bytes a place."""
        return cls(rows.astype(np.int32), weights.astype(np.float16), half_life)

    @classmethod
    def none(cls, n_items: int) -> Neighbours:
        """Nobody is near to anything."""
        return cls(np.zeros((n_items, 1), dtype=np.int32), np.zeros((n_items, 1), dtype=np.float16))

    def said(self, history: Ints, n_items: int | None = None) -> Said:
        """Sum what the neighbours of the items in histories [B, L] (0 = empty) say.

        The work is B * L * M additions and a sort of them, whatever the size of the catalogue.

        Args:
            history: item rows, the newest last.
            n_items: rows of the catalogue as it is now; None = as it was when neighbours were counted.
        """
        n_items = len(self.rows) if n_items is None else n_items
        history = history if self.half_life is None else history[:, -REACH:]
        history = np.where((history > 0) & (history < len(self.rows)), history, 0)
        if len(history) == 1:
            return Said(*self._summed(history, n_items), n_items)
        step = max(_CELLS // max(history.shape[1] * self.rows.shape[1], 1), 1)
        keys, sums = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.float32)]
        for begin in range(0, len(history), step):
            found = self._summed(history[begin : begin + step], n_items)
            keys.append(found[0] + begin * n_items)
            sums.append(found[1])
        return Said(np.concatenate(keys), np.concatenate(sums), n_items)

    def _summed(self, history: Ints, n_items: int) -> tuple[Ints, Floats]:
        """Keys and sums of a few histories; see `Said`."""
        owners, places = np.nonzero(history)
        items = history[owners, places]
        near = np.take(self.rows, items, axis=0)  # [H, M]
        kept = near > 0
        keys = (near + (owners * n_items)[:, None])[kept]
        weights = np.take(self.weights, items, axis=0).astype(np.float32)
        if self.half_life is not None:
            ages = np.arange(history.shape[1])[::-1]
            fading = np.exp2(-ages / self.half_life).astype(np.float16).astype(np.float32)
            weights *= fading[places, None]
        flat = weights[kept]
        # Sums of 16-bit numbers and of their products are exact in float64, so that both ways give the same bits.
        if len(keys) * _SPARSE >= len(history) * n_items:
            counts = np.bincount(keys)
            told = np.flatnonzero(counts)
            return told, np.bincount(keys, flat)[told].astype(np.float32)
        order = np.argsort(keys, kind="stable")
        keys, flat = keys[order], flat[order]
        first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, np.int64)
        # In float64, so that the sum of one request does not depend on what it is batched with.
        sums = np.add.reduceat(flat.astype(np.float64), first) if len(keys) else np.zeros(0)
        return keys[first], sums.astype(np.float32)


@dataclass(frozen=True)
class Heard:
    """What both tables say of B histories."""

    neighbours: Said
    followers: Said

    def of(self, rows: Ints) -> Floats:
        """[B, K, 2] the shares of neighbours and the sums of followers for item rows [B, K].

        Followers are asked of a few events and their weights are shares already.
        """
        return np.stack([self.neighbours.shares(rows), self.followers.of(rows)], axis=2)


@dataclass(frozen=True)
class Related:
    """What leads from items to others.

    Attributes:
        neighbours: items that the same users take.
        followers: items that are often among the next to be taken; the newest events of a history count most.
    """

    neighbours: Neighbours
    followers: Neighbours

    @property
    def follows(self) -> bool:
        """Whether followers are a source; there are none in a log where they say too little."""
        return self.followers.half_life is not None

    @classmethod
    def none(cls, n_items: int) -> Related:
        """Nothing leads anywhere."""
        return cls(Neighbours.none(n_items), Neighbours.none(n_items))

    def said(self, history: Ints, n_items: int | None = None) -> Heard:
        """What both say; see `Neighbours.said`."""
        return Heard(self.neighbours.said(history, n_items), self.followers.said(history, n_items))
