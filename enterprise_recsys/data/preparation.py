"""From a log of any kind to a prepared folder: checked, set aside, split, written; or found unchanged and reused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from enterprise_recsys.data import files, prepared, sources
from enterprise_recsys.data.checks import refuse_errors
from enterprise_recsys.data.findings import Evidence
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.quarantine import Reading, Sifted, admit
from enterprise_recsys.data.schema import Schema

RECIPE_VERSION = 1
"""Raised when the parts of the same log come out otherwise than before, so that older folders are made anew."""


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        rows: part -> its rows.
        reused: the folder was there, whole, and made from the same source with the same parameters.
        sifted: the account of the rows; None where the folder was reused.
        schema: likewise.
    """

    rows: Mapping[str, int]
    reused: bool
    sifted: Sifted | None = None
    schema: Schema | None = None


def prepare(
    data: str,
    out: Path,
    *,
    users: Path | None = None,
    items: Path | None = None,
    reading: Reading | None = None,
    kinds: Mapping[str, str] | None = None,
    accept: Collection[str] = (),
    download: bool = False,
    force: bool = False,
) -> Outcome:
    """Prepare a log into a folder of Parquet, or a `.pkl`.

    Args:
        data, users, items, reading, download: as in `quarantine.admit`.
        out: the folder, or a file that ends in .pkl (which is always written anew).
        kinds: column -> kind, see `Schema.of`; a column of the kind `skip` does not enter the parts.
        accept: names of checks whose errors do not refuse the log, see `checks.examine`.
        force: write even if nothing has changed.

    Raises:
        DataError: as `admit`, `checks.refuse_errors` and `prepared.write`.
        ConfigError: an unknown kind or check.
    """
    reading = reading or Reading()
    files.exist(users, items)
    if download:
        sources.fetched(data)
    tables = [path for path in (users, items) if path is not None]
    made_from = prepared.Origin(
        source=files.fingerprint(sources.origin(data) + tables),
        parameters={
            **asdict(reading),
            "kinds": dict(kinds or {}),
            "accept": sorted(accept),
            "split": "global_time",
            "recipe": RECIPE_VERSION,
            "tables": [users is not None, items is not None],
        },
    )
    prepared.mend(out)
    if out.suffix != ".pkl" and not force and prepared.is_unchanged(out, made_from):
        return Outcome(prepared.rows(out), reused=True)
    admitted = admit(data, users=users, items=items, reading=reading, download=download)
    schema = Schema.of(admitted.log, kinds)
    log = schema.without_skipped(admitted.log)
    refuse_errors(Evidence(log, admitted.sifted, datetime.now(UTC)), accept)
    frames = DataProcessor().prepare(log)
    made_from = prepared.Origin(made_from.source, made_from.parameters, admitted.sifted.rows_in, schema.to_json())
    prepared.write(frames, out, origin=made_from, quarantine=admitted.sifted.aside)
    return Outcome({name: len(frame) for name, frame in frames.items()}, False, admitted.sifted, schema)
