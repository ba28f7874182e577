"""Where logs come from: a published set by its name, a file of your own, or a made world; each gives Interactions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from enterprise_recsys.choice import known
from enterprise_recsys.data import files, published
from enterprise_recsys.data.downloads import ARCHIVES, find
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import Interactions


def read(
    data: str,
    *,
    users: Path | None = None,
    items: Path | None = None,
    download: bool = False,
    folder: Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> Interactions:
    """Read a log by its name or its path; a row that cannot be used refuses the whole (`quarantine.admit` does not).

    Args:
        data: a name in `SOURCES`, `name:path` with the place where that set lies, or a path: a file with an ending in
            `files.FORMATS`, or a folder of .parquet files.
        users: file of users; replaces the table that a named source brings. In a CSV a column of texts such as `a|b|c`
            becomes a column of lists.
        items: likewise of items.
        download: fetch a named set that is not on this machine, into the cache or into `folder`.
        folder: where a named set lies; None looks in `$RECSYS_DATA/<name>` (`../shared/data` if not set), then in
            `~/.cache/enterprise_recsys/<name>`.
        columns: own name -> canonical name, see `to_interactions`.

    Raises:
        DataError: no such name or file, or a file that cannot be used; the message names it.
    """
    name, path = place_of(data)
    user_table, item_table = (table and files.table(table, columns or {}) for table in (users, items))
    if name is None:
        frame = files.rows(files.load(path), path, columns)
        return to_interactions(frame, user_table, item_table, name=path.name, columns=columns)
    log = SOURCES[name](path if ":" in data else folder, download=download)
    if user_table is None and item_table is None:
        return log
    user_table, item_table = (log.users if users is None else user_table, log.items if items is None else item_table)
    return to_interactions(log.events, user_table, item_table, name=log.name, columns=columns)


def place_of(data: str) -> tuple[str | None, Path]:
    """The name in `SOURCES` that is meant, if one is, and the path.

    Raises:
        DataError: neither a name nor a path that exists.
    """
    name, colon, place = data.partition(":")
    if name in SOURCES and (colon or data in SOURCES):
        return name, Path(place)
    path = Path(data)
    if not path.exists():
        raise DataError(
            f"data={data!r} is neither a known source nor a file that exists; {known(SOURCES, data)}, or give the "
            "path of a .csv, .tsv or .parquet file."
        )
    return None, path


def origin(data: str) -> list[Path]:
    """The files that a log is read from, for its fingerprint; of the made world its code.

    Raises:
        DataError: as `place_of`, or a named set is not there.
    """
    name, path = place_of(data)
    if name is None or ":" in data:
        return [path]
    if name in ARCHIVES:
        return [find(name, None) / file for file in ARCHIVES[name].files]
    from enterprise_recsys.data import worlds

    return [Path(worlds.__file__)]


def fetched(data: str) -> None:
    """Fetch a published set that is not on this machine; a file of your own is there already.

    Raises:
        DataError: as `downloads.fetch`.
    """
    name, path = place_of(data)
    if name is not None and name in ARCHIVES:
        find(name, path if ":" in data else None, download=True)


def csv_file(path: Path | None, *, download: bool = False) -> Interactions:
    """Read a log from a .csv or .tsv file (also .gz), with a header; see `to_interactions` for its columns."""
    return _own(_given(path, "csv"))


def parquet(path: Path | None, *, download: bool = False) -> Interactions:
    """Read a log from a .parquet file or a folder of them; see `to_interactions` for its columns."""
    return _own(_given(path, "parquet"))


def world(path: Path | None, *, download: bool = False) -> Interactions:
    """Make the default made world, whose answers are known; needs no file and no network."""
    from enterprise_recsys.data.worlds import make_world

    return make_world().interactions


def _own(path: Path) -> Interactions:
    return to_interactions(files.rows(files.load(path), path), name=path.name)


def _given(path: Path | None, source: str) -> Path:
    if path is None:
        raise DataError(f"the source {source!r} needs a path and got none; give the file's path as data, or as folder.")
    if not path.exists():
        raise DataError(f"{path} does not exist; give the path of a {source} file.")
    return path


SOURCES: Mapping[str, Callable[..., Interactions]] = {
    "ml-100k": published.ml_100k,
    "ml-1m": published.ml_1m,
    "ml-10m": published.ml_10m,
    "ml-20m": published.ml_20m,
    "ml-25m": published.ml_25m,
    "ml-32m": published.ml_32m,
    "ml-latest": published.ml_latest,
    "ml-latest-small": published.ml_latest_small,
    "goodbooks-10k": published.goodbooks_10k,
    "amazon": published.amazon,
    "lightgcn": published.lightgcn,
    "sasrec": published.sasrec,
    "csv": csv_file,
    "parquet": parquet,
    "world": world,
}
