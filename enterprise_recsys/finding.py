"""Finding: scored candidates for requests, from the model or by popularity, and the scores of given items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from enterprise_recsys.data.live import Requests, State
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.engine.indexes import Index
from enterprise_recsys.engine.runtime import Encoder, Scorer
from enterprise_recsys.records import Columns, Floats, Ints, Ranked
from enterprise_recsys.reranking.shaping import best_first
from enterprise_recsys.wishes import Find, Wish, brought


@dataclass(frozen=True)
class Engine:
    """All that answers: frozen, of one version.

    Attributes:
        processor: vocabularies and features.
        encoder, scorer: the exported networks.
        index: over vectors [I, D], which stand here too.
        vectors: [I, D] item vectors, row 0 all zeros.
        depth: how many candidates the scorer sees.
        version: of the artifact.
    """

    processor: DataProcessor
    encoder: Encoder
    scorer: Scorer
    index: Index
    vectors: Floats
    depth: int
    version: str


class Finder:
    """Both stages over one engine and what is known now.

    Args:
        engine: the model.
        state: histories and statistics, read anew for each request.
        item_columns: static columns [I, ...] of the catalogue.
    """

    def __init__(self, engine: Engine, state: State, item_columns: Columns) -> None:
        self.engine, self.state, self.item_columns = engine, state, item_columns

    @property
    def n_items(self) -> int:
        """Items of the catalogue."""
        return len(self.engine.processor.items) - 1

    def scored(self, requests: Requests, wish: Wish, k: int) -> Ranked:
        """The ranker's candidates, k or the engine's depth if that is more, in the order of its scores."""
        queries = self.engine.encoder.encode(requests.columns, requests.history)
        depth = min(max(self.engine.depth, k), self.n_items)
        found = self.engine.index.search(queries, depth, requests.offsets, requests.seen, wish.allowed)
        if wish.shape.brought:
            rows = brought(requests, found, wish)
            near = np.einsum("bd,bpd->bp", queries, self.engine.vectors[rows])
            found = Ranked(
                np.concatenate([found.rows, rows], axis=1),
                np.concatenate([found.scores, np.where(rows > 0, near, -np.inf)], axis=1).astype(np.float32),
            )
        return self._clicks(requests, found)

    def most_taken(self, requests: Requests, wish: Wish, k: int) -> Ranked:
        """Candidates by popularity, as many as `scored` has."""
        size = len(requests.offsets) - 1
        counts = self.state.item_counts.astype(np.float32)
        scores = np.repeat((counts / max(float(counts.max()), 1.0))[None, :], size, axis=0)
        scores[np.repeat(np.arange(size), np.diff(requests.offsets)), requests.seen] = -np.inf
        scores[:, 0] = -np.inf
        if wish.allowed is not None:
            scores[:, ~wish.allowed.mask] = -np.inf
        # What must be in the list stands among the candidates if it is allowed at all.
        order = scores.copy()
        order[:, wish.shape.brought] += 2.0
        rows = np.argsort(-order, axis=1, kind="stable")[:, : min(max(self.engine.depth, k), self.n_items)]
        rows = np.sort(rows, axis=1)
        rows = np.take_along_axis(rows, best_first(rows, np.take_along_axis(scores, rows, axis=1)), axis=1)
        best = np.take_along_axis(scores, rows, axis=1)
        return Ranked(np.where(np.isfinite(best), rows, 0), best)

    def _clicks(self, requests: Requests, found: Ranked) -> Ranked:
        """Candidates [B, K] in the order of the ranker's scores."""
        columns = self.state.pair_columns(requests, self.item_columns, found.rows, found.scores)
        clicks, _ = self.engine.scorer.score(columns)
        return in_order(found.rows, np.where(found.rows > 0, clicks.reshape(found.rows.shape), -np.inf))

    def scores_of(self, requests: Requests, rows: Ints) -> Ranked:
        """Given items [B, P] in the order of the ranker's scores."""
        queries = self.engine.encoder.encode(requests.columns, requests.history)
        near = np.einsum("bd,bpd->bp", queries, self.engine.vectors[rows]).astype(np.float32)
        return self._clicks(requests, Ranked(rows, near)) if rows.size else Ranked(rows, near)

    def popularity_of(self, requests: Requests, rows: Ints) -> Ranked:
        """Given items [B, P] in the order of popularity."""
        return in_order(rows, self.state.item_counts[rows] / max(float(self.state.item_counts.max()), 1.0))


def at_least(find: Callable[[Requests, Wish, int], Ranked], k: int) -> Find:
    """One of a Finder's ways to candidates, for lists of k."""
    return lambda requests, wish: find(requests, wish, k)


def in_order(rows: Ints, scores: np.ndarray) -> Ranked:
    """Rows [B, K] in the order of their scores."""
    scores = scores.astype(np.float32)
    order = best_first(rows, scores)
    return Ranked(np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1))
