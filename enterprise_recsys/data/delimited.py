"""A text file with a separator becomes rows of strings, each line accounted for: read, or set aside with its reason."""

from __future__ import annotations

import csv
import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

from enterprise_recsys.data.plaintext import Survey, decoded, surveyed, unpacked
from enterprise_recsys.errors import DataError

MOST_COLUMNS = 2_000
LONGEST_HEADER = 1 << 24

SEPARATORS = (",", "\t", ";", "|")
_REPLACEMENT = "\ufffd"
_OPEN, _AFTER = "quote that is not closed", "text after a closing quote"
_INSIDE = "quote inside a field that is not quoted"  # in a file that quotes others; the parser loses its way there
_QUOTING = [_OPEN, _AFTER, _INSIDE]
_LONGEST_RECORD = 1_000
"""Lines that one quoted field may span before its quote counts as never closed."""


@dataclass(frozen=True)
class Loaded:
    """The rows of a file, and what could not be taken apart into fields.

    Attributes:
        frame: [R] rows; from text all columns are strings, null where a field is empty.
        lines: [R] the line at which each row begins, from 1 with the header; of other formats the row's number.
        broken: what is no row: `line` (UInt32), `reason`, `text` (cut to 200 characters).
        told: remarks for the reader, for instance which separator was found.
    """

    frame: pl.DataFrame
    lines: pl.Series
    broken: pl.DataFrame
    told: tuple[str, ...] = ()

    @property
    def rows_in(self) -> int:
        """Rows that the file holds, broken ones too."""
        return len(self.frame) + len(self.broken)


def no_faults() -> pl.DataFrame:
    """The empty table of broken rows."""
    return pl.DataFrame(schema={"line": pl.UInt32, "reason": pl.String, "text": pl.String})


def load(path: Path, *, encoding: str | None = None, separator: str | None = None) -> Loaded:
    """Read a .csv or .tsv file (also .gz) with a header.

    Every line that is not blank is in `frame` or in `broken`; a row is broken when it has more or fewer fields than the
    header, a quote that is not closed, or bytes that are not text in the file's encoding.

    Args:
        path: the file.
        encoding: a codec of Python; None is UTF-8, or UTF-16 where the file says so in its first bytes.
        separator: one character; None takes the one that the file's ending and header suggest.

    Raises:
        DataError: it cannot be read, is empty or binary, its header is unusable, or it unpacks to too much.
    """
    try:
        with unpacked(path) as plain, decoded(plain, path, encoding) as (text, survey):
            return _load(text, path, survey, separator)
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
    quotes = survey.quotes and _has_quoted(path, mark)
    return _scanned(path, _header(first, mark, path), mark, quotes=quotes)


def _load(text: Path, path: Path, survey: Survey, separator: str | None) -> Loaded:
    first = _first_line(text, path)
    separator, told = _separator(first, path, separator)
    header = _header(first, separator, path)
    if survey.quotes and not _has_quoted(text, separator):
        survey = replace(
            survey, quotes=False
        )  # inches and nicknames: a quote inside a field is a letter like any other
    rows, broken, continued = _odd_lines(text, separator, len(header), survey)
    if continued is None:
        try:
            frame = _parse(text, header, separator, quotes=survey.quotes)
        except pl.exceptions.PolarsError as error:
            raise DataError(_unreadable(path, error)) from error
        lines = pl.int_range(2, survey.lines + 1, dtype=pl.UInt32, eager=True)
        _agree(frame, lines, path)
        kept = ~lines.is_in(rows.implode()) if len(rows) else None
        if kept is not None:
            frame, lines = frame.filter(kept), lines.filter(kept)
    else:
        try:
            frame = _parse(("\n".join(("", *continued.texts))).encode(), header, separator, quotes=True)
        except pl.exceptions.PolarsError as error:
            raise DataError(_unreadable(path, error)) from error
        lines = pl.Series(continued.starts, dtype=pl.UInt32)
        _agree(frame, lines, path)
    if not survey.utf8:
        bad = frame.select(pl.any_horizontal(pl.all().str.contains(_REPLACEMENT, literal=True).fill_null(False)))
        mask = bad.to_series()
        aside = _aside(lines.filter(mask), "not UTF-8", frame.filter(mask))
        frame, lines, broken = frame.filter(~mask), lines.filter(~mask), pl.concat([broken, aside])
    empty = [name for name in frame.columns if not name and frame[name].null_count() == len(frame)]
    return Loaded(frame.drop(empty), lines, broken.sort("line"), told)


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
            f"{path} cannot be read: two columns are named {twice[0]!r}; right is a CSV file in UTF-8 with a header "
            "that names each column once."
        )
    if header.count("") > 1:
        raise DataError(
            f"{path} cannot be read: {header.count('')} columns have no name; right is a CSV file in UTF-8 with a "
            "header that names each column."
        )
    return header


# Rows -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Joined:
    """The records of a file some of which run over several lines: text and first line of each."""

    texts: list[str]
    starts: list[int]


def _parse(source: Path | bytes, header: list[str], separator: str, *, quotes: bool) -> pl.DataFrame:
    if isinstance(source, bytes) and not source.strip():
        return pl.DataFrame(schema=dict.fromkeys(header, pl.String))
    return _scanned(source, header, separator, quotes=quotes).collect()


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


def _has_quoted(text: Path, separator: str) -> bool:
    """Whether any field begins with a quote."""
    begins = pl.col("text").str.contains(rf'(?:^|{re.escape(separator)})"')
    found = pl.scan_lines(text, name="text").select(begins.any()).collect(engine="streaming")
    return bool(found.item())


def _odd_lines(
    text: Path, separator: str, columns: int, survey: Survey
) -> tuple[pl.Series, pl.DataFrame, _Joined | None]:
    """Lines that are no row, by number; the broken ones with their reason; and the records, where some span lines."""
    try:
        odd = (
            pl.scan_lines(text, name="text", row_index_name="line", row_index_offset=1)
            .filter(pl.col("line") > 1)
            .with_columns(kind=_kind(separator, columns, quotes=survey.quotes))
            .filter(pl.col("kind") != "row")
            .with_columns(pl.col("text").str.slice(0, 200) if not survey.quotes else pl.col("text"))
            .collect(engine="streaming")
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(_unreadable(text, error)) from error
    quoting = odd["kind"].is_in(_QUOTING)
    if not quoting.any():
        broken = odd.filter(pl.col("kind") != "blank").rename({"kind": "reason"})
        return (
            odd["line"],
            broken.select(pl.col("line").cast(pl.UInt32), "reason", pl.col("text").str.slice(0, 200)),
            (None),
        )
    return _joined(text, separator, columns)


def _kind(separator: str, columns: int, *, quotes: bool) -> pl.Expr:
    """What a line is: row, blank, or the reason for which it is no row."""
    line = pl.col("text").str.strip_chars_end("\r")
    faults = pl.lit(None, dtype=pl.String)
    if quotes:
        mark = re.escape(separator)
        # A quoted field becomes one \x01. What is left of a quote at a field's start was never closed, nor was one that
        # seems to end before a quote: that pair is a quote inside the field.
        line = line.str.replace_all(rf'(^|{mark})"(?:[^"]|"")*"', "${1}\x01")
        faults = (
            pl.when(line.str.contains(rf'(?:^|{mark})"|\x01"'))
            .then(pl.lit(_OPEN))
            .when(line.str.contains(rf"\x01[^{mark}]"))
            .then(pl.lit(_AFTER))
            .when(line.str.contains('"', literal=True))
            .then(pl.lit(_INSIDE))
        ).otherwise(faults)
    count = line.str.count_matches(separator, literal=True) + 1
    trailing = line.str.ends_with(separator) & (count == columns + 1)
    return (
        pl.when(line.str.strip_chars() == ("" if separator.strip() else "\0"))
        .then(pl.lit("blank"))
        .when(line == "")
        .then(pl.lit("blank" if columns > 1 else "row"))
        .when(faults.is_not_null())
        .then(faults)
        .when((count == columns) | trailing)
        .then(pl.lit("row"))
        .when(count > columns)
        .then(pl.lit("more fields than the header"))
        .otherwise(pl.lit("fewer fields than the header"))
    )


def _joined(text: Path, separator: str, columns: int) -> tuple[pl.Series, pl.DataFrame, _Joined]:
    """Put records together that run over several lines; a quote that no later line closes breaks its own line only."""
    frame = pl.read_lines(text, name="text").with_columns(kind=_kind(separator, columns, quotes=True))
    texts = [one.rstrip("\r") for one in frame["text"].to_list()]
    kinds = frame["kind"].to_list()
    quoted = frame["text"].str.contains('"', literal=True).to_list()
    out, starts, broken, place = [], [], [], 1
    while place < len(texts):
        kind: str = kinds[place]
        end = place
        if kind == _OPEN:
            end = _closing(texts, quoted, place, separator, columns)
        if end > place or kind == "row":
            out.append("\n".join(texts[place : end + 1]))
            starts.append(place + 1)
        elif kind != "blank":
            broken.append((place + 1, kind, texts[place][:200]))
        place = end + 1
    table = pl.DataFrame(broken, schema=no_faults().schema, orient="row") if broken else no_faults()
    return table["line"], table, _Joined(out, starts)


def _closing(texts: list[str], quoted: list[bool], place: int, separator: str, columns: int) -> int:
    """The last line of the record that begins at a line; that line itself if none closes it."""
    for end in range(place + 1, min(place + _LONGEST_RECORD, len(texts))):
        if not quoted[end]:
            continue
        record = "\n".join(texts[place : end + 1])
        kind = _record_kind(record, separator, columns)
        if kind == "row":
            return end
        if kind != "open":
            return place
    return place


def _record_kind(record: str, separator: str, columns: int) -> Literal["row", "open", "broken"]:
    mark = re.escape(separator)
    bare = re.sub(rf'(^|{mark})"(?:[^"]|"")*"', "\\1\x01", record)
    if re.search(rf'(?:^|{mark})"|\x01"', bare):
        return "open"
    whole = not re.search(rf'["\n]|\x01[^{mark}]', bare)
    return "row" if whole and bare.count(separator) + 1 == columns else "broken"


def _unreadable(path: Path, error: Exception) -> str:
    return f"{path} cannot be read: {str(error).partition(chr(10))[0]}; right is a CSV file in UTF-8 with a header."
