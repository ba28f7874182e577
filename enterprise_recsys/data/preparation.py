"""From a log of any kind to a prepared folder: checked, set aside, cut, written; or found unchanged and reused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from enterprise_recsys.data import coding, files, needs, prepared, sources
from enterprise_recsys.data.checks import refuse_errors
from enterprise_recsys.data.cuts import Cut
from enterprise_recsys.data.findings import Evidence
from enterprise_recsys.data.processed import statistic_names
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.quarantine import Reading, Sifted, admit
from enterprise_recsys.data.schema import Schema
from enterprise_recsys.data.spool import Spool
from enterprise_recsys.records import RATING, Interactions

RECIPE_VERSION = 5
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
    cut: Cut | None = None,
    memory_mb: float | None = None,
    download: bool = False,
    force: bool = False,
) -> Outcome:
    """Prepare a log into a folder of Parquet, or a `.pkl`.

    Args:
        data, users, items, reading, download: as in `quarantine.admit`.
        out: the folder, or a file that ends in .pkl (which is always written anew).
        kinds: column -> kind, see `Schema.of`; a column of the kind `skip` does not enter the parts.
        accept: names of checks whose errors do not refuse the log, see `checks.examine`.
        cut: the split, and the core that is split; None is `Cut()`, by time.
        memory_mb: what there is; a log that would take more is refused before it is read, see `needs.refuse`.
        force: write even if nothing has changed.

    Raises:
        DataError: as `admit`, `checks.refuse_errors` and `prepared.write`.
        ConfigError: an unknown kind or check.
    """
    reading, cut = reading or Reading(), cut or Cut()
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
            "split": str(cut),
            "recipe": RECIPE_VERSION,
            "tables": [users is not None, items is not None],
        },
    )
    prepared.mend(out)
    if out.suffix != ".pkl" and not force and prepared.is_unchanged(out, made_from):
        return Outcome(prepared.rows(out), reused=True)
    if memory_mb is not None:
        needs.refuse(data, reading, memory_mb)
    admitted = admit(data, users=users, items=items, reading=reading, download=download, coded=True)
    log, sifted = admitted.log, admitted.sifted
    del admitted
    # The rows as they were read are needed no more; what is counted and told stays.
    sifted = replace(sifted, frame=sifted.frame.clear())
    schema = Schema.of(log, kinds)
    log = schema.without_skipped(log)
    refuse_errors(Evidence(log, sifted, datetime.now(UTC)), accept)
    sifted = replace(sifted, lines=sifted.lines.clear())
    made_from = prepared.Origin(made_from.source, made_from.parameters, sifted.rows_in, schema.to_json())
    log = cut.kept(log)
    if out.suffix == ".pkl":
        frames = DataProcessor().prepare(coding.named(log), split=cut.words)
        prepared.write(frames, out, origin=made_from)
        return Outcome({name: len(frame) for name, frame in frames.items()}, False, sifted, schema)
    with prepared.beside(out) as folder:
        waiting = [log]
        del log
        parts = _in_slices(waiting, cut, folder)
        prepared.write(parts, out, origin=made_from, quarantine=sifted.aside)
    return Outcome({name: part.rows for name, part in parts.items()}, False, sifted, schema)


def _in_slices(waiting: list[Interactions], cut: Cut, folder: Path) -> dict[str, prepared.Sliced]:
    """The parts of a log, whose processed rows are made while they are written.

    The folder's frames hold the statistics as they are; `DataProcessor.prepare` gives them scaled, too.

    Args:
        waiting: the log, with coded ids, which is taken out, so that it is held no longer than it is needed.
        cut: the split.
        folder: empty, for what is put aside meanwhile.
    """
    log = waiting.pop()
    part, follow = cut.parts(log)
    names = statistic_names(rated=RATING in log.events.columns and log.events[RATING].count() > 0)
    spool = Spool(folder, log, part)
    del log, part
    spool.add_past(follow_in_time=follow)
    return {
        name: prepared.Sliced(partial(spool.processed, names, number), spool.rows(number))
        for number, name in enumerate(prepared.PARTS)
    }
