"""A text file with a separator becomes rows of strings, each line accounted for: read, or set aside with its reason."""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from enterprise_recsys.data.aliases import NO_HEADER, are_values
from enterprise_recsys.data.lines import Form, has_quoted, no_faults, pieces
from enterprise_recsys.data.plaintext import Survey, decoded, surveyed, unpacked
from enterprise_recsys.data.spelling import Gathering
from enterprise_recsys.errors import DataError

MOST_COLUMNS = 2_000
LONGEST_HEADER = 1 << 24

SEPARATORS = (",", "\t", ";", "|")
_REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class Loaded:
    """The rows of a file, and what could not be taken apart into fields.

    Attributes:
        frame: [R] rows; from text all columns are strings, null where a field is empty.
        lines: [R] the line at which each row begins, from 1 with the header; of other formats the row's number.
        broken: what is no row: `line` (UInt32), `reason`, `text` (cut to 200 characters).
        told: remarks for the reader, for instance which separator was found.
        spelt: columns of text that are held as something smaller -> how they are spelt, see `spelling`.
    """

    frame: pl.DataFrame
    lines: pl.Series
    broken: pl.DataFrame
    told: tuple[str, ...] = ()
    spelt: Mapping[str, str] = field(default_factory=dict)

    @property
    def rows_in(self) -> int:
        """Rows that the file holds, broken ones too."""
        return len(self.frame) + len(self.broken)


def load(
    path: Path, *, encoding: str | None = None, separator: str | None = None, into: Gathering | None = None
) -> Loaded:
    """Read a .csv or .tsv file (also .gz) with a header, a piece at a time.

    Every line that is not blank is in `frame` or in `broken`; a row is broken when it has more or fewer fields than the
    header, a quote that is not closed, or bytes that are not text in the file's encoding.

    Args:
        path: the file.
        encoding: a codec of Python; None is UTF-8, or UTF-16 where the file says so in its first bytes.
        separator: one character; None takes the one that the file's ending and header suggest.
        into: what the rows of the pieces are gathered in; None holds them as strings.

    Raises:
        DataError: it cannot be read, is empty or binary, its header is unusable, or it unpacks to too much.
    """
    try:
        with unpacked(path) as plain, decoded(plain, path, encoding) as (text, survey):
            return _load(text, path, survey, separator, into or Gathering())
    except (OSError, EOFError, zlib.error, UnicodeError, LookupError) as error:
        raise DataError(f"{path} cannot be read: {error}; give a readable .csv or .tsv file.") from error


def scan(path: Path, *, separator: str | None = None) -> pl.LazyFrame | None:
    """The rows of a plain UTF-8 file as strings, not held; broken rows are not told apart. None: only `load` reads it.

    Raises:
        DataError: it is empty or binary, or its header is unusable.
    """
    if path.suffix.lower() == ".gz":
        return None
    survey = surveyed(path)
    if not survey.utf8:
        return None
    first = _first_line(path, path)
    mark, _ = _separator(first, path, separator)
    quotes = survey.quotes and has_quoted(path, mark)
    return _scanned(path, _header(first, mark, path), mark, quotes=quotes)


def _load(text: Path, path: Path, survey: Survey, separator: str | None, into: Gathering) -> Loaded:
    first = _first_line(text, path)
    separator, told = _separator(first, path, separator)
    header = _header(first, separator, path)
    # Else inches and nicknames: a quote inside a field is a letter like any other.
    quotes = survey.quotes and has_quoted(text, separator)
    into.add(pl.DataFrame(schema=dict.fromkeys(header, pl.String)))
    lines, broken = [pl.Series([], dtype=pl.UInt32)], [no_faults()]
    try:
        for piece in pieces(text, Form(separator, len(header), quotes)):
            frame, starts = _parse(piece.raw, header, separator, quotes=quotes), piece.lines
            _agree(frame, starts, path)
            broken.append(piece.broken)
            if len(piece.odd):
                kept = ~starts.is_in(piece.odd.implode())
                frame, starts = frame.filter(kept), starts.filter(kept)
            if not survey.utf8:
                bad = pl.any_horizontal(pl.all().str.contains(_REPLACEMENT, literal=True).fill_null(False))
                mask = frame.select(bad).to_series()
                broken.append(_aside(starts.filter(mask), "not UTF-8", frame.filter(mask)))
                frame, starts = frame.filter(~mask), starts.filter(~mask)
            into.add(frame)
            lines.append(starts)
    except pl.exceptions.PolarsError as error:
        raise DataError(_unreadable(path, error)) from error
    frame, spelt = into.gathered()
    empty = [name for name in frame.columns if not name and frame[name].null_count() == len(frame)]
    return Loaded(frame.drop(empty), pl.concat(lines, rechunk=True), pl.concat(broken).sort("line"), told, spelt)


def _agree(frame: pl.DataFrame, lines: pl.Series, path: Path) -> None:
    """Hold two counts against each other, the parser's and our own, so that no row is lost in silence."""
    if len(frame) != len(lines):
        raise DataError(
            f"{path} cannot be read: {len(lines):,} rows became {len(frame):,} when they were taken apart; right is a "
            "CSV file whose quotes are closed and doubled inside a field."
        )


def _aside(lines: pl.Series, reason: str, frame: pl.DataFrame) -> pl.DataFrame:
    text = frame.select(pl.concat_str(pl.all().fill_null(""), separator=",").str.slice(0, 200)).to_series()
    return pl.DataFrame({"line": lines, "reason": pl.Series([reason]).new_from_index(0, len(lines)), "text": text})


# The header -------------------------------------------------------------------------------------------------------


def _first_line(text: Path, path: Path) -> str:
    with text.open("rb") as file:
        raw = file.readline(LONGEST_HEADER)
        more = file.read(65536)
    if not (raw + more).strip():
        raise DataError(f"{path} is empty; give a file with a header and at least one row.")
    if b"\0" in raw:
        raise DataError(f"{path} cannot be read: it is binary; right is a CSV file in UTF-8 with a header.")
    if len(raw) >= LONGEST_HEADER:
        raise DataError(
            f"{path} cannot be read: its first line has more than {LONGEST_HEADER >> 20} MB; right is a CSV file "
            "with a header and one row a line."
        )
    line = raw.decode("utf-8", errors="replace").removeprefix("\ufeff").rstrip("\r\n")
    if "\r" in line:
        raise DataError(
            f"{path} cannot be read: its lines end in a carriage return alone; right is a newline, as "
            "`tr '\\r' '\\n'` makes it."
        )
    if _REPLACEMENT in line:
        raise DataError(
            f"{path} cannot be read: its header is not UTF-8; right is a CSV file in UTF-8 with a header, or the "
            "encoding that it has (--encoding latin-1)."
        )
    return line


def _separator(line: str, path: Path, given: str | None) -> tuple[str, tuple[str, ...]]:
    if given is not None:
        if len(given) != 1 or given in '"\r\n':
            raise DataError(f"the separator {given!r} cannot be used; give one character, for instance ';' or '|'.")
        return given, ()
    usual = "\t" if ".tsv" in [suffix.lower() for suffix in path.suffixes] else ","
    bare = re.sub(r'"[^"]*"', "", line)
    if usual in bare:
        return usual, ()
    likely = max(SEPARATORS, key=bare.count)
    if not bare.count(likely):
        return usual, ()
    return likely, (f"{path.name}: fields are separated by {likely!r}",)


def _header(line: str, separator: str, path: Path) -> list[str]:
    csv.field_size_limit(LONGEST_HEADER)
    header = [name.strip() for name in next(csv.reader([line], delimiter=separator, strict=False), [])]
    if len(header) > MOST_COLUMNS:
        raise DataError(
            f"{path} cannot be read: it has {len(header):,} columns; right are at most {MOST_COLUMNS:,}: keep those "
            "that describe an event."
        )
    named = [name for name in header if name]
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise DataError(
            f"{path} cannot be read: two columns are named {twice[0]!r}; "
            + (
                f"{NO_HEADER}."
                if are_values(named)
                else "right is a CSV file in UTF-8 with a header that names each column once."
            )
        )
    if header.count("") > 1:
        raise DataError(
            f"{path} cannot be read: {header.count('')} columns have no name; right is a CSV file in UTF-8 with a "
            "header that names each column."
        )
    return header


# Rows -------------------------------------------------------------------------------------------------------------


def _parse(raw: bytes, header: list[str], separator: str, *, quotes: bool) -> pl.DataFrame:
    """The rows of a piece; it has no header, and an empty line stands in for one."""
    if not raw:
        return pl.DataFrame(schema=dict.fromkeys(header, pl.String))
    return _scanned(b"\n" + raw, header, separator, quotes=quotes).collect()


def _scanned(source: Path | bytes, header: list[str], separator: str, *, quotes: bool) -> pl.LazyFrame:
    return pl.scan_csv(
        source,
        has_header=False,
        skip_lines=1,
        separator=separator,
        schema=dict.fromkeys(header, pl.String),
        truncate_ragged_lines=True,
        missing_columns="insert",
        extra_columns="ignore",
        quote_char='"' if quotes else None,
        raise_if_empty=False,
        glob=False,
    )


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} cannot be read: {str(error).partition(chr(10))[0]}; right is a CSV file in UTF-8 with a header."
