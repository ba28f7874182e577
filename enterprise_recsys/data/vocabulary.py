"""Outside ids are strings, inside there are only rows; row 0 is "never seen"."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from enterprise_recsys.records import Ints

_MOST_CHUNKS = 64


def spelt(outside: object) -> str:
    """An id of any type as `to_interactions` spells it: 42 and 42.0 are "42".

    >>> spelt(42.0), spelt(np.int64(42)), spelt("42.0")
    ('42', '42', '42.0')
    """
    if isinstance(outside, float | np.floating) and float(outside).is_integer():
        return str(int(outside))
    return str(outside)


class Vocabulary:
    """An ordered set of ids: id -> row 1..n, and 0 for every id that it does not hold.

    Rows are never given twice: `add` appends, and the row of a removed id stays empty.

    >>> vocabulary = Vocabulary(["a", "b"])
    >>> vocabulary.row("b"), vocabulary.row("z"), vocabulary.id(1), len(vocabulary)
    (2, 0, 'a', 3)
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = pl.Series("id", list(ids) if not isinstance(ids, pl.Series) else ids, dtype=pl.String)
        self._further: list[str] = []
        self._listed: list[str] = self._ids.fill_null("").to_list()
        self._rows = dict(zip(self._listed, range(1, len(self._ids) + 1), strict=True))
        if self._ids.null_count():
            self._rows = {one: row for one, row in self._rows.items() if one}  # of removed ones no id is left

    @classmethod
    def of(cls, *series: pl.Series) -> Vocabulary:
        """The sorted distinct ids of some columns; sorted, so that the order of a log never matters."""
        joined = pl.concat([part.cast(pl.String).rename("id") for part in series])
        return cls(joined.drop_nulls().unique().sort())

    @property
    def ids(self) -> pl.Series:
        """Every id in the order of rows, row 1 first; null where one was removed."""
        if self._further:
            # Chunks are cheap to add and slow to read: many small ones become one.
            self._ids = self._ids.append(pl.Series("id", self._further, dtype=pl.String))
            self._further = []
            if self._ids.n_chunks() > _MOST_CHUNKS:
                self._ids = self._ids.rechunk()
        return self._ids

    def add(self, outside: str) -> int:
        """The row of an id, a new one at the end if the vocabulary did not hold it."""
        if outside not in self._rows:
            self._rows[outside] = len(self)
            self._further.append(outside)
            self._listed.append(outside)
        return int(self._rows[outside])

    def remove(self, outside: str) -> int:
        """Forget an id and give the row that it had (0: none); the row itself is never given again."""
        row = self._rows.pop(outside, 0)
        if row:
            self._ids = self.ids.clone().scatter(row - 1, None)
            self._listed[row - 1] = ""
        return int(row)

    def __len__(self) -> int:
        """Rows, row 0 included."""
        return len(self._ids) + len(self._further) + 1

    def __contains__(self, outside: object) -> bool:
        return outside in self._rows

    def row(self, outside: str) -> int:
        """The row of one id; 0 if the vocabulary does not hold it."""
        return int(self._rows.get(outside, 0))

    def rows(self, outside: Iterable[str]) -> Ints:
        """The rows [R] of many ids; 0 for those that the vocabulary does not hold."""
        if isinstance(outside, pl.Series):
            known = pl.DataFrame({"id": self.ids, "row": np.arange(1, len(self), dtype=np.int64)})
            joined = pl.DataFrame({"id": outside.cast(pl.String)}).join(
                known, on="id", how="left", maintain_order="left"
            )
            return joined["row"].fill_null(0).to_numpy().astype(np.int64)
        return np.fromiter((self._rows.get(one, 0) for one in outside), dtype=np.int64)

    def id(self, row: int) -> str:
        """The id of a row from 1 on."""
        return str(self.ids[int(row) - 1])

    def of_rows(self, rows: Ints) -> pl.Series:
        """The ids of rows [R] from 1 on."""
        return self.ids.gather(rows - 1)

    def listed(self, rows: Ints) -> list[str]:
        """The same as a list, which for the few rows of one answer takes a tenth of the time."""
        return [self._listed[row - 1] for row in rows.tolist()]
