"""The verdict on a log: the account of its rows, what each column is, and every finding, for a reader or a machine."""

from __future__ import annotations

import os
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from enterprise_recsys.data import files
from enterprise_recsys.data.checks import examine, set_aside
from enterprise_recsys.data.faults import counted
from enterprise_recsys.data.findings import Evidence, Finding
from enterprise_recsys.data.lines import no_faults
from enterprise_recsys.data.quarantine import (
    Reading,
    Sifted,
    interactions,
    loaded_of,
    refuse_if_too_bad,
    sift,
    with_codes,
)
from enterprise_recsys.data.schema import Schema
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import ITEM_ID, TIMESTAMP, USER_ID, Interactions

_SIGNS = {"error": "ERROR  ", "warning": "warning", "info": "       "}


@dataclass(frozen=True)
class Validation:
    """What `recsys validate` has to say.

    Attributes:
        name: of the log.
        rows_in, rows_used: rows_in = rows_used + rows of `quarantine`, exactly; of a refused log, used are the rows
            without a fault of their own.
        quarantine: `line`, `reason`, `text` of each row that was set aside.
        findings: errors first.
        schema: None where the log was refused.
        told: how columns were understood.
        size: users, items, and the first and last day.
    """

    name: str
    rows_in: int
    rows_used: int
    quarantine: pl.DataFrame
    findings: tuple[Finding, ...]
    schema: Schema | None = None
    told: tuple[str, ...] = ()
    size: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether an error was found."""
        return any(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, object]:
        """Plain values, for machines."""
        return {
            "name": self.name,
            "refused": self.is_refused,
            "rows_in": self.rows_in,
            "rows_used": self.rows_used,
            "rows_quarantined": len(self.quarantine),
            "findings": [finding.to_json() for finding in self.findings],
            "schema": self.schema.to_json() if self.schema is not None else None,
            "told": list(self.told),
        }

    def __str__(self) -> str:
        """A page for a reader."""
        parts = [f"{self.name}: {self.rows_in:,} rows{self.size}"]
        parts += [f"  {word}" for word in self.told]
        if self.schema is not None:
            parts += ["", *(f"  {line}" for line in str(self.schema).splitlines())]
        if self.findings:
            parts.append("")
        for finding in self.findings:
            parts.append(f"{_SIGNS[finding.severity]} {finding.check}: {finding.message}")
            if finding.advice:
                parts.append(f"          -> {finding.advice}")
        errors, warnings = (sum(one.severity == kind for one in self.findings) for kind in ("error", "warning"))
        parts.append("")
        parts.append(
            f"{'REFUSED' if self.is_refused else 'usable'}: {counted(errors, 'error')}, "
            f"{counted(warnings, 'warning')}; {self.rows_in:,} rows in = {self.rows_used:,} used + "
            f"{len(self.quarantine):,} set aside"
        )
        return "\n".join(parts)


def validate(
    data: str | object,
    *,
    users: Path | None = None,
    items: Path | None = None,
    reading: Reading | None = None,
    kinds: Mapping[str, str] | None = None,
    accept: Collection[str] = (),
    download: bool = False,
    now: datetime | None = None,
) -> Validation:
    """Check a log and its tables; a fault in them is a finding and no exception, be it that there is no such log.

    Args:
        data, users, items, reading, download, now: as in `quarantine.admit`.
        kinds: column -> kind, see `Schema.of`; a column of the kind `skip` is not held to be a leak.
        accept: see `checks.examine`.

    Raises:
        ConfigError: an unknown kind or check.
        DataError: a table is not there.
    """
    reading = reading or Reading()
    files.exist(users, items)
    try:
        loaded, own_users, own_items, name = loaded_of(data, reading, download=download, coded=True)
    except DataError as error:
        return Validation(str(data) if isinstance(data, str) else "log", 0, 0, no_faults(), (_refusal(error),))
    try:
        sifted = sift(loaded, name, reading, now=now)
    except DataError as error:
        return Validation(name, loaded.rows_in, len(loaded.frame), loaded.broken, (_refusal(error),), told=loaded.told)
    del loaded
    sifted = with_codes(sifted)
    rows = len(sifted.frame)
    try:
        refuse_if_too_bad(sifted, name, reading)
        tables = [
            found if path is None else files.table(path, reading.columns, encoding=reading.encoding)
            for path, found in ((users, own_users), (items, own_items))
        ]
        log = interactions(sifted, tables[0], tables[1], name, reading)
        schema = Schema.of(log, kinds)
    except DataError as error:
        told = (_refusal(error), *set_aside(sifted))
        return Validation(name, sifted.rows_in, rows, sifted.aside, told, told=sifted.told)
    findings = tuple(examine(Evidence(schema.without_skipped(log), sifted, now or datetime.now(UTC)), accept))
    return Validation(name, sifted.rows_in, rows, sifted.aside, findings, schema, sifted.told, _size(log))


def _size(log: Interactions) -> str:
    first, last = log.events[TIMESTAMP].min(), log.events[TIMESTAMP].max()
    users, items = log.events[USER_ID].n_unique(), log.events[ITEM_ID].n_unique()
    return f", {users:,} users, {items:,} items, {str(first)[:10]} to {str(last)[:10]}"


def _refusal(error: DataError) -> Finding:
    return Finding("read", "error", 1, str(error))


def write_quarantine(sifted: Sifted | Validation, path: Path) -> None:
    """Write what was set aside, whole or not at all: Parquet if the path ends so, else CSV.

    Raises:
        DataError: the file cannot be written.
    """
    table = sifted.aside if isinstance(sifted, Sifted) else sifted.quarantine
    staged = path.parent / f".{path.name}-{uuid.uuid4().hex[:8]}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            if path.suffix == ".parquet":
                table.write_parquet(staged)
            else:
                table.write_csv(staged)
            os.replace(staged, path)
        finally:
            staged.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error}; give a file in a folder that can be.") from error
