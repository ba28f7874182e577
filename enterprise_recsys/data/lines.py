"""A text file in pieces of whole records; each line is a row, blank, or no row for a reason that is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl

PIECE = 1 << 23
"""Bytes that are read and taken apart at once, so that a file of any size takes the memory of one piece."""

_OPEN, _AFTER = "quote that is not closed", "text after a closing quote"
_INSIDE = "quote inside a field that is not quoted"  # in a file that quotes others; the parser loses its way there
_QUOTING = [_OPEN, _AFTER, _INSIDE]
_LONGEST_RECORD = 1_000
"""Lines that one quoted field may span before its quote counts as never closed."""


@dataclass(frozen=True)
class Form:
    """How the lines of a file are to be read.

    Attributes:
        separator: one character.
        columns: of the header.
        quotes: whether a field may stand in quotes.
    """

    separator: str
    columns: int
    quotes: bool


@dataclass(frozen=True)
class Piece:
    """Some records of a file, one after the other.

    Attributes:
        raw: their bytes, for a parser.
        lines: [R] the line at which each of them begins, from 1 with the header.
        odd: those of `lines` that are no row.
        broken: what is no row and not blank: `line` (UInt32), `reason`, `text` (cut to 200 characters).
        rest: bytes at the end that need more of the file.
    """

    raw: bytes
    lines: pl.Series
    odd: pl.Series
    broken: pl.DataFrame
    rest: bytes = b""


def no_faults() -> pl.DataFrame:
    """The empty table of broken rows."""
    return pl.DataFrame(schema={"line": pl.UInt32, "reason": pl.String, "text": pl.String})


def pieces(text: Path, form: Form) -> Iterator[Piece]:
    """The file behind its header; a record is never in two pieces, and each line is in exactly one.

    Raises:
        OSError, PolarsError: it cannot be read.
    """
    with text.open("rb") as file:
        file.readline()
        rest, line, is_last = b"", 2, False
        while not is_last:
            read = file.read(PIECE)
            is_last = len(read) < PIECE
            raw = rest + read
            end = len(raw) if is_last else raw.rfind(b"\n") + 1
            whole, rest = raw[:end], raw[end:]
            if not whole:
                continue
            piece = _piece(whole, line, form, is_last=is_last)
            line += _count(whole) - _count(piece.rest)
            rest = piece.rest + rest
            yield piece


def has_quoted(text: Path, separator: str) -> bool:
    """Whether any field begins with a quote."""
    begins = re.compile(b"(?:^|\n|" + re.escape(separator).encode() + b')"')
    with text.open("rb") as file:
        before = b""
        while read := file.read(PIECE):
            if begins.search(before + read):
                return True
            before = b"." + read[-8:]  # a mark at the end; a piece is no line's beginning
    return False


def _count(raw: bytes) -> int:
    return raw.count(b"\n") + bool(raw and not raw.endswith(b"\n"))


def _piece(raw: bytes, line: int, form: Form, *, is_last: bool) -> Piece:
    odd = (
        pl.scan_lines(raw, name="text", row_index_name="line", row_index_offset=line)
        .with_columns(kind=_kind(form))
        .filter(pl.col("kind") != "row")
        .collect(engine="streaming")
    )
    if odd["kind"].is_in(_QUOTING).any():
        return _joined(raw, line, form, is_last=is_last)
    broken = odd.filter(pl.col("kind") != "blank").rename({"kind": "reason"})
    told = broken.select(pl.col("line").cast(pl.UInt32), "reason", pl.col("text").str.slice(0, 200))
    lines = pl.int_range(line, line + _count(raw), dtype=pl.UInt32, eager=True)
    return Piece(raw, lines, odd["line"].cast(pl.UInt32), told)


def _kind(form: Form) -> pl.Expr:
    """What a line is: row, blank, or the reason for which it is no row."""
    separator, columns = form.separator, form.columns
    line = pl.col("text").str.strip_chars_end("\r")
    faults = pl.lit(None, dtype=pl.String)
    if form.quotes:
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


@dataclass
class _Records:
    """What the lines of a piece were put together to."""

    texts: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    broken: list[tuple[int, str, str]] = field(default_factory=list)


def _joined(raw: bytes, line: int, form: Form, *, is_last: bool) -> Piece:
    """Put records together that run over several lines; a quote that no later line closes breaks its own line only."""
    frame = pl.read_lines(raw, name="text").with_columns(kind=_kind(form))
    texts = [one.rstrip("\r") for one in frame["text"].to_list()]
    kinds: list[str] = frame["kind"].to_list()
    quoted: list[bool] = frame["text"].str.contains('"', literal=True).to_list()
    made, place = _Records(), 0
    while place < len(texts):
        kind, end = kinds[place], place
        if kind == _OPEN:
            if not is_last and place + _LONGEST_RECORD > len(texts):
                break  # what closes it may be in the next piece
            end = _closing(texts, quoted, place, form)
        if end > place or kind == "row":
            made.texts.append("\n".join(texts[place : end + 1]))
            made.starts.append(line + place)
        elif kind != "blank":
            made.broken.append((line + place, kind, texts[place][:200]))
        place = end + 1
    broken = pl.DataFrame(made.broken, schema=no_faults().schema, orient="row") if made.broken else no_faults()
    rest = "".join(f"{one}\n" for one in frame["text"][place:]).encode()
    whole = "\n".join(made.texts).encode()
    return Piece(whole, pl.Series(made.starts, dtype=pl.UInt32), pl.Series([], dtype=pl.UInt32), broken, rest)


def _closing(texts: list[str], quoted: list[bool], place: int, form: Form) -> int:
    """The last line of the record that begins at a line; that line itself if none closes it."""
    for end in range(place + 1, min(place + _LONGEST_RECORD, len(texts))):
        if not quoted[end]:
            continue
        record = "\n".join(texts[place : end + 1])
        kind = _record_kind(record, form)
        if kind == "row":
            return end
        if kind != "open":
            return place
    return place


def _record_kind(record: str, form: Form) -> Literal["row", "open", "broken"]:
    mark = re.escape(form.separator)
    bare = re.sub(rf'(^|{mark})"(?:[^"]|"")*"', "\\1\x01", record)
    if re.search(rf'(?:^|{mark})"|\x01"', bare):
        return "open"
    whole = not re.search(rf'["\n]|\x01[^{mark}]', bare)
    return "row" if whole and bare.count(form.separator) + 1 == form.columns else "broken"
