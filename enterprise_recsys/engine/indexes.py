"""INDEXES: vectors in, rows and scores out; FAISS, exact or approximate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from enterprise_recsys.errors import ArtifactError
from enterprise_recsys.records import Floats, Ints, Ranked


class Index:
    """Inner-product search over the catalogue's vectors [I, D]; row 0 is never found.

    Args:
        inner: a FAISS index over the rows 1..I-1, in order.
    """

    def __init__(self, inner: faiss.Index) -> None:
        self.inner = inner

    def __len__(self) -> int:
        return int(self.inner.ntotal)

    def search(self, queries: Floats, k: int, offsets: Ints, left_out: Ints) -> Ranked:
        """The k best rows of each query [B, D], without those of query b in left_out[offsets[b]:offsets[b+1]].

        Ties stand in the order of rows. Places that cannot be filled hold row 0 and -inf.
        """
        rows = np.zeros((len(queries), k), dtype=np.int64)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        counts = np.diff(offsets)
        # Queries with equal numbers of left-out rows are searched together, so that one heavy user costs only himself.
        for size in np.unique(np.ceil(np.log2(counts + 1)).astype(np.int64)):
            group = np.flatnonzero(np.ceil(np.log2(counts + 1)).astype(np.int64) == size)
            depth = int(min(len(self), k + counts[group].max()))
            for begin in range(0, len(group), 512):
                part = group[begin : begin + 512]
                self._fill(queries, part, depth, offsets, left_out, rows, scores)
        return Ranked(rows, scores)

    def _fill(
        self, queries: Floats, part: Ints, depth: int, offsets: Ints, left_out: Ints, rows: Ints, scores: Floats
    ) -> None:
        found_scores, found = self.inner.search(np.ascontiguousarray(queries[part]), depth)
        found_rows = found.astype(np.int64) + 1  # FAISS numbers from 0, and -1 = nothing
        lengths = offsets[part + 1] - offsets[part]
        owner = np.repeat(np.arange(len(part)), lengths)
        places = np.arange(lengths.sum()) + np.repeat(offsets[part] - np.cumsum(lengths) + lengths, lengths)
        taken = np.zeros((len(part), len(self) + 1), dtype=bool)
        taken[owner, left_out[places]] = True
        taken[:, 0] = True
        keep = ~np.take_along_axis(taken, found_rows, axis=1)
        order = np.lexsort((found_rows, -found_scores, ~keep), axis=1)[:, : rows.shape[1]]
        kept = np.take_along_axis(keep, order, axis=1)
        width = order.shape[1]
        rows[part, :width] = np.where(kept, np.take_along_axis(found_rows, order, axis=1), 0)
        scores[part, :width] = np.where(kept, np.take_along_axis(found_scores, order, axis=1), -np.inf)

    def save(self, path: Path) -> None:
        """Write the FAISS file."""
        faiss.write_index(self.inner, str(path))

    @classmethod
    def load(cls, path: Path) -> Index:
        """Read a FAISS file; the caller has checked its hash.

        Raises:
            ArtifactError: FAISS cannot read it.
        """
        try:
            return cls(faiss.read_index(str(path)))
        except RuntimeError as error:
            raise ArtifactError(f"{path} is no index that FAISS can read: {error}; train again.") from None


def exact(vectors: Floats) -> Index:
    """Every vector is compared: recall 1, the same bits each time; right up to some 300,000 items."""
    inner = faiss.IndexFlatIP(vectors.shape[1])
    inner.add(np.ascontiguousarray(vectors[1:]))
    return Index(inner)


def hnsw(vectors: Floats) -> Index:
    """A navigable small-world graph (M = 32, efSearch = 256), built on one thread so that it is repeatable.

    Source: Malkov and Yashunin, TPAMI 2018, doi:10.1109/TPAMI.2018.2889473.
    """
    inner = faiss.IndexHNSWFlat(vectors.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    inner.hnsw.efConstruction, inner.hnsw.efSearch = 200, 256
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    inner.add(np.ascontiguousarray(vectors[1:]))
    faiss.omp_set_num_threads(threads)
    return Index(inner)


INDEXES: dict[str, Callable[[Floats], Index]] = {"exact": exact, "hnsw": hnsw}
