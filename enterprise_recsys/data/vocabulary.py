"""Outside ids are strings, inside there are only rows; row 0 is "never seen"."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from enterprise_recsys.records import Ints


class Vocabulary:
    """A fixed, ordered set of ids: id -> row 1..n, and 0 for every id that it does not hold.

    >>> vocabulary = Vocabulary(["a", "b"])
    >>> vocabulary.row("b"), vocabulary.row("z"), vocabulary.id(1), len(vocabulary)
    (2, 0, 'a', 3)
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = pl.Series("id", list(ids) if not isinstance(ids, pl.Series) else ids, dtype=pl.String)
        self._rows = dict(zip(self.ids.to_list(), range(1, len(self.ids) + 1), strict=True))

    @classmethod
    def of(cls, *series: pl.Series) -> Vocabulary:
        """The sorted distinct ids of some columns; sorted, so that the order of a log never matters."""
        joined = pl.concat([part.cast(pl.String).rename("id") for part in series])
        return cls(joined.drop_nulls().unique().sort())

    def __len__(self) -> int:
        """Rows, row 0 included."""
        return len(self.ids) + 1

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
