"""iALS: two tables of vectors, fitted in turn by least squares to all pairs of users and items."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from enterprise_recsys.baselines.sources import histories, popularity_nudge, ranked, taken
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import Events, Floats, Ints, Queries, Ranked

CELLS = 4_000_000
"""Numbers that a block of users brings together at once (16 MB as float32)."""


class IALS:
    """1 for what was taken, 0 for the rest, the latter with a small weight; each table is the exact least of the loss.

    loss = (1 + unobserved) * sum over taken pairs of (1 - <u, v>)^2 + unobserved * sum over other pairs of <u, v>^2
    + ridge * (sum over users of w_u |u|^2 + sum over items of w_i |v|^2),
    w_u = (items of the user + unobserved * all items)^scaling, w_i likewise.

    A user's vector is solved from the history that a query brings, so the user need not have been learnt from.

    Args:
        events, n_users, n_items: see `Source`.
        width: of the vectors, 1 or more.
        ridge: lambda, over 0.
        unobserved: weight of a pair that was not taken, over 0. Sparse logs with a large catalogue need far less than
            the default, or the ridge, which grows with unobserved * items, presses all vectors to 0.
        scaling: 1 = the ridge grows with how much a row is seen, 0 = the same for all rows.
        epochs: sweeps over both tables.
        seed: of the first vectors.

    Raises:
        ConfigError: a dial is out of its range.

    Source: Hu, Koren and Volinsky, ICDM 2008, doi:10.1109/ICDM.2008.22, with the weights and the scaled ridge of Rendle
    et al., "Revisiting the performance of iALS on item recommendation benchmarks", RecSys 2022,
    doi:10.1145/3523227.3548486. Unlike there, the target of a taken pair is 1 with weight 1 + unobserved; there it is
    1 / (1 + unobserved), which is the same up to the scale of the scores and of the ridge. The library `implicit`, with
    which this agrees at scaling = 0, has no scaled ridge.
    """

    tag = "ials"

    def __init__(
        self,
        events: Events,
        n_users: int,
        n_items: int,
        *,
        width: int = 64,
        ridge: float = 0.02,
        unobserved: float = 0.2,
        scaling: float = 1.0,
        epochs: int = 12,
        seed: int = 0,
    ) -> None:
        if not (width >= 1 and ridge > 0 and unobserved > 0 and epochs >= 1):
            raise ConfigError(
                f"width={width}, ridge={ridge}, unobserved={unobserved}, epochs={epochs}: "
                "width and epochs are 1 or more, the others over 0."
            )
        self._ridge, self._unobserved, self._scaling = ridge, unobserved, scaling
        users = taken(events, n_users, n_items)
        items = users.T.tocsr()
        counts = np.diff(items.indptr)
        self._popular = popularity_nudge(counts.astype(np.float32))
        self._n_items, active = int((counts > 0).sum()), int((np.diff(users.indptr) > 0).sum())
        generator = np.random.default_rng(seed)
        self._items = (generator.standard_normal((n_items, width)) * 0.1 / np.sqrt(width)).astype(np.float32)
        self._items[counts == 0] = 0.0
        for _ in range(epochs):
            vectors = self._solved(users, self._items, self._n_items)
            self._items = self._solved(items, vectors, active)

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`."""
        return ranked(self._scored, queries, k, n_items=len(self._popular))

    def _scored(self, queries: Queries) -> Floats:
        vectors = self._solved(histories(queries.history, len(self._popular)), self._items, self._n_items)
        scores: Floats = vectors @ self._items.T + self._popular[None, :]
        return scores

    def _solved(self, rows: scipy.sparse.csr_matrix, fixed: Floats, others: int) -> Floats:
        """[R, D] the vector of each row that is best with the other side fixed; 0 for a row without entries.

        Args:
            rows: [R, C] 1 where taken.
            fixed: [C, D] vectors of the other side.
            others: of those, how many are in use.
        """
        counts = np.diff(rows.indptr).astype(np.int64)
        width = fixed.shape[1]
        weights = self._ridge * (counts + self._unobserved * others) ** self._scaling
        everywhere = np.float32(self._unobserved) * (fixed.T @ fixed)  # [D, D]
        table = np.vstack([fixed, np.zeros((1, width), dtype=np.float32)])  # the last row fills up short rows
        solved = np.zeros((len(counts), width), dtype=np.float32)
        for block in _blocks(counts, width):
            vectors = table[_padded(rows, block, counts)]  # [B, L, D]
            left = vectors.transpose(0, 2, 1) @ vectors + everywhere  # [B, D, D]
            left[:, np.arange(width), np.arange(width)] += weights[block, None].astype(np.float32)
            right = np.float32(1.0 + self._unobserved) * vectors.sum(axis=1)
            solved[block] = np.linalg.solve(left, right[:, :, None])[:, :, 0]
        return solved


def _blocks(counts: Ints, width: int) -> list[Ints]:
    """The rows that have entries, in blocks of nearly equal lengths that each bring about CELLS numbers together."""
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] > 0]
    cost = (counts[order] + width) * width
    return [part for part in np.split(order, np.flatnonzero(np.diff(np.cumsum(cost) // CELLS)) + 1) if len(part)]


def _padded(rows: scipy.sparse.csr_matrix, block: Ints, counts: Ints) -> Ints:
    """[B, L] the columns of some rows, filled up with the number of columns."""
    places = np.arange(counts[block].max())[None, :]
    inside = places < counts[block][:, None]
    index = np.minimum(rows.indptr[block][:, None] + places, max(len(rows.indices) - 1, 0))
    padded: Ints = np.where(inside, rows.indices[index], rows.shape[1]).astype(np.int64)
    return padded
