"""INDEXES: vectors in, rows and scores out, of the rows that are allowed; FAISS, exact or approximate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import faiss
import numpy as np

from enterprise_recsys.errors import ArtifactError, ConfigError
from enterprise_recsys.records import Bools, Floats, Ints, Ranked

COMPARED_PER_HOP = 40
"""A node of the graph costs as much as this many vectors compared one by one (`benchmarks/filters.py --costs`)"""

WIDER = 1.5
"""How much more is looked at under a filter: one that follows the vectors, as a category does, keeps less than its
share of what is near. At half of 100,000 items so chosen recall@200 is 0.981 (hnsw) and 0.988 (ivf) without."""


AUTO_EXACT = 10_000
"""Items up to which comparing every vector takes a tenth of an answer at most, and is exact."""


FEW_DEAD = 200
"""Removed rows up to which a search looks so many places deeper; beyond, it asks of each row whether it lives."""


@dataclass(frozen=True)
class Allowed:
    """The rows that a search may find.

    Attributes:
        mask: [I] by row, row 0 False.
    """

    mask: Bools

    @cached_property
    def rows(self) -> Ints:
        """[A] the rows themselves, rising."""
        return np.flatnonzero(self.mask).astype(np.int64)

    @cached_property
    def bits(self) -> np.ndarray:
        """Eight rows a byte, from row 1 on, as FAISS asks them."""
        return np.packbits(self.mask[1:], bitorder="little")


_AT_ONCE = 8
"""16-bit numbers that FAISS reads together."""

_NOWHERE = np.zeros(0, dtype=np.int64)


class Index:
    """Inner-product search over the catalogue's vectors [I, D]; row 0 is never found.

    A snapshot: `add` and `remove` give another index that shares this one's base, so a search in flight never sees a
    change. What is added stands in a small part of its own that is always compared exactly; what is removed stays in
    the base and is passed over.

    Args:
        base: a FAISS index over the rows 1..n, in order; it may be wider than the vectors, with zeros at the end.
        width: of the vectors; None = as wide as the base.
        dead: [n+1] base rows that are removed or stand in the further part; None = none.
        further_rows, further_vectors: [F], [F, D] what was added since the base was built.
    """

    def __init__(
        self,
        base: faiss.Index,
        width: int | None = None,
        dead: Bools | None = None,
        further_rows: Ints | None = None,
        further_vectors: Floats | None = None,
    ) -> None:
        self.base, self.width = base, int(base.d) if width is None else width
        self.further_rows = np.zeros(0, dtype=np.int64) if further_rows is None else further_rows
        nothing = np.zeros((0, self.width), dtype=np.float32)
        self.further_vectors = nothing if further_vectors is None else further_vectors
        self._dead = dead
        # Rows of the base that live, where some do not: they are then a filter like any other. Few dead ones are
        # cheaper found and passed over.
        self._alive = None if dead is None or not dead.any() else Allowed(~dead)
        self._passed_over = 0 if dead is None else int(dead[1:].sum())

    def __len__(self) -> int:
        """Items that can be found."""
        in_base = self.base.ntotal if self._alive is None else len(self._alive.rows)
        return int(in_base) + len(self.further_rows)

    @property
    def size(self) -> int:
        """Rows up to the highest one, row 0 included."""
        return 1 + max(int(self.base.ntotal), int(self.further_rows.max(initial=0)))

    def add(self, rows: Ints, vectors: Floats) -> Index:
        """The index with vectors [R, D] for rows [R], each new or known; a known one's vector is replaced.

        Raises:
            ConfigError: a row under 1, or vectors of another shape.
        """
        if vectors.shape != (len(rows), self.width) or (len(rows) and rows.min() < 1):
            raise ConfigError(
                f"rows should be from 1 up and vectors [{len(rows)}, {self.width}], got vectors {vectors.shape}."
            )
        without = self.remove(rows)
        return Index(
            self.base,
            self.width,
            without._dead,
            np.concatenate([without.further_rows, rows.astype(np.int64)]),
            np.concatenate([without.further_vectors, vectors.astype(np.float32)]),
        )

    def remove(self, rows: Ints) -> Index:
        """The index without some rows [R]; those that it does not hold are passed over."""
        dead = np.zeros(self.base.ntotal + 1, dtype=bool) if self._dead is None else self._dead.copy()
        dead[0] = True
        dead[rows[rows <= self.base.ntotal]] = True
        kept = ~np.isin(self.further_rows, rows)
        return Index(self.base, self.width, dead, self.further_rows[kept], self.further_vectors[kept])

    def search(self, queries: Floats, k: int, offsets: Ints, left_out: Ints, allowed: Allowed | None = None) -> Ranked:
        """The k best rows of each query [B, D], without those of query b in left_out[offsets[b]:offsets[b+1]].

        Ties stand in the order of rows; which of those with the score of the last place are found is left to FAISS.
        Places that cannot be filled hold row 0 and -inf.

        Args:
            allowed: only these rows are found; rows past the end of its mask are not allowed. None = all.
        """
        if len(queries) == 1:
            return self._one(queries, k, left_out, allowed)
        rows = np.zeros((len(queries), k), dtype=np.int64)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        counts = np.diff(offsets)
        inside, further = self._in_base(allowed), self._in_further(allowed)
        # Queries with equal numbers of left-out rows are searched together, so that one heavy user costs only himself.
        for size in np.unique(np.ceil(np.log2(counts + 1)).astype(np.int64)):
            group = np.flatnonzero(np.ceil(np.log2(counts + 1)).astype(np.int64) == size)
            for begin in range(0, len(group), 512):
                part = group[begin : begin + 512]
                depth = int(k + counts[part].max())
                found = _joined(self._base(queries[part], depth, inside), self._further(queries[part], depth, further))
                self._keep(found, part, offsets, left_out, rows, scores)
        return Ranked(rows, scores)

    def _one(self, query: Floats, k: int, left_out: Ints, allowed: Allowed | None) -> Ranked:
        """The same for one query [1, D], with as few passes as one answer needs."""
        depth = k + len(left_out)
        found = self._base(query, depth, self._in_base(allowed))
        if len(self.further_rows):
            found = _joined(found, self._further(query, depth, self._in_further(allowed)))
        free = np.ones(max(self.size, int(left_out.max(initial=0)) + 1), dtype=bool)
        free[left_out], free[0] = False, False
        kept = free[found.rows[0]]
        rows, scores = found.rows[0][kept], found.scores[0][kept]
        order = np.lexsort((rows, -scores))[:k]
        if len(order) == k:
            return Ranked(rows[order][None, :], scores[order][None, :])
        best = Ranked(np.zeros((1, k), dtype=np.int64), np.full((1, k), -np.inf, dtype=np.float32))
        best.rows[0, : len(order)], best.scores[0, : len(order)] = rows[order], scores[order]
        return best

    def _in_base(self, allowed: Allowed | None) -> Allowed | None:
        if allowed is None:
            return self._alive if self._passed_over > FEW_DEAD else None
        own = self.base.ntotal + 1
        if self._alive is None and len(allowed.mask) == own:
            return allowed
        mask = np.zeros(own, dtype=bool)
        mask[: len(allowed.mask)] = allowed.mask[:own]
        return Allowed(mask if self._alive is None else mask & self._alive.mask)

    def _in_further(self, allowed: Allowed | None) -> Ints:
        """Places in the further part."""
        if not len(self.further_rows):
            return _NOWHERE
        places = np.arange(len(self.further_rows))
        if allowed is None:
            return places
        inside = places[self.further_rows < len(allowed.mask)]
        return inside[allowed.mask[self.further_rows[inside]]]

    def _base(self, queries: Floats, depth: int, allowed: Allowed | None) -> Ranked:
        if allowed is None:
            depth += self._passed_over
        depth = min(depth, self.base.ntotal if allowed is None else len(allowed.rows))
        if depth == 0:
            return Ranked(np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0), np.float32))
        queries = np.ascontiguousarray(queries if self.width == self.base.d else _widened(queries, self.base.d))
        searched, parameters = (self.base, None) if allowed is None else _restricted(self.base, allowed, depth)
        scores, found = searched.search(queries, depth, params=parameters)
        if found.min() < 0:
            short = np.flatnonzero((found < 0).any(axis=1))
            # What is allowed lies far from these queries, so that the graph or the cells ended before they had enough.
            searched, parameters = _exhaustive(self.base, allowed or Allowed(np.arange(self.base.ntotal + 1) > 0))
            scores[short], found[short] = searched.search(queries[short], depth, params=parameters)
        rows = found.astype(np.int64) + 1  # FAISS numbers from 0, and -1 = nothing
        if allowed is None and self._passed_over and self._dead is not None:
            dead = self._dead[rows]
            rows, scores = np.where(dead, 0, rows), np.where(dead, np.float32(-np.inf), scores)
        return Ranked(rows, scores)

    def _further(self, queries: Floats, depth: int, places: Ints) -> Ranked:
        if not len(places):
            return Ranked(np.zeros((len(queries), 0), np.int64), np.zeros((len(queries), 0), np.float32))
        everything = len(places) == len(self.further_rows)
        scores = queries @ (self.further_vectors if everything else self.further_vectors[places]).T
        rows = np.broadcast_to(self.further_rows[places], scores.shape)
        if scores.shape[1] > depth:
            best = np.argpartition(-scores, depth - 1, axis=1)[:, :depth]
            rows, scores = np.take_along_axis(rows, best, axis=1), np.take_along_axis(scores, best, axis=1)
        return Ranked(rows, scores)

    def _keep(self, found: Ranked, part: Ints, offsets: Ints, left_out: Ints, rows: Ints, scores: Floats) -> None:
        """Write the best of what was found, less what is left out, at the places of these queries."""
        lengths = offsets[part + 1] - offsets[part]
        owner = np.repeat(np.arange(len(part)), lengths)
        places = np.arange(lengths.sum()) + np.repeat(offsets[part] - np.cumsum(lengths) + lengths, lengths)
        taken = np.zeros((len(part), max(self.size, int(left_out.max(initial=0)) + 1)), dtype=bool)
        taken[owner, left_out[places]] = True
        taken[:, 0] = True
        keep = ~np.take_along_axis(taken, found.rows, axis=1)
        order = np.lexsort((found.rows, -found.scores, ~keep), axis=1)[:, : rows.shape[1]]
        kept = np.take_along_axis(keep, order, axis=1)
        width = order.shape[1]
        rows[part, :width] = np.where(kept, np.take_along_axis(found.rows, order, axis=1), 0)
        scores[part, :width] = np.where(kept, np.take_along_axis(found.scores, order, axis=1), -np.inf)

    def save(self, path: Path) -> None:
        """Write the FAISS file, of an index as it was built.

        Raises:
            ArtifactError: something was added or removed since: that belongs to the store.
        """
        if self._dead is not None or len(self.further_rows):
            raise ArtifactError(
                f"{path} is not written: {len(self.further_rows)} items were put and {self._passed_over} vectors of "
                "the trained ones replaced or taken away since the model was trained. Save before changing items; "
                "they stay in the store and are put again when it is opened."
            )
        faiss.write_index(self.base, str(path))

    @classmethod
    def load(cls, path: Path, *, width: int | None = None) -> Index:
        """Read what `save` wrote; the caller has checked its hash.

        Args:
            path: the file.
            width: of the vectors; None = as wide as the index in the file.

        Raises:
            ArtifactError: FAISS cannot read it.
        """
        try:
            return cls(faiss.read_index(str(path)), width)
        except RuntimeError as error:
            raise ArtifactError(f"{path} is no index that FAISS can read: {error}; train again.") from None


def _widened(vectors: Floats, width: int) -> Floats:
    """Vectors [R, D] with zeros at the end [R, width]: no inner product changes."""
    out = np.zeros((len(vectors), width), dtype=np.float32)
    out[:, : vectors.shape[1]] = vectors
    return out


def _joined(base: Ranked, further: Ranked) -> Ranked:
    if further.rows.shape[1] == 0:
        return base
    return Ranked(
        np.concatenate([base.rows, further.rows], axis=1), np.concatenate([base.scores, further.scores], axis=1)
    )


# FAISS's own annotations are those of its C++ layer; Python's constructors take keywords and arrays too.
def _restricted(base: faiss.Index, allowed: Allowed, depth: int) -> tuple[faiss.Index, faiss.SearchParameters]:
    """How to search among some rows only: which FAISS index, with what parameters.

    Under a filter that lets a share s through, only s of what a graph or the cells show can be kept, so as many more
    must be looked at: w efSearch / s nodes, w nprobe / s cells (w = WIDER). A graph then costs more than comparing the
    allowed rows one by one as soon as s < sqrt(40 w efSearch / I): at 39 % of 100,000 items and 12 % of a million.
    """
    share = len(allowed.rows) / base.ntotal
    if isinstance(base, faiss.IndexHNSW):
        width = WIDER * max(base.hnsw.efSearch, depth)
        if share < math.sqrt(COMPARED_PER_HOP * width / base.ntotal):
            return _exhaustive(base, allowed)
        return base, faiss.SearchParametersHNSW(  # type: ignore[attr-defined]
            sel=_bitmap(allowed), efSearch=math.ceil(width / share)
        )
    if isinstance(base, faiss.IndexIVF):
        probes = min(base.nlist, math.ceil(WIDER * base.nprobe / share))
        return base, faiss.SearchParametersIVF(sel=_bitmap(allowed), nprobe=probes)  # type: ignore[call-arg]
    return _exhaustive(base, allowed)


def _exhaustive(base: faiss.Index, allowed: Allowed) -> tuple[faiss.Index, faiss.SearchParameters]:
    """How to compare every allowed row."""
    if isinstance(base, faiss.IndexIVF):
        return base, faiss.SearchParametersIVF(sel=_bitmap(allowed), nprobe=base.nlist)  # type: ignore[call-arg]
    flat = faiss.downcast_index(base.storage) if isinstance(base, faiss.IndexHNSW) else base
    # FAISS compares only the rows of a list, and asks a bitmap about every row: the list wins up to about a half.
    is_listed = 2 * len(allowed.rows) <= flat.ntotal
    selector = faiss.IDSelectorArray(allowed.rows - 1) if is_listed else _bitmap(allowed)
    return flat, faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]


def _bitmap(allowed: Allowed) -> faiss.IDSelector:
    return faiss.IDSelectorBitmap(allowed.bits)  # type: ignore[call-arg, arg-type]


def exact(vectors: Floats) -> Index:
    """Every vector is compared: recall 1, the same bits each time; right up to some 300,000 items."""
    base = faiss.IndexFlatIP(vectors.shape[1])
    base.add(np.ascontiguousarray(vectors[1:]))
    return Index(base)


def hnsw(vectors: Floats) -> Index:
    """A navigable small-world graph (M = 32, efSearch = 256), built on one thread so that it is repeatable.

    Source: Malkov and Yashunin, TPAMI 2018, doi:10.1109/TPAMI.2018.2889473.
    """
    base = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    base.hnsw.efConstruction, base.hnsw.efSearch = 200, 256
    _fill(base, vectors)
    return Index(base)


def ivf(vectors: Floats) -> Index:
    """Cells around the centres of k-means, the nearest searched: 64 of them, or one in 32; half the memory of `exact`.

    Of a million learnt vectors 64 of 4,000 cells hold 0.983 of the 100 nearest, 125 hold 0.993, for 0.2 ms more.

    FAISS reads the 16-bit numbers eight at a time, or else one by one: of 100,000 vectors of 65 a search
    took 0.34 ms, and with seven zeros behind each 0.08.

    Source: Jégou, Douze and Schmid, TPAMI 2011, doi:10.1109/TPAMI.2010.57 (the inverted file, without their codes).
    """
    count, width = len(vectors) - 1, vectors.shape[1]
    wider = _AT_ONCE * math.ceil(width / _AT_ONCE)
    # k-means wants about 39 vectors a cell; more cells than 4 sqrt(I) only lengthen the search for the nearest.
    cells = max(1, min(round(4 * math.sqrt(count)), count // 39))
    base = faiss.index_factory(wider, f"IVF{cells},SQfp16", faiss.METRIC_INNER_PRODUCT)
    base.nprobe = min(max(64, cells // 32), cells)  # type: ignore[attr-defined]
    _fill(base, _widened(vectors, wider))
    return Index(base, width)


def auto(vectors: Floats) -> Index:
    """`exact` up to AUTO_EXACT items, `ivf` beyond.

    Of 100,000 learnt vectors one exact search takes 1.3 ms of processor time and an `ivf` one 0.08, at recall@200
    0.9996 (hnsw: 0.13 ms at 0.9994, and five times as long to build).
    """
    return exact(vectors) if len(vectors) - 1 <= AUTO_EXACT else ivf(vectors)


def _fill(base: faiss.Index, vectors: Floats) -> None:
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    rows = np.ascontiguousarray(vectors[1:])
    if not base.is_trained:
        base.train(rows)
    base.add(rows)
    faiss.omp_set_num_threads(threads)


INDEXES: dict[str, Callable[[Floats], Index]] = {"auto": auto, "exact": exact, "hnsw": hnsw, "ivf": ivf}
