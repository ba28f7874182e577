"""What teaching the retriever costs as the catalogue grows: processor time an example, and memory, of made logs."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

from enterprise_recsys.config import ModelConfig  # noqa: E402
from enterprise_recsys.data.features import Feature  # noqa: E402
from enterprise_recsys.data.processor import DataProcessor  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402
from enterprise_recsys.learning.retrieving import plan  # noqa: E402
from enterprise_recsys.loop import run  # noqa: E402
from enterprise_recsys.records import ITEM_ID, USER_ID, Dataset, Events  # noqa: E402
from enterprise_recsys.retrieval.history import HISTORIES  # noqa: E402
from enterprise_recsys.retrieval.retriever import Retriever  # noqa: E402

EVENTS_A_USER = 5
WARM = 10
"""Steps before the clock is read."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Teach each history part from logs of each size, each in a process of its own, and tell the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], help="and as many users")
    parser.add_argument("--histories", nargs="+", choices=HISTORIES, default=list(HISTORIES))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--alone", action="store_true", help="one size and part, in this process; print JSON")
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    if chosen.alone:
        print(json.dumps(taught(chosen.histories[0], chosen.items[0], chosen.steps)))
        return
    for items in chosen.items:
        for history in chosen.histories:
            command = ["--items", str(items), "--histories", history, "--steps", str(chosen.steps)]
            done = subprocess.run(
                [sys.executable, __file__, *command, "--alone"], check=True, stdout=subprocess.PIPE, text=True
            )
            lines = _lines(items, history, json.loads(done.stdout), " ".join(["python benchmarks/growth.py", *command]))
            for line in lines:
                print(f"{line.protocol:>10} {line.system:>12} {line.metric:<12} {line.value:12.1f}", flush=True)
            if chosen.record:
                append(chosen.record, lines)


def taught(history: str, items: int, steps: int) -> dict[str, float]:
    """Some steps on one thread with the dials as they are, from a log of so many items and users.

    Returns:
        example_us: processor time of an event that is learnt; examples_s: the same as a rate.
        tables_mb: the weights, nearly all of them tables of ids. peak_mb: the largest memory of the process, of which
        start_mb was there before the first weight: the program and the log.
    """
    config = ModelConfig(history=history, threads=1)
    torch.set_num_threads(config.threads)
    dataset = made(items, EVENTS_A_USER * items)
    start_mb = _memory_mb("VmRSS")
    ids = range(items + 1)
    retriever = Retriever(cast(DataProcessor, Bare(ids, ids)), config, dataset)
    clock, counted, told = 0.0, 0, 0

    def some() -> Iterator[tuple[int, Callable[[], Tensor]]]:
        nonlocal clock, counted, told
        while told < steps + WARM:
            for size, step in retriever._steps():
                if told == WARM:
                    clock = time.process_time()
                counted += size if told >= WARM else 0
                told += 1
                yield size, step
                if told == steps + WARM:
                    break
        clock = time.process_time() - clock

    run(retriever.model, some, len(dataset.events), plan(config, "retriever", 1, None, None))
    tables = sum(one.numel() * one.element_size() for one in retriever.model.parameters())
    return {
        "example_us": 1e6 * clock / counted,
        "examples_s": counted / clock,
        "tables_mb": tables / 1e6,
        "start_mb": start_mb,
        "peak_mb": _memory_mb("VmHWM"),
    }


@dataclass(frozen=True)
class Bare:
    """What the towers ask of a processor, of a log of ids alone."""

    users: Sequence[int]
    items: Sequence[int]
    features: tuple[Feature, ...] = ()

    def of(self, owner: str) -> list[Feature]:
        """No features."""
        return []


def made(ids: int, rows: int) -> Dataset:
    """Events of as many users as items, anybody's equally often, popular items far oftener; always the same."""
    generator = np.random.default_rng(0)
    popularity = np.cumsum(1.0 / (10.0 + np.arange(ids)) ** 0.9)
    drawn = np.searchsorted(popularity, generator.random(rows) * popularity[-1])
    item_rows = generator.permutation(ids)[np.minimum(drawn, ids - 1)] + 1
    ones = np.ones(rows, dtype=np.float32)
    times = np.sort(generator.integers(0, 365 * 86_400, rows)) * 1_000_000
    users = generator.integers(1, ids + 1, rows)
    events = Events(users, item_rows, times, np.full(rows, np.nan, dtype=np.float32), ones, ones > 0)
    every = np.arange(ids + 1)
    return Dataset(events, {USER_ID: every}, {ITEM_ID: every})


def _memory_mb(name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return float(found[1]) * 1024 / 1e6 if found else float("nan")


def _lines(items: int, history: str, figures: dict[str, float], command: str) -> list[ResultLine]:
    peak_mb = figures.pop("peak_mb")
    return [
        ResultLine(
            f"grow-{items // 1000}k",
            history,
            "retrieval",
            metric,
            round(value, 1),
            seeds=1,
            summary=True,
            peak_mb=round(peak_mb),
            threads=1,
            command=command,
            machine=machine(),
            commit=commit(),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        for metric, value in figures.items()
    ]


if __name__ == "__main__":
    main()
