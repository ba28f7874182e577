"""DataProcessor: a log becomes numbers; vocabularies, features and scales are learnt once and frozen."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.aggregates import Statistics, Timeline
from enterprise_recsys.data.features import Feature, encode, fit_number, infer, time_columns
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.splits import SPLITS
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.errors import DataError, NotFittedError
from enterprise_recsys.records import (
    AGGREGATE_COLUMNS,
    COUNT_COLUMNS,
    EVENT_TYPE,
    ITEM_ID,
    OPTIONAL,
    RATING,
    REQUIRED,
    TIMESTAMP,
    USER_ID,
    WEIGHT,
    WINDOWS_DAYS,
    Columns,
    Dataset,
    Events,
    Interactions,
    Ints,
)


class DataProcessor:
    """Learns how a log's ids and columns become rows and numbers, and applies it to any later log.

    Example::

        parts = DataProcessor().prepare(log)            # {"train", "val", "test"}: processed frames
        processor = DataProcessor().fit(train)
        dataset = processor.dataset(train)

    Attributes:
        users, items: vocabularies; items hold the whole catalogue, users those of the training events.
        features: every fitted feature: user, item and context columns, and the moving statistics.
        catalogue: the items table in row order (row 1 first), raw, for display and filters.
    """

    def __init__(self, config: ModelConfig | None = None) -> None:
        self.config = config or ModelConfig()
        self._fitted = False
        self.users = Vocabulary([])
        self.items = Vocabulary([])
        self.learnt_items = np.zeros(1, dtype=np.int64)
        self.learnt_users = np.zeros(1, dtype=np.int64)
        self.features: list[Feature] = []
        self.catalogue = pl.DataFrame({ITEM_ID: []}, schema={ITEM_ID: pl.String})

    def fit(self, log: Interactions | object) -> DataProcessor:
        """Learn vocabularies, features and scales from a training log (a frame or Interactions).

        Raises:
            DataError: the log lacks a column, is empty, or holds no relevant event.
        """
        log = log if isinstance(log, Interactions) else to_interactions(log)
        self.users = Vocabulary.of(log.events[USER_ID])
        listed = [log.items[ITEM_ID]] if log.items is not None else []
        self.items = Vocabulary.of(log.events[ITEM_ID], *listed)
        self._mark(log)
        self.catalogue = pl.DataFrame({ITEM_ID: self.items.ids})
        if log.items is not None:
            self.catalogue = self.catalogue.join(log.items, on=ITEM_ID, how="left", maintain_order="left")
        self.features = []
        if log.users is not None:
            self.features += infer("user", log.users, skip=(USER_ID,))
        self.features += infer("item", self.catalogue, skip=(ITEM_ID,))
        self.features += infer("context", log.events, skip=REQUIRED + OPTIONAL)
        self._fitted = True
        self.features += self._fit_statistics(self._events(log))
        return self

    def _mark(self, log: Interactions) -> None:
        # An item without events keeps id 0 in the tower: its features speak for it, not an untrained embedding.
        self.learnt_users, self.learnt_items = (
            np.where(
                np.bincount(vocabulary.rows(log.events[key]), minlength=len(vocabulary)) > 0,
                np.arange(len(vocabulary)),
                0,
            )
            for vocabulary, key in ((self.users, USER_ID), (self.items, ITEM_ID))
        )
        self.learnt_users[0] = self.learnt_items[0] = 0

    def limited_to(self, log: Interactions) -> DataProcessor:
        """The same rows and features, with only this log's ids as learnt: for a model that sees less."""
        other = DataProcessor(self.config)
        other.users, other.items, other.catalogue = self.users, self.items, self.catalogue
        other.features, other._fitted = self.features, True
        other._mark(log)
        return other

    def _fit_statistics(self, events: Events) -> list[Feature]:
        values = statistics_of(*self._read_both(events))
        rated = bool((~np.isnan(events.ratings)).any())
        names = AGGREGATE_COLUMNS if rated else COUNT_COLUMNS
        return [fit_number(name, "statistic", values[name], log=name in COUNT_COLUMNS) for name in names]

    @staticmethod
    def _read_both(events: Events) -> tuple[Statistics, Statistics]:
        return (
            Timeline(events.users, events.times, events.ratings).read(events.users, events.times),
            Timeline(events.items, events.times, events.ratings).read(events.items, events.times),
        )

    def of(self, owner: str) -> list[Feature]:
        """The features of one owner: user, item, context or statistic."""
        return [feature for feature in self.features if feature.owner == owner]

    def _events(self, log: Interactions, users: Vocabulary | None = None) -> Events:
        frame = log.events.with_row_index("_source").sort(TIMESTAMP, "_source", maintain_order=True)
        nothing = pl.Series([None] * len(frame), dtype=pl.Float64)
        ratings = (frame[RATING] if RATING in frame.columns else nothing).fill_null(np.nan).to_numpy()
        weights = (frame[WEIGHT] if WEIGHT in frame.columns else nothing).fill_null(1.0).to_numpy()
        relevant = np.ones(len(frame), dtype=bool)
        if self.config.positive_rating is not None:
            relevant &= ratings >= self.config.positive_rating
        if self.config.positive_event_types is not None:
            if EVENT_TYPE not in frame.columns:
                raise DataError("positive_event_types is set and the log has no column 'event_type'; add it or unset.")
            relevant &= frame[EVENT_TYPE].is_in(list(self.config.positive_event_types)).fill_null(False).to_numpy()
        return Events(
            users=(users or self.users).rows(frame[USER_ID]),
            items=self.items.rows(frame[ITEM_ID]),
            times=frame[TIMESTAMP].to_physical().to_numpy().astype(np.int64),
            ratings=ratings.astype(np.float32),
            weights=weights.astype(np.float32),
            relevant=relevant,
            context=encode(self.of("context"), frame),
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
        """The moving statistics as scaled numbers [R]; see `statistics_of`."""
        return {feature.name: feature.scale(statistics[feature.name]) for feature in self.of("statistic")}

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
        log = log if isinstance(log, Interactions) else to_interactions(log)
        own = log.events.with_columns(_now=pl.lit(True), _place=pl.int_range(pl.len()))
        parts = [own] if past is None else [past.events, own]
        frame = pl.concat(parts, how="diagonal_relaxed").with_row_index("_source").sort(TIMESTAMP, "_source")
        everyone = Vocabulary.of(frame[USER_ID])
        all_items = Vocabulary.of(frame[ITEM_ID])
        times = frame[TIMESTAMP].to_physical().to_numpy().astype(np.int64)
        ratings = frame[RATING].fill_null(np.nan).to_numpy() if RATING in frame.columns else np.full(len(frame), np.nan)
        users, items = everyone.rows(frame[USER_ID]), all_items.rows(frame[ITEM_ID])
        ratings = ratings.astype(np.float32)
        values = statistics_of(
            Timeline(users, times, ratings).read(users, times), Timeline(items, times, ratings).read(items, times)
        )
        scaled = {f"{name}_scaled": column for name, column in self.scale(values).items()}
        clock = time_columns(times)
        derived = pl.DataFrame(
            {
                "hour": clock["hour"] - 1,
                "day_of_week": clock["day_of_week"],
                "is_weekend": clock["is_weekend"] == 2,
                **{feature.name: values[feature.name] for feature in self.of("statistic")},
                **scaled,
            }
        ).with_columns(pl.col(pl.Float64, pl.Float32).fill_nan(None))
        out = frame.hstack(derived).filter(pl.col("_now")).sort("_place").drop("_now", "_place", "_source")
        for table, key in ((log.users, USER_ID), (log.items, ITEM_ID)):
            if table is not None:
                out = out.join(table, on=key, how="left", maintain_order="left")
        return out

    def prepare(self, log: Interactions, *, split: str = "global_time") -> dict[str, pl.DataFrame]:
        """Split a log and process each part: the frames train, val, test; this processor learns from train alone."""
        parts = SPLITS[split](log)
        self.fit(parts.train)
        known = pl.concat([parts.train.events, parts.val.events])
        return {
            "train": self.transform(parts.train),
            "val": self.transform(parts.val, past=parts.train),
            "test": self.transform(parts.test, past=log.with_events(known)),
        }

    def to_json(self) -> dict[str, object]:
        """The frozen schema: every feature with its parameters."""
        return {"features": [feature.to_json() for feature in self.features]}

    def restore(
        self,
        schema: Mapping[str, object],
        users: pl.Series,
        catalogue: pl.DataFrame,
        learnt_users: Ints,
        learnt_items: Ints,
    ) -> DataProcessor:
        """Take over what another processor learnt (the inverse of `to_json` and the vocabularies)."""
        listed = schema["features"]
        self.features = [Feature.from_json(one) for one in listed] if isinstance(listed, list) else []
        self.users, self.items = Vocabulary(users), Vocabulary(catalogue[ITEM_ID])
        self.catalogue, self.learnt_users, self.learnt_items = catalogue, learnt_users, learnt_items
        self._fitted = True
        return self


def statistics_of(users: Statistics, items: Statistics) -> dict[str, np.ndarray]:
    """The moving statistics by their column names, raw."""
    return {
        "user_count": users.count,
        **{f"user_count_{days}d": users.recent[:, place] for place, days in enumerate(WINDOWS_DAYS)},
        "item_popularity": items.count,
        **{f"item_popularity_{days}d": items.recent[:, place] for place, days in enumerate(WINDOWS_DAYS)},
        "user_mean_rating": users.mean,
        "user_std_rating": users.std,
        "item_mean_rating": items.mean,
    }
