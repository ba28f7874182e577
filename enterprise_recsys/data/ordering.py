"""Orders that every pass over a log needs: by time, by owner, and by owner and time as one whole number."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enterprise_recsys.records import Ints

_UNITS = (1_000_000, 1_000, 1)
_LARGEST = 1 << 62
_PART = 1 << 17  # looked at together, within the processor's cache
DAY = 86_400_000_000
"""In microseconds."""


def by_time(times: Ints) -> Ints:
    """[R] places in the order of (time, source row)."""
    if len(times) == 0 or (times[1:] >= times[:-1]).all():
        return np.arange(len(times))
    steps, unit = times - times.min(), unit_of(times)
    return sorted_places(steps // unit if unit > 1 else steps)


def starts_of(rows: NDArray[np.integer], owners: int) -> Ints:
    """[owners + 1] where each owner's events begin once they are sorted by owner: o has the places starts[o:o+2]."""
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=owners))]).astype(np.int64)


def sorted_places(values: NDArray[np.integer]) -> Ints:
    """[R] a stable argsort of whole numbers from 0 on.

    The place is packed below the value, since a sort of plain numbers uses the processor's vector instructions and an
    argsort does not: 2.0 s of processor time for 20,000,000 against 2.9 s.
    """
    bits = len(values).bit_length()
    if len(values) == 0 or int(values.max()) >= _LARGEST >> bits:
        return np.argsort(values, kind="stable")
    packed = values.astype(np.int64)
    packed <<= bits
    packed |= np.arange(len(values))
    packed.sort()
    packed &= (1 << bits) - 1
    return packed


def unit_of(times: Ints) -> int:
    """The largest of a second, a millisecond and a microsecond that all times are a whole number of, from the first."""

    def is_whole(unit: int) -> bool:
        parts = (times[begin : begin + _PART] for begin in range(0, len(times), _PART))
        return unit == 1 or not any(((part - times[0]) % unit).any() for part in parts)

    return next(unit for unit in _UNITS if is_whole(unit))


class Keys:
    """Owner and moment as one whole number, which rises with (owner, time).

    Args:
        times: [R] the times of the events, microseconds, not falling.
        owners: how many there are.
    """

    def __init__(self, times: Ints, owners: int) -> None:
        self._first, last = (int(times[0]), int(times[-1])) if len(times) else (0, 0)
        self._unit = unit_of(times) if len(times) else 1
        self._span = (last - self._first) // self._unit + 2
        self._moments: Ints | None = None
        if self._span * max(owners, 1) >= _LARGEST:  # too long and too fine a time: number the moments that there are
            self._moments = times[np.concatenate([[True], times[1:] != times[:-1]])]
            self._span = len(self._moments) + 1

    def of(self, owners: Ints, times: Ints) -> Ints:
        """[B] the key of each owner's moment: events before the moment have smaller ones, all others do not."""
        if self._moments is not None:
            return owners * self._span + np.searchsorted(self._moments, times, side="left")
        steps = times - self._first
        if self._unit > 1:
            steps = (steps + (self._unit - 1)) // self._unit
        # np.clip costs several times as much for the few numbers of one request.
        return owners * self._span + np.minimum(np.maximum(steps, 0), self._span - 1)

    def days_before(self, keys: Ints, owners: Ints, times: Ints, days: int) -> Ints:
        """[B] as `of` so many days earlier, from the keys [B] of the times, which must be those of events."""
        if self._moments is not None:
            return self.of(owners, times - days * DAY)
        return np.maximum(keys - days * DAY // self._unit, owners * self._span)  # a day is whole in each unit
