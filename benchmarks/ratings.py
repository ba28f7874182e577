"""Ratings by Surprise's SVD and SVD++ on the very split of `ml1m-rating-random90`, at their defaults."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

from benchmarks.processes import answer_of, environment  # noqa: E402
from enterprise_recsys.evaluation.metrics import PREDICTION_METRICS  # noqa: E402
from enterprise_recsys.evaluation.results import ResultLine, append, commit, machine  # noqa: E402
from enterprise_recsys.protocols.predictive import ml1m_rating_random90  # noqa: E402
from enterprise_recsys.protocols.tasks import RowTask  # noqa: E402
from enterprise_recsys.records import ITEM_ID, RATING, USER_ID  # noqa: E402

SYSTEMS = ("svd", "svd_plus_plus")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and validation are learnt from, as nothing is chosen; the RMSE of test is printed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=SYSTEMS)
    parser.add_argument("--seed", type=int, default=0, help="of the split and of the models")
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir()) / "peers", help="made if need be")
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    task = ml1m_rating_random90(None, chosen.seed)
    for name in chosen.systems:
        lines = lines_of(name, task, chosen)
        for line in lines:
            print(f"{line.system:>16} {line.metric:<6} {line.value:8.4f} {line.seconds:8.0f} s")
        if chosen.record:
            append(chosen.record, lines)


def lines_of(name: str, task: RowTask, chosen: argparse.Namespace) -> list[ResultLine]:
    """The errors of one model on test."""
    learnt, asked = pl.concat([task.train.events, task.val.events], how="diagonal_relaxed"), task.test.events
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder) / "data.npz", Path(folder) / "said.npy"
        np.savez(
            source,
            users=learnt[USER_ID].cast(pl.Int64).to_numpy(),
            items=learnt[ITEM_ID].cast(pl.Int64).to_numpy(),
            ratings=learnt[RATING].cast(pl.Float64).to_numpy(),
            asked_users=asked[USER_ID].cast(pl.Int64).to_numpy(),
            asked_items=asked[ITEM_ID].cast(pl.Int64).to_numpy(),
        )
        begin = time.monotonic()
        words = [str(source), str(out), str(chosen.seed)]
        took = answer_of(environment("surprise", chosen.envs), "ratings.py", name, words, threads=1)
        seconds, said = time.monotonic() - begin, np.load(out)
    truth = asked[RATING].cast(pl.Float64).to_numpy()
    return [
        ResultLine(
            protocol="ml1m-rating-random90",
            system=name,
            stage="ranking",
            metric=metric,
            value=PREDICTION_METRICS[metric](truth, said),
            seed=chosen.seed,
            seconds=seconds,
            peak_mb=float(str(took["peak_mb"])),
            threads=1,
            split_checksum=task.checksum,
            commit=commit(ROOT),
            command=f"python benchmarks/ratings.py --systems {name} --seed {chosen.seed}",
            machine=machine(),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        for metric in ("RMSE", "MAE")
    ]


if __name__ == "__main__":
    main()
