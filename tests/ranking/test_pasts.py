"""The other rows of an owner, without the row itself."""

import numpy as np

from enterprise_recsys.ranking.pasts import Pasts

OWNERS = np.array([1, 2, 1, 1, 3])
OTHERS = np.array([5, 5, 6, 7, 8])
LEVELS = np.array([0, 1, 1, 0, 1])


def _pasts(places: int) -> Pasts:
    return Pasts(OWNERS, OTHERS, LEVELS, n_levels=2, places=places)


def test_all_that_an_owner_did_is_told_when_asked_and_nothing_of_a_stranger() -> None:
    # Codes: item * 2 + level + 1.
    assert _pasts(1).spread(np.array([1, 3, 0, 9])).tolist() == [[11, 14, 15, 0], [18, 0, 0, 0], [0] * 4, [0] * 4]
    assert _pasts(1).size == 19


def test_a_long_past_is_told_at_equal_distances() -> None:
    many = Pasts(np.ones(40, np.int64), np.arange(40), np.zeros(40, np.int64), n_levels=1, places=2)
    assert (many.spread(np.array([1]))[0] - 1).tolist() == [0, 5, 10, 15, 20, 25, 30, 35]


def test_a_row_is_never_among_its_own_past() -> None:
    rows = np.array([0, 2, 4])
    drawn = _pasts(200).drawn(rows, OWNERS[rows], np.random.default_rng(0))
    assert [set(line.tolist()) for line in drawn] == [{0, 14, 15}, {0, 11, 15}, {0}]
    again = _pasts(200).drawn(rows, OWNERS[rows], np.random.default_rng(1))
    assert (drawn != again).any()
