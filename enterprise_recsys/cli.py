"""The command line: `recsys demo | validate | plan | prepare | train | evaluate | compare | backtest | ...`."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enterprise_recsys.errors import ConfigError, RecsysError
from enterprise_recsys.logs import app as log_commands

if TYPE_CHECKING:
    from enterprise_recsys.config import ModelConfig
    from enterprise_recsys.data.quarantine import Reading
    from enterprise_recsys.data.splits import Split
    from enterprise_recsys.evaluation.detail import Detail

app = typer.Typer(
    name="recsys",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From an interaction log to a live, measured, two-stage recommender.\n\n"
    "Start with `recsys demo`. A log is a CSV or Parquet file with the columns user_id, item_id, timestamp "
    "(and, if you have it, rating), or a name: world, ml-100k, ml-1m, ml-latest-small.",
)

app.add_typer(log_commands, name="log")

Data = Annotated[
    str,
    typer.Option(
        help="A CSV or Parquet file, a prepared folder, or world, ml-100k, ml-1m, "
        "ml-latest-small (found under $RECSYS_DATA, default ../shared/data)."
    ),
]
Users = Annotated[Path | None, typer.Option(help="A file with users' features, by user_id.")]
Items = Annotated[Path | None, typer.Option(help="A file with items' features, by item_id.")]
Download = Annotated[bool, typer.Option("--download", help="Fetch the named data set if it is not there.")]
Dials = Annotated[list[str] | None, typer.Option("--set", help="A dial of ModelConfig, as name=value; repeatable.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Log = Annotated[str, typer.Argument(help="A log: a file, a folder of Parquet, a name, or name:path (sasrec:log.txt).")]
Columns = Annotated[
    list[str] | None, typer.Option("--column", help="Your column = ours, e.g. customer=user_id; repeatable.")
]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="Column = category, number, text ... or skip; repeatable.")
]
Accept = Annotated[
    list[str] | None, typer.Option(help="A check whose errors do not refuse the log, e.g. shares; repeatable.")
]
EventWeights = Annotated[
    list[str] | None, typer.Option("--event-weight", help="Event type = weight, e.g. buy=5; repeatable.")
]
Encoding = Annotated[str | None, typer.Option(help="Of a text file, e.g. latin-1; UTF-8 if not said.")]
Separator = Annotated[str | None, typer.Option(help="Of a text file; found from its header if not said.")]
RowOrder = Annotated[
    bool, typer.Option("--row-order-as-time", help="The log has no times, and its rows stand in order of time.")
]
MaxBad = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of rows that may be set aside; more refuses the log.")
]
Folder = Annotated[Path, typer.Argument(help="The folder that `recsys train` wrote.")]
Length = Annotated[int, typer.Option("-k", "--k", min=1, help="Length of the lists.")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", help="Write a page (.html), a .json beside it, and a folder of plots.")
]
Plots = Annotated[Path | None, typer.Option(help="The folder for the report's plots; else <report>_plots.")]


@app.command()
def demo(
    data: Data = "world",
    out: Annotated[Path, typer.Option(help="Where the trained model goes.")] = Path("artifact"),
    dials: Dials = None,
    download: Download = False,
    record: Annotated[Path | None, typer.Option(help="Append the figures to this JSONL file.")] = None,
) -> None:
    """The whole way in one go: data, training, evaluation, lists with titles, and an answer over HTTP."""
    from enterprise_recsys.demo import run

    run(data, out, _config(dials), download=download, record=record)


@app.command()
def validate(
    log: Log,
    users: Users = None,
    items: Items = None,
    quarantine: Annotated[
        Path | None, typer.Option(help="Write the rows that are set aside, with reasons, to this .csv or .parquet.")
    ] = None,
    column: Columns = None,
    kind: Kinds = None,
    accept: Accept = None,
    event_weight: EventWeights = None,
    encoding: Encoding = None,
    separator: Separator = None,
    row_order_as_time: RowOrder = False,
    max_bad: MaxBad = 0.01,
    as_json: Json = False,
    download: Download = False,
) -> None:
    """Name every fault of a log with its count, an example and what to do; exit code 1 if it is refused."""
    from enterprise_recsys.data.validation import validate as check
    from enterprise_recsys.data.validation import write_quarantine

    reading = _reading(column, event_weight, encoding, separator, row_order_as_time, max_bad)
    verdict = check(
        log,
        users=users,
        items=items,
        reading=reading,
        kinds=_pairs(kind),
        accept=accept or (),
        download=download,
    )
    if quarantine is not None:
        write_quarantine(verdict, quarantine)
    print(json.dumps(verdict.to_json(), default=str) if as_json else verdict)
    if quarantine is not None and not as_json:
        print(f"{quarantine}: {len(verdict.quarantine):,} rows")
    if verdict.is_refused:
        raise typer.Exit(1)


@app.command()
def plan(
    log: Log,
    dials: Dials = None,
    config: Annotated[Path | None, typer.Option(help="A JSON file with dials of ModelConfig.")] = None,
    memory: Annotated[str | None, typer.Option(help="What there is, e.g. 8g; exit code 1 if it is too little.")] = None,
    column: Columns = None,
    encoding: Encoding = None,
    separator: Separator = None,
    as_json: Json = False,
    download: Download = False,
) -> None:
    """Say rows, memory, disk and minutes of each step before anything is run."""
    from enterprise_recsys.data import plan as planning

    chosen = _config(dials, config)
    memory_mb = planning.parsed_memory(memory) if memory is not None else None
    reading = _reading(column, None, encoding, separator, False, 0.01)
    made = planning.plan(planning.measure(log, reading, download=download), chosen, memory_mb=memory_mb)
    print(json.dumps(made.to_json()) if as_json else made)
    if made.too_large:
        raise typer.Exit(1)


@app.command()
def prepare(
    data: Data,
    out: Annotated[Path, typer.Option(help="A folder for Parquet, or a file that ends in .pkl.")] = Path(
        "processed_data"
    ),
    users: Users = None,
    items: Items = None,
    quarantine: Annotated[
        Path | None, typer.Option(help="Write the rows that are set aside here too (.csv or .parquet).")
    ] = None,
    column: Columns = None,
    kind: Kinds = None,
    accept: Accept = None,
    event_weight: EventWeights = None,
    encoding: Encoding = None,
    separator: Separator = None,
    row_order_as_time: RowOrder = False,
    max_bad: MaxBad = 0.01,
    force: Annotated[bool, typer.Option("--force", help="Prepare again though nothing has changed.")] = False,
    download: Download = False,
) -> None:
    """Check a log, split it by time and add features as of each event; writes train, val and test."""
    from enterprise_recsys.data.preparation import prepare as make
    from enterprise_recsys.data.validation import write_quarantine

    reading = _reading(column, event_weight, encoding, separator, row_order_as_time, max_bad)
    made = make(
        data,
        out,
        users=users,
        items=items,
        reading=reading,
        kinds=_pairs(kind),
        accept=accept or (),
        download=download,
        force=force or quarantine is not None,
    )
    counts = ", ".join(f"{name} {rows:,} rows" for name, rows in made.rows.items())
    if made.sifted is None:
        print(f"{out}: unchanged, reused: {counts} (--force prepares it again)")
        return
    for word in made.sifted.told:
        print(word)
    for reason, count, line, _ in made.sifted.counts():
        print(f"set aside: {reason}: {count:,}, first at line {line:,}")
    if quarantine is not None:
        write_quarantine(made.sifted, quarantine)
    print(
        f"{out}: {counts}; {made.sifted.rows_in:,} rows in = {len(made.sifted.frame):,} used + "
        f"{len(made.sifted.aside):,} set aside"
    )


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="The folder for the trained model.")] = Path("artifact"),
    users: Users = None,
    items: Items = None,
    config: Annotated[Path | None, typer.Option(help="A JSON file with dials of ModelConfig.")] = None,
    dials: Dials = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A folder; run again after an interruption to go on.")] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Learn from the newest tenth too, which otherwise stays aside for `recsys evaluate`."
        ),
    ] = False,
    download: Download = False,
) -> None:
    """Learn both stages from a log and write the model to a folder."""
    from enterprise_recsys.trainer import ProductionTrainer, joined

    trainer = ProductionTrainer(_config(dials, config))
    parts = _parts(data, users, items, download)
    early, late = (joined(parts.train, parts.val), parts.test) if everything else (parts.train, parts.val)
    trainer.fit(early, late, checkpoint=checkpoint)
    trainer.save(out)
    print(
        f"{out}: model {trainer.recommender.model_version}, {trainer.recommender.n_items:,} items, "
        f"{trainer.recommender.n_users:,} users. Next: recsys recommend {out} USER_ID, recsys serve {out}"
    )


@app.command()
def evaluate(
    folder: Folder,
    data: Data,
    users: Users = None,
    items: Items = None,
    k: Length = 10,
    lists: Annotated[
        list[Path] | None,
        typer.Option(help="A CSV or Parquet file of further lists: user_id, item_id, rank or score; repeatable."),
    ] = None,
    report: ReportFile = None,
    plots: Plots = None,
    as_json: Json = False,
    download: Download = False,
) -> None:
    """Measure a model on the newest tenth of a log (or a prepared folder's test part), with baselines beside it."""
    _check_report(report, plots)
    from enterprise_recsys.comparing import opened
    from enterprise_recsys.examining import DEPTH, TITLE, provenance_of
    from enterprise_recsys.trainer import ProductionTrainer

    trainer, test = ProductionTrainer.load(folder), _parts(data, users, items, download).test
    further = opened(lists or [])
    detail = trainer.examine(test, k=k, extra=further, depth=DEPTH if report else 0)
    if report is not None:
        _write(report, plots, detail, TITLE, provenance_of(trainer.recommender, test, _typed()))
    print(json.dumps(detail.evaluation) if as_json else detail.evaluation)


@app.command()
def compare(
    systems: Annotated[
        list[Path],
        typer.Argument(help="Two or more: folders that `recsys train` wrote, or files of lists."),
    ],
    data: Data,
    users: Users = None,
    items: Items = None,
    k: Length = 10,
    seed: Annotated[int, typer.Option(min=0, help="Draws the users of the intervals.")] = 0,
    report: ReportFile = None,
    plots: Plots = None,
    as_json: Json = False,
    download: Download = False,
) -> None:
    """Say whether the difference between models, or lists of any system, is real: the same users, the same targets."""
    _check_report(report, plots)
    from enterprise_recsys import comparing
    from enterprise_recsys.examining import DEPTH

    given, parts = comparing.opened(systems), _parts(data, users, items, download)
    detail = comparing.compare(given, parts, ks=[k], seed=seed, depth=DEPTH if report else 0)
    if report is not None:
        told = comparing.provenance_of_comparison(given, parts, _typed(), seed=seed)
        _write(report, plots, detail, f"{', '.join(list(given)[:-1])} or {list(given)[-1]}?", told)
    print(json.dumps(detail.evaluation) if as_json else detail.evaluation)


@app.command()
def backtest(
    data: Data,
    folds: Annotated[int, typer.Option(min=1, max=6, help="Test parts, each a tenth of the log, the newest ones.")] = 3,
    date: Annotated[
        list[datetime] | None, typer.Option(help="Instead of folds: a test part begins here (UTC); repeatable.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings at each moment.")] = 1,
    users: Users = None,
    items: Items = None,
    k: Length = 10,
    config: Annotated[Path | None, typer.Option(help="A JSON file with dials of ModelConfig.")] = None,
    dials: Dials = None,
    as_json: Json = False,
    download: Download = False,
) -> None:
    """Train and measure at several moments, each time on nothing but what lay before; mean, lowest and highest."""
    from enterprise_recsys import backtest as rolling
    from enterprise_recsys.data.sources import read

    def told(run: rolling.Run) -> None:
        print(f"{run.start:%Y-%m-%d} to {run.end:%Y-%m-%d}, seed {run.seed}: measured", file=sys.stderr)

    log = read(data, users=users, items=items, download=download)
    result = rolling.backtest(_config(dials, config), log, folds=folds, dates=date or (), seeds=seeds, k=k, told=told)
    print(json.dumps(result.to_json()) if as_json else result)


@app.command()
def recommend(
    folder: Folder,
    user_id: Annotated[str, typer.Argument(help="Whose list; an unknown user gets one too.")],
    k: Annotated[int, typer.Option("-k", "--k", help="Length of the list.")] = 10,
    field: Annotated[
        list[str] | None, typer.Option(help="A column of the items to show, e.g. title; repeatable.")
    ] = None,
    as_json: Json = False,
) -> None:
    """A user's list from a trained model."""
    from enterprise_recsys.recommender import Recommender

    answer = Recommender.load(folder).recommend(user_id, k, fields=field or ())
    if as_json:
        print(
            json.dumps(
                {
                    "user_id": user_id,
                    "recommendations": list(answer),
                    "fallback_level": answer.fallback_level,
                    "model_version": answer.model_version,
                },
                default=str,
            )
        )
        return
    for item in answer:
        further = "  ".join(str(value) for name, value in item.items() if name not in ("item_id", "score", "rank"))
        print(f"{item['rank']:>3}  {item['score']:.4f}  {item['item_id']}  {further}".rstrip())
    if answer.fallback_level:
        print(
            (
                "",
                "(user not in the model: answered from what is known of them)",
                "(nothing is known of this user: popular items)",
            )[answer.fallback_level]
        )


@app.command()
def serve(
    folder: Folder = Path("artifact"),
    host: Annotated[
        str, typer.Option(help="Address; any but loopback needs RECSYS_API_KEYS or RECSYS_OPEN=1.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; they share what they learn.")] = 1,
    state: Annotated[
        Path | None, typer.Option(help="Folder for events and answers; else RECSYS_STATE, else FOLDER/live.")
    ] = None,
) -> None:
    """Answer over HTTP; GET /recommend/42?k=10, documentation at /docs."""
    from dataclasses import replace

    from enterprise_recsys.service.app import serve as answer
    from enterprise_recsys.service.settings import Settings

    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    known = Settings.from_environment()
    keeping = replace(known.keeping, folder=state or known.keeping.folder or folder / "live")
    answer(replace(known, artifact=folder, keeping=keeping), host, port, workers=workers)


def _config(dials: list[str] | None, file: Path | None = None) -> ModelConfig:
    """A ModelConfig from a JSON file and name=value pairs, the pairs going over the file."""
    from enterprise_recsys.config import ModelConfig

    fields: dict[str, object] = {}
    if file is not None:
        try:
            fields = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise ConfigError(f"{file} cannot be read as JSON: {error}.") from None
        if not isinstance(fields, dict):
            raise ConfigError(
                f"{file} holds a {type(fields).__name__}; it should hold an object of ModelConfig fields."
            )
    for dial in dials or ():
        name, equals, value = dial.partition("=")
        if not equals:
            raise ConfigError(f"--set {dial!r} is wrong: it should be name=value, for instance --set epochs=5.")
        try:
            fields[name] = json.loads(value)
        except ValueError:
            fields[name] = value
    return ModelConfig(**fields)


def _reading(
    column: list[str] | None,
    event_weight: list[str] | None,
    encoding: str | None,
    separator: str | None,
    row_order_as_time: bool,
    max_bad: float,
) -> Reading:
    from enterprise_recsys.data.quarantine import Reading
    from enterprise_recsys.data.weights import parsed

    mark = {"tab": "\t", "\\t": "\t"}.get(separator, separator) if separator is not None else None
    return Reading(_pairs(column), encoding, mark, parsed(event_weight or []), row_order_as_time, max_bad)


def _pairs(words: list[str] | None) -> dict[str, str]:
    from enterprise_recsys.data.schema import parsed

    return parsed(words or [])


def _parts(data: str, users: Path | None, items: Path | None, download: bool) -> Split:
    from enterprise_recsys.data import prepared
    from enterprise_recsys.data.sources import read
    from enterprise_recsys.data.splits import SPLITS

    if prepared.is_prepared(Path(data)):
        return prepared.read(Path(data))
    return SPLITS["global_time"](read(data, users=users, items=items, download=download))


def _check_report(report: Path | None, plots: Path | None) -> None:
    """Refuse at once what would fail after the measuring."""
    from enterprise_recsys.reporting.drawing import require_drawing
    from enterprise_recsys.reporting.write import check_target

    if report is not None:
        require_drawing()
        check_target(report, plots)
    elif plots is not None:
        raise ConfigError("--plots goes with --report: recsys evaluate ... --report report.html --plots pictures.")


def _write(report: Path, plots: Path | None, detail: Detail, title: str, provenance: dict[str, object]) -> None:
    from enterprise_recsys.reporting.write import write_report

    write_report(detail, report, title=title, provenance=provenance, plots=plots)
    print(f"{report}: open it in a browser; the same as JSON beside it, and plots.", file=sys.stderr)


def _typed() -> str:
    """The command as it was typed."""
    return shlex.join(["recsys", *sys.argv[1:]])


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
