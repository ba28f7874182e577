"""What a run will need, before it is run: rows, memory, disk and minutes of each step, by formulas that are told."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data import delimited, files, kernels, needs
from enterprise_recsys.data.aliases import renames
from enterprise_recsys.data.quarantine import Reading
from enterprise_recsys.data.sources import SOURCES, place_of
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import ITEM_ID, REQUIRED, TIMESTAMP, USER_ID

# What was measured, on 2 cores of a server processor; each is meant to be right within a factor of 2.
PROGRAM_MB, LEARNING_MB = needs.PROGRAM_MB, 600
"""What the program holds before the first row: polars and numpy; with PyTorch."""

PREPARE_S, PREPARE_LOOPS_S, PREPARE_DISK = 2.3e-6, 1.5e-6, 46
"""Of a row: seconds, seconds where compiled loops are used (see `kernels.pay`), bytes written.

`recsys prepare` took 2.3 s of CPU time for 1,000,000 made rows and 30 s for 20,000,000; what it holds, `needs` says.
"""

RETRIEVER_RATE, RANKER_RATE = 20_000, 65_000
"""Examples learnt in a second of one core; ml-100k with the dials as they are gave 18,600 and 66,000 of CPU time."""

RANKER_ROWS, MOMENTS_A_USER = 2_000_000, 4
"""Candidates that the ranker learns from, and moments of one user at which it asks for them, at most."""

RANKER_CELL = 300
"""Bytes of one of the ranker's candidates: its features as numbers, and the same again while they are shuffled."""

INDEX_RATE = 50_000
"""Items encoded and added to the index in a second."""

_COPIES = 4  # of every weight: itself, its gradient, and Adam's two moments
_EVENT_BYTES = 100  # of an encoded event, and of its place in the user's history
_FLOAT = 4
_MB = 1 << 20


@dataclass(frozen=True)
class Size:
    """The size of a log.

    Attributes:
        rows: events.
        users, items: different ids.
    """

    rows: int
    users: int
    items: int


@dataclass(frozen=True)
class Step:
    """What one step needs.

    Attributes:
        name: a name in `STEPS`.
        memory_mb: at most held at once.
        disk_mb: written.
        seconds: of wall time on two quiet cores; of learning, if every epoch that the dials allow is run.
        because: the formula with its numbers.
    """

    name: str
    memory_mb: float
    disk_mb: float
    seconds: float
    because: str


@dataclass(frozen=True)
class Plan:
    """What a run will need; see `plan`."""

    size: Size
    steps: tuple[Step, ...]
    memory_mb: float | None = None

    @property
    def too_large(self) -> list[Step]:
        """Steps that do not fit into the memory that was given."""
        return [step for step in self.steps if self.memory_mb is not None and step.memory_mb > self.memory_mb]

    def to_json(self) -> dict[str, object]:
        """Plain values, for machines."""
        return {
            "size": asdict(self.size),
            "steps": [asdict(step) for step in self.steps],
            "memory_mb": self.memory_mb,
            "fits": not self.too_large,
            "disk_mb": sum(step.disk_mb for step in self.steps),
            "seconds": sum(step.seconds for step in self.steps),
        }

    def __str__(self) -> str:
        """A table for a reader, and what does not fit."""
        size = self.size
        rows = [("step", "memory", "disk", "time", "because")]
        rows += [
            (step.name, _megabytes(step.memory_mb), _megabytes(step.disk_mb), _time(step.seconds), step.because)
            for step in self.steps
        ]
        widths = [max(len(row[place]) for row in rows) for place in range(4)]
        lines = [
            f"  {row[0].ljust(widths[0])}"
            + "".join(f"  {row[place].rjust(widths[place])}" for place in (1, 2, 3))
            + f"   {row[4]}"
            for row in rows
        ]
        total = (max(step.memory_mb for step in self.steps), sum(step.disk_mb for step in self.steps))
        seconds = sum(step.seconds for step in self.steps)
        parts = [
            f"{size.rows:,} events, {size.users:,} users and {size.items:,} items",
            "",
            *lines,
            "",
            f"In all: {_megabytes(total[0])} of memory at once, {_megabytes(total[1])} of disk, {_time(seconds)} "
            "if every epoch is run (learning stops early as a rule).",
        ]
        for step in self.too_large:
            parts.append(
                f"DOES NOT FIT: {step.name} needs {_megabytes(step.memory_mb)} and --memory gives "
                f"{_megabytes(self.memory_mb or 0)}; {_REMEDIES[step.name]}."
            )
        return "\n".join(parts)


def plan(size: Size, config: ModelConfig, *, memory_mb: float | None = None) -> Plan:
    """What each step will need, by the formulas of `STEPS`.

    Args:
        size: of the log.
        config: the dials of the run.
        memory_mb: what there is; None compares nothing.
    """
    return Plan(size, tuple(step(size, config) for step in STEPS.values()), memory_mb)


def measure(data: str, reading: Reading | None = None, *, download: bool = False) -> Size:
    """The size of a log, without holding it: a file is scanned in a stream.

    Raises:
        DataError: it does not exist, or lacks a column.
    """
    reading = reading or Reading()
    name, path = place_of(data)
    if name is not None:
        events = SOURCES[name](path if ":" in data else None, download=download).events
        return Size(len(events), events[USER_ID].n_unique(), events[ITEM_ID].n_unique())
    try:
        return _measured(_scanned(path, reading), path, reading)
    except (OSError, pl.exceptions.PolarsError) as error:
        if not files.is_text(path):
            raise DataError(
                f"{path} cannot be scanned: {str(error).partition(chr(10))[0]}; recsys validate says what is wrong."
            ) from error
    # A quote that is not closed stops the scan; only the reader that goes line by line gets past it.
    return _measured(_whole(path, reading), path, reading)


def _measured(frame: pl.LazyFrame, path: Path, reading: Reading) -> Size:
    naming = renames(frame.collect_schema().names(), REQUIRED[:2], reading.columns, path.name, told=False)
    frame = frame.rename({old: new for old, new in naming.items() if new != TIMESTAMP})
    users, items = (pl.col(key).drop_nulls().n_unique() for key in (USER_ID, ITEM_ID))
    counts = frame.select(rows=pl.len(), users=users, items=items).collect(engine="streaming")
    if not counts["rows"][0]:
        raise DataError(f"{path} holds no rows; give at least one.")
    return Size(*counts.row(0))


def _scanned(path: Path, reading: Reading) -> pl.LazyFrame:
    """A file as a lazy frame where its form allows that; else its rows, read whole."""
    if path.is_dir():
        return pl.scan_parquet(path / "**/*.parquet", hive_partitioning=False)
    if files.ending_of(path) == ".parquet":
        return pl.scan_parquet(path, hive_partitioning=False, glob=False)
    if files.is_text(path) and path.exists() and reading.encoding is None:
        scanned = delimited.scan(path, separator=reading.separator)
        if scanned is not None:
            return scanned
    return _whole(path, reading)


def _whole(path: Path, reading: Reading) -> pl.LazyFrame:
    loaded = files.load(
        path, encoding=reading.encoding, separator=reading.separator, columns=reading.columns, coded=True
    )
    return loaded.frame.lazy()


def parsed_memory(text: str) -> float:
    """Megabytes of a size such as 8g, 500m or 1.5gb.

    Raises:
        ConfigError: it is none.

    >>> parsed_memory("8g"), parsed_memory("500 MB")
    (8192.0, 500.0)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([mgt])(?:i?b)?\s*", text.lower())
    if found is None or not float(found[1]):
        raise ConfigError(f"--memory {text!r} is no size; right is a number with m, g or t, for instance 8g.")
    return float(found[1]) * {"m": 1, "g": 1024, "t": 1024**2}[found[2]]


def _prepare(size: Size, config: ModelConfig) -> Step:
    row_s = PREPARE_LOOPS_S if kernels.pay(size.rows) else PREPARE_S
    return Step(
        "prepare",
        needs.of_rows(size.rows),
        PREPARE_DISK * size.rows / _MB,
        0.2 + row_s * size.rows,
        f"{needs.LEAST_BYTES} bytes and {row_s * 1e6:.1f} µs a row, and a slice",
    )


def _retriever(size: Size, config: ModelConfig) -> Step:
    passes = config.epochs * ((0.8 + 0.9) if config.refit else 0.8)
    weights = (size.users + size.items) * config.embedding_dim * _FLOAT * _COPIES
    scores = config.batch_size * (config.batch_size + config.negatives) * _FLOAT * 4
    return Step(
        "retriever",
        LEARNING_MB + (weights + scores + _EVENT_BYTES * size.rows) / _MB,
        0.0,
        size.rows * passes / RETRIEVER_RATE,
        f"{config.epochs} epochs of {0.8 * size.rows:,.0f} events"
        + (f", again of {0.9 * size.rows:,.0f}" if config.refit else "")
        + f", {RETRIEVER_RATE:,}/s",
    )


def _ranker(size: Size, config: ModelConfig) -> Step:
    moments = min(config.ranker_slice * 0.9 * size.rows, MOMENTS_A_USER * size.users)
    rows = min(moments * min(config.candidates, size.items), RANKER_ROWS)
    return Step(
        "ranker",
        LEARNING_MB + (rows * RANKER_CELL + _EVENT_BYTES * size.rows) / _MB,
        0.0,
        2 * config.ranker_epochs * rows / RANKER_RATE,
        f"{config.ranker_epochs} epochs of {rows:,.0f} candidates, twice, {RANKER_RATE:,}/s",
    )


def _index(size: Size, config: ModelConfig) -> Step:
    width = config.item_tower_dims[-1]
    links = 64 * 8 if config.index == "hnsw" else 0
    held = size.items * (width * _FLOAT + links)
    return Step(
        "index",
        PROGRAM_MB + 2 * held / _MB,
        held / _MB,
        0.1 + size.items / INDEX_RATE * (10 if config.index == "hnsw" else 1),
        f"{size.items:,} items of {width} numbers, {config.index}",
    )


def _artifact(size: Size, config: ModelConfig) -> Step:
    tables = (size.users + size.items) * (config.embedding_dim + config.ranking_dim) * _FLOAT
    events = 24 * size.rows
    return Step(
        "artifact",
        PROGRAM_MB + (2 * tables + 2 * events) / _MB,
        (tables + events) / _MB,
        0.5 + (tables + events) / _MB / 100,
        f"{config.embedding_dim} + {config.ranking_dim} numbers of each id, and the events",
    )


_REMEDIES: Mapping[str, str] = {
    "prepare": "use fewer rows (the newest months), or a machine with more memory",
    "retriever": "set a smaller embedding_dim, batch_size or negatives, or use fewer rows",
    "ranker": "set fewer candidates or a smaller ranker_slice",
    "index": "set smaller item_tower_dims and user_tower_dims",
    "artifact": "set a smaller embedding_dim, or use fewer rows",
}
"""Step -> what would make it fit."""


def _megabytes(amount: float) -> str:
    return f"{amount / 1024:.1f} GB" if amount >= 1000 else f"{math.ceil(amount):,} MB"


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


STEPS: Mapping[str, Callable[[Size, ModelConfig], Step]] = {
    "prepare": _prepare,
    "retriever": _retriever,
    "ranker": _ranker,
    "index": _index,
    "artifact": _artifact,
}
"""Name -> what the step needs, in the order in which they are run."""
