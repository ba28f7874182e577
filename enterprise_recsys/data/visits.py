"""Visits: where users come anew, and which success follows a visit."""

from __future__ import annotations

import numpy as np

from enterprise_recsys.records import Bools, Ints

VISIT_GAP_S = 1800
"""An event more than this after the user's one before opens a new visit: half an hour, as in web analytics."""


def openings(users: Ints, times: Ints) -> tuple[Bools, Bools]:
    """Which events [E], a user's together and in their order, are a user's first, and which open a visit."""
    first, opens = np.ones(len(users), dtype=bool), np.ones(len(users), dtype=bool)
    first[1:] = users[1:] != users[:-1]
    opens[1:] = times[1:] - times[:-1] > VISIT_GAP_S * 1_000_000
    return first, first | opens


def begun(users: Ints, times: Ints) -> Ints:
    """[R] when the visit of each event opened, of events in the order of time."""
    order = np.argsort(users, kind="stable")
    _, opens = openings(users[order], times[order])
    out = np.empty_like(times)
    out[order] = times[order][opens][np.cumsum(opens) - 1]
    return out


def success_after(users: Ints, times: Ints, relevant: Bools) -> Ints:
    """[E] for each event that ends a visit, the place of the user's first success in a later one; -1: there is none.

    The others have -1, too: what follows within a visit is told by what the visit began with.

    Args:
        users, times: [E] a user's events together and in their order.
        relevant: [E] which are a success.
    """
    size = len(users)
    _, opens = openings(users, times)
    ends = np.append(opens[1:], True)[:size]
    # The first success at or after each place, of whoever it is.
    places = np.where(relevant, np.arange(size), size)
    following = np.minimum.accumulate(places[::-1])[::-1]
    found = np.append(following, size)[np.arange(1, size + 1)]
    is_own = (found < size) & (users[np.minimum(found, max(size - 1, 0))] == users) if size else found < size
    return np.where(ends & is_own, found, -1)
