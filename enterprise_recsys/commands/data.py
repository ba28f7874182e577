"""Commands that look at a log before anything is learnt from it: validate, plan, prepare."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enterprise_recsys.commands.options import (
    Accept,
    Columns,
    Cutting,
    Data,
    Dials,
    Download,
    Encoding,
    EventWeights,
    Items,
    Json,
    Kinds,
    Log,
    MaxBad,
    Memory,
    Quarantine,
    RowOrder,
    Separator,
    Users,
    config_of,
    pairs_of,
    reading_of,
)
from enterprise_recsys.errors import ConfigError

if TYPE_CHECKING:
    from enterprise_recsys.data.preparation import Outcome


def validate(
    log: Log,
    users: Users = None,
    items: Items = None,
    quarantine: Quarantine = None,
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

    reading = reading_of(column, event_weight, encoding, separator, row_order_as_time, max_bad)
    verdict = check(
        log,
        users=users,
        items=items,
        reading=reading,
        kinds=pairs_of(kind),
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


def plan(
    log: Log,
    dials: Dials = None,
    config: Annotated[Path | None, typer.Option(help="A JSON file with dials of ModelConfig.")] = None,
    memory: Memory = None,
    column: Columns = None,
    encoding: Encoding = None,
    separator: Separator = None,
    as_json: Json = False,
    download: Download = False,
) -> None:
    """Say rows, memory, disk and minutes of each step before anything is run."""
    from enterprise_recsys.data import plan as planning

    chosen = config_of(dials, config)
    memory_mb = planning.parsed_memory(memory) if memory is not None else None
    reading = reading_of(column, None, encoding, separator, False, 0.01)
    made = planning.plan(planning.measure(log, reading, download=download), chosen, memory_mb=memory_mb)
    print(json.dumps(made.to_json()) if as_json else made)
    if made.too_large:
        raise typer.Exit(1)


def prepare(
    data: Data,
    out: Annotated[Path, typer.Option(help="A folder for Parquet, or a file that ends in .pkl.")] = Path(
        "processed_data"
    ),
    users: Users = None,
    items: Items = None,
    split: Cutting = "global-time",
    date: Annotated[
        list[datetime] | None, typer.Option(help="With --split rolling: a fold's test begins here (UTC); repeatable.")
    ] = None,
    core: Annotated[int, typer.Option(min=1, help="First leave out users and items with fewer events than this.")] = 1,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Print each part's checksum, so that a figure can name its test set.")
    ] = False,
    memory: Memory = None,
    quarantine: Quarantine = None,
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
    """Check a log, cut it and add features as of each event; writes train, val and test."""
    from enterprise_recsys.data import cuts, prepared
    from enterprise_recsys.data.plan import parsed_memory
    from enterprise_recsys.data.preparation import prepare as make
    from enterprise_recsys.data.validation import write_quarantine

    if checksums and out.suffix == ".pkl":
        raise ConfigError("--checksums are those of a folder's parts; give --out a folder.")
    folds = cuts.folds_of(cuts.parsed(split, core), date or ())
    if date and (out.suffix == ".pkl" or prepared.is_prepared(out)):
        raise ConfigError(f"--split rolling writes a folder for each date; {out} cannot hold them: give another --out.")
    reading = reading_of(column, event_weight, encoding, separator, row_order_as_time, max_bad)
    for place, (name, cut) in enumerate(folds.items()):
        made = make(
            data,
            out / name,
            users=users,
            items=items,
            reading=reading,
            kinds=pairs_of(kind),
            accept=accept or (),
            cut=cut,
            memory_mb=parsed_memory(memory) if memory is not None else None,
            download=download,
            force=force or quarantine is not None,
        )
        _tell(made, out / name, is_first=not place)
        if quarantine is not None and made.sifted is not None and not place:
            write_quarantine(made.sifted, quarantine)
        if checksums:
            print(", ".join(f"{part} {checksum}" for part, checksum in prepared.checksums(out / name).items()))


def _tell(made: Outcome, folder: Path, *, is_first: bool) -> None:
    """Say what was read and set aside, of several folds once, and that no row is lost."""
    counts = ", ".join(f"{name} {rows:,} rows" for name, rows in made.rows.items())
    if made.sifted is None:
        print(f"{folder}: unchanged, reused: {counts} (--force prepares it again)")
        return
    sifted, left_out = made.sifted, made.sifted.rows_used - sum(made.rows.values())
    if is_first:
        for word in sifted.told:
            print(word)
        for reason, count, line, _ in sifted.counts():
            print(f"set aside: {reason}: {count:,}, first at line {line:,}")
    outside = f" ({left_out:,} of these in no part)" if left_out else ""
    print(
        f"{folder}: {counts}; {sifted.rows_in:,} rows in = {sifted.rows_used:,} used{outside} + "
        f"{len(sifted.aside):,} set aside"
    )
