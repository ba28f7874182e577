"""A file of your own becomes rows: CSV, Parquet, Arrow or JSON lines by its ending, or a folder of Parquet files."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from enterprise_recsys.data import delimited
from enterprise_recsys.data.aliases import is_id, stays_text
from enterprise_recsys.data.delimited import Loaded
from enterprise_recsys.data.lines import no_faults
from enterprise_recsys.data.plaintext import unpacked
from enterprise_recsys.data.schema import holds_lists
from enterprise_recsys.data.spelling import Compact
from enterprise_recsys.data.times import ISO
from enterprise_recsys.errors import DataError

# A damaged file can make polars panic, which is no PolarsError and no Exception either; found by mutating Arrow files.
_POLARS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_STRETCH = 1 << 20


def load(
    path: Path,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    columns: Mapping[str, str] | None = None,
    coded: bool = False,
) -> Loaded:
    """Read a file by its ending, or a folder of Parquet files; every row is in `frame` or in `broken`.

    Args:
        path: a file with an ending in `FORMATS`, or a folder that holds .parquet files.
        encoding, separator: of a text file, see `delimited.load`.
        columns: own name -> canonical name.
        coded: hold little: ids that are strings become categories, and columns of a text file what they spell (see
            `spelling`), a piece of the file at a time, so that they are never all held as strings.

    Raises:
        DataError: it does not exist, has another ending, cannot be read or holds no rows.
    """
    exist(path)
    ending = ".parquet" if path.is_dir() else ending_of(path)
    if ending is None:
        raise DataError(f"{path} has an unknown ending; known are {', '.join(FORMATS)}, and folders of .parquet files.")
    if is_text(path):
        into = Compact(columns or {}) if coded else None
        loaded = delimited.load(path, encoding=encoding, separator=separator, into=into)
    else:
        frame = parquet(path, columns or {}) if coded and ending == ".parquet" else FORMATS[ending](path)
        if len(frame.columns) > delimited.MOST_COLUMNS:
            raise DataError(
                f"{path} cannot be read: it has {len(frame.columns):,} columns; right are at most "
                f"{delimited.MOST_COLUMNS:,}: keep those that describe an event."
            )
        loaded = Loaded(frame, pl.int_range(1, len(frame) + 1, dtype=pl.UInt32, eager=True), no_faults())
    if not loaded.rows_in:
        raise DataError(
            f"{path} holds no rows; found columns: {', '.join(loaded.frame.columns) or 'none'}. Give at least one."
        )
    return loaded


def exist(*paths: Path | None) -> None:
    """Hold that files are there before anything long begins.

    Raises:
        DataError: one is not.
    """
    for path in paths:
        if path is not None and not path.exists():
            raise DataError(f"{path} does not exist; give the path of a .csv, .tsv or .parquet file.")


def ending_of(path: Path) -> str | None:
    """The ending in `FORMATS` that a path has, the longest one."""
    name = path.name.lower()
    return max((ending for ending in FORMATS if name.endswith(ending)), key=len, default=None)


def is_text(path: Path) -> bool:
    """Whether a path names a file that `delimited` reads."""
    return not path.is_dir() and FORMATS.get(ending_of(path) or "") is _csv


def rows(loaded: Loaded, path: Path, columns: Mapping[str, str] | None = None) -> pl.DataFrame:
    """The rows of a file that must be whole, typed.

    Raises:
        DataError: a row is broken; the message gives the count, the first line and the reason.
    """
    if len(loaded.broken):
        line, reason, _ = loaded.broken.row(0)
        count = loaded.broken.filter(pl.col("reason") == reason).height
        raise DataError(
            f"{path} cannot be read: line {line:,} is {_said(reason)}, {count:,} row{'' if count == 1 else 's'} so; "
            "right is a CSV file in UTF-8, or in the encoding that is named, with a header. Of a log recsys validate "
            "names every such row and recsys prepare sets them aside; a table of users or items has to be whole."
        )
    return typed(loaded.frame, columns or {}) if is_text(path) else loaded.frame


def _said(reason: str) -> str:
    return {"not UTF-8": "not UTF-8"}.get(reason, f"no row: {reason}")


def table(path: Path, columns: Mapping[str, str] | None = None, *, encoding: str | None = None) -> pl.DataFrame:
    """A table of users or items; in a text file, texts such as `a|b|c` are lists.

    Raises:
        DataError: as `load` and `rows`.
    """
    frame = rows(load(path, encoding=encoding), path, columns)
    if not is_text(path):
        return frame
    lists = [
        column.name
        for column in frame.select(pl.col(pl.String)).iter_columns()
        if not stays_text(column.name, columns or {}) and holds_lists(column)
    ]
    return frame.with_columns(pl.col(lists).str.split("|"))


def typed(frame: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
    """Columns of strings as what they look like: whole numbers, numbers, booleans, times; ids stay text.

    A column in which a number begins with a zero that counts (007, a zip code) stays text.
    """
    return frame.with_columns(
        [_typed(column) for column in frame.iter_columns() if not stays_text(column.name, columns)]
    )


def _typed(column: pl.Series) -> pl.Series:
    if column.dtype != pl.String:
        return column
    gaps = column.null_count()
    if gaps == len(column) or column.str.contains(r"^[+-]?0\d").any():
        return column
    for kind in (pl.Int64, pl.Float64):
        numbers = column.cast(kind, strict=False)
        if numbers.null_count() == gaps:
            return numbers
    lower = column.str.to_lowercase()
    if (lower.is_in(["true", "false"]) | lower.is_null()).all():
        return lower == "true"
    if str(column.drop_nulls()[0])[:4].isdigit() and (column.str.contains(ISO) | column.is_null()).all():
        return _moments(column, gaps)
    return column


def _moments(column: pl.Series, gaps: int) -> pl.Series:
    """A column of ISO times without zones as times; with zones it stays text, which `times.to_utc` reads."""
    plain = column.str.strip_chars().str.replace("[Tt]", " ").str.replace("[Zz]$", "")
    for form in ("%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"):
        moments = plain.str.to_datetime(form, time_unit="us", strict=False)
        if moments.null_count() == gaps:
            return moments.dt.replace_time_zone("UTC")
    return column


def fingerprint(paths: list[Path]) -> str:
    """64 hexadecimal digits of the names and bytes of files, folders walked in order of name.

    Raises:
        DataError: a file cannot be read.
    """
    whole = hashlib.sha256()
    for path in paths:
        for file in sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]:
            try:
                with file.open("rb") as opened:
                    digest = hashlib.file_digest(opened, "sha256").hexdigest()
            except OSError as error:
                raise DataError(f"{file} cannot be read: {error}; give a readable file.") from error
            whole.update(f"{file.name}\0{digest}\n".encode())
    return whole.hexdigest()


def _csv(path: Path) -> pl.DataFrame:
    return delimited.load(path).frame


def parquet(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    """A Parquet file, or a folder of them, its string ids as categories: a million rows at a time become so.

    Args:
        path: the file or folder.
        columns: own name -> canonical name.

    Raises:
        DataError: it cannot be read.
    """
    parts = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    try:
        kinds = pl.read_parquet_schema(parts[0]) if parts else {}
        texts = [name for name, kind in kinds.items() if kind == pl.String and is_id(name, columns)]
        if not texts:
            return _parquet(path)
        own = pl.Categorical(pl.Categories.random())
        frames = []
        for part in parts:
            whole = pl.scan_parquet(part, hive_partitioning=False, glob=False)
            rows = whole.select(pl.len()).collect().item()
            for begin in range(0, max(rows, 1), _STRETCH):
                frames.append(whole.slice(begin, _STRETCH).collect().with_columns(pl.col(texts).cast(own)))
        return pl.concat(frames, how="vertical_relaxed").rechunk()
    except (OSError, *_POLARS) as error:
        raise DataError(_unreadable(path, error, "Parquet, and all files of a folder alike")) from error


def _parquet(path: Path) -> pl.DataFrame:
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"the folder {path} holds no .parquet file; give a folder that does, or a file.")
    try:
        frames = [pl.read_parquet(file, hive_partitioning=False, glob=False) for file in files]
        return pl.concat(frames, how="vertical_relaxed")
    except (OSError, *_POLARS) as error:
        raise DataError(_unreadable(path, error, "Parquet, and all files of a folder alike")) from error


def _arrow(path: Path) -> pl.DataFrame:
    try:
        return pl.read_ipc(path)
    except (OSError, ValueError, *_POLARS) as error:
        raise DataError(_unreadable(path, error, "an Arrow (Feather 2) file")) from error


def _json_lines(path: Path) -> pl.DataFrame:
    try:
        if path.suffix.lower() == ".gz":
            with unpacked(path) as plain:
                return pl.read_ndjson(plain, infer_schema_length=None)
        return pl.read_ndjson(path, infer_schema_length=None)
    except (OSError, EOFError, zlib.error, *_POLARS) as error:
        raise DataError(_unreadable(path, error, "one JSON object a line")) from error


def _unreadable(path: Path, error: Exception, wish: str) -> str:
    return f"{path} cannot be read: {str(error).partition(chr(10))[0]}; right is {wish}."


FORMATS: Mapping[str, Callable[[Path], pl.DataFrame]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".csv.gz": _csv,
    ".tsv.gz": _csv,
    ".txt": _csv,
    ".dat": _csv,
    ".parquet": _parquet,
    ".arrow": _arrow,
    ".feather": _arrow,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".jsonl.gz": _json_lines,
    ".json": _json_lines,
    ".json.gz": _json_lines,
}
