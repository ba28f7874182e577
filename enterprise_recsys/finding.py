"""Finding: scored candidates for requests, from the model or by popularity, and the scores of given items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from enterprise_recsys.data.live import State
from enterprise_recsys.data.pairs import Requests
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.engine.gathering import Asked, Candidates, Quotas, gather, quotas
from enterprise_recsys.engine.indexes import Allowed, Index
from enterprise_recsys.engine.neighbours import Related
from enterprise_recsys.engine.runtime import Encoder, ItemEncoder, Scorer
from enterprise_recsys.engine.trace import Trace
from enterprise_recsys.records import Bools, Columns, Floats, Ints, Ranked
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
        related: neighbours and followers of each item.
        version: of the artifact.
        item_encoder: gives an item that came after training its vector.
        compared: entries of a vector, the first ones, that items are compared with one another by.
    """

    processor: DataProcessor
    encoder: Encoder
    scorer: Scorer
    index: Index
    vectors: Floats
    related: Related
    version: str
    item_encoder: ItemEncoder
    compared: int

    @cached_property
    def quotas(self) -> Quotas:
        """How many candidates each source gives."""
        return quotas(self.processor.config, len(self.vectors), follows=self.related.follows)

    @property
    def directions(self) -> Floats:
        """[I, W] what items are compared with one another by, of any length; see `Retrieval.compared`."""
        return self.vectors[:, : self.compared]

    def alike(self, row: int, k: int, allowed: Allowed | None) -> Ranked:
        """The k items [1, K] of the nearest direction to an item's, by cosine.

        The index knows lengths as well, so it is asked for some more, which are then put in order.
        """
        own = self.directions[row] / max(float(np.linalg.norm(self.directions[row])), 1e-12)
        query = np.zeros((1, self.vectors.shape[1]), dtype=np.float32)
        query[0, : len(own)] = own
        wider = min(4 * k + 50, len(self.vectors) - 1)
        rows = self.index.search(query, wider, np.array([0, 1]), np.array([row]), allowed).rows
        lengths = np.maximum(np.linalg.norm(self.directions[rows], axis=2), 1e-12)
        found = in_order(rows, np.where(rows > 0, self.directions[rows] @ own / lengths, -np.inf))
        return Ranked(found.rows[:, :k], found.scores[:, :k])

    @property
    def depth(self) -> int:
        """How many candidates the scorer sees, at most."""
        return self.quotas.depth


class Finder:
    """Both stages over one engine and what is known now.

    Args:
        engine: the model.
        state: histories and statistics, read anew for each request.
        item_columns: static columns [I, ...] of the catalogue.
        gone: [I] items that are never found by any way; None = there are none. The index knows of them too.
    """

    def __init__(self, engine: Engine, state: State, item_columns: Columns, gone: Bools | None = None) -> None:
        self.engine, self.state, self.item_columns, self._gone = engine, state, item_columns, gone

    @property
    def n_items(self) -> int:
        """Items of the catalogue."""
        return len(self.engine.processor.items) - 1

    def holds(self, rows: Ints) -> Bools:
        """Which of the rows [R] can be found: neither 0 nor gone."""
        return (rows > 0) & ~self._gone[rows] if self._gone is not None else rows > 0

    def _may(self, mask: Bools | None) -> Bools | None:
        """[I] what a mask lets through and is not gone; None = all."""
        if self._gone is None:
            return mask
        return ~self._gone if mask is None else mask & ~self._gone

    def gather(self, requests: Requests, k: int, wish: Wish | None = None) -> Candidates:
        """What the ranker is handed: candidates of every source, each once, enough for a list of k."""
        engine, allowed = self.engine, None if wish is None else wish.allowed

        def search(queries: Floats, depth: int, offsets: Ints, left_out: Ints) -> Ranked:
            return engine.index.search(queries, depth, offsets, left_out, allowed)

        trending = self.state.trending(len(requests.history))
        may = self._may(None if allowed is None else allowed.mask)
        return gather(
            engine.encoder.encode(requests.query, requests.history),
            engine.vectors,
            search,
            engine.related,
            engine.quotas.at_least(k),
            Asked(requests.history, requests.offsets, requests.seen, trending, may, requests.own),
        )

    def scored(self, requests: Requests, wish: Wish, k: int, trace: Trace | None = None) -> Ranked:
        """The ranker's candidates, enough for lists of k, in the order of its scores."""
        found = self.gather(requests, k, wish)
        if trace is not None:
            trace.found(found)
            trace.lap("retrieve")
        if wish.shape.brought:
            rows = brought(requests, found.rows, wish)
            rows = np.where(self.holds(rows), rows, 0)
            found = found.beside(self.given(requests, rows))
        ranked = self._clicks(requests, found)
        if trace is not None:
            trace.lap("rank")
        return ranked

    def most_taken(self, requests: Requests, wish: Wish, k: int, trace: Trace | None = None) -> Ranked:
        """Candidates by popularity, as many as `scored` has."""
        size = len(requests.offsets) - 1
        counts = self.state.item_counts.astype(np.float32)
        scores = np.repeat((counts / max(float(counts.max()), 1.0))[None, :], size, axis=0)
        scores[np.repeat(np.arange(size), np.diff(requests.offsets)), requests.seen] = -np.inf
        scores[:, 0] = -np.inf
        may = self._may(None if wish.allowed is None else wish.allowed.mask)
        if may is not None:
            scores[:, ~may] = -np.inf
        # What must be in the list stands among the candidates if it is allowed at all.
        order = scores.copy()
        order[:, wish.shape.brought] += 2.0
        rows = _largest(order, min(max(self.engine.depth, k), self.n_items))
        rows = np.take_along_axis(rows, best_first(rows, np.take_along_axis(scores, rows, axis=1)), axis=1)
        best = np.take_along_axis(scores, rows, axis=1)
        if trace is not None:
            trace.lap("retrieve")
        return Ranked(np.where(np.isfinite(best), rows, 0), best)

    def given(self, requests: Requests, rows: Ints) -> Candidates:
        """Given items [B, P] as the sources would score them."""
        queries = self.engine.encoder.encode(requests.query, requests.history)
        near = np.einsum("bd,bpd->bp", queries, self.engine.vectors[rows])
        scores = np.where(rows > 0, near, -np.inf).astype(np.float32)
        said = self.engine.related.said(requests.history, len(self.engine.vectors)).of(rows)
        return Candidates(rows, scores, said, np.zeros(rows.shape, dtype=np.int64))

    def _clicks(self, requests: Requests, found: Candidates) -> Ranked:
        """Candidates [B, K] in the order of the ranker's scores."""
        columns = self.state.pair_columns(requests, self.item_columns, found)
        scores, _ = self.engine.scorer.score(columns)
        return in_order(found.rows, np.where(found.rows > 0, scores.reshape(found.rows.shape), -np.inf))

    def scores_of(self, requests: Requests, rows: Ints) -> Ranked:
        """Given items [B, P] in the order of the ranker's scores."""
        if not rows.size:
            return Ranked(rows, np.zeros(rows.shape, dtype=np.float32))
        return self._clicks(requests, self.given(requests, rows))

    def told(self, requests: Requests, rows: Ints) -> dict[str, Floats]:
        """What the ranker says of given items [B, P] apart from their score: "click" and each task -> [B, P]."""
        columns = self.state.pair_columns(requests, self.item_columns, self.given(requests, rows))
        return {name: one.reshape(rows.shape) for name, one in self.engine.scorer.told(columns).items()}

    def popularity_of(self, requests: Requests, rows: Ints) -> Ranked:
        """Given items [B, P] in the order of popularity."""
        return in_order(rows, self.state.item_counts[rows] / max(float(self.state.item_counts.max()), 1.0))


def _largest(scores: Floats, most: int) -> Ints:
    """[B, most] rows of the largest scores [B, I], rising; of equal ones those of lower rows.

    Parts before it sorts: of 100,000 items 0.9 ms where a sort takes 7.
    """
    size, width = scores.shape
    if most >= width:
        return np.broadcast_to(np.arange(width), (size, width))
    least = np.partition(scores, width - most, axis=1)[:, width - most, None]
    out = np.zeros((size, most), dtype=np.int64)
    for line, (own, edge) in enumerate(zip(scores, least, strict=True)):
        over, equal = np.flatnonzero(own > edge), np.flatnonzero(own == edge)
        out[line] = np.sort(np.concatenate([over, equal[: most - len(over)]]))
    return out


def at_least(find: Callable[[Requests, Wish, int, Trace | None], Ranked], k: int, trace: Trace | None = None) -> Find:
    """One of a Finder's ways to candidates, for lists of k."""
    return lambda requests, wish: find(requests, wish, k, trace)


def in_order(rows: Ints, scores: np.ndarray) -> Ranked:
    """Rows [B, K] in the order of their scores."""
    scores = scores.astype(np.float32)
    order = best_first(rows, scores)
    if len(rows) == 1:
        return Ranked(rows[:, order[0]], scores[:, order[0]])
    return Ranked(np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1))
