"""What a step of teaching the retriever goes to: the share that makes its batch, and the events learnt in a second."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

from enterprise_recsys.config import ModelConfig  # noqa: E402
from enterprise_recsys.data.processor import DataProcessor  # noqa: E402
from enterprise_recsys.data.worlds import make_world  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402
from enterprise_recsys.learning.retrieving import of_variant, plan  # noqa: E402
from enterprise_recsys.loop import run  # noqa: E402
from enterprise_recsys.records import Interactions  # noqa: E402
from enterprise_recsys.retrieval.history import HISTORIES, variants  # noqa: E402
from enterprise_recsys.retrieval.retriever import Retriever  # noqa: E402

LOADING = {
    "mean": ("histories.last",),
    "attention": ("histories.last",),
    "fold_in": ("lessons.events_of",),
    "transformer": ("lessons.places",),
    "gru": ("lessons.places",),
}
"""History part -> what a step does to get its batch, beside what `steps` does: looking events up in the log."""
MASKING = {"mean": ("lessons.hits",), "attention": ("lessons.hits",), "fold_in": (), "transformer": (), "gru": ()}
"""History part -> what tells the negatives that their user took, which the loss leaves out."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Teach each history part for an epoch of a made world, and tell both figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--events", type=int, default=100, help="of a user, in the mean")
    parser.add_argument("--items", type=int, default=3_000)
    parser.add_argument("--histories", nargs="+", choices=HISTORIES, default=list(HISTORIES))
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    log = make_world(users=chosen.users, items=chosen.items, days=365, events_per_user=chosen.events).interactions
    command = f"python benchmarks/teaching.py --users {chosen.users} --histories {' '.join(chosen.histories)}"
    lines = [line for name in chosen.histories for line in taught(name, log, command)]
    for line in lines:
        print(f"{line.system:>12} {line.metric:<16} {line.value:12.2f}")
    if chosen.record:
        append(chosen.record, lines)


def taught(history: str, log: Interactions, command: str) -> list[ResultLine]:
    """One epoch on one thread: events learnt in a second of processor time, and the share of it that makes batches."""
    config = ModelConfig(history=history, threads=1)
    torch.set_num_threads(config.threads)
    processor = DataProcessor(config).fit(log)
    variant = variants(config, len(processor.items), len(log.events))[0]
    retriever = of_variant(processor, variant, processor.dataset(log))
    owners = {"histories": retriever._material.histories, "lessons": retriever.lessons}
    loading, masking = Clock(), Clock()
    for clock, watched in ((loading, LOADING), (masking, MASKING)):
        for path in watched[history]:
            clock.watch(owners, path)
    begin = time.process_time()
    run(retriever.model, lambda: loading.steps(retriever), retriever.lessons.size, plan(config, "", 1, None, None))
    spent = time.process_time() - begin
    figures = {"events_s": retriever.lessons.size / spent, "loading_percent": 100 * loading.spent / spent}
    if MASKING[history]:
        figures["masking_percent"] = 100 * masking.spent / spent
    return [
        ResultLine(
            f"teach-{round(len(log.events) / 1000)}k",
            history,
            "retrieval",
            metric,
            round(value, 2),
            seeds=1,
            summary=True,
            seconds=round(spent, 1),
            threads=1,
            command=command,
            machine=machine(),
            commit=commit(),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        for metric, value in figures.items()
    ]


class Clock:
    """Adds up the processor time of what it watches."""

    def __init__(self) -> None:
        self.spent = 0.0

    def watch(self, owners: dict[str, object], path: str) -> None:
        """Count each call of a method."""
        name, method = path.split(".")
        setattr(owners[name], method, self._counted(getattr(owners[name], method)))

    def _counted(self, method: Callable[..., object]) -> Callable[..., object]:
        def counted(*given: object, **named: object) -> object:
            begin = time.process_time()
            made = method(*given, **named)
            self.spent += time.process_time() - begin
            return made

        return counted

    def steps(self, retriever: Retriever) -> Iterator[tuple[int, Callable[[], Tensor]]]:
        """The retriever's steps, the wait for each counted."""
        steps = retriever._steps()
        while True:
            begin = time.process_time()
            step = next(steps, None)
            self.spent += time.process_time() - begin
            if step is None:
                return
            yield step


if __name__ == "__main__":
    main()
