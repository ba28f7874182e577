"""BASELINES: popularity and item k-nearest-neighbours, which share one interface with candidate sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import scipy.sparse

from enterprise_recsys.records import Events, Floats, Ints, Ranked


class Source(Protocol):
    """Something that gives candidates: histories and left-out rows in, ranked rows out."""

    tag: str

    def candidates(self, offsets: Ints, history: Ints, k: int) -> Ranked:
        """The k best rows for B users; user b's past, left out too, is history[offsets[b]:offsets[b+1]]."""


def _top(scores: Floats, offsets: Ints, history: Ints, k: int) -> Ranked:
    """The k best unseen columns of scores [B, I]; ties in the order of rows; places that cannot be filled hold 0."""
    owner = np.repeat(np.arange(len(scores)), np.diff(offsets))
    scores[owner, history] = -np.inf
    scores[:, 0] = -np.inf
    k_held = min(k, scores.shape[1])
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k_held]
    best = np.take_along_axis(scores, rows, axis=1)
    out = np.zeros((len(scores), k), dtype=np.int64)
    values = np.full((len(scores), k), -np.inf, dtype=np.float32)
    out[:, :k_held], values[:, :k_held] = np.where(np.isfinite(best), rows, 0), best
    return Ranked(out, values)


class Popularity:
    """The most taken items of the whole log, the same for everybody but for what one has had."""

    tag = "popularity"

    def __init__(self, events: Events, n_users: int, n_items: int) -> None:
        counts = np.bincount(events.items[events.relevant], minlength=n_items).astype(np.float32)
        self._scores = counts

    def candidates(self, offsets: Ints, history: Ints, k: int) -> Ranked:
        """See `Source`."""
        return _top(np.repeat(self._scores[None, :], len(offsets) - 1, axis=0), offsets, history, k)


class ItemKNN:
    """Cosine of the items' user sets, the 100 nearest kept; a user's score is the sum over what he has had.

    A user without a past gets the popular items, and popularity breaks ties for the others, so that the baseline is
    as strong as it is in practice.

    Source: Sarwar et al., WWW 2001, doi:10.1145/371920.372071; shrinkage as in Bell and Koren, 2007.
    """

    tag = "item_knn"
    neighbours, shrink = 100, 10.0

    def __init__(self, events: Events, n_users: int, n_items: int) -> None:
        keep = events.relevant & (events.items > 0) & (events.users > 0)
        taken = scipy.sparse.csr_matrix(
            (np.ones(keep.sum(), dtype=np.float32), (events.users[keep], events.items[keep])), shape=(n_users, n_items)
        )
        taken.data[:] = 1.0
        counts = np.asarray(taken.sum(axis=0)).ravel()
        together = (taken.T @ taken).tocsr()
        together.setdiag(0.0)
        row = np.repeat(np.arange(n_items), np.diff(together.indptr))
        together.data /= np.sqrt(counts[row] * counts[together.indices]) + self.shrink
        self._similar = self._nearest(together)
        self._popular = (counts / max(float(counts.max()), 1.0) * 1e-6).astype(np.float32)

    def _nearest(self, matrix: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
        for row in range(matrix.shape[0]):
            begin, end = matrix.indptr[row], matrix.indptr[row + 1]
            if end - begin > self.neighbours:
                values = matrix.data[begin:end]
                values[np.argsort(-values, kind="stable")[self.neighbours :]] = 0.0
        matrix.eliminate_zeros()
        return matrix

    def candidates(self, offsets: Ints, history: Ints, k: int) -> Ranked:
        """See `Source`."""
        users = len(offsets) - 1
        owner = np.repeat(np.arange(users), np.diff(offsets))
        known = history > 0
        shape = (users, self._similar.shape[0])
        past = scipy.sparse.csr_matrix((np.ones(known.sum(), np.float32), (owner[known], history[known])), shape=shape)
        scores = (past @ self._similar).toarray() + self._popular[None, :]
        return _top(scores, offsets, history, k)


BASELINES: dict[str, Callable[[Events, int, int], Source]] = {"popularity": Popularity, "item_knn": ItemKNN}
