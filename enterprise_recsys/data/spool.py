"""A log in slices on disk, so that no step of preparing holds more than it works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from enterprise_recsys.data.aggregates import Statistics
from enterprise_recsys.data.processed import InTime, Past, processed
from enterprise_recsys.records import ITEM_ID, USER_ID, Bools, Floats, Interactions

SLICE = 1 << 20
"""Events of one slice."""


class Spool:
    """The events of a log and what was known before each, a file for each slice and kind.

    Args:
        folder: an empty folder, ours alone.
        log: its events go to the disk; the tables of users and items are kept.
    """

    def __init__(self, folder: Path, log: Interactions) -> None:
        self._folder, self._rows = folder, len(log.events)
        self._log = log.with_events(log.events.clear())
        for begin in self._begins():
            log.events[begin : begin + SLICE].write_ipc(folder / f"events-{begin}")

    def _begins(self) -> range:
        return range(0, self._rows, SLICE)

    def add_past(self, in_time: InTime, ids: dict[str, pl.Series]) -> None:
        """Compute the statistics before each event, of users and then of items; `ids` is emptied on the way."""
        for key in (USER_ID, ITEM_ID):
            self._keep(key, in_time.past(ids.pop(key)))

    def _keep(self, key: str, lines: Floats) -> None:
        for begin in self._begins():
            np.save(self._folder / f"{key}-{begin}.npy", lines[begin : begin + SLICE])

    def processed(self, names: Sequence[str], chosen: Bools) -> Iterator[pl.DataFrame]:
        """The processed frame of the chosen events [R], a slice at a time; see `processed.processed`."""
        for begin in self._begins():
            mask = chosen[begin : begin + SLICE]
            if not mask.any():
                continue
            events = pl.read_ipc(self._folder / f"events-{begin}")
            users, items = (np.load(self._folder / f"{key}-{begin}.npy")[mask] for key in (USER_ID, ITEM_ID))
            past = Past(Statistics.of_lines(users), Statistics.of_lines(items))
            yield processed(self._log.with_events(events.filter(pl.Series(mask))), past, names)
