"""What commands share: their options, and how words of the command line become a config, a log or a report."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from enterprise_recsys.errors import ConfigError

if TYPE_CHECKING:
    from enterprise_recsys.config import ModelConfig
    from enterprise_recsys.data.findings import Finding
    from enterprise_recsys.data.quarantine import Reading
    from enterprise_recsys.data.splits import Split
    from enterprise_recsys.evaluation.detail import Detail

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
Slices = Annotated[
    list[str] | None,
    typer.Option("--slice", help="A feature, e.g. user_gender or item_genres, whose values are groups; repeatable."),
]
LeaksSaid = Annotated[
    Literal["refuse", "warn", "allow"],
    typer.Option("--leaks", help="If what is learnt from knows what is asked: refuse, warn and go on, or do not look."),
]
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
Quarantine = Annotated[
    Path | None, typer.Option(help="Write the rows that are set aside, with reasons, to this .csv or .parquet.")
]
Cutting = Annotated[
    str,
    typer.Option(
        help="How to cut the log: global-time, time-quantile, leave-last, leave-last-k, random-per-user, random, or "
        "rolling at each --date; with dials as in leave-last-k,k=10 or rolling,days=7."
    ),
]
Memory = Annotated[str | None, typer.Option(help="What there is, e.g. 8g; what would take more is refused.")]
Folder = Annotated[Path, typer.Argument(help="The folder that `recsys train` wrote.")]
Length = Annotated[int, typer.Option("-k", "--k", min=1, help="Length of the lists.")]
ReportFile = Annotated[
    Path | None, typer.Option("--report", help="Write a page (.html), a .json beside it, and a folder of plots.")
]
Plots = Annotated[Path | None, typer.Option(help="The folder for the report's plots; else <report>_plots.")]


def config_of(dials: list[str] | None, file: Path | None = None) -> ModelConfig:
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
    return ModelConfig(**{**fields, **dials_of(dials)})


def dials_of(words: list[str] | None) -> dict[str, object]:
    """Words name=value as a dict: values are JSON (a number, true, [256,128]), and a word where they are none."""
    dials: dict[str, object] = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not equals:
            raise ConfigError(f"--set {word!r} is wrong: it should be name=value, for instance --set epochs=5.")
        try:
            dials[name] = json.loads(value)
        except ValueError:
            dials[name] = value
    return dials


def reading_of(
    column: list[str] | None,
    event_weight: list[str] | None,
    encoding: str | None,
    separator: str | None,
    row_order_as_time: bool,
    max_bad: float,
) -> Reading:
    """How a log is to be read, from the words of its options."""
    from enterprise_recsys.data.quarantine import Reading
    from enterprise_recsys.data.weights import parsed

    mark = {"tab": "\t", "\\t": "\t"}.get(separator, separator) if separator is not None else None
    return Reading(pairs_of(column), encoding, mark, parsed(event_weight or []), row_order_as_time, max_bad)


def pairs_of(words: list[str] | None) -> dict[str, str]:
    """Words name=value as a dict."""
    from enterprise_recsys.data.schema import parsed

    return parsed(words or [])


def parts_of(
    data: str,
    users: Path | None,
    items: Path | None,
    download: bool,
    *,
    column: list[str] | None = None,
    row_order_as_time: bool = False,
    tell: Collection[str] | None = None,
) -> Split:
    """The parts of a prepared folder, or of a log cut by time; rows that cannot be used are set aside and told.

    `tell`: how columns are read is told too, what `recsys validate` would refuse, and what these checks find.
    """
    from enterprise_recsys.data import prepared
    from enterprise_recsys.data.checks import examine
    from enterprise_recsys.data.findings import Evidence
    from enterprise_recsys.data.quarantine import Reading, admit
    from enterprise_recsys.data.splits import SPLITS

    if prepared.is_prepared(Path(data)):
        if column or row_order_as_time:
            raise ConfigError(
                f"{data} is a prepared folder: its columns and times were told to recsys prepare; leave --column and "
                "--row-order-as-time away, or prepare it anew."
            )
        return prepared.read(Path(data))
    reading = Reading(columns=pairs_of(column), row_order_as_time=row_order_as_time)
    admitted = admit(data, users=users, items=items, reading=reading, download=download)
    for reason, count, line, _ in admitted.sifted.counts():
        print(f"set aside: {reason}: {count:,}, first at line {line:,}", file=sys.stderr)
    if tell is not None:
        found = examine(Evidence(admitted.log, admitted.sifted, datetime.now(UTC)))
        told = [f"recsys validate would refuse this log: {_said(one)}" for one in found if one.severity == "error"]
        told += [_said(one) for one in found if one.severity != "error" and one.check in tell]
        for remark in (*admitted.sifted.told, *told):
            print(remark, file=sys.stderr)
    return SPLITS["global_time"](admitted.log)


def _said(finding: Finding) -> str:
    return f"{finding.message}; {finding.advice}"


def check_report(report: Path | None, plots: Path | None) -> None:
    """Refuse at once what would fail after the measuring."""
    from enterprise_recsys.reporting.drawing import require_drawing
    from enterprise_recsys.reporting.write import check_target

    if report is not None:
        require_drawing()
        check_target(report, plots)
    elif plots is not None:
        raise ConfigError("--plots goes with --report: recsys evaluate ... --report report.html --plots pictures.")


def write_report_of(
    report: Path, plots: Path | None, detail: Detail, title: str, provenance: dict[str, object]
) -> None:
    """Write a report and say where it is."""
    from enterprise_recsys.reporting.write import write_report

    write_report(detail, report, title=title, provenance=provenance, plots=plots)
    print(f"{report}: open it in a browser; the same as JSON beside it, and plots.", file=sys.stderr)


def typed() -> str:
    """The command as it was typed."""
    return shlex.join(["recsys", *sys.argv[1:]])
