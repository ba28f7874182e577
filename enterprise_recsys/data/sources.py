"""Where logs come from: MovieLens, a CSV or Parquet file of your own, or a made world; each name gives Interactions."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import os
import shutil
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from enterprise_recsys.choice import known
from enterprise_recsys.data.frames import ALIASES, to_interactions
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import (
    EVENT_ID,
    EVENT_TYPE,
    ITEM_ID,
    RATING,
    RECOMMENDATION_ID,
    SESSION_ID,
    TIMESTAMP,
    USER_ID,
    Interactions,
)

MOVIELENS_URL = "https://files.grouplens.org/datasets/movielens"
TIMEOUT_S = 60.0
LICENCE = "GroupLens lets you use it for research and not pass it on; its README says all terms"


@dataclass(frozen=True)
class Archive:
    """A MovieLens set: the files that its folder must hold, its README, and the checksum of the official archive."""

    files: tuple[str, ...]
    readme: str
    algorithm: str
    digest: str


ARCHIVES: Mapping[str, Archive] = {
    "ml-100k": Archive(("u.data", "u.item", "u.user", "u.genre"), "README", "md5", "0e33842e24a9c977be4e0107933c0723"),
    "ml-1m": Archive(("ratings.dat", "movies.dat", "users.dat"), "README", "md5", "c4d9eecfca2ab87c1945afe126590906"),
    "ml-latest-small": Archive(
        ("ratings.csv", "movies.csv"),
        "README.txt",
        "sha256",
        "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    ),
}

_AGE_BANDS = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56 and over"}
_FILES = {".csv": "csv", ".tsv": "csv", ".csv.gz": "csv", ".tsv.gz": "csv", ".parquet": "parquet"}
_TEXT = {EVENT_TYPE, EVENT_ID, SESSION_ID, RECOMMENDATION_ID, USER_ID, ITEM_ID, *ALIASES[USER_ID], *ALIASES[ITEM_ID]}
# One cell of a list column: two or more parts, or one; a bar with blanks around it belongs to a sentence.
_LIST_CELL = r"^[^|\s]([^|]*[^|\s])?(\|[^|\s]([^|]*[^|\s])?)*$"


def read(
    data: str,
    *,
    users: Path | None = None,
    items: Path | None = None,
    download: bool = False,
    folder: Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> Interactions:
    """Read a log by its name or its path.

    Args:
        data: a name in `SOURCES`, or a path: .csv, .tsv (also .gz), .parquet, or a folder of .parquet files.
        users: CSV or Parquet file of users; replaces the table that a named source brings. In a CSV a column of
            texts such as `a|b|c` becomes a column of lists.
        items: likewise of items.
        download: fetch a MovieLens set that is not on this machine, into the cache or into `folder`.
        folder: where a MovieLens set lies; None looks in `$RECSYS_DATA/<name>` (`../shared/data` if not set), then in
            `~/.cache/enterprise_recsys/<name>`.
        columns: own name -> canonical name, see `to_interactions`.

    Raises:
        DataError: no such name or file, or a file that cannot be used; the message names it.
    """
    path = Path(data)
    user_table, item_table = (table and _table(table, columns or {}) for table in (users, items))
    if data not in SOURCES:
        if not path.exists():
            raise DataError(
                f"data={data!r} is neither a known source nor a file that exists; {known(SOURCES, data)}, or give the "
                "path of a .csv, .tsv or .parquet file."
            )
        return to_interactions(_frame(path, columns or {}), user_table, item_table, name=path.name, columns=columns)
    log = SOURCES[data](folder, download=download)
    if user_table is None and item_table is None:
        return log
    user_table, item_table = (log.users if users is None else user_table, log.items if items is None else item_table)
    return to_interactions(log.events, user_table, item_table, name=log.name, columns=columns)


def ml_100k(path: Path | None, *, download: bool = False) -> Interactions:
    """MovieLens 100K: 100,000 stars of 943 users for 1,682 films, with age, gender, occupation, zip and genres.

    Args:
        path: the folder of its files; None looks where `read` says.
        download: fetch the official archive if it is not there.

    Raises:
        DataError: it is not there, cannot be fetched, or a file is damaged.
    """
    folder = find("ml-100k", path, download=download)
    ratings = _delimited(folder / "u.data", "\t", [USER_ID, ITEM_ID, RATING, TIMESTAMP])
    users = _delimited(folder / "u.user", "|", [USER_ID, "user_age", "user_gender", "user_occupation", "zip"])
    genres = _delimited(folder / "u.genre", "|", ["genre", "place"])["genre"].drop_nulls().to_list()
    items = _delimited(folder / "u.item", "|", [ITEM_ID, "title", "date", "video", "url", *genres])
    flagged = [pl.when(pl.col(genre).cast(pl.Int64) == 1).then(pl.lit(genre)) for genre in genres]
    items = items.select(
        ITEM_ID,
        item_title=pl.col("title"),
        item_genres=pl.concat_list(flagged).list.drop_nulls(),
        item_year=pl.coalesce(_year("title"), pl.col("date").str.extract(r"(\d{4})$").cast(pl.Int64)),
    )
    users = _with_zip(users.with_columns(pl.col("user_age").cast(pl.Int64)))
    return to_interactions(ratings, users, items, name="ml-100k")


def ml_1m(path: Path | None, *, download: bool = False) -> Interactions:
    """MovieLens 1M: 1,000,209 stars of 6,040 users for 3,706 of 3,883 films; ages are bands, occupations codes.

    Args:
        path: the folder of its files; None looks where `read` says.
        download: fetch the official archive if it is not there.

    Raises:
        DataError: it is not there, cannot be fetched, or a file is damaged.
    """
    folder = find("ml-1m", path, download=download)
    ratings = _delimited(folder / "ratings.dat", "::", [USER_ID, ITEM_ID, RATING, TIMESTAMP])
    users = _delimited(folder / "users.dat", "::", [USER_ID, "user_gender", "user_age", "user_occupation", "zip"])
    items = _delimited(folder / "movies.dat", "::", [ITEM_ID, "title", "genres"])
    bands = {str(age): band for age, band in _AGE_BANDS.items()}
    users = _with_zip(users.with_columns(pl.col("user_age").replace(bands)))
    return to_interactions(ratings, users, _films(items), name="ml-1m")


def ml_latest_small(path: Path | None, *, download: bool = False) -> Interactions:
    """MovieLens latest-small: 100,836 half stars of 610 users for 9,724 films; for development, not for claims.

    Args:
        path: the folder of its files; None looks where `read` says.
        download: fetch the official archive if it is not there.

    Raises:
        DataError: it is not there, cannot be fetched, or a file is damaged.
    """
    folder = find("ml-latest-small", path, download=download)
    ratings, movies = (_csv(folder / file, {}) for file in ("ratings.csv", "movies.csv"))
    return to_interactions(ratings, None, _films(movies.rename({"movieId": ITEM_ID})), name="ml-latest-small")


def csv_file(path: Path | None, *, download: bool = False) -> Interactions:
    """Read a log from a .csv or .tsv file (also .gz), with a header; see `to_interactions` for its columns."""
    return to_interactions(_csv(_given(path, "csv"), {}), name=_given(path, "csv").name)


def parquet(path: Path | None, *, download: bool = False) -> Interactions:
    """Read a log from a .parquet file or a folder of them; see `to_interactions` for its columns."""
    return to_interactions(_parquet(_given(path, "parquet")), name=_given(path, "parquet").name)


def world(path: Path | None, *, download: bool = False) -> Interactions:
    """Make the default made world, whose answers are known; needs no file and no network."""
    from enterprise_recsys.data.worlds import make_world

    return make_world().interactions


def find(name: str, folder: Path | None, *, download: bool = False) -> Path:
    """Give the folder that holds a MovieLens set, fetched first if it is absent and download is True.

    The checksum holds for the archive that we fetch; a folder that is already there is taken as it is.

    Raises:
        DataError: it is not there, or cannot be fetched.
    """
    cache = Path.home() / ".cache" / "enterprise_recsys" / name
    usual = [Path(os.environ.get("RECSYS_DATA") or "../shared/data") / name, cache]
    looked = usual if folder is None else [folder]
    files = ARCHIVES[name].files
    for place in looked:
        if all((place / file).is_file() for file in files):
            return place
    if not download:
        raise DataError(
            f"{name} is not on this machine; looked for {', '.join(files)} in "
            f"{' and '.join(str(place.absolute()) for place in looked)}. "
            f"Fetch it with --download (download=True); {LICENCE}."
        )
    return fetch(name, looked[-1])


def fetch(name: str, target: Path) -> Path:
    """Download a MovieLens archive, check it, and unpack the files that we read; whole or not at all.

    Args:
        name: a name in `ARCHIVES`.
        target: the folder to make; it must be absent or empty.

    Raises:
        DataError: no network, a wrong checksum, or a folder in the way; nothing is left behind.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise DataError(f"{target} holds other files than {name}; remove it, or give another folder.")
    url, archive = f"{MOVIELENS_URL}/{name}.zip", ARCHIVES[name]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{name}-") as made:
        packed, unpacked = Path(made) / "archive.zip", Path(made) / name
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer, packed.open("wb") as file:
                shutil.copyfileobj(answer, file)
        except (OSError, http.client.HTTPException) as error:
            raise DataError(
                f"{url} cannot be downloaded: {error}. Is this machine offline? By hand: fetch that archive elsewhere "
                f"and unpack it into {target}; {LICENCE}."
            ) from error
        with packed.open("rb") as file:
            got = hashlib.file_digest(file, archive.algorithm).hexdigest()
        if got != archive.digest:
            raise DataError(
                f"{url} has the {archive.algorithm} {got}, and not {archive.digest}; nothing was kept. Try again: the "
                "download broke off, or the archive is not the official one."
            )
        unpacked.mkdir()
        with zipfile.ZipFile(packed) as content:
            for member in (*archive.files, archive.readme):  # by name, so that no entry can choose where it is written
                with content.open(f"{name}/{member}") as source, (unpacked / member).open("wb") as file:
                    shutil.copyfileobj(source, file)
        os.replace(unpacked, target)
    return target


def _given(path: Path | None, source: str) -> Path:
    if path is None:
        raise DataError(f"the source {source!r} needs a path and got none; give the file's path as data, or as folder.")
    if not path.exists():
        raise DataError(f"{path} does not exist; give the path of a {source} file.")
    return path


def _frame(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    """A file by its ending, or a folder of Parquet files."""
    if not path.exists():
        raise DataError(f"{path} does not exist; give the path of a .csv, .tsv or .parquet file.")
    kind = (
        "parquet" if path.is_dir() else next((_FILES[end] for end in _FILES if path.name.lower().endswith(end)), None)
    )
    if kind is None:
        raise DataError(f"{path} has an unknown ending; known are {', '.join(_FILES)}, and folders of .parquet files.")
    frame = _parquet(path) if kind == "parquet" else _csv(path, columns)
    if frame.is_empty():
        raise DataError(
            f"{path} holds no rows; found columns: {', '.join(frame.columns) or 'none'}. Give at least one."
        )
    return frame


def _table(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    """A table of users or items; in a CSV, texts such as `a|b|c` are lists."""
    frame = _frame(path, columns)
    if path.is_dir() or path.name.lower().endswith(".parquet"):
        return frame
    lists = [
        column.name
        for column in frame.select(pl.col(pl.String)).iter_columns()
        if column.name not in _TEXT
        and column.str.contains("|", literal=True).any()
        and column.str.contains(_LIST_CELL).all()
    ]
    return frame.with_columns(pl.col(lists).str.split("|"))


def _csv(path: Path, columns: Mapping[str, str]) -> pl.DataFrame:
    """A CSV with a header; ids stay the strings that they are, so that 007 is not 7."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}; give a readable .csv or .tsv file.") from error
    if not raw.strip():
        raise DataError(f"{path} is empty; give a file with a header and at least one row.")
    separator = "\t" if ".tsv" in path.suffixes else ","
    try:
        if b"\0" in raw[:65536]:
            raise ValueError("it is binary")
        header = pl.read_csv(raw, separator=separator, n_rows=0).columns
        if twice := [name.removesuffix("_duplicated_0") for name in header if name.endswith("_duplicated_0")]:
            raise ValueError(f"two columns are named {twice[0]!r}")
        text = {name: pl.String for name in header if name in _TEXT or columns.get(name) in _TEXT}
        return pl.read_csv(raw, separator=separator, infer_schema_length=None, schema_overrides=text)
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(_unreadable(path, error, "a CSV file in UTF-8 with a header")) from error


def _parquet(path: Path) -> pl.DataFrame:
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"the folder {path} holds no .parquet file; give a folder that does, or a file.")
    try:
        return pl.concat([pl.read_parquet(file, hive_partitioning=False) for file in files])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(_unreadable(path, error, "Parquet, and all files of a folder alike")) from error


def _delimited(path: Path, separator: str, names: list[str]) -> pl.DataFrame:
    """A MovieLens file without header or quotes, in ISO-8859-1, all its columns as strings."""
    text = path.read_bytes().decode("latin-1")
    if separator == "::":  # polars splits at one character, and no file with "::" holds a tab
        text = text.replace("::", "\t")
    mark = "\t" if separator == "::" else separator
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()), separator=mark, has_header=False, quote_char=None, infer_schema=False
        )
        frame.columns = names
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(_unreadable(path, error, f"{len(names)} columns with {separator!r} between")) from error
    return frame


def _unreadable(path: Path, error: Exception, wish: str) -> str:
    return f"{path} cannot be read: {str(error).partition(chr(10))[0]}; right is {wish}."


def _year(column: str) -> pl.Expr:
    """The year, or the first one, in brackets at the end of a title."""
    return pl.col(column).str.extract(r"\((\d{4})\D?\d*\)\s*$").cast(pl.Int64)


def _films(movies: pl.DataFrame) -> pl.DataFrame:
    genres = pl.col("genres").str.split("|").list.filter(pl.element() != "(no genres listed)")
    return movies.select(ITEM_ID, item_title="title", item_genres=genres, item_year=_year("title"))


def _with_zip(users: pl.DataFrame) -> pl.DataFrame:
    # The first 3 characters name a region; whole, nearly each user would have his own category.
    return users.with_columns(pl.col("zip").str.slice(0, 3).alias("user_zip")).drop("zip")


SOURCES: Mapping[str, Callable[..., Interactions]] = {
    "ml-100k": ml_100k,
    "ml-1m": ml_1m,
    "ml-latest-small": ml_latest_small,
    "csv": csv_file,
    "parquet": parquet,
    "world": world,
}
