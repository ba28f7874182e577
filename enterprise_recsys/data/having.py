"""Having: which events mean that a user has had an item; the one notion that learning, evaluation and serving share."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import polars as pl

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.histories import Histories
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import EVENT_TYPE, RATING, Bools, Events, Floats, Ints

logger = logging.getLogger("enterprise_recsys")

_SHOWN = 12
"""Event types that a message names, at most."""


def means_having(config: ModelConfig, event_types: Sequence[str | None] | pl.Series) -> Bools:
    """[R] whether events of these types mean that their user has had the item: then lists leave it out.

    Where `positive_event_types` says what a success is, events of these types alone do: who looked at a thing and put
    it into the cart has not got it, and is the likeliest to buy it. All other events are hints, which histories,
    statistics and neighbours go on to use. Without it every event does. A rating does not enter: somebody who gave a
    film two stars of five has seen it, so that what is under `positive_rating` is no success and left out none the
    less. What somebody was shown (`impression_event_types`) they have not had.
    """
    types = event_types if isinstance(event_types, pl.Series) else pl.Series(event_types, dtype=pl.String)
    if config.positive_event_types is None:
        return ~are_impressions(config, types)
    found: Bools = types.is_in(list(config.positive_event_types)).fill_null(False).to_numpy()
    return found


def are_impressions(config: ModelConfig, event_types: Sequence[str | None] | pl.Series) -> Bools:
    """[R] whether events of these types tell what was shown, and nothing of what was wanted."""
    types = event_types if isinstance(event_types, pl.Series) else pl.Series(event_types, dtype=pl.String)
    found: Bools = types.cast(pl.String).is_in(list(config.impression_event_types or ())).fill_null(False).to_numpy()
    return found


def had_and_relevant(config: ModelConfig, frame: pl.DataFrame, ratings: Floats) -> tuple[Bools, Bools]:
    """Of a log's events, [R] each: which mean that the user has had the item, and which of these are a success.

    Args:
        config: whose `positive_event_types` and `positive_rating` are meant.
        frame: the events.
        ratings: [R] NaN where an event has none; such a one is no success where `positive_rating` is set.

    Raises:
        DataError: the config asks for event types and the log has none.
    """
    if config.positive_event_types is None:
        had = np.ones(len(frame), dtype=bool)
    elif EVENT_TYPE not in frame.columns:
        raise DataError(
            f"positive_event_types is {list(config.positive_event_types)} and the log has no column {EVENT_TYPE!r}; "
            "add it, or leave positive_event_types out."
        )
    else:
        had = means_having(config, frame[EVENT_TYPE])
    return had, had if config.positive_rating is None else had & (ratings >= config.positive_rating)


def are_binary(ratings: pl.Series) -> bool:
    """Whether ratings say yes or no alone: 1 and 0, or 1 and -1.

    >>> are_binary(pl.Series([1.0, 0.0, None])), are_binary(pl.Series([1.0, 1.0])), are_binary(pl.Series([1.0, 2.0]))
    (True, False, False)
    """
    return set(ratings.drop_nulls().unique().to_list()) in ({0.0, 1.0}, {-1.0, 1.0})


def with_positive_rating(config: ModelConfig, events: pl.DataFrame) -> ModelConfig:
    """The config, with a `positive_rating` of 1 where it names none and the ratings of a log say yes or no alone."""
    if config.positive_rating is not None or RATING not in events.columns or not are_binary(events[RATING]):
        return config
    logger.info("ratings say yes or no alone: only 1 is a success; positive_rating=-1 counts all")
    return config.model_copy(update={"positive_rating": 1.0})


def check_event_types(config: ModelConfig, events: pl.DataFrame) -> None:
    """Refuse a training log that holds none of some event type that the config calls a success: a misspelt name.

    Raises:
        DataError: see there; the message names the types that the log holds.
    """
    if config.positive_event_types is None or EVENT_TYPE not in events.columns:
        return
    if absent := absent_type(config.positive_event_types, events):
        name, held = absent
        raise DataError(f"positive_event_types names {name!r}, which no event of the log is of; they are of: {held}.")


def absent_type(wanted: Sequence[str], events: pl.DataFrame) -> tuple[str, str] | None:
    """The first of some event types that a log with types holds none of, and in words those that it holds."""
    held = sorted(events[EVENT_TYPE].drop_nulls().cast(pl.String).unique().to_list())
    missing = [one for one in wanted if one not in held]
    more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    return (missing[0], f"{', '.join(held[:_SHOWN])}{more}") if missing else None


def holds_hints(events: Events) -> bool:
    """Whether some events do not mean that their user has had the item."""
    return events.had is not None and not events.had.all()


def histories_of_had(events: Events, every: Histories, n_users: int, *, is_cut: bool = True) -> Histories:
    """What each user has had, at any moment; the same as all their events where all of these mean it.

    Args:
        events: of a log.
        every: the histories of all of them.
        n_users, is_cut: see `Histories`.
    """
    had = events.had
    if had is None or not holds_hints(events):
        return every
    return Histories(events.users[had], events.items[had], events.times[had], n_users, is_cut=is_cut)


def left_out(offsets: Ints, had: Ints, *, repeats: bool | str) -> tuple[Ints, Ints]:
    """What lists leave out of what users had, as (offsets [B+1], rows): all of it, or with any `repeats` nothing."""
    return (np.zeros_like(offsets), had[:0]) if repeats else (offsets, had)
