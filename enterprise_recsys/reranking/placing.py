"""From candidates in order to the k places of a list: pins, items asked for, and at most so many of the same value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from enterprise_recsys.records import Bools, Ints, Ranked


@dataclass(frozen=True)
class Limit:
    """A cap made ready.

    Attributes:
        codes: [I, M] the values of each item as numbers from 1 on; 0 = none.
        most: items with the same value.
    """

    codes: Ints
    most: int


@dataclass(frozen=True)
class Places:
    """What must hold of the places of a list.

    Attributes:
        limits: caps.
        pins: place from 1 on -> item row.
        included: item rows that must stand in the list, wherever their score puts them or at its end.
    """

    limits: Sequence[Limit] = ()
    pins: Mapping[int, int] = field(default_factory=dict)
    included: Sequence[int] = ()

    @property
    def is_free(self) -> bool:
        """Whether nothing must hold."""
        return not (self.limits or self.pins or self.included)


def placed(ranked: Ranked, places: Places, k: int) -> Ranked:
    """The lists [B, k] of candidates [B, K] in order; shorter ones end in row 0.

    Pinned and included items are counted by the caps and never passed over, but an item that is no candidate (it is
    not allowed, or seen) is not brought in. Of more included items than places the best stay.
    """
    if places.is_free:
        return Ranked(ranked.rows[:, :k], ranked.scores[:, :k])
    rows = np.zeros((len(ranked.rows), k), dtype=np.int64)
    scores = np.full((len(ranked.rows), k), -np.inf, dtype=np.float32)
    for row, candidates in enumerate(ranked.rows):
        at = _chosen(candidates, places, k)
        rows[row, : len(at)], scores[row, : len(at)] = candidates[at], ranked.scores[row, at]
    return Ranked(rows, scores)


def _chosen(candidates: Ints, places: Places, k: int) -> list[int]:
    """Which candidates stand in the list, by their place among the candidates."""
    at = {row: place for place, row in enumerate(candidates.tolist()) if row}
    pins = [(place, at[row]) for place, row in sorted(places.pins.items()) if place <= k and row in at]
    fixed = {place for _, place in pins}
    must = sorted({at[row] for row in places.included if row in at} - fixed)[: k - len(pins)]
    values = [[[code for code in cell if code] for cell in limit.codes[candidates].tolist()] for limit in places.limits]
    used = [Counter(code for place in (*fixed, *must) for code in cells[place]) for cells in values]
    body, room = list(must), k - len(pins) - len(must)
    for place in at.values():
        if room == 0:
            break
        if place in fixed or place in must or not _is_free(place, values, used, places.limits):
            continue
        for cells, count in zip(values, used, strict=True):
            count.update(cells[place])
        body.append(place)
        room -= 1
    body.sort()
    for place, pinned in pins:
        body.insert(place - 1, pinned)
    return body


def _is_free(place: int, values: list[list[list[int]]], used: Sequence[Counter[int]], limits: Sequence[Limit]) -> bool:
    return all(
        count[code] < limit.most
        for cells, count, limit in zip(values, used, limits, strict=True)
        for code in cells[place]
    )


def used_up(rows: Ints, limits: Sequence[Limit], n_items: int) -> Bools:
    """[I] the items that may not join a list [k], since a value of theirs is at its cap."""
    blocked = np.zeros(n_items, dtype=bool)
    for limit in limits:
        counts = np.bincount(limit.codes[rows[rows > 0]].ravel(), minlength=int(limit.codes.max(initial=0)) + 1)
        full = counts >= limit.most
        full[0] = False
        blocked |= full[limit.codes].any(axis=1)
    return blocked


def codes_of(column: pl.Series) -> Ints:
    """The values of a column, one or several a cell, as numbers from 1 on [I, M]; row 0 and missing values are 0."""
    is_list = isinstance(column.dtype, pl.List)
    lists = column if is_list else pl.Series(column.to_frame().select(pl.concat_list(pl.all())).to_series())
    long = (
        pl.DataFrame({"row": np.arange(1, len(column) + 1), "value": lists})
        .explode("value")
        .drop_nulls()
        .unique(maintain_order=True)
        .with_columns(code=pl.col("value").rank("dense"), at=pl.int_range(pl.len()).over("row"))
    )
    codes = np.zeros((len(column) + 1, 1 + max(long["at"].to_list(), default=0)), dtype=np.int64)
    codes[long["row"].to_numpy(), long["at"].to_numpy()] = long["code"].to_numpy()
    return codes
