"""Changes: a recommender takes further events, users and items, and forgets, without being trained again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace

import numpy as np
import polars as pl

from enterprise_recsys.asking import taken
from enterprise_recsys.data.features import encode
from enterprise_recsys.data.growing import Growing
from enterprise_recsys.data.having import are_impressions, means_having
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.told import checked, table_of
from enterprise_recsys.engine.indexes import Index
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.records import ITEM_ID, USER_ID, Doubles, Floats, Ints

Features = Mapping[str, object]


class Changes:
    """What may change while a recommender answers; each call is whole before the next answer begins.

    Catalogue, index and columns are new objects behind `recommender.engine`, so an answer that holds the old ones
    stays consistent. Calls and answers belong to one thread.

    Args:
        recommender: what answers.
    """

    def __init__(self, recommender: Recommender) -> None:
        self.recommender = recommender
        self._vectors = Growing(recommender.engine.vectors)
        self._columns = {name: Growing(column) for name, column in recommender.item_columns.items()}
        self._learnt = Growing(recommender.engine.processor.learnt_items)
        self._gone: set[int] = set()

    # Events and users ------------------------------------------------------------------------------------------------

    def events(
        self,
        user_ids: Sequence[str],
        item_ids: Sequence[str],
        times: Ints,
        ratings: Doubles,
        event_types: Sequence[str | None] | None = None,
        contexts: Sequence[Features] | None = None,
    ) -> None:
        """Count events [R]: times in microseconds since 1970 UTC, ratings NaN where there is none.

        Types are what `having.means_having` looks at; None: of no type. Contexts are told as those of requests are.
        Impressions are kept in the store, for the next training, and change nothing here.
        """
        processor = self.recommender.engine.processor
        counted = np.flatnonzero(~are_impressions(processor.config, event_types or [None] * len(user_ids))).tolist()
        if len(counted) < len(user_ids):
            user_ids, item_ids = [user_ids[one] for one in counted], [item_ids[one] for one in counted]
            times, ratings = times[counted], ratings[counted]
            event_types = [event_types[one] for one in counted] if event_types is not None else None
            contexts = [contexts[one] for one in counted] if contexts is not None else None
        told = [taken(one, "context", processor)[0] for one in contexts] if contexts is not None else None
        self.recommender.state.update(user_ids, item_ids, times, ratings.astype(np.float32), event_types, told)

    def unknown_context(self, contexts: Sequence[Features]) -> list[str]:
        """Names of contexts that this model can make nothing of, each once."""
        processor = self.recommender.engine.processor
        return sorted({name for one in contexts for name in taken(one, "context", processor)[1]})

    def hints(self, event_types: Sequence[str | None]) -> int:
        """How many events of these types are no success to this model, so that their items stay in lists."""
        return int((~means_having(self.recommender.engine.processor.config, event_types)).sum())

    def check_user(self, user_id: str, features: Features) -> None:
        """Refuse features that no user can have, before anything is stored.

        Raises:
            ConfigError: a name that no user has, or a value of the wrong type.
        """
        checked(self._user_schema(), USER_ID, features, "user_")

    def user(self, user_id: str, features: Features, *, whole: bool) -> None:
        """Hold features of a user; `whole`: in place of all that is known, else over what the log says."""
        schema = self._user_schema()
        told = checked(schema, USER_ID, features, "user_")
        row = {**({} if whole else self._recorded(user_id)), **told}
        self.recommender.state.tell(user_id, table_of(schema, USER_ID, {user_id: row}))

    def forget(self, user_id: str) -> bool:
        """Drop a user's events and features, those of the training log in memory too; whether there were any."""
        known = self.recommender.state.forget(user_id)
        log = self.recommender.log
        if known:
            events = log.events.filter(pl.col(USER_ID) != user_id)
            users = log.users.filter(pl.col(USER_ID) != user_id) if log.users is not None else None
            self.recommender.log = replace(log, events=events, users=users)
        return known

    def _user_schema(self) -> dict[str, pl.DataType]:
        table = self.recommender.log.users
        known: dict[str, pl.DataType] = dict(table.schema) if table is not None else {USER_ID: pl.String()}
        for feature in self.recommender.engine.processor.of("user"):
            known.setdefault(feature.name, _TYPES[feature.kind])
        return known

    def _recorded(self, user_id: str) -> dict[str, object]:
        table = self.recommender.log.users
        found = table.filter(pl.col(USER_ID) == user_id).to_dicts() if table is not None else []
        return _told(found[0], USER_ID) if found else {}

    # Items -----------------------------------------------------------------------------------------------------------

    def knows_item(self, item_id: str) -> bool:
        """Whether the catalogue holds an item, gone or not."""
        return item_id in self.recommender.engine.processor.items

    def check_item(self, item_id: str, features: Features) -> None:
        """Refuse features that no item can have, before anything is stored.

        Raises:
            ConfigError: a name that the catalogue has not, or a value of the wrong type.
        """
        self._item_row(item_id, features, whole=True)

    def items(self, items: Mapping[str, Features], *, whole: Mapping[str, bool]) -> None:
        """Put items, new or known: each gets its vector from the item tower and can be found in the next answer.

        Args:
            items: id -> features.
            whole: id -> the features stand in place of all on record, else over it.
        """
        if not items:
            return
        engine = self.recommender.engine
        rows_told = {one: self._item_row(one, told, whole=whole[one]) for one, told in items.items()}
        frame = table_of(engine.processor.catalogue.schema, ITEM_ID, rows_told)
        processor = copy(engine.processor)
        rows = np.array([processor.items.add(one) for one in items], dtype=np.int64)
        # A new item keeps id 0 in the tower: its features speak for it, not an untrained embedding.
        known = rows < len(engine.processor.learnt_items)
        learnt = np.where(known, engine.processor.learnt_items[np.where(known, rows, 0)], 0)
        columns = {ITEM_ID: learnt, **encode(processor.of("item"), frame)}
        vectors = engine.item_encoder.encode(columns)
        for name, growing in self._columns.items():
            growing.put(rows, columns[name])
        self._vectors.put(rows, vectors)
        self._learnt.put(rows, learnt)
        processor.learnt_items = self._learnt.rows.astype(np.int64, copy=False)
        processor.catalogue = _replaced(processor.catalogue, rows, frame)
        self._gone -= set(rows.tolist())
        self._renewed(engine.index.add(rows, vectors), processor)

    def drop(self, item_ids: Sequence[str]) -> None:
        """Never recommend some items again, until they are put anew; unknown ids are passed over."""
        rows = self.recommender.engine.processor.items.rows(list(item_ids))
        if not rows.any():
            return
        self._gone |= set(rows[rows > 0].tolist())
        self._renewed(self.recommender.engine.index.remove(rows[rows > 0]))

    def _item_row(self, item_id: str, features: Features, *, whole: bool) -> dict[str, object]:
        catalogue, items = self.recommender.engine.processor.catalogue, self.recommender.engine.processor.items
        told = checked(catalogue.schema, ITEM_ID, features, "item_")
        row = 0 if whole else items.row(item_id)
        return {**(_told(catalogue.row(row - 1, named=True), ITEM_ID) if row else {}), **told}

    def _renewed(self, index: Index, processor: DataProcessor | None = None) -> None:
        engine = self.recommender.engine
        vectors: Floats = self._vectors.rows.astype(np.float32, copy=False)
        if processor is not None:
            self.recommender.state.renew(processor)
        changed = replace(engine, processor=processor or engine.processor, index=index, vectors=vectors)
        self.recommender.renew(changed, {name: growing.rows for name, growing in self._columns.items()}, self._gone)


_MOST_CHUNKS = 64
"""Chunks are cheap to add and slow to read."""

_TYPES: dict[str, pl.DataType] = {
    "category": pl.String(),
    "number": pl.Float64(),
    "time": pl.Datetime("us", "UTC"),
    "multi_value": pl.List(pl.String()),
}
"""Kind of a feature -> type of its column, where no table says it."""


def _told(row: Mapping[str, object], key: str) -> dict[str, object]:
    return {name: value for name, value in row.items() if name != key}


def _replaced(table: pl.DataFrame, rows: Ints, frame: pl.DataFrame) -> pl.DataFrame:
    """A catalogue with other lines at rows [M] (from 1 on), the new ones, in order, behind its end."""
    size = len(table)
    known, new = np.flatnonzero(rows <= size), np.flatnonzero(rows > size)
    if len(known):
        places = np.arange(size)
        places[rows[known] - 1] = size + known
        table = table.vstack(frame)[places]
    table = table.vstack(frame[new]) if len(new) else table
    return table.rechunk() if table.n_chunks() > _MOST_CHUNKS else table
