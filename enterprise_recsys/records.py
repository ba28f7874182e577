"""What travels between the rooms: one vocabulary of columns, and a few frozen records.

Letters in shapes: B queries (users or requests), K places in a list, R rows (events), U users, I items,
N negatives, L past items, H past items of all queries, D width of a vector. Row 0 of every table means "never seen".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

USER_ID = "user_id"
ITEM_ID = "item_id"
TIMESTAMP = "timestamp"
RATING = "rating"
WEIGHT = "weight"
EVENT_TYPE = "event_type"
EVENT_ID = "event_id"
SESSION_ID = "session_id"
RECOMMENDATION_ID = "recommendation_id"
POSITION = "position"
IMPRESSION = "impression"
"""The type of events that tell what was shown."""

REQUIRED = (USER_ID, ITEM_ID, TIMESTAMP)
OPTIONAL = (RATING, WEIGHT, EVENT_TYPE, EVENT_ID, SESSION_ID, RECOMMENDATION_ID, POSITION)
TIME_TYPE = pl.Datetime("us", "UTC")

# Columns that DataProcessor derives. A processed frame carries them for its reader; fit drops and recomputes them.
TIME_COLUMNS = ("hour", "day_of_week", "is_weekend")
WINDOWS_DAYS = (1, 7, 30)
COUNT_COLUMNS = tuple(
    f"{name}{window}"
    for name in ("user_count", "item_popularity")
    for window in ("", *(f"_{days}d" for days in WINDOWS_DAYS))
)
RECENCY_COLUMNS = ("user_since_last_s", "user_age_s", "item_since_last_s", "item_age_s")
AGGREGATE_COLUMNS = (*COUNT_COLUMNS, *RECENCY_COLUMNS, "user_mean_rating", "user_std_rating", "item_mean_rating")
HISTORY_AGE = "history_age_s"
"""What the user tower is told beside a history: [B, L] seconds from each past item to the request."""
DERIVED = TIME_COLUMNS + AGGREGATE_COLUMNS + tuple(f"{name}_scaled" for name in AGGREGATE_COLUMNS)

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Bools = NDArray[np.bool_]
Columns = dict[str, NDArray[np.generic]]
"""Feature name -> array by row: int64 [R] category, float32 [R] number, int64 [R, M] multi-value."""
PastItem = str | tuple[str, datetime | None]
"""An item of a history that a request tells, and when it was taken (UTC if it has no zone); None: as the next one."""


@dataclass(frozen=True)
class Interactions:
    """A log in canonical form, still in outside ids.

    Attributes:
        events: one row an event, in source order: `user_id`, `item_id` (String), `timestamp` (Datetime us, UTC), and
            where the log has them `rating`, `weight` (Float64), `event_type` (String), ...; other columns are context.
        users: one row a user: `user_id` and static features named `user_*`; None = no features.
        items: one row an item: `item_id` and static features named `item_*`; None = no features.
        name: where the log came from, for messages and results.
    """

    events: pl.DataFrame
    users: pl.DataFrame | None = None
    items: pl.DataFrame | None = None
    name: str = "log"

    def with_events(self, events: pl.DataFrame) -> Interactions:
        """The same users and items with other events."""
        return Interactions(events, self.users, self.items, self.name)


@dataclass(frozen=True)
class Events:
    """Encoded events, ordered by (time, source row).

    Attributes:
        users: [R] user rows; 0 = a user that the vocabulary does not hold.
        items: [R] item rows; 0 = an item that the vocabulary does not hold.
        times: [R] microseconds since 1970 UTC.
        ratings: [R] the rating in the log's own unit; NaN where there is none.
        weights: [R] how much an event counts; 1 where the log says nothing.
        relevant: [R] whether the event counts as a success (a positive type, a rating over the threshold).
        context: feature name -> [R, ...] encoded context columns of the events.
        tasks: task -> [R] what the event says of it; NaN: nothing. See `data.labels`.
        had: [R] whether the event means that its user has had the item, see `data.having`; None: each does.
    """

    users: Ints
    items: Ints
    times: Ints
    ratings: Floats
    weights: Floats
    relevant: Bools
    context: Columns = field(default_factory=dict)
    tasks: dict[str, Floats] = field(default_factory=dict)
    had: Bools | None = None

    def __len__(self) -> int:
        return len(self.users)

    def take(self, index: NDArray[np.bool_] | Ints) -> Events:
        """The events at some places (a mask or positions), in that order."""
        context = {name: column[index] for name, column in self.context.items()}
        return Events(
            self.users[index],
            self.items[index],
            self.times[index],
            self.ratings[index],
            self.weights[index],
            self.relevant[index],
            context,
            {name: labels[index] for name, labels in self.tasks.items()},
            None if self.had is None else self.had[index],
        )


@dataclass(frozen=True)
class Dataset:
    """What the stages learn from: encoded events beside the static columns of users and items.

    Attributes:
        events: encoded events in order of time.
        users: feature name -> [U, ...]; row 0 is the user never seen.
        items: feature name -> [I, ...]; row 0 is the item never seen.
    """

    events: Events
    users: Columns
    items: Columns

    @property
    def n_users(self) -> int:
        """Rows of the user table, row 0 included."""
        return len(self.users[USER_ID])

    @property
    def n_items(self) -> int:
        """Rows of the item table, row 0 included."""
        return len(self.items[ITEM_ID])

    def with_events(self, events: Events) -> Dataset:
        """The same users and items with other events."""
        return Dataset(events, self.users, self.items)


@dataclass(frozen=True)
class Ranked:
    """A list of items for each query, best first.

    Attributes:
        rows: [B, K] item rows; 0 = this place is empty (the catalogue had no more).
        scores: [B, K] falling from left to right, unless rules or diversity have moved items; -inf where the place is
            empty.
    """

    rows: Ints
    scores: Floats


@dataclass(frozen=True)
class Ragged:
    """As many item rows for each query as it has, one query after the other.

    Attributes:
        offsets: [B+1] query b owns the places offsets[b] to offsets[b+1].
        rows: [H] item rows.
    """

    offsets: Ints
    rows: Ints

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def owners(self) -> Ints:
        """[H] the query that each row belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def part(self, start: int, end: int) -> Ragged:
        """The queries from start up to end."""
        first, last = self.offsets[start], self.offsets[min(end, len(self))]
        return Ragged(self.offsets[start : end + 1] - first, self.rows[first:last])

    def take(self, queries: Ints) -> Ragged:
        """Some queries, by position, in that order."""
        counts = np.diff(self.offsets)[queries]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[queries] - offsets[:-1], counts)
        return Ragged(offsets, self.rows[places])


@dataclass(frozen=True)
class Queries:
    """What a source of candidates is asked with; history and exclusions are two things.

    Attributes:
        history: what each of the B users had, oldest first: what is recommended from.
        exclude: rows that a list may not hold; None: the history. Repeats are asked with an empty one.
        users: [B] user rows, for sources that have learnt a vector of each user; 0 = not known. None: nobody is.
    """

    history: Ragged
    exclude: Ragged | None = None
    users: Ints | None = None

    def __len__(self) -> int:
        return len(self.history)

    @property
    def excluded(self) -> Ragged:
        """The rows that are left out."""
        return self.history if self.exclude is None else self.exclude

    def part(self, start: int, end: int) -> Queries:
        """The queries from start up to end."""
        return Queries(
            self.history.part(start, end),
            None if self.exclude is None else self.exclude.part(start, end),
            None if self.users is None else self.users[start:end],
        )
