"""What a check has to say, and what it looks at."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Literal

import numpy as np
import polars as pl

from enterprise_recsys.data import coding
from enterprise_recsys.data.quarantine import Sifted
from enterprise_recsys.records import EVENT_TYPE, IMPRESSION, ITEM_ID, TIMESTAMP, USER_ID, Interactions

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """One thing that a check has to say.

    Attributes:
        check: its name in `CHECKS`, or "read".
        severity: error = refused; warning = look at it; info = told, nothing to do.
        count: how many rows, ids or columns it is about.
        message: what was found, with an example.
        advice: what to do; empty where nothing is to be done.
        line: where the example stands in the file, from 1; None where it stands nowhere.
    """

    check: str
    severity: Severity
    count: int
    message: str
    advice: str = ""
    line: int | None = None

    def to_json(self) -> dict[str, object]:
        """Plain values, for machines."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """What the checks look at.

    Attributes:
        log: the rows that can be used, in canonical form.
        sifted: the account of all rows; `sifted.lines` [R] are the lines of `log.events`.
        now: the moment of the check.
    """

    log: Interactions
    sifted: Sifted
    now: datetime

    @property
    def events(self) -> pl.DataFrame:
        """The usable events, in source order."""
        return self.log.events

    @cached_property
    def done(self) -> Evidence:
        """The same without what was only shown; all of it where nothing else is there."""
        if EVENT_TYPE not in self.events.columns:
            return self
        is_done = ~(self.events[EVENT_TYPE] == IMPRESSION).fill_null(False)
        if is_done.all() or not is_done.any():
            return self
        sifted = replace(self.sifted, lines=self.sifted.lines.filter(is_done))
        return Evidence(self.log.with_events(self.events.filter(is_done)), sifted, self.now)

    @cached_property
    def users(self) -> pl.DataFrame:
        """One row a user: `id`, `count` of events, `first` time; the busiest first. Grouped once, for all checks."""
        return self._of(USER_ID)

    @cached_property
    def items(self) -> pl.DataFrame:
        """Likewise of items."""
        return self._of(ITEM_ID)

    @cached_property
    def edge(self) -> int:
        """The time, in microseconds since 1970, that the newest fifth of the events comes after."""
        times = self.events[TIMESTAMP].to_physical().to_numpy()
        oldest = int(0.8 * (len(times) - 1))
        return int(np.partition(times, oldest)[oldest])

    def _of(self, key: str) -> pl.DataFrame:
        if isinstance(self.events[key].dtype, pl.Enum):
            told = coding.counted(self.events[key], self.events[TIMESTAMP])
        else:
            grouped = self.events.group_by(pl.col(key).alias("id"))
            told = grouped.agg(count=pl.len(), first=pl.col(TIMESTAMP).min())
        return told.sort("count", "id", descending=[True, False])

    def line(self, mask: pl.Series) -> int | None:
        """The line of the first event that a mask [R] marks."""
        return int(self.sifted.lines[place]) if (place := mask.arg_max()) is not None and mask.any() else None
