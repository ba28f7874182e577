"""The command line: which words it knows, in the order of the work, and how faults are told."""

from __future__ import annotations

import sys

import typer

from enterprise_recsys.commands import data, log, measure, model
from enterprise_recsys.errors import RecsysError

app = typer.Typer(
    name="recsys",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From an interaction log to a live, measured, two-stage recommender.\n\n"
    "Start with `recsys demo`. A log is a CSV or Parquet file with the columns user_id, item_id, timestamp "
    "(and, if you have it, rating), or a name: world, ml-100k, ml-1m, ml-latest-small.",
)

for _command in (
    model.demo,
    data.validate,
    data.plan,
    data.prepare,
    model.train,
    measure.evaluate,
    measure.compare,
    measure.backtest,
    model.recommend,
    model.erase,
    model.serve,
):
    app.command()(_command)

bench = typer.Typer(help="Measure against published protocols.", no_args_is_help=True)

app.add_typer(bench, name="bench")
bench.command()(measure.quality)

logs = typer.Typer(help="The slate log.", no_args_is_help=True)

app.add_typer(logs, name="log")
logs.command()(log.export)


def main() -> None:
    """Run the command line; a fault that the user can mend is one sentence, not a traceback."""
    try:
        app()
    except RecsysError as error:
        print(f"recsys: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(
            "recsys: stopped; run the same command again (with --checkpoint it goes on where it was).", file=sys.stderr
        )
        sys.exit(130)
