"""The prepared log on disk: a folder of Parquet with a manifest, whole or not at all; or a pickle of pandas frames."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source

from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.splits import Split, checksum
from enterprise_recsys.errors import DataError, MissingExtraError
from enterprise_recsys.records import REQUIRED, Interactions

PARTS = ("train", "val", "test")
MANIFEST = "manifest.json"
QUARANTINE = "quarantine"
FORMAT_VERSION = 1
_ABANDONED_S = 86_400
_LEVEL = 1
"""Of zstd: a third less processor time than the default for files 2 % larger."""

_AGAIN = "Run recsys prepare again, or restore a copy of the whole folder."


@dataclass(frozen=True)
class Origin:
    """What a prepared folder was made from; the same origin gives the same folder.

    Attributes:
        source: a hash of the source's bytes, see `files.fingerprint`.
        parameters: everything that was asked for, JSON values.
        rows_in: rows of the source; they are in the parts or in the quarantine.
        schema: what `Schema.to_json` gave.
    """

    source: str = ""
    parameters: Mapping[str, object] = field(default_factory=dict)
    rows_in: int | None = None
    schema: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Sliced:
    """A frame that is made while it is written.

    Attributes:
        slices: gives its rows, a slice at a time, anew each time that it is called.
        rows: of all slices together.
    """

    slices: Callable[[], Iterable[pl.DataFrame]]
    rows: int


def length(frame: pl.DataFrame | Sliced) -> int:
    """The rows of a frame of either kind."""
    return frame.rows if isinstance(frame, Sliced) else len(frame)


def write(
    frames: Mapping[str, pl.DataFrame | Sliced],
    out: Path,
    *,
    origin: Origin | None = None,
    quarantine: pl.DataFrame | None = None,
) -> None:
    """Write the parts whole or not at all: to a `.pkl` file (a dict of pandas frames), else to a folder of Parquet.

    Our own code never reads the pickle; it is for notebooks. The folder is what `recsys train` takes; its manifest
    holds the format's version, the origin, and rows, columns, bytes and SHA-256 of every file.

    Args:
        frames: train, val and test; a `Sliced` one is never held whole, unless it goes to a `.pkl`.
        out: a folder, or a file that ends in .pkl.
        origin: what they were made from, for `is_unchanged`.
        quarantine: the rows that were set aside, kept beside the parts; None or empty writes none.

    Raises:
        DataError: `out` is a folder that holds something else, or cannot be written.
        MissingExtraError: a `.pkl` is asked for and pandas is not installed.
    """
    if out.suffix != ".pkl" and out.exists() and not is_prepared(out):
        raise DataError(f"{out} exists and is no prepared folder; name another one, or remove it first.")
    staged = _staged(out)
    try:
        if out.suffix == ".pkl":
            _write_pickle(frames, staged)
            os.replace(staged, out)
            return
        staged.mkdir()
        tables = dict(frames)
        if quarantine is not None and len(quarantine):
            tables[QUARANTINE] = quarantine
        listed = {name: _write_table(table, staged / f"{name}.parquet") for name, table in tables.items()}
        _write_manifest(staged / MANIFEST, listed, origin or Origin())
        _swap(staged, out)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error}; nothing was changed.") from error
    finally:
        if staged.is_dir():
            shutil.rmtree(staged, ignore_errors=True)
        else:
            staged.unlink(missing_ok=True)


def _staged(out: Path) -> Path:
    """A name beside a target for what is not whole yet; `mend` clears away what a killed run leaves under it."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error}; nothing was changed.") from error
    return out.parent / f".{out.name}-{uuid.uuid4().hex[:8]}"


@contextmanager
def beside(out: Path) -> Iterator[Path]:
    """An empty folder beside a target, gone afterwards: for what is put aside while the target is made.

    Raises:
        DataError: nothing can be written there, or the disk is full; nothing was changed.
    """
    folder = _staged(out)
    try:
        folder.mkdir()
        yield folder
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error}; nothing was changed.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_pickle(frames: Mapping[str, pl.DataFrame | Sliced], staged: Path) -> None:
    try:
        tables = {name: _whole(frame).to_pandas() for name, frame in frames.items()}
    except ImportError as error:
        raise MissingExtraError("a .pkl holds pandas frames: pip install 'enterprise_recsys[train]'.") from error
    staged.write_bytes(pickle.dumps(tables, protocol=4))
    _sync(staged)


def _whole(frame: pl.DataFrame | Sliced) -> pl.DataFrame:
    return pl.concat(frame.slices()) if isinstance(frame, Sliced) else frame


def _write_table(table: pl.DataFrame | Sliced, path: Path) -> dict[str, object]:
    """Write one file and give its line of the manifest."""
    if isinstance(table, Sliced):
        _write_slices(table, path)
    else:
        table.write_parquet(path, compression_level=_LEVEL)
    _sync(path)
    return {
        "rows": length(table),
        "columns": {name: str(kind) for name, kind in pl.read_parquet_schema(path).items()},
        "bytes": path.stat().st_size,
        "sha256": _sha256(path),
    }


def _write_slices(table: Sliced, path: Path) -> None:
    """Let polars write while the slices are made; each is a row group or more, and none waits for the others."""
    first, rest = _parted(table.slices())

    def source(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        yield first
        yield from rest

    lazy = register_io_source(source, schema=first.schema, is_pure=False)
    lazy.sink_parquet(path, compression_level=_LEVEL, maintain_order=True, statistics=False)


def _parted(frames: Iterable[pl.DataFrame]) -> tuple[pl.DataFrame, Iterator[pl.DataFrame]]:
    rest = iter(frames)
    return next(rest), rest


def _write_manifest(path: Path, listed: Mapping[str, object], origin: Origin) -> None:
    body = {
        "format_version": FORMAT_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **asdict(origin),
        "files": {f"{name}.parquet": line for name, line in listed.items()},
    }
    path.write_text(json.dumps(body, indent=2, sort_keys=True) + "\n")
    _sync(path)
    _sync(path.parent)


def _swap(staged: Path, out: Path) -> None:
    """Put the new folder in the old one's place; a crash between the two renames leaves both, whole, side by side."""
    old = out.parent / f".{out.name}-{uuid.uuid4().hex[:8]}.old"
    if out.exists():
        os.replace(out, old)
    try:
        os.replace(staged, out)
    except OSError:
        if old.exists():
            os.replace(old, out)
        raise
    _sync(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    """Put a file or a folder's names on the disk itself, so that a power cut cannot leave half of them."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def mend(out: Path) -> None:
    """Put back what a run left that was killed in the middle: the old folder, and nothing of the half-made one."""
    for old in sorted(out.parent.glob(f".{out.name}-????????.old")):
        if not out.exists() and is_prepared(old):
            os.replace(old, out)
        else:
            shutil.rmtree(old, ignore_errors=True)
    for staged in out.parent.glob(f".{out.name}-????????"):
        if time.time() - staged.stat().st_mtime > _ABANDONED_S:  # a younger one may be another run at work
            shutil.rmtree(staged, ignore_errors=True) if staged.is_dir() else staged.unlink(missing_ok=True)


def is_prepared(folder: Path) -> bool:
    """Whether a folder holds the three parts."""
    return folder.is_dir() and all((folder / f"{part}.parquet").is_file() for part in PARTS)


def is_unchanged(folder: Path, origin: Origin) -> bool:
    """Whether a folder is there, whole, and was made from this source with these parameters."""
    if not is_prepared(folder):
        return False
    try:
        body = verified(folder)
    except DataError:
        return False
    parameters = json.loads(json.dumps(origin.parameters))
    return bool(origin.source) and body["source"] == origin.source and body["parameters"] == parameters


def verified(folder: Path) -> dict[str, object]:
    """The manifest of a folder whose files are all there, of the size and hash that it says.

    Raises:
        DataError: the manifest is absent, unreadable or of another version, or a file is absent or damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder} has no {MANIFEST}: it is of an older version, or only half copied. {_AGAIN}")
    try:
        body = json.loads(path.read_bytes())
        version, listed = body["format_version"], dict(body["files"])
        expected = {name: (int(line["bytes"]), str(line["sha256"])) for name, line in listed.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error!r}. {_AGAIN}") from error
    if version != FORMAT_VERSION:
        raise DataError(
            f"{folder} has the format version {version!r}, and this program reads {FORMAT_VERSION}. {_AGAIN}"
        )
    if missing := [part for part in PARTS if f"{part}.parquet" not in expected]:
        raise DataError(f"{path} is damaged: it does not list {missing[0]}.parquet. {_AGAIN}")
    for name, (size, sha256) in expected.items():
        file = folder / name
        if "/" in name or not file.is_file():
            raise DataError(f"{file} is absent, and {MANIFEST} lists it. {_AGAIN}")
        if file.stat().st_size != size or _sha256(file) != sha256:
            raise DataError(f"{file} is damaged: it is not the file that {MANIFEST} lists. {_AGAIN}")
    assert isinstance(body, dict)
    return body


def rows(folder: Path) -> dict[str, int]:
    """Part -> its rows, from the files' footers."""
    return {part: pl.scan_parquet(folder / f"{part}.parquet").select(pl.len()).collect().item() for part in PARTS}


def checksums(folder: Path) -> dict[str, str]:
    """Part -> the checksum of its events, see `splits.checksum`."""
    files = {part: folder / f"{part}.parquet" for part in PARTS}
    return {part: checksum(Interactions(pl.read_parquet(file, columns=list(REQUIRED)))) for part, file in files.items()}


def read(folder: Path) -> Split:
    """The three parts of a prepared folder, each file verified before it is read.

    Raises:
        DataError: as `verified`, or a part cannot be used.
    """
    verified(folder)
    frames = {part: pl.read_parquet(folder / f"{part}.parquet") for part in PARTS}
    logs = {part: to_interactions(frame, name=str(folder), static={}) for part, frame in frames.items()}
    return Split(logs["train"], logs["val"], logs["test"])
