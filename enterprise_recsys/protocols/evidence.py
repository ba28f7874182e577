"""What is known of an asker and an item before the answer: the columns that a second stage orders candidates by."""

from __future__ import annotations

import numpy as np
import polars as pl

from enterprise_recsys.data.features import encode, fitted
from enterprise_recsys.data.schema import Schema
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.protocols.tasks import Encoded, Trial
from enterprise_recsys.records import ITEM_ID, USER_ID, Columns, Doubles, Ints, Ranked

_RESERVED = (USER_ID, "owner")


class Evidence:
    """Counts of the log and features of users and items, looked up for pairs of an asker and a candidate.

    Args:
        trial: whose log is counted, and who asks.
        asked: the trial in rows.
        catalogue: ids of the items, in the order of rows.
    """

    def __init__(self, trial: Trial, asked: Encoded, catalogue: pl.Series) -> None:
        self._asked, self._n_items = asked, asked.n_items
        users, self._items = asked.queries.users, asked.events.items
        assert users is not None
        self._users: Ints = users
        self._popularity = np.bincount(self._items, minlength=self._n_items).astype(np.float64)
        self._had = _Counts(asked.events.users * self._n_items + self._items)
        log = trial.log
        schema = Schema.of(log)
        self._of_asked = _features(log.users, USER_ID, trial.owners, schema.kinds("user"))
        self._of_items = _features(log.items, ITEM_ID, catalogue, schema.kinds("item"))
        names = [] if trial.questions is None else [one for one in trial.questions.columns if one not in _RESERVED]
        frame = log.events.with_row_index("_source").sort("timestamp", "_source")  # as Encoded.of orders them
        self._contexts = {name: self._context(frame[name], trial.contexts[name]) for name in names}

    def _context(self, column: pl.Series, asked: pl.Series) -> _Context:
        values = Vocabulary.of(column)
        own = values.rows(column)
        pairs = self._asked.events.users * self._n_items + self._items
        return _Context(
            values.rows(asked),
            np.bincount(own, minlength=len(values)).astype(np.float64),
            _Counts(own * self._n_items + self._items),
            _Counts(pairs * len(values) + own),
            len(values),
        )

    def columns(self, at: Ints, found: Ranked) -> Columns:
        """Name -> [B * C] for the candidates of some askers, one asker after the other.

        Args:
            at: [B] places of askers.
            found: [B, C] their candidates with the scores of the first stage.
        """
        depth = found.rows.shape[1]
        rows, owner = found.rows.reshape(-1), np.repeat(at, depth)
        user, events = self._users[owner], float(len(self._items))
        pair = user * self._n_items + rows
        scores = np.where(np.isfinite(found.scores), found.scores, np.nan).astype(np.float64)
        best = scores[:, :1]
        columns: Columns = {
            "score": scores.reshape(-1),
            "score_of_best": (scores / np.where(best > 0, best, np.nan)).reshape(-1),
            "place": np.tile(np.arange(depth, dtype=np.float64), len(at)),
            "popularity": np.log1p(self._popularity[rows]),
            "had": self._had.of(pair),
            "length": np.diff(self._asked.queries.history.offsets)[owner].astype(np.float64),
            USER_ID: user,
            ITEM_ID: rows,
        }
        columns |= {name: column[owner] for name, column in self._of_asked.items()}
        columns |= {name: column[rows] for name, column in self._of_items.items()}
        for name, context in self._contexts.items():
            value = context.asked[owner]
            seen, expected = context.of_items.of(value * self._n_items + rows), self._popularity[rows] / events
            columns[name] = value
            columns[f"{name}_lift"] = np.log((seen + 1.0) / (expected * context.counts[value] + 1.0))
            columns[f"{name}_had"] = context.of_pairs.of(pair * context.size + value)
        return columns


class _Context:
    """One column of the context: its values among the askers, and how often each came with each item and user."""

    def __init__(self, asked: Ints, counts: Doubles, of_items: _Counts, of_pairs: _Counts, size: int) -> None:
        self.asked, self.counts, self.of_items, self.of_pairs, self.size = asked, counts, of_items, of_pairs, size


class _Counts:
    """How often each of many keys came; 0 for one that never did."""

    def __init__(self, keys: Ints) -> None:
        self._keys, self._counts = np.unique(keys, return_counts=True)

    def of(self, keys: Ints) -> Doubles:
        """[R] the counts of some keys."""
        if not len(self._keys):
            return np.zeros(len(keys))
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        return np.where(self._keys[place] == keys, self._counts[place], 0).astype(np.float64)


def _features(table: pl.DataFrame | None, key: str, ids: pl.Series, kinds: dict[str, str]) -> Columns:
    """The encoded features of some ids; for items a row 0, which no item has, stands before them."""
    if table is None or not kinds:
        return {}
    asked = ids if key == USER_ID else pl.concat([pl.Series([None], dtype=pl.String), ids])
    rows = pl.DataFrame({key: asked}).join(table, on=key, how="left", maintain_order="left")
    return encode(fitted("user" if key == USER_ID else "item", table, kinds), rows)
