"""Item k-nearest-neighbours: items are alike if the same users take them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import scipy.sparse

from enterprise_recsys.baselines.sources import best, histories, popularity_nudge, ranked, taken
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import Events, Floats, Ints, Queries, Ranked

Similarity = Callable[[int, Floats], Floats]
"""(first item of a block, products of the block with all items [C, I]) -> how alike [C, I]."""

BLOCK = 512
"""Items whose neighbours are looked for at a time; bounds the memory of the products."""
_SORTED = 2_000_000
"""Values that are sorted at a time, and those of one more item; bounds the memory of the sort."""


class ItemKNN:
    """Similarity of the items' user sets, the nearest kept; a user's score is the sum over what the user has had.

    A user without a past gets the popular items, and popularity breaks ties for the others, so that the baseline is as
    strong as it is in practice.

    Args:
        events, n_users, n_items: see `Source`.
        neighbours: items that each item keeps as alike, 1 or more.
        shrink: cosine = together / (sqrt(count * count) + shrink); 0 or more. Damps pairs that rest on few users.

    Raises:
        ConfigError: a dial is out of its range.

    Source: Sarwar et al., WWW 2001, doi:10.1145/371920.372071; shrinkage as in Bell and Koren, ICDM 2007,
    doi:10.1109/ICDM.2007.90.
    """

    tag = "item_knn"

    def __init__(
        self, events: Events, n_users: int, n_items: int, *, neighbours: int = 100, shrink: float = 10.0
    ) -> None:
        if shrink < 0:
            raise ConfigError(f"shrink={shrink} is out of range; it is a number of users, 0 or more.")
        users = taken(events, n_users, n_items)
        counts = np.asarray(users.sum(axis=0), dtype=np.float32).ravel()

        def cosine(start: int, together: Floats) -> Floats:
            lengths = np.sqrt(counts[start : start + len(together), None] * counts[None, :]) + np.float32(shrink)
            alike: Floats = together / np.maximum(lengths, np.float32(1e-9))
            return alike

        self._similar = _nearest(users.T.tocsr(), users, cosine, neighbours)
        self._popular = popularity_nudge(counts)

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`."""
        return _from_neighbours(self._similar, self._popular, queries, k)

    def table(self) -> tuple[Ints, Floats]:
        """The nearest items [I, M] of each item, nearest first, 0 = no more, and how alike they are [I, M]."""
        return largest(self._similar)


class ItemKNNBM25:
    """Neighbours by the product of BM25 weights, which count busy users and popular items less.

    An item is a document of its users. For a user u of item i,
    weight(i, u) = (k1 + 1) / (k1 * (1 - b + b * n_i / mean n) + 1) * (log I - log(1 + n_u)),
    with n_i users of the item, n_u items of the user and I items; alike(i, j) sums the products over users.

    Args:
        events, n_users, n_items: see `Source`.
        neighbours: items that each item keeps as alike, 1 or more.
        k1: how far the number of the item's users counts, over 0.
        b: how much of that number is taken relative to the mean, 0 to 1.

    Raises:
        ConfigError: a dial is out of its range.

    Source: Robertson and Zaragoza, "The probabilistic relevance framework", 2009, doi:10.1561/1500000019, with users as
    terms. Unlike there, the logarithm is that of `implicit.nearest_neighbours.bm25_weight`, floored at 0.
    """

    tag = "item_knn_bm25"

    def __init__(
        self, events: Events, n_users: int, n_items: int, *, neighbours: int = 100, k1: float = 1.2, b: float = 0.75
    ) -> None:
        if not (k1 > 0 and 0 <= b <= 1):
            raise ConfigError(f"k1={k1}, b={b}: k1 is over 0 and b from 0 to 1.")
        users = taken(events, n_users, n_items)
        items = users.T.tocsr()
        of_items, of_users = np.diff(items.indptr), np.diff(users.indptr)
        documents = max(int((of_items > 0).sum()), 1)
        rarity = np.maximum(np.log(documents) - np.log1p(of_users), 0.0)
        length = 1.0 - b + b * of_items / max(float(of_items[of_items > 0].mean()) if items.nnz else 1.0, 1e-12)
        owner = np.repeat(np.arange(n_items), of_items)
        items.data = ((k1 + 1.0) / (k1 * length[owner] + 1.0) * rarity[items.indices]).astype(np.float32)
        self._similar = _nearest(items, items.T.tocsr(), lambda start, product: product, neighbours)
        self._popular = popularity_nudge(of_items.astype(np.float32))

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """See `Source`."""
        return _from_neighbours(self._similar, self._popular, queries, k)


def largest(similar: scipy.sparse.csr_matrix, most: int | None = None) -> tuple[Ints, Floats]:
    """The columns [I, M] of the largest values of each row, largest first, 0 = no more, and the values [I, M].

    Args:
        similar: [I, I], column 0 empty.
        most: M at most; None: as many as a row holds.
    """
    starts, counts = similar.indptr, np.diff(similar.indptr)
    width = int(counts.max(initial=0)) if most is None else min(int(counts.max(initial=0)), most)
    rows = np.zeros((len(counts), max(width, 1)), dtype=np.int64)
    weights = np.zeros(rows.shape, dtype=np.float32)
    cuts = np.unique(np.searchsorted(starts, [*range(0, int(starts[-1]), _SORTED), starts[-1]]))
    for begin, end in pairwise([*cuts.tolist(), len(counts)]):
        held = slice(starts[begin], starts[end])
        columns, values = similar.indices[held], similar.data[held]
        owners = np.repeat(np.arange(begin, end), counts[begin:end])
        order = np.lexsort((columns, -values, owners))
        place = starts[begin] + np.arange(len(owners)) - np.repeat(starts[begin:end], counts[begin:end])
        kept = np.flatnonzero(place < width)
        rows[owners[kept], place[kept]] = columns[order[kept]]
        weights[owners[kept], place[kept]] = values[order[kept]]
    return rows, weights


def _nearest(
    left: scipy.sparse.csr_matrix, right: scipy.sparse.csr_matrix, similarity: Similarity, neighbours: int
) -> scipy.sparse.csr_matrix:
    """[I, I] what is most alike to each item, by a product of two matrices taken in blocks of items.

    Args:
        left: [I, U], right: [U, I].
        similarity: (first item of the block, products [C, I]) -> how alike [C, I]; 0 = not at all.
        neighbours: kept in each row; ties in the order of columns.
    """
    if neighbours < 1:
        raise ConfigError(f"neighbours={neighbours} is out of range; it is a number of items, 1 or more.")
    parts = []
    n_items = left.shape[0]
    for start in range(0, n_items, BLOCK):
        alike = similarity(start, (left[start : start + BLOCK] @ right).toarray())
        own = np.arange(len(alike))
        alike[own, start + own] = 0.0
        columns, values = best(alike, min(neighbours, n_items))
        kept = values > 0
        rows = np.repeat(own, kept.sum(axis=1))
        parts.append(scipy.sparse.csr_matrix((values[kept], (rows, columns[kept])), shape=(len(alike), n_items)))
    return scipy.sparse.vstack(parts, format="csr")


def _from_neighbours(similar: scipy.sparse.csr_matrix, popular: Floats, queries: Queries, k: int) -> Ranked:
    def score(part: Queries) -> Floats:
        summed: Floats = (histories(part.history, len(popular)) @ similar).toarray() + popular[None, :]
        return summed

    return ranked(score, queries, k, n_items=len(popular))
