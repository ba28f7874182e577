"""Rows that cannot be used are set aside, each with its line and reason: rows in = rows used + rows set aside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import polars.selectors as cs

from enterprise_recsys.data import clicks, coding, files
from enterprise_recsys.data.aliases import renames
from enterprise_recsys.data.delimited import Loaded
from enterprise_recsys.data.faults import cut
from enterprise_recsys.data.frames import to_interactions, to_polars, with_order
from enterprise_recsys.data.lines import no_faults
from enterprise_recsys.data.owners import with_owners
from enterprise_recsys.data.rows import ROW_FAULTS
from enterprise_recsys.data.sources import SOURCES, place_of
from enterprise_recsys.data.spelling import texts_of, without_empty
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import (
    EVENT_ID,
    ITEM_ID,
    RATING,
    REQUIRED,
    TIMESTAMP,
    USER_ID,
    WEIGHT,
    Interactions,
)

MOST_BAD = 0.01
CLOCKS_DIFFER = timedelta(minutes=5)
"""Times up to this far ahead of our clock are not from the future: two machines never agree."""

DUPLICATE, SEEN_BEFORE = "the same row again", "event_id seen before"
REPEATS = (DUPLICATE, SEEN_BEFORE)
"""Reasons that do not count as bad: at-least-once delivery is no fault of the log."""

_LONGEST_TEXT = 300

_SPOKEN_OF = {"user id": USER_ID, "item id": ITEM_ID, "time": TIMESTAMP, "rating": RATING, "weight": WEIGHT}
"""How a reason begins -> the column that is at fault."""


@dataclass(frozen=True)
class Reading:
    """How a log is to be read.

    Attributes:
        columns: own name -> canonical name.
        encoding, separator: of a text file; None finds out.
        event_weights: event type -> weight, see `to_interactions`.
        row_order_as_time: the log has no times; its rows stand in order of time.
        most_bad: share of the rows that may be set aside, 0 to 1; repeated rows are not counted.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    separator: str | None = None
    event_weights: Mapping[str, float] = field(default_factory=dict)
    row_order_as_time: bool = False
    most_bad: float = MOST_BAD


@dataclass(frozen=True)
class Sifted:
    """A log taken apart into what can be used and what cannot.

    Attributes:
        frame: [R] rows that can be used, in the log's own columns, some renamed.
        lines: [R] the line (of a text file) or row each comes from.
        aside: [Q] `line`, `reason`, `text`: what was set aside, in order of line.
        rows_in: R + Q.
        names: the log's columns as they were called.
        told: remarks for the reader.
        coded: whether the ids in `frame` are, see `coding.coded`.
    """

    frame: pl.DataFrame
    lines: pl.Series
    aside: pl.DataFrame
    rows_in: int
    names: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    coded: bool = False

    @property
    def rows_used(self) -> int:
        """R, of which `frame` may have been let go meanwhile."""
        return self.rows_in - len(self.aside)

    @property
    def bad(self) -> pl.DataFrame:
        """What was set aside and is no mere repetition."""
        return self.aside.filter(~pl.col("reason").is_in(REPEATS))

    def counts(self) -> list[tuple[str, int, int, str]]:
        """Reason, count, first line and its text, the most frequent reason first."""
        grouped = self.aside.group_by("reason", maintain_order=True).agg(pl.len().alias("n"), pl.all().first())
        return grouped.sort("n", descending=True, maintain_order=True).select("reason", "n", "line", "text").rows()


@dataclass(frozen=True)
class Admitted:
    """A log in canonical form, with the account of its rows."""

    log: Interactions
    sifted: Sifted


def admit(
    data: str | object,
    *,
    users: Path | None = None,
    items: Path | None = None,
    reading: Reading | None = None,
    download: bool = False,
    now: datetime | None = None,
    coded: bool = False,
) -> Admitted:
    """Read a log, set aside the rows that cannot be used, and refuse it when they are too many.

    Args:
        data: as in `sources.read`, or any data frame.
        users, items: files of features, whole or refused.
        reading: how to read it; None is `Reading()`.
        download: fetch a named set that is not there.
        now: the latest time that an event can have; None is five minutes from now.
        coded: give the ids coded, see `coding.coded`; for large logs.

    Raises:
        DataError: it cannot be read, a whole column is unusable, more rows are bad than `most_bad` allows, or none is
            left.
    """
    reading = reading or Reading()
    loaded, own_users, own_items, name = loaded_of(data, reading, download=download, coded=coded)
    sifted = sift(loaded, name, reading, now=now)
    del loaded  # its ids, which the coded ones are in place of
    sifted = with_codes(sifted) if coded else sifted
    refuse_if_too_bad(sifted, name, reading)
    user_table, item_table = (
        found if path is None else files.table(path, reading.columns, encoding=reading.encoding)
        for path, found in ((users, own_users), (items, own_items))
    )
    return Admitted(interactions(sifted, user_table, item_table, name, reading), sifted)


def with_codes(sifted: Sifted) -> Sifted:
    """The same with coded ids, where they are of a type that can be coded."""
    if not coding.can_be_coded(sifted.frame):
        return sifted
    return replace(sifted, frame=coding.coded(sifted.frame), coded=True)


def interactions(
    sifted: Sifted, users: pl.DataFrame | None, items: pl.DataFrame | None, name: str, reading: Reading
) -> Interactions:
    """The rows that can be used, in canonical form.

    Raises:
        DataError: a whole column is unusable, for instance times in several units.
    """
    tables = {column for table in (users, items) if table is not None for column in table.columns}
    if unknown := sorted(set(reading.columns) - tables - set(sifted.names)):
        raise DataError(
            f"columns= renames {unknown[0]!r}, which {name} does not have; found: "
            f"{', '.join(sorted({*sifted.names, *tables}))}. It maps your own name to the canonical one, as in "
            "columns={'customer': 'user_id'} (--column customer=user_id)."
        )
    return to_interactions(
        sifted.frame,
        users,
        items,
        name=name,
        columns={old: new for old, new in reading.columns.items() if old in tables},
        event_weights=reading.event_weights,
        coded=sifted.coded,
        static={},
    )


def loaded_of(
    data: str | object, reading: Reading, *, download: bool, coded: bool = False
) -> tuple[Loaded, pl.DataFrame | None, pl.DataFrame | None, str]:
    """The rows of a log of any kind, its own tables of users and items if it has them, and its name."""
    if isinstance(data, str):
        name, path = place_of(data)
        if name is None:
            loaded = files.load(
                path, encoding=reading.encoding, separator=reading.separator, columns=reading.columns, coded=coded
            )
            return loaded, None, None, path.name
        log = SOURCES[name](path if ":" in data else None, download=download)
    elif isinstance(data, Interactions):
        log = data
    else:
        frame = to_polars(data, "log")
        return _numbered(frame), None, None, "log"
    return _numbered(log.events), log.users, log.items, log.name


def _numbered(frame: pl.DataFrame) -> Loaded:
    return Loaded(frame, pl.int_range(1, len(frame) + 1, dtype=pl.UInt32, eager=True), no_faults())


def sift(loaded: Loaded, name: str, reading: Reading, *, now: datetime | None = None) -> Sifted:
    """Tell the rows that can be used from those that cannot.

    Raises:
        DataError: a required column is missing, or a named one is not there.
    """
    frame = loaded.frame
    if reading.row_order_as_time:
        frame = with_order(frame, reading.columns, name)
    naming = renames(frame.columns, REQUIRED, reading.columns, name)
    written = frame.rename(naming)
    frame, typed = clicks.with_event_types(written, reading.columns, name)
    latest = now or datetime.now(UTC) + CLOCKS_DIFFER
    reasons = pl.Series("reason", [None], dtype=pl.Categorical).new_from_index(0, len(frame))  # 4 bytes a row, not 16
    for fault in ROW_FAULTS.values():
        for reason, mask in fault(frame, latest).items():
            if mask.any():
                reasons = _marked(reasons, mask, reason)
    reasons = _repeats(frame, reasons)
    used = reasons.is_null()
    aside = pl.DataFrame({"line": loaded.lines.filter(~used), "reason": reasons.filter(~used).cast(pl.String)})
    spelt = {naming.get(column, column): spelling for column, spelling in loaded.spelt.items()}
    aside = aside.with_columns(_texts(texts_of(written.filter(~used), spelt)))
    left, lines = (frame, loaded.lines) if used.all() else (frame.filter(used), loaded.lines.filter(used))
    names = tuple(loaded.frame.columns)
    told = (*loaded.told, *(f"{name}: {old!r} is read as {new!r}" for old, new in naming.items()), *typed)
    whole = pl.concat([aside, loaded.broken]).sort("line", maintain_order=True)
    assert len(left) + len(whole) == loaded.rows_in, "a row was lost"
    spelt = {column: spelling for column, spelling in spelt.items() if column in left.columns}
    left, owned = with_owners(files.typed(without_empty(left, spelt), {}), name)
    return Sifted(left, lines, whole, loaded.rows_in, names, (*told, *owned))


def _marked(reasons: pl.Series, mask: pl.Series, reason: str) -> pl.Series:
    """The first reason that is found for a row is the one that stands."""
    fresh = mask & reasons.is_null()
    return pl.select(
        pl.when(fresh).then(pl.lit(reason, dtype=pl.Categorical)).otherwise(reasons).alias("reason")
    ).to_series()


def _texts(rows: pl.DataFrame) -> pl.Series:
    """What stands in the rows, as JSON cut to a readable length."""
    if rows.is_empty():
        return pl.Series("text", [], dtype=pl.String)
    readable = rows.with_columns(cs.binary().bin.encode("hex"), cs.categorical().cast(pl.String))
    try:
        texts = readable.select(pl.struct(pl.all()).struct.json_encode().str.slice(0, _LONGEST_TEXT)).to_series()
    except pl.exceptions.PanicException:  # polars cannot write bytes inside a list; the line and the reason remain
        texts = pl.Series([None] * len(rows), dtype=pl.String)
    return texts.rename("text")


def _repeats(frame: pl.DataFrame, reasons: pl.Series) -> pl.Series:
    """Mark rows that are equal to an earlier one in every column, or that bring an event_id again."""
    good = reasons.is_null()
    ordered = frame.hash_rows(seed=0).to_numpy(writable=True)
    ordered.sort()  # half the time and a fifth of the memory of is_duplicated; in place, and hashed again if need be
    twice = pl.Series(ordered[1:][ordered[1:] == ordered[:-1]], dtype=pl.UInt64).unique()
    del ordered
    # Two hashes may agree by chance: only then all is compared.
    nothing = pl.Series([], dtype=pl.UInt32)
    alike = frame.hash_rows(seed=0).is_in(twice.implode()) if len(twice) else None
    candidates = nothing if alike is None else (alike & good).arg_true()
    if len(candidates):
        again = ~frame[candidates].select(pl.struct(pl.all()).is_first_distinct()).to_series()
        mask = pl.Series([False]).new_from_index(0, len(frame)).scatter(candidates.filter(again), True)
        reasons = _marked(reasons, mask, DUPLICATE)
    if EVENT_ID in frame.columns:
        column = pl.select(pl.when(reasons.is_null()).then(frame[EVENT_ID])).to_series()
        reasons = _marked(reasons, ~column.is_first_distinct() & column.is_not_null(), SEEN_BEFORE)
    return reasons


def refuse_if_too_bad(sifted: Sifted, name: str, reading: Reading) -> None:
    """Stop when more rows are bad than are allowed, or none is left.

    Raises:
        DataError: it is so; the message names the three most frequent reasons with their first line.
    """
    bad = len(sifted.bad)
    if bad <= reading.most_bad * sifted.rows_in and len(sifted.frame):
        return
    reasons = "; ".join(
        f"{reason}: {count:,}, first at line {line:,}: {_cell(reason, text)}"
        for reason, count, line, text in sifted.counts()[:3]
        if reason not in REPEATS
    )
    share = bad / max(sifted.rows_in, 1)
    raise DataError(
        f"{bad:,} of {sifted.rows_in:,} rows of {name} ({share:.1%}) cannot be used, and at most "
        f"{reading.most_bad:.1%} may be: {reasons}. recsys validate --quarantine FILE writes them all to a file; "
        "mend them, or allow more with recsys prepare --max-bad."
    )


def _cell(reason: str, text: str) -> str:
    """What is at fault in a row: the cell that the reason speaks of, where it can be found, else how the row begins."""
    column = next((column for word, column in _SPOKEN_OF.items() if reason.startswith(word)), None)
    found = re.search(rf'"{column}":("(?:[^"\\]|\\.)*"|[^,}}]*)', text) if column is not None else None
    return cut(f"{column} = {found[1]}" if found else text, 80)
