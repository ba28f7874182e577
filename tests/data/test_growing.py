"""Rows are put and appended; the array it began with is never touched."""

import numpy as np

from enterprise_recsys.data.growing import Growing


def test_rows_are_changed_and_appended_as_a_list_would() -> None:
    first = np.arange(6.0).reshape(3, 2)
    growing, expected = Growing(first), first.tolist()
    view = growing.rows
    for number in range(50):
        size = len(expected)
        places = np.array([number % size, size, size + 1])
        rows = np.full((3, 2), 100.0 + number)
        growing.put(places, rows)
        expected += [[0.0, 0.0], [0.0, 0.0]]
        for place in places:
            expected[place] = [100.0 + number] * 2
    assert growing.rows.tolist() == expected
    assert first.tolist() == view.tolist() == [[0, 1], [2, 3], [4, 5]]


def test_an_earlier_view_keeps_its_length() -> None:
    growing = Growing(np.zeros(2))
    growing.put(np.array([2]), np.ones(1))
    earlier = growing.rows
    growing.put(np.array([3]), np.ones(1))
    assert len(earlier) == 3 and len(growing.rows) == 4
    growing.put(np.zeros(0, dtype=np.int64), np.zeros(0))
    assert len(growing.rows) == 4
