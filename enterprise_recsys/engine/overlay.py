"""Overlay: a read-only base index, a small exact delta beside it, and tombstones; itself an index, and frozen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from enterprise_recsys.engine.indexes import Allowed, Index
from enterprise_recsys.errors import ArtifactError
from enterprise_recsys.records import Bools, Floats, Ints, Ranked


class Overlay:
    """What a base index finds, less what is gone, with what came later; every change gives a new overlay.

    A search holds one overlay from its beginning to its end, so that a change never shows half.

    Args:
        base: over the rows 1..I-1 as they were when the model was trained.
        rows: [M] rows of the delta; a row of the base in it stands in place of the base's vector.
        vectors: [M, D] their vectors, compared exactly; meant for thousands, not for millions.
        gone: [T] rows that are never found.
    """

    def __init__(self, base: Index, rows: Ints, vectors: Floats, gone: Ints) -> None:
        self.base, self.rows, self.vectors, self.gone = base, rows, vectors, gone
        replaced = np.union1d(rows, gone)
        self._hidden = replaced[replaced < base.size]

    @classmethod
    def over(cls, index: Index | Overlay) -> Overlay:
        """An overlay as it stands, or an empty one over a base."""
        if isinstance(index, Overlay):
            return index
        nothing = np.zeros(0, dtype=np.int64)
        return cls(index, nothing, np.zeros((0, int(index.base.d)), dtype=np.float32), nothing)

    def __len__(self) -> int:
        """Rows that can be found."""
        return len(self.base) - len(self._hidden) + len(self.rows)

    def add(self, rows: Ints, vectors: Floats) -> Overlay:
        """With other vectors [M, D] for rows [M], new or known, also such as were gone."""
        kept = ~np.isin(self.rows, rows)
        return Overlay(
            self.base,
            np.concatenate([self.rows[kept], rows]),
            np.concatenate([self.vectors[kept], vectors]).astype(np.float32),
            np.setdiff1d(self.gone, rows),
        )

    def remove(self, rows: Ints) -> Overlay:
        """With these rows [M] gone."""
        kept = ~np.isin(self.rows, rows)
        return Overlay(self.base, self.rows[kept], self.vectors[kept], np.union1d(self.gone, rows))

    def search(self, queries: Floats, k: int, offsets: Ints, left_out: Ints, allowed: Allowed | None = None) -> Ranked:
        """As `Index.search`: the k best rows of each query, ties in the order of rows, empty places row 0 and -inf.

        Args:
            allowed: only these rows are found; rows past the end of its mask are not allowed. None = all.
        """
        owner = np.repeat(np.arange(len(queries)), np.diff(offsets))
        found = self.base.search(queries, k, *self._for_base(len(queries), owner, left_out), allowed)
        if len(self.rows) == 0:
            return found
        scores = queries @ self.vectors.T  # [B, M]
        if allowed is not None:
            scores[:, ~_held(allowed, self.rows)] = -np.inf
        order = np.argsort(self.rows)
        place = np.minimum(np.searchsorted(self.rows[order], left_out), len(order) - 1)
        hit = self.rows[order][place] == left_out
        scores[owner[hit], order[place[hit]]] = -np.inf
        all_rows = np.concatenate([found.rows, np.broadcast_to(self.rows, scores.shape)], axis=1)
        all_scores = np.concatenate([found.scores, scores], axis=1)
        best = np.lexsort((all_rows, -all_scores), axis=1)[:, :k]
        rows, scores = np.take_along_axis(all_rows, best, axis=1), np.take_along_axis(all_scores, best, axis=1)
        return Ranked(np.where(np.isfinite(scores), rows, 0), scores)

    def _for_base(self, queries: int, owner: Ints, left_out: Ints) -> tuple[Ints, Ints]:
        """Offsets and rows that the base leaves out: those asked for that it knows, and for each query the hidden."""
        known = left_out < self.base.size
        owners = np.concatenate([owner[known], np.repeat(np.arange(queries), len(self._hidden))])
        rows = np.concatenate([left_out[known], np.tile(self._hidden, queries)])
        order = np.argsort(owners, kind="stable")
        counts = np.bincount(owners, minlength=queries)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), rows[order].astype(np.int64)

    def save(self, path: Path) -> None:
        """Refused: what came after training belongs to the store, and the model on disk stays as it was trained.

        Raises:
            ArtifactError: always.
        """
        raise ArtifactError(
            f"{path} is not written: {len(self.rows)} items were put and {len(self.gone)} taken away since the model "
            "was trained. Save before changing items; they stay in the store and are put again when it is opened."
        )


def _held(allowed: Allowed, rows: Ints) -> Bools:
    """[M] whether rows [M] are allowed."""
    inside = rows < len(allowed.mask)
    return inside & allowed.mask[np.where(inside, rows, 0)]
