"""Moving: the scaled statistics of items, each kept until an event or the passing of time changes it."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.data.aggregates import Running, of_items
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.records import RECENCY_COLUMNS, Columns, Ints

_NEVER = -1


class Moving:
    """What `DataProcessor.scale` says of items, from memory where that is the same to the bit.

    The counts of the last days change when an event comes, or when one leaves its window: both moments are known, so
    that a request searches the log for those few of its candidates whose numbers are no longer true.

    Args:
        processor: whose features and scales are used.
        statistics: of the items; who updates them tells `changed`.
    """

    def __init__(self, processor: DataProcessor, statistics: Running) -> None:
        self._processor, self._statistics = processor, statistics
        names = [one.name for one in processor.of("statistic") if one.name.startswith("item_")]
        # What grows by the second is never the same again.
        self._is_kept = not set(names) & set(RECENCY_COLUMNS)
        rows = len(processor.items)
        self._kept = {name: np.zeros(rows, dtype=np.float32) for name in names}
        self._since, self._until = np.full(rows, _NEVER), np.full(rows, _NEVER)

    def read(self, rows: Ints, times: Ints) -> Columns:
        """The scaled statistics of items [R] at their moments [R]."""
        if not self._is_kept or not len(rows) or times[0] != times[-1] or (times != times[0]).any():
            return self._processor.scale(of_items(self._statistics.read(rows, times)))
        now = times[0]
        stale = rows[(self._since[rows] > now) | (self._until[rows] < now)]
        if len(stale):
            self._learn(np.unique(stale), int(now))
        return {name: column[rows] for name, column in self._kept.items()}

    def _learn(self, rows: Ints, now: int) -> None:
        times = np.full(len(rows), now)
        for name, column in self._processor.scale(of_items(self._statistics.read(rows, times))).items():
            self._kept[name][rows] = column
        self._since[rows], self._until[rows] = now, self._statistics.lasting(rows, times)

    def changed(self, rows: Ints) -> None:
        """Forget what is kept of items [R]: they have further events."""
        self._until[rows] = _NEVER

    def renew(self, processor: DataProcessor) -> None:
        """Take a processor that has learnt of further items."""
        self._processor = processor
        further = len(processor.items) - len(self._since)
        if further > 0:
            further += len(self._since) // 8  # some to spare, as `Running.grow` keeps
            self._kept = {name: np.pad(column, (0, further)) for name, column in self._kept.items()}
            self._since, self._until = (
                np.pad(one, (0, further), constant_values=_NEVER) for one in (self._since, self._until)
            )
