"""Readers of the files that published protocols fix: sequences, lists, Last.fm, Frappe; each gives Interactions."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from enterprise_recsys.errors import DataError
from enterprise_recsys.records import ITEM_ID, TIME_TYPE, TIMESTAMP, USER_ID, WEIGHT, Interactions

FRAPPE_CONTEXT = ["daytime", "weekday", "isweekend", "homework", "weather", "country", "city"]
"""Columns of Frappe's files that are known when somebody reaches for an app."""


def located(folder: str, files: Sequence[str], given: Path | None = None) -> Path:
    """The folder that holds some files: the given one, else `$RECSYS_DATA/<folder>` (`../shared/data` if not set).

    Raises:
        DataError: a file is not there; these sets are not fetched, since their makers give no lasting address for them.
    """
    place = given if given is not None else Path(os.environ.get("RECSYS_DATA") or "../shared/data") / folder
    if missing := [name for name in files if not (place / name).is_file()]:
        raise DataError(
            f"{', '.join(missing)} not found in {place.absolute()}; put the files of {folder} there, "
            "or set RECSYS_DATA to the folder that holds it."
        )
    return place


def sequences(path: Path) -> Interactions:
    """Read a file of lines `user item`, in each user's order of time, as SASRec and its followers share them.

    The timestamps are places within the user's sequence, as seconds from 1970: they tell a user's order only.

    Raises:
        DataError: a line is not two whole numbers.
    """
    frame = _numbers(path, [USER_ID, ITEM_ID])
    place = pl.int_range(pl.len(), dtype=pl.Int64).over(USER_ID)
    return _log(frame, place, path.name)


def lists(path: Path) -> Interactions:
    """Read a file of lines `user item item ...`, in no order of time, as NGCF, LightGCN and their followers share them.

    All timestamps are 0. A user without items has no event.

    Raises:
        DataError: a line holds something else than whole numbers.
    """
    lines = pl.DataFrame({"line": path.read_text(encoding="utf-8").splitlines()}, schema={"line": pl.String}).select(
        pl.col("line").str.strip_chars().str.split(" ")
    )
    pairs = lines.select(pl.col("line").list.first().alias(USER_ID), pl.col("line").list.slice(1).alias(ITEM_ID))
    frame = pairs.explode(ITEM_ID).filter(pl.col(ITEM_ID).is_not_null() & (pl.col(ITEM_ID) != ""))
    wrong = frame.filter(~(pl.col(USER_ID).str.contains(r"^\d+$") & pl.col(ITEM_ID).str.contains(r"^\d+$")))
    if len(wrong) or frame.is_empty():
        got = f"{wrong[USER_ID][0]} {wrong[ITEM_ID][0]}" if len(wrong) else "no user with an item"
        raise DataError(f"{path} holds {got!r}; right are lines of whole numbers: a user, then the user's items.")
    return _log(frame, pl.lit(0, pl.Int64), path.name)


def chains(path: Path) -> Interactions:
    """Read a file of lines `user item item ...` in each user's order of time, as S3Rec and its followers share them.

    The timestamps are those of `sequences`. A file `<name>_item2attributes.json` beside it, an object of lists by item,
    gives the items' `attributes`.

    Raises:
        DataError: a line holds something else than whole numbers, or the attributes are no such object.
    """
    log = lists(path)
    place = pl.int_range(pl.len(), dtype=pl.Int64).over(USER_ID)
    events = log.events.with_columns((place * 1_000_000).cast(TIME_TYPE).alias(TIMESTAMP))
    beside = path.with_name(f"{path.stem}_item2attributes.json")
    if not beside.is_file():
        return log.with_events(events)
    try:
        told = {item: sorted({str(one) for one in given}) for item, given in json.loads(beside.read_text()).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{beside} cannot be read: {error}; right is an object of lists by item.") from error
    column = pl.Series("attributes", list(told.values()), dtype=pl.List(pl.String))
    items = pl.DataFrame([pl.Series(ITEM_ID, list(told), dtype=pl.String), column])
    return Interactions(events, None, items, log.name)


def last_fm(path: Path) -> Interactions:
    """Read `user_artists.dat` of HetRec 2011 Last.fm: who listened to which artist, how often; there are no times.

    All timestamps are 0; `weight` is the number of plays.

    Raises:
        DataError: the file has other columns.
    """
    frame = pl.read_csv(path, separator="\t")
    if frame.columns != ["userID", "artistID", "weight"]:
        raise DataError(f"{path} has the columns {', '.join(frame.columns)}; right are userID, artistID, weight.")
    named = frame.rename({"userID": USER_ID, "artistID": ITEM_ID, "weight": WEIGHT})
    log = _log(named, pl.lit(0, pl.Int64), "hetrec-lastfm-2k")
    return log.with_events(log.events.with_columns(named[WEIGHT].cast(pl.Float64)))


def frappe(path: Path) -> Interactions:
    """Read one part of Frappe as shared with its context: who used which app at what time of day, weekday, weather ...

    There are no times: all timestamps are 0. `cnt`, how often the app was used so, is left out: it is known only after.

    Raises:
        DataError: the file has other columns.
    """
    frame = pl.read_csv(path)
    wanted = ["user", "item", "cnt", *FRAPPE_CONTEXT]
    if frame.columns != wanted:
        raise DataError(f"{path} has the columns {', '.join(frame.columns)}; right are {', '.join(wanted)}.")
    log = _log(frame.rename({"user": USER_ID, "item": ITEM_ID}), pl.lit(0, pl.Int64), "frappe-context")
    return log.with_events(log.events.hstack(frame.select(pl.col(FRAPPE_CONTEXT).cast(pl.String))))


def _numbers(path: Path, names: list[str]) -> pl.DataFrame:
    wish = f"{len(names)} whole numbers a line"
    try:
        frame = pl.read_csv(path, separator=" ", has_header=False, infer_schema=False)
        numbers = frame.select(pl.all().cast(pl.Int64))
    except (OSError, pl.exceptions.PolarsError) as error:
        told = str(error).partition("\n")[0]
        raise DataError(f"{path} cannot be read: {told}; right are {wish}.") from error
    if len(numbers.columns) != len(names) or numbers.null_count().sum_horizontal().sum():
        raise DataError(f"{path} has lines of other than {len(names)} words; right are {wish}.")
    numbers.columns = names
    return numbers


def _log(frame: pl.DataFrame, seconds: pl.Expr, name: str) -> Interactions:
    events = frame.select(
        pl.col(USER_ID).cast(pl.String),
        pl.col(ITEM_ID).cast(pl.String),
        (seconds * 1_000_000).cast(TIME_TYPE).alias(TIMESTAMP),
    )
    return Interactions(events, name=name)
