"""The bytes of a text file as plain UTF-8 on disk: unpacked within bounds, decoded, and surveyed in one pass."""

from __future__ import annotations

import codecs
import gzip
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from enterprise_recsys.errors import DataError

MOST_UNPACKED = 2 << 30
MOST_RATIO = 10
_HARMLESS = 64 << 20
"""Bytes that a packed file may always unpack to, however small it is."""

_CHUNK = 1 << 20
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@dataclass(frozen=True)
class Survey:
    """What one pass over the bytes shows.

    Attributes:
        utf8: whether all of it was UTF-8, or text of the encoding that was given.
        quotes: whether there is a quote anywhere.
        lines: how many lines there are, blank ones too.
    """

    utf8: bool
    quotes: bool
    lines: int


@contextmanager
def unpacked(path: Path) -> Iterator[Path]:
    """The file itself, or what a .gz holds, in a temporary file; a bomb is stopped while it unpacks."""
    if path.suffix.lower() != ".gz":
        yield path
        return
    packed, written = max(path.stat().st_size, 1), 0
    with tempfile.NamedTemporaryFile(prefix="recsys-", suffix=".csv") as made:
        with gzip.open(path) as source:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > MOST_UNPACKED or (written > _HARMLESS and written > MOST_RATIO * packed):
                    raise DataError(
                        f"{path} unpacks to more than {written >> 20:,} MB from {packed / (1 << 20):.1f} MB and was "
                        f"stopped; right is at most {MOST_RATIO} times its size, and {MOST_UNPACKED >> 30} GB. If you "
                        "trust it, unpack it yourself and give the plain file."
                    )
                made.write(chunk)
        made.flush()
        yield Path(made.name)


@contextmanager
def decoded(plain: Path, path: Path, encoding: str | None) -> Iterator[tuple[Path, Survey]]:
    """The file as UTF-8: itself where it is, else a temporary copy; bytes that are no text become U+FFFD."""
    with plain.open("rb") as file:
        start = file.read(4)
    codec = encoding or next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
    is_utf8 = codec is None or codecs.lookup(codec).name == "utf-8"
    if is_utf8:
        survey = surveyed(plain)
        if survey.utf8:
            yield plain, survey
            return
    with tempfile.NamedTemporaryFile(prefix="recsys-", suffix=".csv") as made:
        decoder = codecs.getincrementaldecoder(codec or "utf-8")("replace" if is_utf8 else "strict")
        with plain.open("rb") as file:
            while chunk := file.read(_CHUNK):
                made.write(decoder.decode(chunk).encode())
            made.write(decoder.decode(b"", final=True).encode())
        made.flush()
        yield Path(made.name), replace(surveyed(Path(made.name)), utf8=not is_utf8)


def surveyed(plain: Path) -> Survey:
    """Go over a file once, a piece at a time."""
    decoder, utf8, quotes, lines, last = codecs.getincrementaldecoder("utf-8")(), True, False, 0, b"\n"
    with plain.open("rb") as file:
        while chunk := file.read(_CHUNK):
            quotes = quotes or b'"' in chunk
            utf8 = utf8 and _decodes(decoder, chunk)
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return Survey(utf8 and _decodes(decoder, b"", final=True), quotes, lines + (last != b"\n"))


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True
