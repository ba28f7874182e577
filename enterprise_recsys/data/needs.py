"""What memory preparing a file takes, from its footer or its first lines; a log that would take more is refused."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from enterprise_recsys.data import files
from enterprise_recsys.data.aliases import is_id
from enterprise_recsys.data.quarantine import Reading
from enterprise_recsys.data.sources import place_of
from enterprise_recsys.data.spool import STRETCH_BITS
from enterprise_recsys.errors import DataError

PROGRAM_MB = 200
"""What the program holds before the first row: polars and numpy."""

ROW_BYTES = 20
"""Of a row, beside its columns: its line, its hash, whether it is used."""

LEAST_BYTES = 48
"""Of a row, at least: what a pass for the statistics holds.

20,000,000 rows of four narrow columns (28 bytes) took 1,170 MB.
"""

TEXT_BYTES = 16
"""Of a string in memory, beside those of its letters that do not fit in."""

SLICE_BYTES = 350
"""Of a row of one slice (see `spool.STRETCH_BITS`): its features, while they are written."""

_MB = 1 << 20
_GLIMPSE = 1 << 20
_INLINE = 12


def refuse(data: str, reading: Reading, memory_mb: float) -> None:
    """Stop before a log is read that would not fit.

    Raises:
        DataError: it would not, by the estimate of `of_prepare`.
    """
    name, path = place_of(data)
    if name is not None:
        return  # a published set: none takes over 5 GB
    needed = of_prepare(path, reading)
    if needed > memory_mb:
        raise DataError(
            f"preparing {path.name} takes about {needed:,.0f} MB and --memory gives {memory_mb:,.0f} MB: "
            "ids, times and ratings of all rows are sorted together, the rest goes through the disk in slices. Give "
            "more, use the newest months, or drop columns that are no features."
        )


def of_prepare(path: Path, reading: Reading) -> float:
    """Megabytes that preparing a file holds at most, meant to be right within a factor of 1.5."""
    rows, width = _of_text(path, reading) if files.is_text(path) else _of_columns(path, reading.columns)
    return of_rows(rows, width)


def of_rows(rows: int, width: float = 0.0) -> float:
    """Megabytes that preparing so many rows of so many bytes holds at most."""
    return PROGRAM_MB + (rows * max(width + ROW_BYTES, LEAST_BYTES) + SLICE_BYTES * min(rows, 1 << STRETCH_BITS)) / _MB


def _of_columns(path: Path, columns: Mapping[str, str]) -> tuple[int, float]:
    """Rows, and bytes of each as it is held; text by the length that it has in the file."""
    if path.is_dir() or files.ending_of(path) == ".parquet":
        parts = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        return _of_parquet(parts, columns)
    return 1, float(path.stat().st_size) * 2  # Arrow and JSON lines are read whole


def _of_parquet(parts: list[Path], columns: Mapping[str, str]) -> tuple[int, float]:
    from pyarrow import ArrowException
    from pyarrow.parquet import read_metadata

    rows, held = 0, 0.0
    for part in parts:
        try:
            footer, schema = read_metadata(part), pl.read_parquet_schema(part)
        except (OSError, ArrowException, pl.exceptions.PolarsError):
            return 0, 0.0  # the reader will say what is wrong with it
        sizes: dict[str, int] = {}
        for group in (footer.row_group(place) for place in range(footer.num_row_groups)):
            for column in (group.column(place) for place in range(group.num_columns)):
                name = column.path_in_schema.split(".")[0]
                sizes[name] = sizes.get(name, 0) + column.total_uncompressed_size
        rows += footer.num_rows
        held += sum(_held(kind, footer.num_rows, sizes.get(name, 0), name, columns) for name, kind in schema.items())
    return rows, held / max(rows, 1)


def _held(kind: pl.DataType, rows: int, size: int, name: str, columns: Mapping[str, str]) -> float:
    if kind.is_numeric() or kind.is_temporal():
        return float(rows * _bytes_of(kind))
    if is_id(name, columns):
        return float(4 * rows + size)
    return float(TEXT_BYTES * rows + size)


def _bytes_of(kind: pl.DataType) -> float:
    return pl.zeros(8, dtype=pl.Int32, eager=True).cast(pl.Int64).cast(kind).estimated_size() / 8


def _of_text(path: Path, reading: Reading) -> tuple[int, float]:
    """Likewise of a text file, by its first lines, which are read as all of them will be."""
    size = float(path.stat().st_size)
    is_packed = path.suffix.lower() == ".gz"
    try:
        with (gzip.open if is_packed else open)(path, "rb") as file:
            head = file.read(_GLIMPSE)
        with tempfile.NamedTemporaryFile(suffix=files.ending_of(path.with_suffix("") if is_packed else path)) as made:
            made.write(head[: head.rfind(b"\n") + 1] or head)
            made.flush()
            frame = files.load(
                Path(made.name),
                encoding=reading.encoding,
                separator=reading.separator,
                columns=reading.columns,
                coded=True,
            ).frame
    except (OSError, EOFError, zlib.error, DataError):
        return 0, 0.0  # the reader will say what is wrong with it
    packed = len(head) / max(min(size, len(gzip.compress(head, 1))), 1) if is_packed else 1.0
    rows = int(size * packed * (head.count(b"\n") or 1) / len(head))
    return rows, sum(_of_cell(column) for column in frame.iter_columns())


def _of_cell(column: pl.Series) -> float:
    """Bytes of a cell as it is held, in the mean; of an id with the names that are yet to come.

    The chance that the next row brings a new name is about the share of the rows whose name came once (Good 1953,
    doi:10.1093/biomet/40.3-4.237); it falls as more is read, so this is the most that there may be.
    """
    if isinstance(column.dtype, pl.Categorical):
        once = column.is_unique().mean()
        return 4 + float(once or 0.0) * _of_cell(column.cast(pl.String))  # type: ignore[arg-type]
    if column.dtype != pl.String:
        return _bytes_of(column.dtype)
    letters = float(column.str.len_bytes().mean() or 0.0)  # type: ignore[arg-type]
    return TEXT_BYTES + (letters if letters > _INLINE else 0.0)
