"""What a protocol asks: lists for users, or predictions for events; one round to choose dials, one to judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Interface

import numpy as np
import polars as pl

from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.evaluation.protocol import System
from enterprise_recsys.evaluation.truth import Truth
from enterprise_recsys.records import (
    ITEM_ID,
    RATING,
    TIMESTAMP,
    USER_ID,
    Doubles,
    Events,
    Interactions,
    Ints,
    Queries,
    Ragged,
)

CLICK = "click"
"""The goal of a row task that is not the rating (RATING): will it be at least so much?"""

Dials = Mapping[str, object]
"""Name of a dial -> a number, or whatever else ModelConfig takes there; {} = a system's own defaults."""


def numbers(dials: Dials, known: Sequence[str], *, system: str) -> dict[str, float]:
    """The dials of a system whose dials are all numbers.

    Args:
        dials: as they were given.
        known: the system's own.
        system: its name, for messages.

    Raises:
        ConfigError: the system has no such dial, or the value is no number.
    """
    told: dict[str, float] = {}
    for name, value in dials.items():
        if name not in known:
            raise ConfigError(f"{system} has no dial {name!r}; it has: {', '.join(known) or 'none'}.")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{name}={value!r} is wrong: the dials of {system} are numbers, such as {name}=3.")
        told[name] = value
    return told


@dataclass(frozen=True)
class Trial:
    """One round of a list task: learn from a log, then answer users of whom a past is known.

    Attributes:
        log: what may be learnt from; with the tables of users and items where the data has them.
        past: events of the asked users before their targets, oldest first within a user; they are left out of lists.
        targets: what the asked users took; a user without a past may be among them.
        questions: for protocols that ask a user several times, each time in another context: `user_id` is then the name
            of the question in `targets`, `owner` the user of `log` and `past` who asks, and the other columns, which
            `log` has too, are known when it is asked. None: each user is asked once.
        listed: ids of the items that may be listed in this round alone. None: the catalogue of the task.
        barred: pairs of `user_id`, as in `targets`, and `item_id` that are left out of all lists; see `barring`.
    """

    log: Interactions
    past: pl.DataFrame
    targets: pl.DataFrame
    questions: pl.DataFrame | None = None
    listed: pl.Series | None = None
    barred: pl.DataFrame | None = None

    @property
    def asked(self) -> pl.Series:
        """[B] ids of the users (or names of the questions) that are asked, sorted; the order of the truth."""
        return self.targets[USER_ID].unique().sort()

    @property
    def owners(self) -> pl.Series:
        """[B] who asks, in the order of `asked`."""
        if self.questions is None:
            return self.asked
        return self.contexts["owner"]

    @property
    def contexts(self) -> pl.DataFrame:
        """[B] the questions in the order of `asked`."""
        assert self.questions is not None
        return self.asked.to_frame().join(self.questions, on=USER_ID, how="left", maintain_order="left")


@dataclass(frozen=True)
class ListTask:
    """Lists for users, over one catalogue.

    Attributes:
        catalogue: ids of the items that may be listed.
        choose: the round on which dials are chosen; made from what may be learnt from, never from the targets of judge.
        judge: the round whose figures count.
        checksum: of the targets of judge.
        has_times: whether timestamps are moments; else they tell at most the order within a user.
        repeats: whether what a user had before may be listed and asked for again.
        is_next: whether the one target of each user is the next item, asked for at any moment.
    """

    catalogue: pl.Series
    choose: Trial
    judge: Trial
    checksum: str
    has_times: bool
    repeats: bool = False
    is_next: bool = False

    def listed(self, trial: Trial) -> pl.Series:
        """Ids of the items that may be listed in a round."""
        return self.catalogue if trial.listed is None else trial.listed


@dataclass(frozen=True)
class RowTask:
    """A label for each event, or a click and a rating, from the user's, the item's and no other columns.

    Attributes:
        train: learnt from; `val` chooses dials and epochs; `test` judges. With tables of users and items.
        threshold: the label is 1 if the rating is at least this, else 0; None: the label is the rating itself.
        checksum: of the events of test.
        undecided: with a threshold: an event of this rating is neither, and its label is not known (NaN).
        is_rated: with a threshold: the rating itself is asked too.
    """

    train: Interactions
    val: Interactions
    test: Interactions
    threshold: float | None
    checksum: str
    undecided: float | None = None
    is_rated: bool = False

    @property
    def goals(self) -> tuple[str, ...]:
        """What is asked of each event: CLICK, RATING or both."""
        if self.threshold is None:
            return (RATING,)
        return (CLICK, RATING) if self.is_rated else (CLICK,)

    def labels(self, part: Interactions, goal: str | None = None) -> Doubles:
        """[R] what is to be predicted of the events of a part, NaN where it is not known; None: the first goal."""
        ratings = part.events[RATING].to_numpy().astype(np.float64)
        if self.threshold is None or goal == RATING:
            return ratings
        clicks = (ratings >= self.threshold).astype(np.float64)
        return clicks if self.undecided is None else np.where(ratings == self.undecided, np.nan, clicks)

    def alone(self, goal: str) -> RowTask:
        """The task of one goal: learnt from the events whose label is known, asked of the same test."""
        threshold = self.threshold if goal == CLICK else None
        train, val = (
            part.with_events(part.events.filter(~np.isnan(self.labels(part, goal)))) for part in (self.train, self.val)
        )
        return RowTask(train, val, self.test, threshold, self.checksum)


@dataclass(frozen=True)
class Published:
    """A figure that others have told.

    Attributes:
        name: the system, as in a result line `published:<name>`.
        figures: metric -> value.
        source: where it was read.
        is_rerun: told by somebody who ran a known method on the same files; shown, and not recorded as published.
    """

    name: str
    figures: Mapping[str, float]
    source: str
    is_rerun: bool = False


@dataclass(frozen=True)
class Protocol:
    """A protocol by name.

    Attributes:
        load: (path of the data or None, seed of the split) -> the task; its docstring tells the protocol, and how it
            differs from the published one.
        metrics: those that are told; dials are chosen by the first, and it is shown first.
        published: figures of others.
        seeds: runs that a figure is the mean of, unless asked otherwise.
    """

    load: Callable[[Path | None, int], ListTask | RowTask]
    metrics: tuple[str, ...]
    published: tuple[Published, ...] = ()
    seeds: int = 1


@dataclass(frozen=True)
class Answer:
    """What a system gives for a list task.

    Attributes:
        stages: "retrieval" and, for a system with two stages, "two_stage" -> something that `measure` can ask, by
            positions of users in `judge.asked`, giving rows of the catalogue (row 1 is its first id).
        dials: chosen or given, for the record.
    """

    stages: Mapping[str, System]
    dials: Dials = field(default_factory=dict)


@dataclass(frozen=True)
class Predictions:
    """What a system gives for a row task.

    Attributes:
        values: [R] a number for each event of test: its chance of a click, or its rating where only that is asked.
        dials: chosen or given.
        ratings: [R] where both are asked.
    """

    values: Doubles
    dials: Dials = field(default_factory=dict)
    ratings: Doubles | None = None


class Lister(Interface):
    """A system that answers list tasks: learns what it is allowed to, chooses its dials on `choose`, answers `judge`.

    Args of a call:
        task: what is asked.
        metric: by which dials are chosen.
        seed: of its own randomness.
        trials: settings that its search may try; 0 = its defaults.
        dials: fixed settings; then nothing is searched.
    """

    def __call__(self, task: ListTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Answer:
        """Learn, choose, answer."""


class Predictor(Interface):
    """A system that answers row tasks; see `Lister` for the arguments."""

    def __call__(self, task: RowTask, *, metric: str, seed: int, trials: int, dials: Dials) -> Predictions:
        """Learn, choose, predict."""


@dataclass(frozen=True)
class Encoded:
    """A trial in rows, for systems that work on arrays.

    Attributes:
        events: the log, ordered by (time, source row), all relevant.
        n_users, n_items: rows of the tables, row 0 included.
        queries: the asked users (or questions), in the order of `Trial.asked`.
        owners: [B] a number for each that is the same where the same user asks.
        truth: what they took; an item outside the catalogue has a row past its end, and can never be hit.
    """

    events: Events
    n_users: int
    n_items: int
    queries: Queries
    owners: Ints
    truth: Truth

    @classmethod
    def of(cls, trial: Trial, catalogue: pl.Series) -> Encoded:
        """Number users and items: users by the sorted ids of the log, items by the catalogue."""
        users, items, asked = Vocabulary.of(trial.log.events[USER_ID]), Vocabulary(catalogue), Vocabulary(trial.asked)
        frame = trial.log.events.with_row_index("_source").sort(TIMESTAMP, "_source")
        ones = np.ones(len(frame), dtype=np.float32)
        ratings = frame[RATING].to_numpy().astype(np.float32) if RATING in frame.columns else ones * np.float32(np.nan)
        events = Events(
            users.rows(frame[USER_ID]),
            items.rows(frame[ITEM_ID]),
            frame[TIMESTAMP].to_physical().to_numpy().astype(np.int64),
            ratings,
            ones,
            np.ones(len(frame), dtype=np.bool_),
        )
        return cls(
            events,
            len(users),
            len(items),
            Queries(_history(trial, items), users=users.rows(trial.owners)),
            Vocabulary.of(trial.owners).rows(trial.owners),
            _truth(trial.targets, asked, items),
        )


def _history(trial: Trial, items: Vocabulary) -> Ragged:
    """What each of the asked had, oldest first."""
    known = Vocabulary(trial.owners.unique().sort())
    owners, past = known.rows(trial.past[USER_ID]) - 1, items.rows(trial.past[ITEM_ID])
    kept = (owners >= 0) & (past > 0)
    order = np.argsort(owners[kept], kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners[kept], minlength=len(known) - 1))])
    return Ragged(offsets.astype(np.int64), past[kept][order]).take(known.rows(trial.owners) - 1)


def _truth(targets: pl.DataFrame, asked: Vocabulary, items: Vocabulary) -> Truth:
    rows = items.rows(targets[ITEM_ID])
    strangers = targets[ITEM_ID].rank("dense").to_numpy().astype(np.int64) + len(items)
    return Truth.of(asked.rows(targets[USER_ID]) - 1, np.where(rows > 0, rows, strangers), n_users=len(asked) - 1)
