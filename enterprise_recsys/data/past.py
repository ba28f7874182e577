"""What was known before each event of a log: one pass over its users, one over its items, in blocks of whole owners.

Of two forms one is used, by the size of the log: numpy's, and compiled loops (`kernels`). They agree to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from enterprise_recsys.data import kernels
from enterprise_recsys.data.aggregates import Statistics, mean_std, running, seconds
from enterprise_recsys.data.ordering import DAY, Keys, by_time, sorted_places, starts_of, unit_of
from enterprise_recsys.records import WINDOWS_DAYS, Floats, Ints

WIDTH = 5 + len(WINDOWS_DAYS)
"""Numbers of a line, see `Statistics.of_lines`."""

Take = Callable[[kernels.Places, Floats], None]
"""Is handed places of events [N] and their lines [N, WIDTH]; from several threads, each event once."""

_BLOCK = 1 << 17
"""Events that are looked at together: what is made of them stays in the processor's cache (a million take 1.6 times as
long), and a pass over a large log holds little beside its result."""

_THREADS = 2
_STEP = 1 << 20  # of what is turned from one form into another at once
_NARROW, _LARGEST = 1 << 32, 1 << 62


def of_past(rows: NDArray[np.integer], times: Ints, ratings: Floats) -> Statistics:
    """The statistics [R] of each event's owner as of the event; see `Pass`."""
    return Statistics.of_lines(Pass(times, ratings).lines(rows))


class Pass:
    """A log that can be passed over for one kind of owner after another; what is told is from strictly earlier events.

    Args:
        times: [R] microseconds, in source order.
        ratings: [R] NaN where an event has none.
    """

    def __init__(self, times: Ints, ratings: Floats) -> None:
        self._compiled, self._ratings = kernels.pay(len(times)), ratings
        if self._compiled:
            self._unit = unit_of(times)
            self._steps = _steps(times, self._unit)
        else:
            self._order = by_time(times)
            self._times, self._ratings = times[self._order], ratings[self._order]

    def lines(self, rows: NDArray[np.integer]) -> Floats:
        """[R, WIDTH] the line of each event's owner as of the event, in source order.

        Args:
            rows: [R] owners, from 0 on.
        """
        lines = np.empty((len(rows), WIDTH), np.float32)
        whole = lines.view(f"V{lines.itemsize * WIDTH}")[:, 0]  # lines copied whole, at half the cost of their numbers

        def take(places: kernels.Places, told: Floats) -> None:
            whole[places] = told.view(whole.dtype)[:, 0]

        self.over(rows, take)
        return lines

    def over(self, rows: NDArray[np.integer], take: Take) -> None:
        """Hand each event's line to `take`, some thousands at a time.

        One sort by owner, then block after block: cost grows as the log does.
        """
        if len(rows):
            (self._by_loops if self._compiled else self._by_numpy)(rows, take)

    def _by_numpy(self, rows: NDArray[np.integer], take: Take) -> None:
        in_time = rows[self._order]
        order, starts = sorted_places(in_time), starts_of(in_time, int(rows.max()) + 1)
        keys = Keys(self._times, len(starts))

        def tell(block: tuple[int, int]) -> None:
            part = order[starts[block[0]] : starts[block[1]]]
            owners = np.repeat(np.arange(*block), np.diff(starts[block[0] : block[1] + 1]))
            begin = starts[owners] - starts[block[0]]
            told = _lines(keys, owners, begin, self._times[part], self._ratings[part])
            take(self._order[part].astype(np.uint32), told)

        _each(tell, _blocks(starts))

    def _by_loops(self, rows: NDArray[np.integer], take: Take) -> None:
        starts = np.zeros(int(rows.max()) + 2, np.int64)
        kernels.compiled(kernels.count)(rows, starts)
        starts = np.cumsum(starts)
        places, times, ratings = (
            np.empty(len(rows), np.uint32),
            np.empty_like(self._steps),
            np.empty_like(self._ratings),
        )
        grouped = (places, times, ratings)
        kernels.compiled(kernels.group)(rows, starts[:-1].copy(), (self._steps, self._ratings), grouped)
        clock = (self._unit, np.array(WINDOWS_DAYS, np.int64) * (DAY // self._unit))  # a day is whole in each unit
        loop = kernels.compiled(kernels.tell)

        def tell(block: tuple[int, int]) -> None:
            begin, size = starts[block[0]], int(starts[block[1]] - starts[block[0]])
            turned = _turned(starts[block[0] : block[1] + 1], times[begin : begin + size])
            told = np.empty((size, WIDTH), np.float32)
            loop(starts, block, (times, ratings), clock, turned, told, told.view(np.int32))
            take(places[begin : begin + size][turned], told)

        _each(tell, _blocks(starts))


def _each(tell: Callable[[tuple[int, int]], None], blocks: Iterator[tuple[int, int]]) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:  # numpy and the loops work without holding the interpreter
        for _ in pool.map(tell, blocks):
            pass


def _steps(times: Ints, unit: int) -> NDArray[np.integer]:
    """[R] times counted from the first one in a unit, in 4 bytes where that is enough."""
    least = times.min()
    is_narrow = (int(times.max()) - int(least)) // unit < _NARROW
    steps: NDArray[np.integer] = np.empty(len(times), np.uint32 if is_narrow else np.int64)
    for begin in range(0, len(times), _STEP):
        steps[begin : begin + _STEP] = (times[begin : begin + _STEP] - least) // unit
    return steps


def _turned(starts: Ints, steps: NDArray[np.integer]) -> kernels.Places:
    """[N] places of a block's events by (owner, time, place); `starts` tells where each owner's are."""
    owners = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    most = int(steps.max()) + 1
    # Owner and time as one number; with the place below it that is a plain sort, which takes a third of a lexsort.
    if most * len(starts) < _LARGEST:
        return sorted_places(owners * most + steps).astype(np.uint32)
    return np.lexsort((steps, owners)).astype(np.uint32)


def _blocks(starts: Ints) -> Iterator[tuple[int, int]]:
    """Ranges of owners with about `_BLOCK` events each; an owner is never cut."""
    first, owners = 0, len(starts) - 1
    while first < owners:
        last = int(np.searchsorted(starts, starts[first] + _BLOCK, side="right")) - 1
        last = min(max(last, first + 1), owners)
        if starts[last] > starts[first]:
            yield first, last
        first = last


def _lines(keys: Keys, owners: Ints, begin: Ints, times: Ints, ratings: Floats) -> Floats:
    """The lines of whole owners' events in the order of (owner, time); `begin` [R] is each one's owner's first."""
    key = keys.of(owners, times)
    fresh = np.concatenate([[True], key[1:] != key[:-1]])
    end = np.maximum.accumulate(np.where(fresh, np.arange(len(key)), 0))  # the first that shares the moment
    known = end > begin
    newest = np.maximum(end - 1, 0)
    sums = (np.where(known, one[newest], 0.0) for one in running(owners, begin, ratings))
    told = np.empty((len(key), WIDTH), np.float32)
    told[:, 0], told[:, 1] = mean_std(*sums)
    told[:, 2], told[:, 3] = seconds(times, times[newest], known), seconds(times, times[begin], known)
    counts = told.view(np.int32)
    counts[:, 4] = end - begin
    for place, days in enumerate(WINDOWS_DAYS, start=5):
        counts[:, place] = end - np.searchsorted(key, keys.days_before(key, owners, times, days))
    return told
