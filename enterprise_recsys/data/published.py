"""Published sets and formats, read as their authors wrote them: MovieLens, goodbooks, Amazon, LightGCN, SASRec."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from enterprise_recsys.data import files
from enterprise_recsys.data.downloads import find
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import ITEM_ID, RATING, TIMESTAMP, USER_ID, Interactions

TEST_BEGINS = 1_000_000_000
"""Seconds since 1970 at which the test part of a LightGCN folder begins; its training part lies before."""

_AGE_BANDS = {1: "under 18", 18: "18-24", 25: "25-34", 35: "35-44", 45: "45-49", 50: "50-55", 56: "56 and over"}


# MovieLens --------------------------------------------------------------------------------------------------------


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


def ml_10m(path: Path | None, *, download: bool = False) -> Interactions:
    """MovieLens 10M: 10,000,054 half stars of 69,878 users for 10,677 of 10,681 films; nothing is known of users.

    Args:
        path: the folder of its files; None looks where `read` says.
        download: fetch the official archive if it is not there.

    Raises:
        DataError: it is not there, cannot be fetched, or a file is damaged.
    """
    folder = find("ml-10m", path, download=download)
    ratings = _delimited(folder / "ratings.dat", "::", [USER_ID, ITEM_ID, RATING, TIMESTAMP], encoding="utf-8")
    movies = _delimited(folder / "movies.dat", "::", [ITEM_ID, "title", "genres"], encoding="utf-8")
    return to_interactions(ratings, None, _films(movies), name="ml-10m")


def ml_20m(path: Path | None, *, download: bool = False) -> Interactions:
    """MovieLens 20M: 20,000,263 half stars of 138,493 users for 26,744 films; see `ml_100k` for the arguments."""
    return _movielens("ml-20m", path, download=download)


def ml_25m(path: Path | None, *, download: bool = False) -> Interactions:
    """MovieLens 25M: 25,000,095 half stars of 162,541 users for 59,047 films; see `ml_100k` for the arguments."""
    return _movielens("ml-25m", path, download=download)


def ml_32m(path: Path | None, *, download: bool = False) -> Interactions:
    """MovieLens 32M: 32,000,204 half stars of 200,948 users for 84,432 films; see `ml_100k` for the arguments."""
    return _movielens("ml-32m", path, download=download)


def ml_latest(path: Path | None, *, download: bool = False) -> Interactions:
    """MovieLens latest: grows, so no checksum and no published figures hold for it; see `ml_100k`."""
    return _movielens("ml-latest", path, download=download)


def ml_latest_small(path: Path | None, *, download: bool = False) -> Interactions:
    """MovieLens latest-small: 100,836 half stars of 610 users for 9,724 films; for development, not for claims."""
    return _movielens("ml-latest-small", path, download=download)


def _movielens(name: str, path: Path | None, *, download: bool) -> Interactions:
    """The form of all sets since 20M: ratings.csv and movies.csv with headers."""
    folder = find(name, path, download=download)
    kinds = {"userId": pl.String, "movieId": pl.String, "rating": pl.Float64, "timestamp": pl.Int64}
    try:  # the form is known, and 32 million rows are not worth a guess
        ratings = pl.read_csv(folder / "ratings.csv", schema=kinds)
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{folder / 'ratings.csv'} cannot be read: {str(error).partition(chr(10))[0]}; right are the columns "
            f"{', '.join(kinds)}."
        ) from error
    movies = files.rows(files.load(folder / "movies.csv"), folder / "movies.csv")
    return to_interactions(ratings, None, _films(movies.rename({"movieId": ITEM_ID})), name=name)


# Books and goods --------------------------------------------------------------------------------------------------


def goodbooks_10k(path: Path | None, *, download: bool = False) -> Interactions:
    """Goodbooks-10k: 5,976,479 stars of 53,424 users for 10,000 books.

    It has no times; its README says that the ratings stand in order of time, so that the row's number is the time.

    Args:
        path: the folder of its files; None looks where `read` says.
        download: fetch the archive of its repository if it is not there.

    Raises:
        DataError: it is not there, cannot be fetched, or a file is damaged.
    """
    folder = find("goodbooks-10k", path, download=download)
    ratings, books = (files.rows(files.load(folder / file), folder / file) for file in ("ratings.csv", "books.csv"))
    kept = {"title": "item_title", "authors": "item_authors", "original_publication_year": "item_year"}
    kept |= {"language_code": "item_language"}
    books = books.select("book_id", **{new: old for old, new in kept.items() if old in books.columns})
    if "item_authors" in books.columns:
        books = books.with_columns(pl.col("item_authors").str.split(", "))
    return to_interactions(ratings, None, books, name="goodbooks-10k", row_order_as_time=True)


def amazon(path: Path | None, *, download: bool = False) -> Interactions:
    """Amazon reviews of one category: a file of 2018 or 2023, ratings only (.csv, also .gz) or reviews (.jsonl).

    The ratings files of 2018 have no header (item, user, rating, seconds); those of 2023 have one, and milliseconds.
    Of the reviews only user, item, rating, time and `verified` are kept. In 2023 an item is its `parent_asin`: the
    variants of one product, such as sizes, are one item there.

    Args:
        path: the category's file.
        download: refused: there is a file for each category, and no checksum of any.

    Raises:
        DataError: no path, or not one of these four forms.
    """
    if path is None:
        where = "fetch a category's file from the authors' page and give its path, as in amazon:Video_Games.csv.gz"
        raise DataError(f"the source 'amazon' needs a path and got none; {where}.")
    if not files.is_text(path):
        return _reviews(path)
    first = files.load(path)
    frame = files.rows(first, path)
    if not {"user_id", "parent_asin"} <= set(frame.columns):
        if len(frame.columns) != 4:
            raise DataError(
                f"{path} has the columns {', '.join(frame.columns[:6])}; right are user_id, parent_asin, rating, "
                "timestamp (2023), or four columns without a header: item, user, rating, seconds (2018)."
            )
        header = pl.DataFrame([frame.columns], schema=frame.columns, orient="row")
        frame = pl.concat([header, frame.with_columns(pl.all().cast(pl.String))])
        frame.columns = [ITEM_ID, USER_ID, RATING, TIMESTAMP]
    else:
        frame = frame.select(USER_ID, "parent_asin", RATING, TIMESTAMP).rename({"parent_asin": ITEM_ID})
    return to_interactions(frame, name=path.name)


def _reviews(path: Path) -> Interactions:
    frame = files.load(path).frame
    names = (
        {"reviewerID": USER_ID, "asin": ITEM_ID, "overall": RATING, "unixReviewTime": TIMESTAMP, "verified": "verified"}
        if "reviewerID" in frame.columns
        else {
            "user_id": USER_ID,
            "parent_asin": ITEM_ID,
            "rating": RATING,
            "timestamp": TIMESTAMP,
            "verified_purchase": "verified",
        }
    )
    if missing := [old for old in list(names)[:4] if old not in frame.columns]:
        raise DataError(
            f"{path} has no field {missing[0]!r}; found: {', '.join(frame.columns[:12])}. Right is a file of Amazon "
            "reviews of 2018 (reviewerID, asin, overall, unixReviewTime) or 2023 (user_id, parent_asin, ...)."
        )
    kept = {new: old for old, new in names.items() if old in frame.columns}
    return to_interactions(frame.select(**{new: pl.col(old) for new, old in kept.items()}), name=path.name)


# Formats of papers ------------------------------------------------------------------------------------------------


def sasrec(path: Path | None, *, download: bool = False) -> Interactions:
    """A file of the SASRec papers: a line `user item` for each event, each user's in order of time, and no times.

    An event's time is its place in its user's history, in seconds: right for leave-last-out, and without meaning
    across users, so a global time split of it says nothing.

    Args:
        path: the file, for instance ml-1m.txt.
        download: has no meaning here.

    Raises:
        DataError: no path, or lines of another form.
    """
    given = _given(path, "sasrec", "a text file with a line `user item` for each event")
    frame = _delimited(given, " ", [USER_ID, ITEM_ID], encoding="utf-8")
    place = pl.int_range(1, pl.len() + 1).over(USER_ID)
    return to_interactions(frame.with_columns(place.alias(TIMESTAMP)), name=given.name)


def lightgcn(path: Path | None, *, download: bool = False) -> Interactions:
    """A folder of the LightGCN papers: train.txt and test.txt, a line `user item item ...` for each user, no times.

    Times are made so that the given split can be cut again: training events are at second 1, 2, ... of their line,
    test events at TEST_BEGINS + 1, + 2, ...

    Args:
        path: the folder.
        download: has no meaning here.

    Raises:
        DataError: no path, or a file is absent or of another form.
    """
    folder = _given(path, "lightgcn", "a folder with train.txt and test.txt")
    parts = [
        _lists(folder / file).with_columns(pl.col(TIMESTAMP) + begins)
        for file, begins in (("train.txt", 0), ("test.txt", TEST_BEGINS))
    ]
    return to_interactions(pl.concat(parts), name=folder.name)


def _lists(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path} does not exist; right is a folder with train.txt and test.txt.")
    lines = pl.read_lines(path, name="text").select(pl.col("text").str.strip_chars()).filter(pl.col("text") != "")
    if lines.is_empty() or not lines["text"].str.contains(r"^\S+( +\S+)*$").all():
        raise DataError(f"{path} cannot be read; right is a line `user item item ...` for each user.")
    parts = lines.select(pl.col("text").str.extract_all(r"\S+").alias("parts"))
    split = parts.select(pl.col("parts").list.first().alias(USER_ID), pl.col("parts").list.slice(1).alias(ITEM_ID))
    events = split.filter(pl.col(ITEM_ID).list.len() > 0).explode(ITEM_ID)  # a user without items has a line too
    return events.with_columns(pl.int_range(1, pl.len() + 1).over(USER_ID).alias(TIMESTAMP))


def _given(path: Path | None, source: str, what: str) -> Path:
    if path is None:
        raise DataError(f"the source {source!r} needs a path and got none; give {what}, as in {source}:PATH.")
    if not path.exists():
        raise DataError(f"{path} does not exist; give {what}.")
    return path


def _delimited(path: Path, separator: str, names: list[str], *, encoding: str = "latin-1") -> pl.DataFrame:
    """A file without header or quotes, all its columns as strings."""
    try:
        text = path.read_bytes().decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} cannot be read: {error}; right is a text file in {encoding}.") from error
    if separator == "::":  # polars splits at one character, and no file with "::" holds a tab
        text = text.replace("::", "\t")
    mark = "\t" if separator == "::" else separator
    try:
        frame = pl.read_csv(
            io.BytesIO(text.encode()), separator=mark, has_header=False, quote_char=None, infer_schema=False
        )
        frame.columns = names
    except (ValueError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"{path} cannot be read: {str(error).partition(chr(10))[0]}; right is {len(names)} columns with "
            f"{separator!r} between."
        ) from error
    return frame


def _year(column: str) -> pl.Expr:
    """The year, or the first one, in brackets at the end of a title."""
    return pl.col(column).str.extract(r"\((\d{4})\D?\d*\)\s*$").cast(pl.Int64)


def _films(movies: pl.DataFrame) -> pl.DataFrame:
    genres = pl.col("genres").str.split("|").list.filter(pl.element() != "(no genres listed)")
    return movies.select(ITEM_ID, item_title="title", item_genres=genres, item_year=_year("title"))


def _with_zip(users: pl.DataFrame) -> pl.DataFrame:
    # The first 3 characters name a region; whole, nearly each user would have his own category.
    return users.with_columns(pl.col("zip").str.slice(0, 3).alias("user_zip")).drop("zip")
