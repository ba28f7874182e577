"""One interface for whatever gives candidates, and the step that all share: scores of a block of users become lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import scipy.sparse

from enterprise_recsys.records import Bools, Events, Floats, Ints, Queries, Ragged, Ranked

CELLS = 8_000_000
"""Scores that a source holds at once (32 MB as float32; a few copies of it in all)."""


class Source(Protocol):
    """Something that gives candidates, for everybody, at any moment.

    A source is made from `(events, n_users, n_items, *, dials)`: the events that it may learn from and the rows of the
    two tables, row 0 included.
    """

    tag: str
    """The source's name, so that a merged list can say where each candidate comes from."""

    def candidates(self, queries: Queries, k: int) -> Ranked:
        """The k best rows of each query, [B, K], none of them excluded; ties in the order of rows; 0 = empty."""


Scorer = Callable[[Queries], Floats]
"""Queries in, a score for every item [B, I] out; a fresh array, since it is written on. -inf = never given."""

Fit = Callable[..., Source]
"""(events, n_users, n_items, *, dials) -> Source."""


def ranked(score: Scorer, queries: Queries, k: int, *, n_items: int) -> Ranked:
    """Score the catalogue for a few users at a time and keep the k best of each, the excluded rows left out.

    Args:
        score: queries [B'] -> scores [B', I].
        queries: who is asked for.
        k: places of a list, 1 or more.
        n_items: rows of the catalogue, row 0 included; with it the block is chosen that bounds the memory.
    """
    step = max(CELLS // n_items, 1)
    rows = np.zeros((len(queries), k), dtype=np.int64)
    scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
    for start in range(0, len(queries), step):
        part = queries.part(start, start + step)
        block = score(part)
        left_out = part.excluded
        block[left_out.owners, left_out.rows] = -np.inf
        block[:, 0] = -np.inf
        rows[start : start + step], scores[start : start + step] = best(block, k)
    return Ranked(rows, scores)


def best(scores: Floats, k: int) -> tuple[Ints, Floats]:
    """The k highest columns of each row [B, I], falling; ties in the order of columns; -inf is an empty place."""
    width = min(k, scores.shape[1])
    bound = -np.partition(-scores, width - 1, axis=1)[:, width - 1 : width]  # [B, 1] the score of the last place
    kept: Bools = scores >= bound
    crowded = np.flatnonzero(kept.sum(axis=1) > width)  # equal scores around the last place: the first columns win
    if len(crowded):
        above = scores[crowded] > bound[crowded]
        level = kept[crowded] & ~above
        kept[crowded] = above | (level & (np.cumsum(level, axis=1) <= width - above.sum(axis=1, keepdims=True)))
    columns = np.nonzero(kept)[1].reshape(len(scores), width)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    columns, values = np.take_along_axis(columns, order, axis=1), np.take_along_axis(values, order, axis=1)
    rows = np.pad(np.where(np.isfinite(values), columns, 0), ((0, 0), (0, k - width)))
    return rows, np.pad(values, ((0, 0), (0, k - width)), constant_values=-np.inf)


def taken(events: Events, n_users: int, n_items: int) -> scipy.sparse.csr_matrix:
    """[U, I] 1 where a user had an item with success; row and column 0 stay empty, and a repetition counts once."""
    keep = events.relevant & (events.items > 0) & (events.users > 0)
    return _ones(events.users[keep], events.items[keep], (n_users, n_items))


def histories(history: Ragged, n_items: int) -> scipy.sparse.csr_matrix:
    """[B, I] 1 where a query's history holds an item."""
    known = history.rows > 0
    return _ones(history.owners[known], history.rows[known], (len(history), n_items))


def _ones(rows: Ints, columns: Ints, shape: tuple[int, int]) -> scipy.sparse.csr_matrix:
    matrix = scipy.sparse.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
    matrix.data[:] = 1.0  # the constructor has summed repetitions
    return matrix


def popularity_nudge(counts: Floats) -> Floats:
    """[I] numbers so small that they only break ties, and answer a user without a past, by popularity."""
    return (counts / max(float(counts.max(initial=0.0)), 1.0) * 1e-6).astype(np.float32)
