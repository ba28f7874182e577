"""How fast lists are judged and chosen: ours beside RecTools, ranx and RecBole, each in an environment of its own."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

from benchmarks.processes import answer_of, environment  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402
from enterprise_recsys.evaluation.top import from_vectors  # noqa: E402

NAMES = ("ours", "rectools", "ranx", "recbole")
EXACT = 1e-9
"""The evaluators must agree to this, or their seconds are not of the same work."""
QUIET = 2.0
"""Load average over which a wall time says more about the machine's other work: then only processor time is told."""
Figures = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the environments, judge the same lists with each in turn, and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=3700)
    parser.add_argument("--runs", type=int, default=3, help="of each evaluator, one after the other in turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir()) / "evaluators", help="made if need be")
    parser.add_argument("--stage", choices=("judge", "choose"), default="judge", help="choose: the best of all scores")
    parser.add_argument("--record", type=Path, help="a .jsonl file for the medians")
    chosen = parser.parse_args(arguments)
    lines = judge(chosen) if chosen.stage == "judge" else choose(chosen)
    for line in lines:
        print(f"{line.system:>20} {line.metric:<20} {line.value:10.2f}   [{line.low:.2f}, {line.high:.2f}]")
    if chosen.record:
        append(chosen.record, lines)


def judge(chosen: argparse.Namespace) -> list[ResultLine]:
    """From lists in memory to the mean figures of six metrics at 10 and 20."""
    pythons = {name: environment(name, chosen.envs) for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        lists = Path(folder) / "lists.npz"
        np.savez(lists, **made_lists(chosen.users, chosen.items))  # type: ignore[arg-type]
        runs: dict[str, list[Figures]] = {name: [] for name in NAMES}
        figures: dict[str, Figures] = {}
        for _ in range(chosen.runs):
            for name in NAMES:
                load = os.getloadavg()[0]
                took = answer_of(pythons[name], "measure.py", name, [str(lists)], threads=chosen.threads)
                figures[name] = took.pop("figures")  # type: ignore[assignment]
                runs[name].append({**took, "load": load})  # type: ignore[dict-item]
    compared(figures)
    return lines_of(f"evaluate-{chosen.users // 1000}k", runs, chosen)


def made_lists(users: int, items: int) -> dict[str, object]:
    """1 to 39 relevant items a user, popular ones more often, and 20 places drawn likewise; the same every time."""
    generator = np.random.default_rng(0)
    shares = 1.0 / np.arange(1, items)
    owner = np.repeat(np.arange(users), generator.integers(1, 40, users))
    taken = generator.choice(np.arange(1, items), len(owner), p=shares / shares.sum())
    pairs = np.unique(owner * items + taken)
    keys = np.log(generator.random((300, items - 1))) / shares  # the largest keys are a draw without replacement
    drawn = np.argsort(-keys, axis=1)[:, :20] + 1
    rows = drawn[generator.integers(0, 300, users)]
    return {"users": pairs // items, "items": pairs % items, "rows": rows, "n_items": items}


def compared(figures: dict[str, Figures]) -> None:
    """Stop if two evaluators tell a metric of one name otherwise.

    Raises:
        SystemExit: with the metric and both figures.
    """
    for name, told in figures.items():
        for metric, value in told.items():
            if metric in figures["ours"] and abs(value - figures["ours"][metric]) > EXACT:
                sys.exit(f"{name} has {metric} = {value}, ours is {figures['ours'][metric]}: not the same work.")


def choose(chosen: argparse.Namespace) -> list[ResultLine]:
    """From vectors of 64 numbers to the 20 best of all items for each user, three ways, in this process."""
    import faiss

    faiss.omp_set_num_threads(chosen.threads)
    generator = np.random.default_rng(0)
    users = generator.normal(size=(chosen.users, 64)).astype(np.float32)
    items = generator.normal(size=(chosen.items, 64)).astype(np.float32)

    def partition() -> None:
        for start in range(0, len(users), 512):
            np.argpartition(users[start : start + 512] @ items.T, len(items) - 20, axis=1)

    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: from_vectors(users, items)(np.arange(len(users)), 20),
        "numpy-argpartition": partition,
        "faiss-knn": lambda: faiss.knn(users, items, 20, metric=faiss.METRIC_INNER_PRODUCT),
    }
    runs: dict[str, list[Figures]] = {name: [] for name in ways}
    for _ in range(chosen.runs):
        for name, way in ways.items():
            load, start, cpu = os.getloadavg()[0], time.perf_counter(), time.process_time()
            way()
            took = {"seconds": time.perf_counter() - start, "seconds_cpu": time.process_time() - cpu, "load": load}
            runs[name].append(took)
    return lines_of(f"choose-{chosen.users // 1000}k-of-{chosen.items}", runs, chosen)


def lines_of(protocol: str, runs: dict[str, list[Figures]], chosen: argparse.Namespace) -> list[ResultLine]:
    """The median of each measure, with the lowest and the highest run; wall times only from a quiet machine."""
    quiet = median(run["load"] for told in runs.values() for run in told) <= QUIET
    command = f"python benchmarks/evaluators.py --stage {chosen.stage} --users {chosen.users} --items {chosen.items}"
    lines = []
    for name, told in runs.items():
        for metric in [metric for metric in told[0] if quiet or metric != "seconds"]:
            values = [run[metric] for run in told]
            lines.append(
                ResultLine(
                    protocol,
                    name,
                    "evaluate",
                    metric,
                    median(values),
                    min(values),
                    max(values),
                    seeds=len(values),
                    summary=True,
                    threads=chosen.threads,
                    command=command,
                    machine=machine(),
                    commit=commit(),
                    date=datetime.now(UTC).isoformat(timespec="seconds"),
                )
            )
    return lines


if __name__ == "__main__":
    main()
