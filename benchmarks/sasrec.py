"""SASRec as a library has it (RePlay's, ids alone) on a protocol of the next item, and beside it a system of ours."""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # a plain clone runs without being installed

from benchmarks.processes import answer_of, environment  # noqa: E402
from enterprise_recsys.benching import Order, contest  # noqa: E402
from enterprise_recsys.commands.options import dials_of  # noqa: E402
from enterprise_recsys.data.vocabulary import Vocabulary  # noqa: E402
from enterprise_recsys.evaluation import results  # noqa: E402
from enterprise_recsys.evaluation.protocol import measure  # noqa: E402
from enterprise_recsys.protocols.tasks import Answer, Dials, Encoded, ListTask, Trial  # noqa: E402
from enterprise_recsys.records import ITEM_ID, USER_ID, Ints  # noqa: E402

NAME = "replay_sasrec"


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and judge it, then the systems beside it, and tell the differences user by user."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", default="ml1m-temporal90")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=100, help="at most; validation chooses")
    parser.add_argument("--device", default="cpu", help="of the library: cpu or gpu")
    parser.add_argument("--threads", type=int, default=1, help="of the library")
    parser.add_argument("--beside", help="a system of ours, such as two_tower_transformer_ids")
    parser.add_argument("--set", action="append", default=[], metavar="DIAL=VALUE", help="dials of that system")
    parser.add_argument("--envs", type=Path, default=Path(tempfile.gettempdir()) / "peers", help="made if need be")
    parser.add_argument("--record", type=Path, help="a .jsonl file for the figures")
    chosen = parser.parse_args(arguments)
    python = environment("replay", chosen.envs)
    lister = partial(sasrec, python=python, epochs=chosen.epochs, device=chosen.device, threads=chosen.threads)
    orders = [Order(chosen.protocol, NAME, chosen.seeds, lister=lister)]
    orders += [Order(chosen.protocol, chosen.beside, chosen.seeds, dials=dials_of(chosen.set))] if chosen.beside else []
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "lines.jsonl"
        for line in contest(orders, record=made):
            print(line, flush=True)
        words = ["python benchmarks/sasrec.py", *map(shlex.quote, sys.argv[1:] if arguments is None else arguments)]
        if chosen.record:
            told = [line for line in results.read(folder) if NAME in line.system]
            results.append(chosen.record, [replace(line, command=" ".join(words)) for line in told])


def sasrec(
    task: ListTask,
    *,
    metric: str,
    seed: int,
    trials: int,
    dials: Dials,
    python: Path,
    epochs: int,
    device: str,
    threads: int,
) -> Answer:
    """The lists of `choose` choose the epochs; so long it learns anew from what `judge` lets it, and answers.

    Args:
        task, metric, seed, trials, dials: see `Lister`; nothing else is searched, and there are no dials.
        python: of the environment that has the library.
        epochs: at most.
        device, threads: of the library.
    """

    def answers(trial: Trial, most: int) -> Ints:
        """[E, U, 10] the lists after each epoch, in rows of the catalogue."""
        with tempfile.TemporaryDirectory() as folder:
            source, out = Path(folder) / "data.npz", Path(folder) / "lists.npy"
            told = {"n_items": len(task.catalogue), "seed": seed, "device": device}
            np.savez(source, **_histories(task, trial), **told)  # type: ignore[arg-type]
            words = [str(source), str(out), "inf", str(most)]
            answer_of(python, "sequences.py", "replay", words, threads=threads)
            lists: Ints = np.load(out)
        return lists

    truth = Encoded.of(task.choose, task.catalogue).truth
    scores = [
        measure(lambda at, k, lists=lists: lists[at, :k], truth, n_items=len(task.catalogue) + 1).means()[metric]  # type: ignore[misc]
        for lists in answers(task.choose, epochs)
    ]
    best = int(np.argmax(scores)) + 1
    lists = answers(task.judge, best)[-1]
    return Answer({"retrieval": lambda at, k: lists[at, :k]}, {"epoch": best, "validation": round(max(scores), 5)})


def _histories(task: ListTask, trial: Trial) -> dict[str, Ints]:
    """Users and rows of items of the events that are learnt from, and of the pasts of those who are asked."""
    items, told = Vocabulary(task.catalogue), {}
    for name, frame, known in (
        ("", trial.log.events, Vocabulary.of(trial.log.events[USER_ID])),
        ("asked_", trial.past, Vocabulary(trial.asked)),
    ):
        frame = frame.with_columns(pl.Series("_user", known.rows(frame[USER_ID]))).sort("_user", maintain_order=True)
        told[f"{name}users"], told[f"{name}items"] = frame["_user"].to_numpy(), items.rows(frame[ITEM_ID])
    if len(np.unique(told["asked_users"])) != len(trial.asked):
        raise SystemExit("SASRec answers only users of whom a past is known; the protocol asks others too.")
    return told


if __name__ == "__main__":
    main()
