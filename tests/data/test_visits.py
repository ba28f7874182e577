"""Visits open after half an hour of silence; a success is looked for from the visits before its own."""

import numpy as np

from enterprise_recsys.data.visits import begun, openings, success_after

MINUTE = 60_000_000


def test_a_visit_opens_with_a_users_first_event_and_after_more_than_half_an_hour() -> None:
    users, times = np.array([1, 1, 1, 2]), np.array([0, 30, 61, 62]) * MINUTE
    first, opens = openings(users, times)
    assert first.tolist() == [True, False, False, True] and opens.tolist() == [True, False, True, True]


def test_each_event_knows_when_its_visit_began() -> None:
    users, times = np.array([1, 2, 1, 2, 1]), np.array([0, 5, 10, 70, 80]) * MINUTE
    assert (begun(users, times) // MINUTE).tolist() == [0, 5, 0, 70, 80]
    assert begun(users[:0], times[:0]).tolist() == []


def test_the_end_of_a_visit_looks_for_the_first_success_of_a_later_one() -> None:
    users = np.array([1, 1, 1, 1, 1, 2, 2, 3])
    times = np.array([0, 1, 100, 200, 201, 0, 300, 0]) * MINUTE
    success = np.array([False, True, False, False, True, False, False, True])
    # The first visit ends at place 1, the second is 2; 4 is the last; user 2 has no success, 3 no later visit.
    assert success_after(users, times, success).tolist() == [-1, 4, 4, -1, -1, -1, -1, -1]
    assert success_after(users[:0], times[:0], success[:0]).tolist() == []
