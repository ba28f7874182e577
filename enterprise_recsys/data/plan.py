"""What a run will need, before it is run: rows, memory, disk and minutes of each step, by formulas that are told."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data import clicks, delimited, files, needs
from enterprise_recsys.data.aliases import renames
from enterprise_recsys.data.quarantine import Reading
from enterprise_recsys.data.sources import SOURCES, place_of
from enterprise_recsys.data.steps import STEPS, Size, Step
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import ITEM_ID, REQUIRED, TIMESTAMP, USER_ID


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
            "most_s": sum(step.most_s for step in self.steps),
        }

    def __str__(self) -> str:
        """A table for a reader, and what does not fit."""
        size = self.size
        rows = [("step", "memory", "disk", "time", "at most", "because")]
        rows += [
            (
                step.name,
                _megabytes(step.memory_mb),
                _megabytes(step.disk_mb),
                _time(step.seconds),
                _time(step.most_s),
                step.because,
            )
            for step in self.steps
        ]
        widths = [max(len(row[place]) for row in rows) for place in range(5)]
        lines = [
            f"  {row[0].ljust(widths[0])}"
            + "".join(f"  {row[place].rjust(widths[place])}" for place in (1, 2, 3, 4))
            + f"   {row[5]}"
            for row in rows
        ]
        total = (max(step.memory_mb for step in self.steps), sum(step.disk_mb for step in self.steps))
        seconds, most_s = sum(step.seconds for step in self.steps), sum(step.most_s for step in self.steps)
        shown = f" and {size.impressions:,} impressions" if size.impressions else ""
        parts = [
            f"{size.events:,} events{shown}, {size.users:,} users and {size.items:,} items",
            "",
            *lines,
            "",
            f"In all: {_megabytes(total[0])} of memory at once, {_megabytes(total[1])} of disk, about {_time(seconds)} "
            f"of one core as a rule, since learning stops early, and {_time(most_s)} if every epoch is run.",
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
        shown = clicks.impressions(events.lazy(), name)
        return Size(len(events), events[USER_ID].n_unique(), events[ITEM_ID].n_unique(), impressions=shown)
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
    n_rows, n_users, n_items = counts.row(0)
    shown = clicks.impressions(frame, path.name)
    return Size(n_rows, n_users, n_items, needs.of_prepare(path, reading), manner_of(path), shown)


def manner_of(path: Path) -> str:
    """How a file is read for preparing, where that is not a piece at a time."""
    ending = ".parquet" if path.is_dir() else files.ending_of(path) or ""
    if ending != ".parquet" and not files.is_text(path):
        return f"{ending} is read whole"
    return "unpacked into a temporary file first" if ending.endswith(".gz") else ""


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
