"""The demo: a log becomes a trained, measured, served recommender before the reader's eyes."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from enterprise_recsys.baselines.table import SPACES
from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data import prepared
from enterprise_recsys.data.joining import joined
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.sources import read
from enterprise_recsys.data.splits import SPLITS, Split, checksum
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.data.watching import Leaks
from enterprise_recsys.data.worlds import World, make_world
from enterprise_recsys.errors import RecsysError
from enterprise_recsys.evaluation import results
from enterprise_recsys.evaluation.report import Evaluation
from enterprise_recsys.examining.listed import Lists
from enterprise_recsys.examining.possible import against_truth
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import Floats, Interactions
from enterprise_recsys.trainer import ProductionTrainer

PROTOCOLS = {"world": "demo", "ml-1m": "ml1m-global-time", "ml-100k": "ml100k-global-time"}

STAGE_OF = {"two_stage": "two_stage", "retrieval": "retrieval", "index": "retrieval", "ranker": "ranking"}
"""First part of a key of ours -> the stage that its result line names."""


def run(
    data: str, out: Path, config: ModelConfig, *, download: bool, record: Path | None, leaks: Leaks = "refuse"
) -> None:
    """Read, split, train, measure, save, serve, ask; see `recsys demo --help`."""
    began = time.monotonic()
    trainer = ProductionTrainer(config)
    world = make_world() if data == "world" else None
    log = world.interactions if world is not None else read(data, download=download)
    _describe(log)
    parts = SPLITS["global_time"](log)
    print(
        f"  split by time: train {len(parts.train.events):,}, val {len(parts.val.events):,}, "
        f"test {len(parts.test.events):,} events\n\nTraining (retrieval, then ranking; then again on all data)"
    )
    if world is not None:
        prepared.write(DataProcessor(config).prepare(log), Path("processed_data.pkl"))
    started = time.monotonic()
    trainer.fit(parts.train, parts.val, leaks=leaks)
    seconds = time.monotonic() - started
    print(f"  trained in {seconds:.0f} s; {trainer.chosen}\n\nEvaluation on the newest tenth of the log")
    extra = {"best_possible": _best(world, parts)} if world is not None else {}
    figures = trainer.evaluate(parts.test, extra=extra, leaks=leaks)
    if world is not None:
        figures.update(against_truth(trainer.recommender, parts.test, _chances(world, parts, trainer.recommender)))
    print(figures)
    trainer.save(out)
    _show(trainer, parts)
    _serve(out, _somebody(parts))
    if record is not None:
        results.append(record, _lines(data, figures, config, parts, seconds))
    print(
        f"\nDone in {time.monotonic() - began:.0f} s. Model: {out}/   Next: recsys serve {out}, then "
        "curl 'localhost:8000/recommend/42?k=10'"
    )
    if world is not None:
        print("processed_data.pkl holds the frames train, val and test for the Python lines of the README.")


def _describe(log: Interactions) -> None:
    users, items = log.events["user_id"].n_unique(), log.events["item_id"].n_unique()
    first, last = log.events["timestamp"].min(), log.events["timestamp"].max()
    print(
        f"Data: {log.name}\n  {len(log.events):,} events, {users:,} users, {items:,} items "
        f"({100 * len(log.events) / users / items:.2f} % of all pairs), {str(first)[:10]} to {str(last)[:10]}"
    )
    for name, table in (("users", log.users), ("items", log.items)):
        if table is not None:
            print(f"  {name}: {', '.join(table.columns[1:])}")


def _chances(world: World, parts: Split, recommender: Recommender) -> Callable[[Sequence[str]], Floats]:
    """The true chance of each item of the catalogue for users over the test period."""
    assert world.interactions.items is not None
    rows = Vocabulary(world.interactions.items["item_id"]).rows(recommender.engine.processor.items.ids) - 1
    times = parts.test.events["timestamp"].to_physical()
    start, end = int(times.min()), int(times.max())  # type: ignore[arg-type]
    return lambda user_ids: world.preferences(user_ids, start=start, end=end)[:, rows]


def _best(world: World, parts: Split) -> Lists:
    """The made world's best possible lists over the test period."""
    past = joined(parts.train, parts.val).events
    had = dict(past.group_by("user_id").agg("item_id").iter_rows())
    times = parts.test.events["timestamp"].to_physical()
    start, end = int(times.min()), int(times.max())  # type: ignore[arg-type]

    def lists(user_ids: Sequence[str], k: int) -> Sequence[Sequence[str]]:
        return world.best_lists(user_ids, k, start=start, end=end, seen=[set(had.get(one, ())) for one in user_ids])

    return lists


def _somebody(parts: Split) -> str:
    """User 42 if there is one with a past, else the busiest user."""
    counts = parts.train.events["user_id"].value_counts(sort=True)
    return "42" if "42" in set(counts["user_id"]) else str(counts["user_id"][0])


def _show(trainer: ProductionTrainer, parts: Split) -> None:
    user = _somebody(parts)
    catalogue = trainer.recommender.engine.processor.catalogue
    fields = ["item_title"] if "item_title" in catalogue.columns else []
    print(f"\nUser {user} had, most recently:")
    past = joined(parts.train, parts.val).events.filter(pl.col("user_id") == user).sort("timestamp").tail(5)
    known = past.join(catalogue, on="item_id", how="left")
    for row in known.iter_rows(named=True):
        print(f"       {row['item_id']:>6}  {row.get('item_title') or ''}")
    print("and is recommended:\n  rank  score   item")
    for item in trainer.recommend(user, 10, fields=fields):
        print(f"  {item['rank']:>4}  {item['score']:.4f}  {item['item_id']:>6}  {item.get('title', '')}")


def _serve(out: Path, user: str) -> None:
    """Start the service on a free port, ask it once, and stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "enterprise_recsys", "serve", str(out), "--port", str(port)]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _wait(process, url)
            ready = time.monotonic() - began
            with urllib.request.urlopen(f"{url}/recommend/{user}?k=3", timeout=10) as answer:
                body = json.loads(answer.read())
        finally:
            process.terminate()
    print(f"\nThe service was ready in {ready:.1f} s and answers GET /recommend/{user}?k=3:\n  {json.dumps(body)}")


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"{url}/health/ready", timeout=2):
                return
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.1)
    process.terminate()
    told = process.stderr.read().decode(errors="replace") if process.stderr else ""
    raise RecsysError(f"the service did not become ready: {told.strip()[-500:] or 'it said nothing'}")


def _command(data: str, config: ModelConfig) -> str:
    """What to type to do the same again: the dials that are not the defaults go with it."""
    usual = ModelConfig()
    turned = [name for name in ModelConfig.model_fields if getattr(config, name) != getattr(usual, name)]
    words = [f"--set {name}={json.dumps(getattr(config, name))}" for name in turned]
    return " ".join([f"recsys demo --data {data}", *words])


def _told(system: str) -> str:
    """A baseline that has dials was not tuned here, and is not the one of `recsys bench quality`."""
    return f"{system}_defaults" if SPACES.get(system) else system


def _lines(
    data: str, figures: Evaluation, config: ModelConfig, parts: Split, seconds: float
) -> list[results.ResultLine]:
    """The overall figures of each system as result lines (see benchmarks/RESULTS.md)."""
    lines = []
    for key, value in figures.items():
        system, _, metric = key.partition("/")
        # "catalogue" and "ceiling" are bounds of what a list could be, and no system's figures.
        if not metric or "/" in metric or "-" in system or system in ("catalogue", "ceiling"):
            continue
        ours = system in STAGE_OF
        lines.append(
            results.ResultLine(
                protocol=PROTOCOLS.get(data, data),
                system="ours" if ours else _told(system),
                stage=STAGE_OF.get(system, "retrieval"),
                metric=f"Index{metric}" if system == "index" else metric,  # beside exact search, not beside the truth
                value=value,
                low=figures.get(f"{key}/low"),
                high=figures.get(f"{key}/high"),
                seed=config.seed,
                seeds=1,
                summary=False,
                seconds=round(seconds, 1) if ours else None,
                peak_mb=round(results.peak_mb()),
                threads=config.threads,
                config_hash=hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12],
                split_checksum=checksum(parts.test),
                commit=results.commit(),
                command=_command(data, config),
                machine=results.machine(),
                date=datetime.now(UTC).isoformat(timespec="seconds"),
            )
        )
    return lines
