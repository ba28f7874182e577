"""What teaching costs on a processor and on a GPU: the same steps of each part, on a made log or MovieLens 1M."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import cast

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

from benchmarks.growth import EVENTS_A_USER, Bare, made  # noqa: E402
from enterprise_recsys.config import ModelConfig  # noqa: E402
from enterprise_recsys.data.processor import DataProcessor  # noqa: E402
from enterprise_recsys.data.sources import read  # noqa: E402
from enterprise_recsys.devices import make_repeatable  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402
from enterprise_recsys.learning.retrieving import plan  # noqa: E402
from enterprise_recsys.loop import run  # noqa: E402
from enterprise_recsys.retrieval.history import HISTORIES  # noqa: E402
from enterprise_recsys.retrieval.retriever import Retriever  # noqa: E402

WARM, PIECES = 10, 5
"""Steps before the clock is read, and pieces of the steps after them, of which the median is told."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Teach each history part on each device and tell how many examples a second were learnt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", nargs="+", default=["ml-1m"], help="ml-1m, or how many users and items are made up")
    parser.add_argument("--histories", nargs="+", choices=HISTORIES, default=list(HISTORIES))
    parser.add_argument("--devices", nargs="+", default=["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], help="further dials, name=number", metavar="DIAL")
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    further = {
        name: float(value) if "." in value else int(value) for name, value in (one.split("=") for one in chosen.set)
    }
    make_repeatable(chosen.threads)
    for log in chosen.log:
        for history in chosen.histories:
            for device in chosen.devices:
                config = ModelConfig(history=history, threads=chosen.threads, device=device, **further)
                figures = taught(retriever_of(log, config), chosen.steps)
                words = [f"--log {log} --histories {history} --devices {device} --steps {chosen.steps}"]
                words += [f"--set {' '.join(chosen.set)}"] if chosen.set else []
                for name, (value, low, high) in figures.items():
                    print(f"{log:>9} {history:>12} {device:>6} {name:<14} {value:12.1f}", flush=True)
                    line = _line(log, f"{history}-{device}", name, (value, low, high), " ".join(words), chosen.threads)
                    if chosen.record:
                        append(chosen.record, [line])


def retriever_of(log: str, config: ModelConfig) -> Retriever:
    """Untaught towers for the ids and features of a log."""
    if log.isdigit():
        size = int(log)
        ids = range(size + 1)
        return Retriever(cast(DataProcessor, Bare(ids, ids)), config, made(size, EVENTS_A_USER * size))
    events = read(log)
    processor = DataProcessor(config).fit(events)
    return Retriever(processor, config, processor.dataset(events))


def taught(retriever: Retriever, steps: int) -> dict[str, tuple[float, float | None, float | None]]:
    """Some steps of teaching.

    Returns:
        step_ms, examples_s: of the pieces the median, the lowest and the highest. epoch_s: what an epoch takes at that
        rate. gpu_mb: the largest memory that was held there, of a GPU.
    """
    times, sizes, told = [], [], 0
    is_gpu = retriever.device.type == "cuda"

    def some() -> Iterator[tuple[int, Callable[[], Tensor]]]:
        nonlocal told
        while told < steps + WARM:
            for size, step in retriever._steps():
                if told >= WARM and (told - WARM) % (steps // PIECES) == 0:
                    if is_gpu:
                        torch.cuda.synchronize()
                    times.append(time.perf_counter())
                    sizes.append(0)
                sizes[-1:] = [sizes[-1] + size] if sizes else []
                told += 1
                yield size, step
                if told == steps + WARM:
                    break
        if is_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter())

    run(retriever.model, some, retriever.lessons.size, plan(retriever.config, "retriever", 1, None, None))
    spent = np.diff(times)
    rates = [size / each for size, each in zip(sizes, spent, strict=True)]
    each_ms = [1e3 * one / (steps // PIECES) for one in spent]
    figures: dict[str, tuple[float, float | None, float | None]] = {
        "step_ms": (median(each_ms), min(each_ms), max(each_ms)),
        "examples_s": (median(rates), min(rates), max(rates)),
        "epoch_s": (retriever.lessons.size / median(rates), None, None),
    }
    if is_gpu:
        figures["gpu_mb"] = (torch.cuda.max_memory_allocated() / 1e6, None, None)
    return figures


def _line(
    log: str, system: str, metric: str, figure: tuple[float, float | None, float | None], words: str, threads: int
) -> ResultLine:
    return ResultLine(
        f"device-{log}",
        system,
        "retrieval",
        metric,
        *figure,
        seeds=1,
        summary=True,
        threads=threads,
        command=f"python benchmarks/devices.py {words}",
        machine=machine(),
        commit=commit(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


if __name__ == "__main__":
    main()
