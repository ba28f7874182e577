"""How fast a log is prepared: ours beside polars, pandas and duckdb; and what the features of one request cost."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

from benchmarks.processes import answer_of  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402

NAMES = ("ours", "polars", "pandas", "duckdb")
QUIET = 2.0
"""Load average over which a wall time says more about the machine's other work: then only processor time is told."""
THREADS = 2
YEARS_S = 3 * 365 * 86_400
CHUNK = 20_000_000
"""Rows that are made at once."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a log, prepare it with each in a process of its own, in turn, and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--systems", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--python", nargs="*", default=[], help="name=path of a python that has the system installed")
    parser.add_argument("--text", action="store_true", help="ours alone, from a CSV with times as ISO 8601")
    parser.add_argument("--request", metavar="DATA", help="measure one request's features from this log instead")
    parser.add_argument("--record", type=Path, help="a .jsonl file for the medians")
    chosen = parser.parse_args(arguments)
    lines = request(chosen.request) if chosen.request else prepared(chosen)
    for line in lines:
        print(f"{line.protocol:>16} {line.system:>8} {line.metric:<12} {line.value:12.2f}  [{line.low}, {line.high}]")
    if chosen.record:
        append(chosen.record, lines)


def made_log(rows: int, path: Path) -> None:
    """A log with a few busy users and popular items, 100 events a user in the mean, in no order; always the same."""
    generator, owners = np.random.default_rng(0), (max(rows // 100, 10), max(min(rows // 400, 50_000), 10))
    named: dict[int, np.ndarray] = {}
    if rows <= CHUNK:
        _made(rows, owners, named, generator).write_parquet(path)
        return
    path.mkdir()  # a folder of files: none is ever held whole
    for place, begin in enumerate(range(0, rows, CHUNK)):
        _made(min(CHUNK, rows - begin), owners, named, generator).write_parquet(path / f"{place:03}.parquet")


def as_text(source: Path) -> Path:
    """The log as a CSV beside it, its times as programs log them."""
    target = source.with_suffix(".csv")
    times = pl.from_epoch("timestamp").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    files = source / "*.parquet" if source.is_dir() else source
    pl.scan_parquet(files).with_columns(times).sink_csv(target)
    return target


def _made(
    rows: int, owners: tuple[int, int], named: dict[int, np.ndarray], generator: np.random.Generator
) -> pl.DataFrame:
    def drawn(kind: int, power: float) -> np.ndarray:
        shares = np.cumsum(1.0 / np.arange(1, owners[kind] + 1) ** power)
        if kind not in named:
            named[kind] = generator.permutation(owners[kind])  # once: every chunk has the same busy users
        return named[kind][np.searchsorted(shares / shares[-1], generator.random(rows))]

    users, items = drawn(0, 0.6), drawn(1, 0.9)
    times = 1_600_000_000 + (generator.random(rows) ** 0.7 * YEARS_S).astype(np.int64)
    ratings = generator.integers(1, 6, rows).astype(np.float32)
    return pl.DataFrame({"user_id": users, "item_id": items, "rating": ratings, "timestamp": times})


def prepared(chosen: argparse.Namespace) -> list[ResultLine]:
    """Seconds, processor seconds and peak memory of each system."""
    if chosen.text:
        chosen.systems = ["ours"]  # the others are written for Parquet
    pythons = dict(pair.split("=", 1) for pair in chosen.python)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in chosen.systems}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "log.parquet"
        made_log(chosen.rows, source)
        if chosen.text:
            source = as_text(source)
        for _ in range(chosen.runs):
            for name in chosen.systems:
                load = os.getloadavg()[0]
                with tempfile.TemporaryDirectory() as out:
                    python = Path(pythons.get(name, sys.executable))
                    took = answer_of(python, "preparing.py", name, [str(source), out], threads=THREADS)
                    runs[name].append({**took, "load": load})  # type: ignore[dict-item]
    form = "-csv" if chosen.text else ""
    quiet = median(run["load"] for told in runs.values() for run in told) <= QUIET
    command = f"python benchmarks/prepare.py --rows {chosen.rows}{' --text' if chosen.text else ''}"
    metrics = ("seconds", "cpu_s", "peak_mb", "load") if quiet else ("cpu_s", "peak_mb", "load")
    return [
        _line(f"prepare-{chosen.rows // 1_000_000}m{form}", name, metric, [run[metric] for run in told], command)
        for name, told in runs.items()
        for metric in metrics
    ]


def request(data: str, *, candidates: int = 200, times: int = 2000) -> list[ResultLine]:
    """Microseconds of processor time of one request's features: the user's, and those of its candidates."""
    from enterprise_recsys.data.live import State
    from enterprise_recsys.data.processor import DataProcessor
    from enterprise_recsys.data.sources import read
    from enterprise_recsys.engine.gathering import Candidates

    log = read(data)
    processor = DataProcessor().fit(log)
    state, items = State(processor, log), processor.item_columns()
    generator = np.random.default_rng(0)
    users = [processor.users.id(int(row)) for row in generator.integers(1, len(processor.users), times)]
    rows = generator.integers(1, len(processor.items), (times, 1, candidates))
    scores = generator.random((1, candidates)).astype(np.float32)
    said, sources = np.zeros((1, candidates, 2), np.float32), np.zeros((1, candidates), np.int64)
    spent: dict[str, list[float]] = {"user_us": [], "candidates_us": []}
    for user, row in zip(users, rows, strict=True):
        begin = time.process_time_ns()
        asked = state.of_one(user, state.newest + 1)
        middle = time.process_time_ns()
        state.pair_columns(asked, items, Candidates(row, scores, said, sources))
        spent["user_us"].append((middle - begin) / 1e3)
        spent["candidates_us"].append((time.process_time_ns() - middle) / 1e3)
    command = f"python benchmarks/prepare.py --request {data}"
    return [_line(f"request-{data}", "ours", metric, values, command) for metric, values in spent.items()]


def _line(protocol: str, system: str, metric: str, values: list[float], command: str) -> ResultLine:
    """The median, with the 5th and the 95th of a hundred (of a few runs: about the lowest and the highest)."""
    low, high = (round(float(edge), 2) for edge in np.quantile(values, [0.05, 0.95]))
    return ResultLine(
        protocol,
        system,
        "prepare",
        metric,
        median(values),
        low,
        high,
        seeds=len(values),
        summary=True,
        threads=THREADS,
        command=command,
        machine=machine(),
        commit=commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


if __name__ == "__main__":
    main()
