"""What training costs: ours beside other libraries, with the same model, rows and evaluator, each on its own."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import accumulate
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

from benchmarks.processes import answer_of, environment  # noqa: E402
from enterprise_recsys.evaluation.metrics import PREDICTION_METRICS  # noqa: E402
from enterprise_recsys.evaluation.protocol import measure  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402
from enterprise_recsys.evaluation.truth import Truth  # noqa: E402
from enterprise_recsys.protocols.encoding import columns_of  # noqa: E402
from enterprise_recsys.protocols.predictive import ml1m_ctr_random  # noqa: E402
from enterprise_recsys.protocols.sequential import ml1m_loo  # noqa: E402
from enterprise_recsys.records import ITEM_ID, USER_ID  # noqa: E402

Data = dict[str, np.ndarray]
Judge = Callable[[np.ndarray], float]
Figure = tuple[float, float | None, float | None]
"""A value, and its lowest and highest where it is a median."""


@dataclass(frozen=True)
class Curve:
    """What one training took: seconds of each epoch [E], the score after each, and the largest memory in the first."""

    cpu_s: list[float]
    seconds: list[float]
    scores: list[float]
    peak_mb: float
    load: float

    @property
    def spent_s(self) -> list[float]:
        """[E] seconds of the processor up to the end of each epoch."""
        return list(accumulate(self.cpu_s))

    def within(self, budget_s: float) -> int:
        """Whole epochs that fit into a budget of the processor; at least the first."""
        return max(bisect_right(self.spent_s, budget_s), 1)

    def until(self, score: float) -> float:
        """Seconds of the processor up to the end of the first epoch that reaches a score."""
        return next(spent for spent, reached in zip(self.spent_s, self.scores, strict=True) if reached >= score)


@dataclass(frozen=True)
class Part:
    """One comparison.

    Attributes:
        protocol: of the result lines.
        stage: likewise.
        metric: what is told of the answers.
        script: in `peers`.
        systems: what it can train.
        load: gives the data that they train on, and what judges their answers.
        epochs: at most.
    """

    protocol: str
    stage: str
    metric: str
    script: str
    systems: tuple[str, ...]
    load: Callable[[], tuple[Data, Judge]]
    epochs: int


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the environments, train each system in turn, judge what it answers, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--systems", nargs="+", help="only these, without what all have to reach")
    parser.add_argument("--budget", type=float, default=300.0, help="seconds of the processor for each system")
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir()) / "peers", help="made if need be")
    parser.add_argument(
        "--keep", type=Path, help="a folder for what was measured: what lies there is not trained again"
    )
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    part = PARTS[chosen.part]
    with tempfile.TemporaryDirectory() as folder:
        curves = trained(part, chosen.systems or part.systems, chosen, Path(folder))
    shared = None if chosen.systems else min(max(curve.scores) for curve in curves.values())
    command = f"python benchmarks/training.py {chosen.part} --budget {chosen.budget:g}"
    lines = lines_of(part, curves, (chosen.budget, shared), command)
    for line in lines:
        print(f"{line.system:>16} {line.metric:<24} {line.value:10.4f}")
    if chosen.record:
        append(chosen.record, lines)


def trained(part: Part, names: Sequence[str], chosen: argparse.Namespace, folder: Path) -> dict[str, Curve]:
    """What the training of each system took; that of one may last an hour, so it can be kept from call to call."""
    data, judge = part.load()
    source, curves = folder / "data.npz", {}
    np.savez(source, **data)  # type: ignore[arg-type]
    for name in names:
        kept = (chosen.keep or folder) / f"{part.protocol}-{name}.json"
        if not kept.exists():
            out = folder / f"{name}.npy"
            words = [str(source), str(out), str(chosen.budget), str(part.epochs)]
            took = answer_of(environment(name, chosen.envs), part.script, name, words, threads=1)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(json.dumps({**took, "scores": [judge(answer) for answer in np.load(out)]}))
        curves[name] = Curve(**json.loads(kept.read_text()))
        print(f"{name:>16} {curves[name]}")
    return curves


def figures_of(curve: Curve, metric: str, budget_s: float, shared: float | None) -> dict[str, Figure]:
    """Metric -> figure.

    Args:
        curve: what the training of one system took.
        metric: of the scores.
        budget_s: of the processor; the score is that of the last epoch that ends in it.
        shared: the highest score that every system reached at some epoch; None: not told.
    """
    epochs = curve.within(budget_s)
    figures: dict[str, Figure] = {
        "cpu_s an epoch": (median(curve.cpu_s), min(curve.cpu_s), max(curve.cpu_s)),
        "seconds an epoch": (median(curve.seconds), min(curve.seconds), max(curve.seconds)),
        "epochs": (float(epochs), None, None),
        f"{metric} then": (curve.scores[epochs - 1], None, None),
        "load": (curve.load, None, None),
    }
    if shared is not None:
        figures |= {f"{metric} of all": (shared, None, None), "cpu_s to that": (curve.until(shared), None, None)}
    return figures


def lines_of(
    part: Part, curves: Mapping[str, Curve], asked: tuple[float, float | None], command: str
) -> list[ResultLine]:
    """The figures as result lines; medians with the lowest and the highest epoch. `asked`: budget and shared score."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return [
        ResultLine(
            part.protocol,
            name,
            part.stage,
            metric,
            *figure,
            seeds=1,
            summary=True,
            seconds=sum(curve.seconds),
            peak_mb=curve.peak_mb,
            threads=1,
            command=command,
            machine=machine(),
            commit=commit(),
            date=date,
        )
        for name, curve in curves.items()
        for metric, figure in figures_of(curve, part.metric, *asked).items()
    ]


def sequences() -> tuple[Data, Judge]:
    """Histories of `ml1m-loo` up to the validation item: `users` and `items` [R], a user's together and in order.

    The judge takes the 10 best items of each user, [U, 10], and gives their NDCG@10 for the validation items.
    """
    task = ml1m_loo(None, 0)
    events, targets = (
        frame.cast({USER_ID: pl.Int64, ITEM_ID: pl.Int64}) for frame in (task.choose.log.events, task.choose.targets)
    )
    events = events.sort(USER_ID, maintain_order=True)
    asked = events[USER_ID].unique().sort()
    truth = Truth.of(asked.search_sorted(targets[USER_ID]).to_numpy(), targets[ITEM_ID].to_numpy(), n_users=len(asked))
    n_items = max(int(frame[ITEM_ID].max()) for frame in (events, targets)) + 1  # type: ignore[arg-type]

    def judge(lists: np.ndarray) -> float:
        return measure(lambda at, k: lists[at, :k], truth, n_items=n_items).means()["NDCG@10"]

    return {"users": events[USER_ID].to_numpy(), "items": events[ITEM_ID].to_numpy()}, judge


def clicks() -> tuple[Data, Judge]:
    """Rows of `ml1m-ctr-random` for `peers/clicks.py`, the year as a category; the judge gives the AUC on test."""
    task = ml1m_ctr_random(None, 0)
    train, _, test = columns_of(task)
    data: Data = {}
    for name in train:
        both = [part[name] for part in (train, test)]
        if both[0].dtype != np.int64:
            _, codes = np.unique(np.concatenate(both), return_inverse=True)
            both = np.split(codes.reshape(-1) + 1, [len(both[0])])
        data |= {f"{part}/{name}": column for part, column in zip(("train", "test"), both, strict=True)}
    data["train/label"] = task.labels(task.train).astype(np.int64)
    return data, partial(PREDICTION_METRICS["AUC"], task.labels(task.test))


PARTS = {
    "sequences": Part(
        "train-ml1m-loo",
        "retrieval",
        "NDCG@10",
        "sequences.py",
        ("ours", "rectools-torch", "replay"),
        sequences,
        10_000,
    ),
    "factors": Part("train-ml1m-loo-als", "retrieval", "NDCG@10", "factors.py", ("ours", "implicit"), sequences, 1),
    "clicks": Part(
        "train-ml1m-ctr-random",
        "ranking",
        "AUC",
        "clicks.py",
        ("ours", "ours-small-start", "torch-rechub", "deepctr-torch", "fuxictr"),
        clicks,
        3,
    ),
}

if __name__ == "__main__":
    main()
