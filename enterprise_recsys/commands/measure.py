"""Commands that measure: evaluate, compare, backtest, bench."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from enterprise_recsys.commands.options import (
    Columns,
    Data,
    Dials,
    Download,
    Folder,
    Items,
    Json,
    LeaksSaid,
    Length,
    Plots,
    ReportFile,
    RowOrder,
    Slices,
    Users,
    check_report,
    config_of,
    dials_of,
    pairs_of,
    parts_of,
    typed,
    write_report_of,
)
from enterprise_recsys.errors import ConfigError


def evaluate(
    folder: Folder,
    data: Data,
    users: Users = None,
    items: Items = None,
    column: Columns = None,
    row_order_as_time: RowOrder = False,
    k: Length = 10,
    lists: Annotated[
        list[Path] | None,
        typer.Option(help="A CSV or Parquet file of further lists: user_id, item_id, rank or score; repeatable."),
    ] = None,
    report: ReportFile = None,
    plots: Plots = None,
    slices: Slices = None,
    leaks: LeaksSaid = "refuse",
    as_json: Json = False,
    download: Download = False,
) -> None:
    """Measure a model on the newest tenth of a log (or a prepared folder's test part), with baselines beside it."""
    check_report(report, plots)
    from enterprise_recsys.examining.comparing import opened
    from enterprise_recsys.examining.examine import DEPTH, TITLE, provenance_of
    from enterprise_recsys.trainer import ProductionTrainer

    parts = parts_of(data, users, items, download, column=column, row_order_as_time=row_order_as_time)
    trainer, test = ProductionTrainer.load(folder), parts.test
    further = opened(lists or [])
    depth = DEPTH if report else 0
    detail = trainer.examine(test, k=k, extra=further, depth=depth, leaks=leaks, slices=slices or ())
    if report is not None:
        write_report_of(report, plots, detail, TITLE, provenance_of(trainer.recommender, test, typed()))
    print(json.dumps(detail.evaluation) if as_json else detail.evaluation)


def compare(
    systems: Annotated[
        list[Path],
        typer.Argument(help="Two or more: folders that `recsys train` wrote, or files of lists."),
    ],
    data: Data,
    users: Users = None,
    items: Items = None,
    column: Columns = None,
    row_order_as_time: RowOrder = False,
    k: Length = 10,
    seed: Annotated[int, typer.Option(min=0, help="Draws the users of the intervals.")] = 0,
    slices: Slices = None,
    report: ReportFile = None,
    plots: Plots = None,
    as_json: Json = False,
    download: Download = False,
) -> None:
    """Say whether the difference between models, or lists of any system, is real: the same users, the same targets."""
    check_report(report, plots)
    from enterprise_recsys.examining import comparing
    from enterprise_recsys.examining.examine import DEPTH

    parts = parts_of(data, users, items, download, column=column, row_order_as_time=row_order_as_time)
    given = comparing.opened(systems)
    depth = DEPTH if report else 0
    detail = comparing.compare(given, parts, ks=[k], seed=seed, depth=depth, slices=slices or ())
    if report is not None:
        told = comparing.provenance_of_comparison(given, parts, typed(), seed=seed)
        write_report_of(report, plots, detail, f"{', '.join(list(given)[:-1])} or {list(given)[-1]}?", told)
    print(json.dumps(detail.evaluation) if as_json else detail.evaluation)


def backtest(
    data: Data,
    folds: Annotated[int, typer.Option(min=1, max=6, help="Test parts, each a tenth of the log, the newest ones.")] = 3,
    date: Annotated[
        list[datetime] | None, typer.Option(help="Instead of folds: a test part begins here (UTC); repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings at each moment.")] = 1,
    users: Users = None,
    items: Items = None,
    column: Columns = None,
    k: Length = 10,
    config: Annotated[Path | None, typer.Option(help="A JSON file with dials of ModelConfig.")] = None,
    dials: Dials = None,
    leaks: LeaksSaid = "refuse",
    as_json: Json = False,
    download: Download = False,
) -> None:
    """Train and measure at several moments, each time on nothing but what lay before; mean, lowest and highest."""
    from enterprise_recsys.data.sources import read
    from enterprise_recsys.examining import backtest as rolling

    def told(run: rolling.Run) -> None:
        print(f"{run.start:%Y-%m-%d} to {run.end:%Y-%m-%d}, seed {run.seed}: measured", file=sys.stderr)

    log = read(data, users=users, items=items, download=download, columns=pairs_of(column))
    dialled, dates = config_of(dials, config), date or ()
    result = rolling.backtest(dialled, log, folds=folds, dates=dates, seeds=seeds, k=k, told=told, leaks=leaks)
    print(json.dumps(result.to_json()) if as_json else result)


def quality(
    protocol: Annotated[str, typer.Option(help="A published protocol by name, such as ml1m-loo.")],
    system: Annotated[list[str], typer.Option(help="ours, or a baseline by name, such as ease; several are compared.")],
    seeds: Annotated[int | None, typer.Option(min=1, help="Runs; by default as many as the protocol asks for.")] = None,
    trials: Annotated[
        int, typer.Option(min=0, help="Settings that the search tries on validation; 0: the defaults as they are.")
    ] = 12,
    dials: Dials = None,
    data: Annotated[Path | None, typer.Option(help="Where the data lies, if not under $RECSYS_DATA.")] = None,
    record: Annotated[Path | None, typer.Option(help="Append the figures to this JSONL file.")] = None,
) -> None:
    """Run systems through a protocol and print their figures beside the published ones."""
    from enterprise_recsys.benching import Order, contest

    systems = list(dict.fromkeys(system))
    fixed: dict[str, dict[str, object]] = {one: {} for one in systems}
    for name, value in dials_of(dials).items():
        owner, _, dial = name.rpartition(".")
        if (not owner and len(systems) > 1) or (owner and owner not in fixed):
            raise ConfigError(
                f"--set {name} is of none of the systems {', '.join(systems)}; of several, name the one whose dial it "
                f"is: --set {systems[0]}.{dial}={value}."
            )
        fixed[owner or systems[0]][dial] = value
    orders = [Order(protocol, one, seeds, trials, fixed[one], data) for one in systems]
    for line in contest(orders, record=record):
        print(line)
