"""DataProcessor: a log becomes numbers; vocabularies, features and scales are learnt once and frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import polars as pl

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.aggregates import statistics_of
from enterprise_recsys.data.cuts import parsed
from enterprise_recsys.data.features import Feature, encode, fit_number, fitted, scaled_at_once
from enterprise_recsys.data.frames import to_interactions, to_polars
from enterprise_recsys.data.having import check_event_types, had_and_relevant
from enterprise_recsys.data.labels import check_labels, labels_of
from enterprise_recsys.data.ordering import by_time
from enterprise_recsys.data.owners import as_before
from enterprise_recsys.data.past import of_past
from enterprise_recsys.data.processed import Past, past_of, processed, ratings_of, statistic_names, times_of
from enterprise_recsys.data.schema import Schema
from enterprise_recsys.data.splits import follow_in_time
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.errors import DataError, NotFittedError
from enterprise_recsys.records import (
    COUNT_COLUMNS,
    ITEM_ID,
    RECENCY_COLUMNS,
    USER_ID,
    WEIGHT,
    Columns,
    Dataset,
    Events,
    Interactions,
    Ints,
)

_SCALED_BY = 1 << 20


class DataProcessor:
    """Learns how a log's ids and columns become rows and numbers, and applies it to any later log.

    Example::

        parts = DataProcessor().prepare(log)            # {"train", "val", "test"}: processed frames
        processor = DataProcessor().fit(train)
        dataset = processor.dataset(train)

    Attributes:
        users, items: vocabularies; items hold the whole catalogue, users those of the training events.
        schema: the owner and kind of every column, as `fit` found them.
        features: every fitted feature: user, item and context columns, and the moving statistics.
        catalogue: the items table in row order (row 1 first), raw, for display and filters.
    """

    def __init__(self, config: ModelConfig | None = None) -> None:
        self.config = config or ModelConfig()
        self._fitted = False
        self.schema = Schema(())
        self.users = Vocabulary([])
        self.items = Vocabulary([])
        self.learnt_items = np.zeros(1, dtype=np.int64)
        self.learnt_users = np.zeros(1, dtype=np.int64)
        self.features: list[Feature] = []
        self.catalogue = pl.DataFrame({ITEM_ID: []}, schema={ITEM_ID: pl.String})

    def fit(self, log: Interactions | object, *, past: Past | None = None) -> DataProcessor:
        """Learn vocabularies, features and scales from a training log (a frame or Interactions).

        Args:
            log: the events to learn from, with the tables of users and items.
            past: the statistics before each event where they are known already; None: they are computed.

        Raises:
            DataError: the log lacks a column, is empty, or holds no relevant event, or `feature_kinds` of the config
                names a column that it does not have or a kind that a column cannot be of, or `tasks`,
                `positive_event_types` or `repeats` what it lacks.
        """
        log = log if isinstance(log, Interactions) else to_interactions(log)
        check_event_types(self.config, log.events)
        check_labels(self.config.tasks, log.events, self.config.feature_kinds)
        # What is to be learnt is not known before the event: it is no feature of its moment.
        labels = {task.column: "skip" for task in self.config.tasks.values() if task.column is not None}
        self.schema = Schema.of(log, {**(self.config.feature_kinds or {}), **labels})
        self.users = Vocabulary.of(log.events[USER_ID])
        listed = [log.items[ITEM_ID]] if log.items is not None else []
        self.items = Vocabulary.of(log.events[ITEM_ID], *listed)
        self._mark(log)
        self.catalogue = pl.DataFrame({ITEM_ID: self.items.ids})
        if log.items is not None:
            self.catalogue = self.catalogue.join(log.items, on=ITEM_ID, how="left", maintain_order="left")
        self.features = []
        if log.users is not None:
            self.features += fitted("user", log.users, self.schema.kinds("user"))
        self.features += fitted("item", self.catalogue, self.schema.kinds("item"))
        self.features += fitted("context", log.events, self.schema.kinds("context"))
        if self.config.repeats == "elsewhere" and not any(one.kind == "category" for one in self.of("context")):
            raise DataError(
                "repeats is 'elsewhere' and no column of the events is a category of their context; add one, such as "
                "the device or the place, or let repeats be true."
            )
        self._fitted = True
        if past is None:
            events = self._events(log)
            past = Past(*(of_past(rows, events.times, events.ratings) for rows in (events.users, events.items)))
        names = statistic_names(rated=bool(np.isfinite(ratings_of(log.events)).any()))
        # The age of an item is told and not learnt from: it grows for all items with the log, so that what it meant
        # when the ranker learnt is not what it means when it answers (ml-100k NDCG@10 .3538 with it, .3695 without).
        left_out = ("item_age_s",) if self.config.recency else RECENCY_COLUMNS
        learnt = [name for name in names if name not in left_out]
        self.features += _fitted_statistics(past, learnt)
        return self

    def _mark(self, log: Interactions) -> None:
        # An item without events keeps id 0 in the tower: its features speak for it, not an untrained embedding.
        self.learnt_users = _learnt(self.users, log.events[USER_ID])
        self.learnt_items = _learnt(self.items, log.events[ITEM_ID])

    def limited_to(self, log: Interactions) -> DataProcessor:
        """The same rows and features, with only this log's ids as learnt: for a model that sees less."""
        other = DataProcessor(self.config)
        other.users, other.items, other.catalogue = self.users, self.items, self.catalogue
        other.features, other.schema, other._fitted = self.features, self.schema, True
        other._mark(log)
        return other

    def of(self, owner: str) -> list[Feature]:
        """The features of one owner: user, item, context or statistic."""
        return [feature for feature in self.features if feature.owner == owner]

    def _events(self, log: Interactions, users: Vocabulary | None = None) -> Events:
        order = by_time(times_of(log.events))
        frame = log.events if (np.diff(order) == 1).all() else log.events[order]
        ratings = ratings_of(frame)
        nothing = pl.Series([None] * 0, dtype=pl.Float64).extend_constant(None, len(frame))
        weights = (frame[WEIGHT] if WEIGHT in frame.columns else nothing).fill_null(1.0).to_numpy()
        had, relevant = had_and_relevant(self.config, frame, ratings)
        return Events(
            users=(users or self.users).rows(frame[USER_ID]),
            items=self.items.rows(frame[ITEM_ID]),
            times=times_of(frame),
            ratings=ratings,
            weights=weights.astype(np.float32),
            relevant=relevant,
            context=encode(self.of("context"), frame),
            tasks=labels_of(self.config.tasks, frame),
            had=had,
        )

    def events(self, log: Interactions, users: Vocabulary | None = None) -> Events:
        """Encode a log's events, ordered by (time, source row); another vocabulary of users may number them."""
        self._check()
        return self._events(log, users)

    def user_columns(self, table: pl.DataFrame | None, users: Vocabulary) -> Columns:
        """The static columns [S, ...] of some users; row 0 is the user of whom nothing is known."""
        frame = pl.DataFrame({USER_ID: pl.concat([pl.Series("", [""]), users.ids.rename("")])})
        if table is not None:
            frame = frame.join(table, on=USER_ID, how="left", maintain_order="left")
        rows = np.concatenate([[0], self.learnt_users[self.users.rows(users.ids)]]).astype(np.int64)
        return {USER_ID: rows, **encode(self.of("user"), frame)}

    def item_columns(self) -> Columns:
        """The static columns [I, ...] of the catalogue; row 0 is the item never seen."""
        frame = pl.concat([self.catalogue.clear(n=1), self.catalogue])
        return {ITEM_ID: self.learnt_items, **encode(self.of("item"), frame)}

    def dataset(self, log: Interactions, *, users: pl.DataFrame | None = None) -> Dataset:
        """Encode a log for the stages."""
        self._check()
        return Dataset(
            self._events(log),
            self.user_columns(users if users is not None else log.users, self.users),
            self.item_columns(),
        )

    def scale(self, statistics: Mapping[str, np.ndarray]) -> Columns:
        """Those of the moving statistics that are learnt from, as scaled numbers [R]; see `statistics_of`."""
        learnt = [feature for feature in self.of("statistic") if feature.name in statistics]
        if learnt and len(statistics[learnt[0].name]) == 1:
            return scaled_at_once(learnt, statistics)  # of one request each step costs more than its work
        return {feature.name: feature.scale(statistics[feature.name]) for feature in learnt}

    def _check(self) -> None:
        if not self._fitted:
            raise NotFittedError("this DataProcessor has not learnt a log yet; call fit(train) first.")

    def transform(self, log: Interactions | object, *, past: Interactions | None = None) -> pl.DataFrame:
        """A processed frame: the log's canonical and feature columns and the derived ones, in source order.

        Derived are hour (0-23), day_of_week (1 = Monday), is_weekend, and the statistics of user and item as of each
        event from the past only, raw and scaled (`*_scaled`, mean 0 and deviation 1 on the training log).

        Args:
            log: what to transform.
            past: earlier events that the statistics may know (for val: train; for test: train and val).
        """
        self._check()
        if not isinstance(log, Interactions):
            frame = to_polars(log, "log")
            log = to_interactions(frame, static=as_before(frame.columns, [one.name for one in self.features]))
        before = 0 if past is None else len(past.events)
        events = log.events if past is None else pl.concat([past.events, log.events], how="diagonal_relaxed")
        return self._processed(log, past_of(events).take(slice(before, None)))

    def _processed(self, log: Interactions, past: Past) -> pl.DataFrame:
        scales = self.of("statistic")
        rated = any(feature.name == "item_mean_rating" for feature in scales)
        return processed(log, past, statistic_names(rated=rated), scales)

    def prepare(self, log: Interactions, *, split: str = "global_time") -> dict[str, pl.DataFrame]:
        """Split a log and process each part: the frames train, val, test; this processor learns from train alone.

        Args:
            log: all events.
            split: a name in `SPLITS`, and its dials as in `leave_last_k,k=10`; see `cuts.parsed`.
        """
        parts = parsed(split).split(log)
        named = {"train": parts.train, "val": parts.val, "test": parts.test}
        if follow_in_time(parts):  # then the past of each part is the same as in the whole log, and one pass does
            past = past_of(pl.concat([part.events for part in named.values()], how="diagonal_relaxed"))
            ends = np.cumsum([0] + [len(part.events) for part in named.values()])
            of_part = [past.take(slice(begin, end)) for begin, end in pairwise(ends.tolist())]
            self.fit(parts.train, past=of_part[0])
            return {name: self._processed(part, own) for (name, part), own in zip(named.items(), of_part, strict=True)}
        self.fit(parts.train)
        known = pl.concat([parts.train.events, parts.val.events])
        return {
            "train": self.transform(parts.train),
            "val": self.transform(parts.val, past=parts.train),
            "test": self.transform(parts.test, past=log.with_events(known)),
        }

    def to_json(self) -> dict[str, object]:
        """The frozen schema: every column's owner and kind, and every feature with its parameters."""
        return {**self.schema.to_json(), "features": [feature.to_json() for feature in self.features]}

    def restore(
        self,
        schema: Mapping[str, object],
        users: pl.Series,
        catalogue: pl.DataFrame,
        learnt_users: Ints,
        learnt_items: Ints,
    ) -> DataProcessor:
        """Take over what another processor learnt (the inverse of `to_json` and the vocabularies)."""
        self.schema = Schema.from_json(schema)
        listed = schema["features"]
        self.features = [Feature.from_json(one) for one in listed] if isinstance(listed, list) else []
        self.users, self.items = Vocabulary(users), Vocabulary(catalogue[ITEM_ID])
        self.catalogue, self.learnt_users, self.learnt_items = catalogue, learnt_users, learnt_items
        self._fitted = True
        return self


def _learnt(vocabulary: Vocabulary, ids: pl.Series) -> Ints:
    """[V] the row of each id that has events, 0 of each that has none."""
    rows = np.zeros(len(vocabulary), dtype=np.int64)
    known = vocabulary.rows(ids.unique())
    rows[known] = known
    return rows


def _fitted_statistics(past: Past, names: Sequence[str]) -> list[Feature]:
    """The scales of the moving statistics, learnt from `_SCALED_BY` events at most, evenly taken."""
    count = len(past.users.count)
    some = past.take(slice(None, None, -(-count // _SCALED_BY) if count else None))
    values = statistics_of(some.users, some.items)
    return [
        fit_number(
            name,
            "statistic",
            values[name].astype(np.float64),
            log=name in COUNT_COLUMNS + RECENCY_COLUMNS,
            capped=name in RECENCY_COLUMNS,  # a log that stands still for long says no more than its longest pause did
        )
        for name in names
    ]
