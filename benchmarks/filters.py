"""Search under a filter: recall, filled places and processor time of each index at 0.1 to 100 % allowed."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one request is one thread's work
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

import faiss  # noqa: E402
import numpy as np  # noqa: E402

from enterprise_recsys.engine.indexes import INDEXES, Allowed, Index, _bitmap  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402

SHARES = (0.001, 0.01, 0.1, 0.3, 0.5, 0.9, 1.0)
DEPTH = 200
NOTHING = (np.zeros(2, dtype=np.int64), np.zeros(0, dtype=np.int64))


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the indexes, ask each the same queries under the same filters, print and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--costs", action="store_true", help="instead: where a graph and plain comparing break even")
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    faiss.omp_set_num_threads(1)
    vectors, queries, groups = learned_like(chosen.items, chosen.width, chosen.queries)
    if chosen.costs:
        costs(INDEXES["hnsw"](vectors), queries)
        return
    lines = []
    for name, build in INDEXES.items():
        start = time.process_time()
        index = build(vectors)
        print(f"{name}: built in {time.process_time() - start:.1f} s of processor time")
        for kind in ("spread", "near"):
            for share in SHARES if kind == "spread" else (0.01, 0.1, 0.5):
                figures = measured(index, queries, filtered(share, kind, chosen.items, groups), vectors)
                print(f"  {kind} {share:6.1%}  " + "  ".join(f"{key} {value:.4f}" for key, value in figures.items()))
                lines += [line(name, f"{kind} {share:.1%}", metric, value, chosen) for metric, value in figures.items()]
    if chosen.record:
        append(chosen.record, lines)


def learned_like(items: int, width: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors [I, D] in 500 clumps with a falling spectrum, as trained towers have; queries; the clump of each."""
    generator = np.random.default_rng(0)
    spectrum = np.arange(1, width + 1) ** -0.5
    centres = generator.normal(size=(500, width)) * spectrum

    def drawn(number: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
        at = generator.integers(0, 500, number)
        made = centres[at] + spread * generator.normal(size=(number, width)) * spectrum
        return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32), at

    vectors, groups = drawn(items + 1, 0.6)
    vectors[0] = 0
    return vectors, drawn(count, 0.8)[0], groups


def filtered(share: float, kind: str, items: int, groups: np.ndarray) -> Allowed | None:
    """Allowed items: spread evenly (a price), or whole clumps (a category), which most queries are far from."""
    if share == 1.0:
        return None
    drawn = np.random.default_rng(1).random(items + 1)
    mask = drawn < share if kind == "spread" else groups < share * 500
    mask[0] = False
    return Allowed(mask)


def measured(index: Index, queries: np.ndarray, allowed: Allowed | None, vectors: np.ndarray) -> dict[str, float]:
    """Recall of the exact 200, the share of places that are filled, and milliseconds of processor time a query."""
    scores = queries @ vectors.T
    scores[:, ~allowed.mask if allowed else [0]] = -np.inf
    possible = int(allowed.mask.sum()) if allowed else len(vectors) - 1
    width = min(DEPTH, possible)
    truth = np.argpartition(-scores, width - 1, axis=1)[:, :width]
    found, spent = [], []
    for query in queries[:, None, :]:
        start = time.process_time_ns()
        found.append(index.search(query, DEPTH, *NOTHING, allowed).rows[0])
        spent.append((time.process_time_ns() - start) / 1e6)
    hits = [np.isin(right, rows).mean() for right, rows in zip(truth, found, strict=True)]
    return {
        "Recall@200": float(np.mean(hits)),
        "Filled@200": float(np.mean([(rows > 0).sum() / width for rows in found])),
        "cpu_ms": float(np.mean(spent)),
        "p99_cpu_ms": float(np.quantile(spent, 0.99)),
    }


def costs(index: Index, queries: np.ndarray) -> None:
    """What one node of the graph costs beside one vector that is compared alone: COMPARED_PER_HOP."""
    items, width = index.base.ntotal, index.base.hnsw.efSearch
    storage = faiss.downcast_index(index.base.storage)
    for share in (0.1, 0.2, 0.3, 0.4, 0.5):
        mask = np.random.default_rng(2).random(items + 1) < share
        mask[0] = False
        allowed = Allowed(mask)
        looked = int(np.ceil(width / share))
        graph = faiss.SearchParametersHNSW(sel=_bitmap(allowed), efSearch=looked)
        plain = faiss.SearchParameters(sel=faiss.IDSelectorArray(allowed.rows - 1))
        hop = seconds(lambda query, params=graph: index.base.search(query, DEPTH, params=params), queries) / looked
        one = seconds(lambda query, params=plain: storage.search(query, DEPTH, params=params), queries) / mask.sum()
        print(f"{share:4.0%}: a node {hop * 1e9:.0f} ns, a vector {one * 1e9:.0f} ns: {hop / one:.0f}")


def seconds(search: Callable[[np.ndarray], object], queries: np.ndarray) -> float:
    """Processor time of a query."""
    start = time.process_time()
    for query in queries[:, None, :]:
        search(query)
    return (time.process_time() - start) / len(queries)


def line(index: str, filter: str, metric: str, value: float, chosen: argparse.Namespace) -> ResultLine:
    """One figure as a result."""
    return ResultLine(
        protocol=f"filters-{chosen.items // 1000}k",
        system=f"{index}, {filter} allowed",
        stage="retrieval",
        metric=metric,
        value=value,
        seed=0,
        threads=1,
        commit=commit(ROOT),
        command=f"python benchmarks/filters.py --items {chosen.items} --width {chosen.width}",
        machine=machine(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


if __name__ == "__main__":
    main()
