"""Hostile logs by name: each writes a file, and says what must become of it; nothing here is ever a crash."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

HEADER = "user_id,item_id,timestamp,rating"
SECONDS = 1_700_000_000
GOOD = [f"u{n % 25},i{n % 30},{SECONDS + 3600 * n},{n % 5 + 1}" for n in range(60)]


@dataclass(frozen=True)
class Hostile:
    """A file, and its verdict.

    Attributes:
        ending: of the file's name.
        raw: its bytes.
        aside: reason -> rows that must be set aside for it; the 60 good rows must all be used.
        refused: words of the sentence that refuses it; None = it is usable.
        used: rows that must be used.
    """

    ending: str
    raw: bytes
    aside: Mapping[str, int]
    refused: str | None = None
    used: int = len(GOOD)


def text(*extra: str, header: str = HEADER, end: str = "\n", good: list[str] = GOOD) -> bytes:
    """A CSV of the good rows with others among them, after the tenth."""
    return (end.join([header, *good[:10], *extra, *good[10:]]) + end).encode()


def csv(*extra: str, reason: str, count: int | None = None) -> Hostile:
    """Rows that must all be set aside for one reason."""
    return Hostile(".csv", text(*extra), {reason: count or len(extra)})


def clean(raw: bytes, used: int = 60, ending: str = ".csv") -> Hostile:
    """A file that looks odd and is right."""
    return Hostile(ending, raw, {}, used=used)


def no(raw: bytes, words: str, ending: str = ".csv") -> Hostile:
    """A file that must be refused."""
    return Hostile(ending, raw, {}, refused=words)


def frame() -> pl.DataFrame:
    return pl.read_csv(text(), schema_overrides={"user_id": pl.String})


def parquet(made: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    made.write_parquet(out)
    return out.getvalue()


def json_lines(made: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    made.write_ndjson(out)
    return out.getvalue()


def arrow(made: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    made.write_ipc(out)
    return out.getvalue()


def with_times(values: list[object]) -> bytes:
    """The good rows with other times."""
    rows = [
        ",".join([*row.split(",")[:2], str(time), row.split(",")[3]]) for row, time in zip(GOOD, values, strict=True)
    ]
    return text(good=rows)


def quoted_all() -> bytes:
    return "\n".join(",".join(f'"{cell}"' for cell in row.split(",")) for row in [HEADER, *GOOD]).encode()


NUMBERS = [SECONDS + 3600 * n for n in range(60)]
LATE = 9_999_999_999
FEWER, MORE = "fewer fields than the header", "more fields than the header"
OPEN, AFTER = "quote that is not closed", "text after a closing quote"

HOSTILE: Mapping[str, Callable[[], Hostile]] = {
    # Quotes
    "a quote that is not closed": lambda: csv(f'u1,"i1,{SECONDS},3', reason=OPEN),
    "three quotes that are not closed": lambda: csv(*[f'u1,"i{n},{SECONDS},3' for n in range(3)], reason=OPEN),
    "a quote that is not closed in the last row": lambda: Hostile(".csv", text() + b'u1,"i1,1700000000,3', {OPEN: 1}),
    "text after a closing quote": lambda: csv(f'u1,"i1"x,{SECONDS},3', reason=AFTER),
    "a quote inside a field": lambda: clean(text(f'u1,5" pipe,{SECONDS},3'), 61),
    "a quote inside a field beside quoted ones": lambda: Hostile(
        ".csv",
        text(f'u1,5" pipe,{SECONDS},3', f'u1,"ok",{SECONDS},3'),
        {"quote inside a field that is not quoted": 1},
        used=61,
    ),
    "doubled quotes": lambda: clean(text(f'u1,"the ""best"" one",{SECONDS},3'), 61),
    "every field quoted": lambda: clean(quoted_all()),
    "a separator inside quotes": lambda: clean(text(f'u1,"a,b",{SECONDS},3'), 61),
    "a newline inside quotes, in an id": lambda: csv(
        f'u1,"a\nb",{SECONDS},3', reason="item id with a control character", count=1
    ),
    "a newline inside quotes, in a text": lambda: clean(
        text(f'u1,i1,{SECONDS},3,"two\nlines"', header=HEADER + ",note", good=[row + ",x" for row in GOOD]), 61
    ),
    # Ragged rows and separators
    "a row with fewer fields": lambda: csv("u1,i1", f"u1,i1,{SECONDS}", reason=FEWER),
    "a row with more fields": lambda: csv(f"u1,i1,{SECONDS},3,4,5", reason=MORE),
    "a row of one word": lambda: csv("rubbish", reason=FEWER),
    "trailing separators in every row": lambda: clean(text(good=[row + "," for row in GOOD])),
    "trailing separators, in the header too": lambda: clean(
        text(header=HEADER + ",", good=[row + "," for row in GOOD])
    ),
    "blank lines": lambda: clean(text("", "", "")),
    "lines of blanks": lambda: clean(text("   ", "\t")),
    "no newline at the end": lambda: clean(text().rstrip(b"\n")),
    "lines that end as on Windows": lambda: clean(text(end="\r\n")),
    "lines that end in a carriage return alone": lambda: no(text(end="\r"), "carriage return"),
    "semicolons": lambda: clean(text().replace(b",", b";")),
    "tabs in a .csv": lambda: clean(text().replace(b",", b"\t")),
    "bars": lambda: clean(text().replace(b",", b"|")),
    # Encodings
    "a byte order mark": lambda: clean(codecs.BOM_UTF8 + text()),
    "UTF-16 with its mark": lambda: clean(text().decode().encode("utf-16")),
    "UTF-16 without its mark": lambda: no(text().decode().encode("utf-16-le"), "binary"),
    "one row in Latin-1": lambda: Hostile(
        ".csv", text() + "u1,Café,1700000000,3\n".encode("latin-1"), {"not UTF-8": 1}
    ),
    "a header in Latin-1": lambda: no(
        text(header="user_id,item_id,timestamp,prüf").decode().encode("latin-1"), "not UTF-8"
    ),
    "emoji, RTL and accents in ids": lambda: clean(text(f"😀,שלום,{SECONDS},3", f"u1,naïve,{SECONDS},3"), 62),
    "a zero byte in an id": lambda: csv(f"u\0x,i1,{SECONDS},3", reason="user id with a control character"),
    "a picture": lambda: no(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 40, "binary|not UTF-8"),
    # Sizes
    "a field of 10 MB": lambda: csv(f"{'x' * 10_000_000},i1,{SECONDS},3", reason="user id longer than 512 characters"),
    "10,000 columns": lambda: no(
        text(header=",".join([HEADER, *map("c{}".format, range(10_000))]), good=[]), "10,004 columns"
    ),
    "an id of 513 characters": lambda: csv(f"u1,{'i' * 513},{SECONDS},3", reason="item id longer than 512 characters"),
    # Headers
    "a column twice": lambda: no(text(header="user_id,item_id,timestamp,user_id"), "two columns are named 'user_id'"),
    "no header": lambda: no(text(header=GOOD[0]), "looks like a row and not like names"),
    "columns without names": lambda: no(text(header="user_id,item_id,,"), "have no name|column"),
    "an empty file": lambda: no(b"", "is empty"),
    "a file of newlines": lambda: no(b"\n\n\n", "is empty"),
    "a header alone": lambda: no(HEADER.encode() + b"\n", "holds no rows"),
    "two columns for the user": lambda: no(
        text(header="uid,item_id,timestamp,customer"), "could be 'uid' or 'customer'"
    ),
    # Ids
    "an empty user": lambda: csv(f",i1,{SECONDS},3", f"  ,i1,{SECONDS},3", reason="user id missing"),
    "an empty item": lambda: csv(f"u1,,{SECONDS},3", f'u1,"",{SECONDS},3', reason="item id missing"),
    "an id with an escape": lambda: csv(f"u1,\x1b[31mi,{SECONDS},3", reason="item id with a control character"),
    # Times
    "a time that is a word": lambda: csv("u1,i1,soon,3", "u1,i1,2024-99-99,3", reason="time unreadable"),
    "a missing time": lambda: csv("u1,i1,,3", reason="time missing"),
    "a time before 1970": lambda: csv("u1,i1,-5,3", reason="time before 1970"),
    "a time of zero": lambda: csv("u1,i1,0,3", reason="time is zero"),
    "a time in the future": lambda: csv(f"u1,i1,{LATE},3", reason="time in the future"),
    "an infinite time": lambda: csv("u1,i1,1e999,3", reason="time not finite"),
    "seconds and milliseconds": lambda: no(
        with_times([time * (1000 if n % 2 else 1) for n, time in enumerate(NUMBERS)]),
        "30 in seconds, 30 in milliseconds",
    ),
    "milliseconds": lambda: clean(with_times([time * 1000 for time in NUMBERS])),
    "one time for all": lambda: no(with_times([SECONDS] * 60), "1 different time only"),
    "dates written as numbers": lambda: no(with_times([20240101 + n % 28 for n in range(60)]), "YYYYMMDD"),
    # Numbers
    "an infinite rating": lambda: csv(f"u1,i1,{SECONDS},inf", f"u1,i1,{SECONDS},-1e999", reason="rating not finite"),
    "a rating that is a word": lambda: csv(f"u1,i1,{SECONDS},good", reason="rating is no number"),
    "a rating that is NaN is missing": lambda: clean(text(f"u1,i1,{SECONDS},nan"), 61),
    "ids of forty digits": lambda: clean(text(f"{'9' * 40},i1,{SECONDS},3"), 61),
    "a rating of a thousand digits": lambda: csv(f"u1,i1,{SECONDS},{'9' * 1000}", reason="rating not finite"),
    # Repetition
    "the same row twice": lambda: csv(GOOD[0], GOOD[1], reason="the same row again"),
    # Packed
    "a packed bomb": lambda: no(gzip.compress(text() + b"x" * (80 << 20)), "unpacks to more than", ".csv.gz"),
    "a packed file cut off": lambda: no(gzip.compress(text())[:-20], "cannot be read", ".csv.gz"),
    "a packed file that is none": lambda: no(text(), "cannot be read", ".csv.gz"),
    "a packed file": lambda: clean(gzip.compress(text()), ending=".csv.gz"),
    # Other forms
    "Parquet cut off": lambda: no(parquet(frame())[:-30], "cannot be read", ".parquet"),
    "Parquet with a zeroed page": lambda: no(
        parquet(frame())[:4] + bytes(200) + parquet(frame())[204:], "cannot be read|rows of", ".parquet"
    ),
    "Parquet that is text": lambda: no(text(), "cannot be read", ".parquet"),
    "Parquet with numbers as ids": lambda: clean(
        parquet(frame().with_columns(user_id=pl.int_range(60) % 20)), 60, ".parquet"
    ),
    "Parquet with lists as ids": lambda: no(
        parquet(frame().with_columns(user_id=pl.concat_list("user_id"))), "of type List", ".parquet"
    ),
    "Parquet with booleans as times": lambda: no(
        parquet(frame().with_columns(timestamp=pl.lit(True))), "of type Boolean", ".parquet"
    ),
    "Parquet with blank users": lambda: Hostile(
        ".parquet",
        parquet(frame().vstack(frame()[:2].with_columns(user_id=pl.Series(["", "  "])))),
        {"user id missing": 2},
    ),
    "Parquet without rows": lambda: no(parquet(frame().clear()), "holds no rows", ".parquet"),
    "Parquet with floats and gaps as ids": lambda: Hostile(
        ".parquet",
        parquet(frame().with_columns(user_id=pl.Series([None, 1.5, *[float(n % 9) for n in range(58)]]))),
        {"user id missing": 1, "user id is no whole number": 1},
        used=58,
    ),
    "Arrow": lambda: clean(arrow(frame()), ending=".arrow"),
    "Arrow cut off": lambda: no(arrow(frame())[:100], "cannot be read", ".arrow"),
    "JSON lines": lambda: clean(json_lines(frame()), ending=".jsonl"),
    "JSON lines cut off": lambda: no(json_lines(frame())[:-9], "cannot be read", ".jsonl"),
    "JSON lines that are none": lambda: no(b"{}{]]\n" * 9, "cannot be read", ".jsonl"),
    "another ending": lambda: no(text(), "unknown ending", ".xlsx"),
}
"""Name -> file and verdict."""
