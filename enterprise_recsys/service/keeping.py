"""Keeping: what the environment says about the store, the slate log and exploration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from enterprise_recsys.errors import ConfigError
from enterprise_recsys.state.interface import Store
from enterprise_recsys.state.memory import MemoryStore
from enterprise_recsys.state.schema import Sync
from enterprise_recsys.state.sqlite import SqliteStore

STATE = "RECSYS_STATE"
SYNC = "RECSYS_SYNC"
KEEP_DAYS = "RECSYS_KEEP_DAYS"
EXPLORE_ITEMS = "RECSYS_EXPLORE_ITEMS"
EXPLORE_POSITIONS = "RECSYS_EXPLORE_POSITIONS"

MOST_EXPLORED = 0.5
"""Above this a list would say more about chance than about its user."""


@dataclass(frozen=True)
class Keeping:
    """Where and how the service keeps what it learns and shows.

    Attributes:
        folder: of the SQLite store, on a local disk; None = in memory, gone with the process.
        sync: "full" = what is acknowledged survives a power cut; "normal" = the end of the process only.
        keep_days: answers stay this long in the slate log.
        explore_items: chance, 0..0.5, that a place of the list's last fifth shows an item from further down.
        explore_positions: chance, 0..0.5, that two neighbours of a list change places.
    """

    folder: Path | None = None
    sync: Sync = "full"
    keep_days: float = 90.0
    explore_items: float = 0.0
    explore_positions: float = 0.0

    @classmethod
    def from_environment(cls, values: Mapping[str, str]) -> Keeping:
        """Read RECSYS_STATE, RECSYS_SYNC, RECSYS_KEEP_DAYS, RECSYS_EXPLORE_ITEMS and RECSYS_EXPLORE_POSITIONS.

        Raises:
            ConfigError: a value that is not known or out of its range.

        >>> Keeping.from_environment({"RECSYS_EXPLORE_ITEMS": "0.02"}).explore_items
        0.02
        """
        sync = values.get(SYNC) or "full"
        if sync not in get_args(Sync):
            raise ConfigError(f"{SYNC}={sync!r} is not known; set full (survives a power cut) or normal (faster).")
        return cls(
            Path(values[STATE]) if values.get(STATE) else None,
            "full" if sync == "full" else "normal",
            _number(values, KEEP_DAYS, 90.0, 36_500.0),
            _number(values, EXPLORE_ITEMS, 0.0, MOST_EXPLORED),
            _number(values, EXPLORE_POSITIONS, 0.0, MOST_EXPLORED),
        )

    def opened(self) -> Store:
        """The store.

        Raises:
            StoreError: the folder cannot be written, or holds a store that is damaged or of another version.
        """
        return MemoryStore() if self.folder is None else SqliteStore(self.folder, sync=self.sync)


def _number(values: Mapping[str, str], name: str, default: float, most: float) -> float:
    text = values.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= most:  # false for NaN
        raise ConfigError(f"{name}={text!r} is wrong: it should be a number from 0 to {most:g}.")
    return value
