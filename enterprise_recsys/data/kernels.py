"""Passes over a large log as plain loops, which Numba compiles: what an owner's earlier events tell of each event.

Each function is ordinary Python and may be called as such; a test does, on small logs. Called that way a loop costs a
microsecond a step, compiled about a nanosecond, so that the numpy form in `past` is right for small logs and these for
large ones. Both give the same bits: sums are added one event after the other, in float64, and nothing is contracted.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from enterprise_recsys.records import Floats, Ints

Places = NDArray[np.uint32]
Loop = TypeVar("Loop", bound=Callable[..., None])

LEAST_ROWS = 2_000_000
"""From here on compiled loops are used, if Numba is there: to load it and them takes about a second."""


def pay(rows: int) -> bool:
    """Whether compiled loops are there and worth their start for so many rows."""
    return rows >= LEAST_ROWS and importlib.util.find_spec("numba") is not None


def compiled(loop: Loop) -> Loop:
    """A loop of this file as machine code that runs without holding the interpreter, kept on disk for the next run."""
    return cast(Loop, _compiled(loop))


@cache
def _compiled(loop: Callable[..., None]) -> Callable[..., None]:
    from numba import njit

    made: Callable[..., None]
    try:
        made = njit(nogil=True, cache=True)(loop)
    except RuntimeError:  # no folder that Numba may write to: it compiles anew in every process
        made = njit(nogil=True)(loop)
    return made


def count(rows: NDArray[np.integer], starts: Ints) -> None:
    """Add each owner's events to `starts` [owners + 1], one place further on: its running sum is where they begin."""
    for place in range(len(rows)):
        starts[rows[place] + 1] += 1


def group(
    rows: NDArray[np.integer],
    free: Ints,
    given: tuple[NDArray[np.integer], Floats],
    grouped: tuple[Places, NDArray[np.integer], Floats],
) -> None:
    """Bring each owner's events together, in the order in which they stand.

    Two passes through memory in step, where a gather later would leap for each event: what is being written of each
    owner stays in the processor's cache.

    Args:
        rows: [R] owners.
        free: [owners] where each owner's first event goes; is used up.
        given: times and ratings [R].
        grouped: places, times and ratings [R]; are filled.
    """
    times, ratings = given
    places, own_times, own_ratings = grouped
    for place in range(len(rows)):
        to = free[rows[place]]
        free[rows[place]] = to + 1
        places[to], own_times[to], own_ratings[to] = place, times[place], ratings[place]


def tell(
    starts: Ints,
    owners: tuple[int, int],
    grouped: tuple[NDArray[np.integer], Floats],
    clock: tuple[int, Ints],
    turned: Places,
    lines: Floats,
    counts: NDArray[np.int32],
) -> None:
    """The lines of some owners' events: one pass over each owner, with a pointer for each window.

    Args:
        starts: [owners + 1] where each owner's events begin.
        owners: the first, and the one after the last.
        grouped: times (in steps, from 0) and ratings [R] of all events, each owner's together in source order.
        clock: microseconds of a step, and the steps [W] of each window.
        turned: [N] places of these owners' events in `grouped`, counted from the first, by (owner, time, source row).
        lines, counts: [N, 5 + W] are filled in that order; one memory, as float32 and int32, see `Statistics.of_lines`.
    """
    times, ratings = grouped
    unit, spans = clock
    first = starts[owners[0]]
    late = np.zeros(len(spans), np.int64)
    for owner in range(owners[0], owners[1]):
        base, size = starts[owner] - first, starts[owner + 1] - starts[owner]
        late[:] = 0
        rated, total, squares = 0.0, 0.0, 0.0
        place = 0
        while place < size:
            now = np.int64(times[first + turned[base + place]])
            mean, std, since, age = np.nan, np.nan, np.nan, np.nan
            if rated > 0.0:
                mean = total / rated
                std = np.sqrt(max(squares / rated - mean * mean, 0.0))
            if place > 0:
                since = (now - np.int64(times[first + turned[base + place - 1]])) * unit / 1e6
                age = (now - np.int64(times[first + turned[base]])) * unit / 1e6
            for window in range(len(spans)):
                edge = now - spans[window]
                while late[window] < place and np.int64(times[first + turned[base + late[window]]]) < edge:
                    late[window] += 1
            alike = place  # events of the same moment do not see each other
            while alike < size and np.int64(times[first + turned[base + alike]]) == now:
                line = base + alike
                lines[line, 0], lines[line, 1], lines[line, 2], lines[line, 3] = mean, std, since, age
                counts[line, 4] = place
                for window in range(len(spans)):
                    counts[line, 5 + window] = place - late[window]
                rating = np.float64(ratings[first + turned[line]])
                if not np.isnan(rating):
                    rated += 1.0
                    total += rating
                    squares += rating * rating
                alike += 1
            place = alike
