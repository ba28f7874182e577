"""The cuts that published protocols make: shares of each user, whole users, cores, the last event after a moment."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.records import ITEM_ID, TIMESTAMP, USER_ID

PLACE = "_place"
"""Name of the column with a row's place in the source, while a frame is turned about."""


def share_of_each_user(events: pl.DataFrame, share: float, generator: np.random.Generator) -> pl.Series:
    """Draw a share of each user's events: [R] true for round(share * n) of a user's n events.

    Args:
        events: [R] rows with `user_id`.
        share: over 0 and under 1.
        generator: draws the events.

    Raises:
        ConfigError: the share is out of its range.

    Source: `python_stratified_split` of the Microsoft Recommenders rounds so (halves to the even number).
    """
    if not 0.0 < share < 1.0:
        raise ConfigError(f"share={share} is out of range; it is over 0 and under 1.")
    drawn = pl.Series("drawn", generator.random(len(events)))
    frame = events.select(USER_ID).with_columns(drawn)
    rank = pl.col("drawn").rank("ordinal").over(USER_ID)
    wanted = (pl.len().over(USER_ID) * share).round(mode="half_to_even")
    return frame.select((rank <= wanted).alias("kept"))["kept"]


def core(events: pl.DataFrame, least: int) -> pl.DataFrame:
    """Drop users and items with fewer events than `least`, again and again until none is left that has."""
    while True:
        enough = (pl.len().over(USER_ID) >= least) & (pl.len().over(ITEM_ID) >= least)
        kept = events.filter(enough)
        if len(kept) == len(events):
            return kept
        events = kept


def ordered(events: pl.DataFrame) -> pl.DataFrame:
    """Sort by (user, timestamp, source row): each user's events together, oldest first."""
    return events.with_row_index(PLACE).sort(USER_ID, TIMESTAMP, PLACE).drop(PLACE)


def without_repetition(events: pl.DataFrame) -> pl.DataFrame:
    """Drop an event whose user's event just before was with the same item; needs the order of `ordered`."""
    again = (pl.col(ITEM_ID) == pl.col(ITEM_ID).shift(1)) & (pl.col(USER_ID) == pl.col(USER_ID).shift(1))
    return events.filter(~again.fill_null(False))


def from_end(events: pl.DataFrame) -> pl.Series:
    """[R] place of each event from its user's newest one, which is 0; needs the order of `ordered`."""
    return events.select(pl.int_range(pl.len(), dtype=pl.Int64).reverse().over(USER_ID).alias("from_end"))["from_end"]


def moment_at(events: pl.DataFrame, share: float) -> pl.Series:
    """[1] the timestamp of the event at a share of the log, by rising time: floor(share * R), counted from 1."""
    times = events[TIMESTAMP].sort()
    return times[[max(int(len(times) * share + 1e-6) - 1, 0)]]


def last_after(events: pl.DataFrame, moment: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Cut at a moment for next-item targets: (log up to it, past of the users active after it, their last events).

    The past of a user is every event before the last one, those after the moment too. A user whose last event has
    nothing before it is left out. Needs the order of `ordered`.
    """
    log = events.filter(pl.col(TIMESTAMP) <= moment[0])
    place = from_end(events)
    last = events.filter((place == 0) & (events[TIMESTAMP] > moment[0]))
    past = events.filter(place > 0).join(last.select(USER_ID), on=USER_ID, how="semi", maintain_order="left")
    return log, past, last.join(past.select(USER_ID).unique(), on=USER_ID, how="semi", maintain_order="left")


def fresh(targets: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
    """The targets that their user had not had before."""
    return targets.join(past, on=[USER_ID, ITEM_ID], how="anti", maintain_order="left")


def checksum_of_pairs(targets: pl.DataFrame) -> str:
    """The first 16 hex digits of the sha256 of the (user, item) pairs: a line `user TAB item` each, sorted as texts.

    For targets without true times; `splits.checksum` names those with.
    """
    lines = targets.select(pl.concat_str(USER_ID, ITEM_ID, separator="\t").alias("line"))["line"].sort()
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()[:16]
