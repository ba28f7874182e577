"""Growing: an array by row that takes further rows without copying all of it each time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Growing:
    """Rows [I, ...] with room behind them: who holds an earlier view sees changed rows, and none that were appended.

    Args:
        rows: the first ones; copied at the first change.
    """

    def __init__(self, rows: NDArray[np.generic]) -> None:
        self._room, self._size, self._is_own = rows, len(rows), False

    @property
    def rows(self) -> NDArray[np.generic]:
        """A view of all rows [I, ...]."""
        return self._room[: self._size]

    def put(self, places: NDArray[np.int64], rows: NDArray[np.generic]) -> None:
        """Write rows [M, ...] at places [M]; a place behind the last row appends, and no place may be left out."""
        size = max(self._size, int(places.max()) + 1) if len(places) else self._size
        if size > len(self._room) or not self._is_own:
            room = np.zeros((size + size // 8, *self._room.shape[1:]), dtype=self._room.dtype)
            room[: self._size] = self._room[: self._size]
            self._room, self._is_own = room, True
        self._room[places] = rows
        self._size = size
