"""Impressions: what users were shown, and at which place; it teaches the ranker and is no event of theirs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.having import absent_type, are_impressions
from enterprise_recsys.data.visits import VISIT_GAP_S
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import EVENT_TYPE, IMPRESSION, ITEM_ID, POSITION, TIMESTAMP, USER_ID, Interactions, Ints

PLACES = 50
"""Places of a list that are told apart; those further down count as the last of these."""
UNSHOWN = PLACES + 1
"""The place of what was not shown, in a list of which something was."""
_AROUND = VISIT_GAP_S * 1_000_000


def without_impressions(config: ModelConfig, log: Interactions) -> tuple[Interactions, pl.DataFrame | None]:
    """A log's other events, and its impressions; None: the config names no type of them, or the log holds none.

    Raises:
        DataError: the log has nothing but impressions, or a place below 1.
    """
    if config.impression_event_types is None or EVENT_TYPE not in log.events.columns:
        return log, None
    is_shown = are_impressions(config, log.events[EVENT_TYPE])
    if not is_shown.any():
        return log, None
    shown = log.events.filter(is_shown)
    if len(shown) == len(log.events) > 0:
        raise DataError(
            f"all {len(shown)} events of {log.name} are impressions, of {list(config.impression_event_types)} or with "
            "0 where a click would be 1; what was taken should be there too."
        )
    if POSITION in shown.columns:
        wrong = shown.filter(pl.col(POSITION).is_not_null() & (pl.col(POSITION).cast(pl.Float64, strict=False) < 1))
        if len(wrong):
            raise DataError(f"an impression has the position {wrong[POSITION][0]!r}; the first place of a list is 1.")
    # Places of clicks, where the log tells them, are no context that a request would have.
    others = log.events.filter(~is_shown).drop(POSITION, strict=False)
    return replace(log, events=others), shown


def check_impressions(config: ModelConfig, log: Interactions) -> None:
    """Refuse a training log that holds none of a type that the config calls an impression: a misspelt name.

    Raises:
        DataError: it does, or has no event types; the message names those that it has.
    """
    if config.impression_event_types in (None, (IMPRESSION,)):
        return  # the default, of which a log may hold none
    if EVENT_TYPE not in log.events.columns:
        raise DataError(
            f"impression_event_types is {list(config.impression_event_types)} and the log has no column "
            f"{EVENT_TYPE!r}; add it, or leave impression_event_types out."
        )
    if absent := absent_type(config.impression_event_types, log.events):
        name, held = absent
        raise DataError(f"impression_event_types names {name!r}, which no event of the log is of; they are of: {held}.")


@dataclass(frozen=True)
class Shown:
    """What some lists held when they were shown, one row an item of a list, by list.

    Attributes:
        owners: [S] which list.
        items: [S] item rows, each once in a list.
        places: [S] from 1; 0 = not told.
    """

    owners: Ints
    items: Ints
    places: Ints


class Impressions:
    """Impressions by user and time.

    Args:
        shown: their events.
        users: slots of a log's users; others are left out.
        items: rows of the catalogue; others are left out.
    """

    def __init__(self, shown: pl.DataFrame, users: Vocabulary, items: Vocabulary) -> None:
        slots, rows = users.rows(shown[USER_ID]), items.rows(shown[ITEM_ID])
        times = shown[TIMESTAMP].to_physical().to_numpy()
        told = shown[POSITION] if POSITION in shown.columns else pl.Series([None] * len(shown), dtype=pl.Int64)
        places = told.cast(pl.Int64, strict=False).fill_null(0).clip(0, PLACES).to_numpy()
        known = (slots > 0) & (rows > 0)
        order = np.flatnonzero(known)[np.lexsort((places[known], times[known], slots[known]))]
        self._items, self._places = rows[order].astype(np.int64), places[order].astype(np.int64)
        self._moments = np.unique(times)
        self._keys = self._key(slots[order], times[order], "left")

    def at(self, users: Ints, opened: Ints) -> Shown:
        """What users [B] were shown within half an hour of the moments [B] that their visits opened at.

        A visit opens with the first event, and lists are shown before they are taken of: so what came just before
        counts too. Where an item was shown twice its first time counts.
        """
        begin = np.searchsorted(self._keys, self._key(users, opened - _AROUND, "left"))
        counts = np.searchsorted(self._keys, self._key(users, opened + _AROUND, "right")) - begin
        owners = np.repeat(np.arange(len(users)), counts)
        at = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts - begin, counts)
        _, first = np.unique(np.stack([owners, self._items[at]]), axis=1, return_index=True)
        return Shown(owners[first], self._items[at][first], self._places[at][first])

    def _key(self, users: Ints, times: Ints, side: Literal["left", "right"]) -> Ints:
        """[B] numbers that rise by user, then by time."""
        return np.asarray(users * (len(self._moments) + 1) + np.searchsorted(self._moments, times, side=side))
