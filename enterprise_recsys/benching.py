"""`recsys bench quality`: one system through one protocol, its figures beside the published ones."""

from __future__ import annotations

import hashlib
import json
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from enterprise_recsys.choice import pick
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.evaluation import results
from enterprise_recsys.evaluation.report import Evaluation
from enterprise_recsys.evaluation.results import PUBLISHED, ResultLine
from enterprise_recsys.evaluation.tables import columns_of_text
from enterprise_recsys.protocols.contests import differences
from enterprise_recsys.protocols.measuring import WEIGHTED, Run, over_runs, run_lists, run_rows
from enterprise_recsys.protocols.predictors import PREDICTORS
from enterprise_recsys.protocols.table import PROTOCOLS
from enterprise_recsys.protocols.tasks import Dials, Lister, ListTask, Predictor, Protocol, RowTask
from enterprise_recsys.systems import SYSTEMS

TRIALS = 12
"""Settings that the search tries unless told otherwise, the defaults included."""


@dataclass(frozen=True)
class Order:
    """What is to be measured.

    Attributes:
        protocol: a name in PROTOCOLS.
        system: a name in SYSTEMS for lists, in PREDICTORS for predictions.
        seeds: runs, with the seeds 0, 1, ...; None: as many as the protocol says.
        trials: settings that the search tries, chosen on validation; 0 or 1: the defaults as they are.
        dials: fixed settings instead of a search.
        data: path of the data; None: where it is looked for.
        lister: answers lists in the place of a system in SYSTEMS, for one that is not part of the package.
    """

    protocol: str
    system: str
    seeds: int | None = None
    trials: int = TRIALS
    dials: Dials | None = None
    data: Path | None = None
    lister: Lister | None = None

    @property
    def command(self) -> str:
        """What to type to measure it again."""
        words = ["recsys bench quality", f"--protocol {self.protocol}", f"--system {self.system}"]
        words += [f"--seeds {self.seeds}"] if self.seeds is not None else []
        words += [f"--trials {self.trials}"] if self.trials != TRIALS and not self.dials else []
        words += [f"--data {self.data.name}"] if self.data is not None else []
        words += [f"--set {shlex.quote(word)}" for word in _worded(self.dials or {})]
        return " ".join(words)


def contest(orders: Sequence[Order], *, record: Path | None = None) -> Iterator[str]:
    """Run orders of one protocol one after the other, and say between which two of the systems the difference is real.

    Lists are compared by the protocol's first metric, those of each stage; predictions by each that has draws of users.
    The differences are recorded too, as a system named "first - second".

    Raises:
        ConfigError, DataError: see `bench`.
    """
    kept: dict[str, list[Run]] = {order.system: [] for order in orders}
    for order in orders:
        yield from bench(order, record=record, runs=kept[order.system])
    metrics = PROTOCOLS[orders[0].protocol].metrics
    for metric in [metrics[0], *(one for one in metrics[1:] if one in WEIGHTED)]:
        found = differences(kept, metric)
        if found:
            yield from ["", *found.sentences(metric)]
        if record is not None:
            results.append(record, _pairs(orders, found, metric, seeds=len(kept[orders[0].system])))


def bench(order: Order, *, record: Path | None = None, runs: list[Run] | None = None) -> Iterator[str]:
    """Run an order seed by seed; gives the lines to print as they come.

    Args:
        order: what is measured.
        record: a file for the result lines.
        runs: a list that takes what each seed gave.

    Raises:
        ConfigError: an unknown name, or no seed.
        DataError: the data is not there, or the system cannot take the protocol.
    """
    protocol = pick(PROTOCOLS, order.protocol, what="protocol")
    seeds = protocol.seeds if order.seeds is None else order.seeds
    if seeds < 1:
        raise ConfigError(f"seeds={seeds} is out of range; it is a number of runs, 1 or more.")
    lines: list[ResultLine] = []
    runs = [] if runs is None else runs
    for seed in range(seeds):
        began = time.monotonic()
        task = protocol.load(order.data, seed)
        run = _run(task, order, protocol.metrics, seed)
        seconds = time.monotonic() - began
        new = _lines(order, run, task.checksum, seed, seconds)
        lines += new
        runs.append(run)
        yield f"seed {seed}: targets {task.checksum}, {_told(run.dials)}, {seconds:.0f} s"
        if record is not None:
            results.append(record, new)
    together = _together(lines, runs)
    if record is not None:
        results.append(record, together)
        results.append(record, _absent(published_lines(order.protocol, protocol), record))
    yield from table([*lines, *together], protocol)


def _pairs(orders: Sequence[Order], found: Evaluation, metric: str, *, seeds: int) -> list[ResultLine]:
    """The differences as result lines, of the later of the two stages where they are of two."""
    first, command = orders[0], orders[0].command
    if len(orders) > 1:
        words = [f"--system {order.system}" for order in orders]
        words += [f"--set {shlex.quote(f'{one.system}.{word}')}" for one in orders for word in _worded(one.dials or {})]
        command = replace(first, dials=None).command.replace(f"--system {first.system}", " ".join(words))
    return [
        ResultLine(
            protocol=first.protocol,
            system=pair.replace("-", " - "),
            stage="ranking" if metric in WEIGHTED else "two_stage" if "two_stage" in pair else "retrieval",
            metric=metric,
            value=value,
            low=found[f"{key}/low"],
            high=found[f"{key}/high"],
            seeds=seeds,
            summary=True,
            threads=results.threads(),
            commit=results.commit(),
            command=command,
            machine=results.machine(),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        for key, value in found.items()
        if (pair := key.removesuffix(f"/{metric}")) != key
    ]


def _together(lines: Sequence[ResultLine], runs: Sequence[Run]) -> list[ResultLine]:
    """Summaries of several seeds on one split, with intervals over seeds and users; none where each seed cuts anew."""
    if len(runs) < 2 or len({line.split_checksum for line in lines}) > 1:
        return []
    means = {(line.stage, line.metric): line for line in results.summarise(lines)}
    return [replace(means[one.stage, one.metric], low=one.low, high=one.high) for one in over_runs(runs)]


def _run(task: ListTask | RowTask, order: Order, metrics: Sequence[str], seed: int) -> Run:
    dials = order.dials or {}
    if isinstance(task, ListTask):
        lister = order.lister or pick(SYSTEMS, order.system, what="system")
        return run_lists(task, lister, metrics, seed=seed, trials=order.trials, dials=dials)
    predictor: Predictor = pick(PREDICTORS, order.system, what="system")
    return run_rows(task, predictor, metrics, seed=seed, trials=order.trials, dials=dials)


def _told(dials: Dials) -> str:
    return ", ".join(_worded(dials)) or "default dials"


def _worded(dials: Dials) -> list[str]:
    """Each dial as --set takes it."""
    return [f"{name}={_word(value)}" for name, value in dials.items()]


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def table(lines: Sequence[ResultLine], protocol: Protocol) -> list[str]:
    """The measured figures and, under them, the published ones: a row a system, a column a metric.

    In brackets the interval over users for one seed; for several, the interval over seeds and users where all have one
    split (lines that are summaries), else the lowest and the highest seed.
    """
    told = [*results.summarise(lines), *(line for line in lines if line.summary)]
    found = {(line.system, line.stage, line.metric): line for line in told}
    cells = [["", *protocol.metrics]]
    for system, stage in dict.fromkeys((line.system, line.stage) for line in lines):
        cells.append([f"{system} ({stage})", *(_cell(found.get((system, stage, one))) for one in protocol.metrics)])
    for one in protocol.published:
        figures = [f"{one.figures[metric]:.4f}" if metric in one.figures else "" for metric in protocol.metrics]
        cells.append([f"{one.name} ({'rerun' if one.is_rerun else 'published'})", *figures])
    sources = [f"  {one.name}: {one.source}" for one in protocol.published]
    return columns_of_text(cells) + (["", "Figures of others:", *sources] if sources else [])


def _cell(line: ResultLine | None) -> str:
    if line is None or line.value is None:
        return ""
    bounds = "" if line.low is None or line.high is None else f" [{line.low:.4f}, {line.high:.4f}]"
    return f"{line.value:.4f}{bounds}"


def _lines(order: Order, run: Run, checksum: str, seed: int, seconds: float) -> list[ResultLine]:
    dials = json.dumps(dict(run.dials), sort_keys=True)
    return [
        ResultLine(
            protocol=order.protocol,
            system=order.system,
            stage=figure.stage,
            metric=figure.metric,
            value=figure.value,
            low=figure.low,
            high=figure.high,
            seed=seed,
            seeds=1,
            seconds=round(seconds, 1),
            peak_mb=round(results.peak_mb()),
            threads=results.threads(),
            config_hash=hashlib.sha256(dials.encode()).hexdigest()[:12],
            split_checksum=checksum,
            commit=results.commit(),
            command=order.command,
            machine=results.machine(),
            date=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        for figure in run.figures
    ]


def published_lines(name: str, protocol: Protocol) -> list[ResultLine]:
    """The published figures of a protocol as result lines; the source stands in place of the command."""
    return [
        ResultLine(
            protocol=name,
            system=f"{PUBLISHED}{one.name}",
            stage="ranking" if metric in ("AUC", "LogLoss", "RMSE", "MAE") else "retrieval",
            metric=metric,
            value=value,
            seed=None,
            command=one.source,
        )
        for one in protocol.published
        if not one.is_rerun
        for metric, value in one.figures.items()
    ]


def _absent(lines: Sequence[ResultLine], file: Path) -> list[ResultLine]:
    """Those lines that a file does not hold yet."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    there = {
        (one["system"], one["metric"], one["value"]) for one in (json.loads(line) for line in text.splitlines() if line)
    }
    return [line for line in lines if (line.system, line.metric, line.value) not in there]
