"""The truth is gathered and looked up as by hand."""

from __future__ import annotations

import numpy as np
import pytest

from enterprise_recsys.errors import DataError
from enterprise_recsys.evaluation.truth import Truth, at_depth, first_places, judge
from enterprise_recsys.records import Ints


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


def test_pairs_are_sorted_and_the_highest_grade_of_a_pair_stays() -> None:
    truth = Truth.of(ints(2, 0, 2, 2, 0), ints(9, 4, 3, 9, 1), np.array([1.0, 2.0, 1.0, 3.0, 1.0]), n_users=4)
    assert truth.offsets.tolist() == [0, 2, 2, 4, 4]
    assert truth.items.tolist() == [1, 4, 3, 9]
    assert truth.gains.tolist() == [1.0, 2.0, 1.0, 3.0]
    assert truth.n_users == 4
    assert truth.counts.tolist() == [2, 0, 2, 0]


def test_a_grade_of_zero_is_not_relevant() -> None:
    truth = Truth.of(ints(0, 0), ints(5, 6), np.array([0.0, 1.0]), n_users=1)
    assert truth.items.tolist() == [6]


def test_unknown_items_stay_in_the_count_and_are_never_hit() -> None:
    truth = Truth.of(ints(0, 0, 0), ints(0, 0, 5), n_users=1)
    assert truth.counts.tolist() == [3]
    judged = judge(np.array([[0, 5, 0]]), ints(0), truth, depth=3)
    assert judged.grades.tolist() == [[0.0, 1.0, 0.0]]
    assert judged.counts.tolist() == [3]


def test_an_empty_truth_is_a_truth() -> None:
    truth = Truth.of(ints(), ints(), n_users=2)
    assert truth.counts.tolist() == [0, 0]
    judged = judge(np.array([[1, 2], [3, 0]]), ints(0, 1), truth, depth=2)
    assert judged.grades.tolist() == [[0, 0], [0, 0]]
    assert judged.ideal.tolist() == [[0, 0], [0, 0]]


def test_lists_are_graded_with_their_own_users_truth() -> None:
    truth = Truth.of(ints(0, 0, 1, 1, 1), ints(3, 7, 7, 8, 9), np.array([1.0, 2.0, 1.0, 3.0, 2.0]), n_users=2)
    judged = judge(np.array([[9, 8, 7, 3], [9, 7, 3, 9]]), ints(1, 0), truth, depth=3)
    assert judged.grades.tolist() == [[2.0, 3.0, 1.0], [0.0, 2.0, 1.0]]
    assert judged.ideal.tolist() == [[3.0, 2.0, 1.0], [2.0, 1.0, 0.0]]
    assert judged.counts.tolist() == [3, 2]


def test_a_repetition_counts_at_its_first_place_only() -> None:
    truth = Truth.of(ints(0), ints(4), n_users=1)
    judged = judge(np.array([[2, 4, 4, 2]]), ints(0), truth, depth=4)
    assert judged.grades.tolist() == [[0, 1, 0, 0]]
    assert first_places(np.array([[2, 4, 4, 2, 0, -1]])).tolist() == [[True, True, False, False, False, False]]


def test_lists_are_cut_or_filled_to_a_depth() -> None:
    assert at_depth(np.array([[1, 2, 3]]), 2).tolist() == [[1, 2]]
    assert at_depth(np.array([[1, 2, 3]]), 5).tolist() == [[1, 2, 3, 0, 0]]


@pytest.mark.parametrize(
    ("users", "items", "gains", "message"),
    [
        ([0, 1], [1], None, r"got shapes \(2,\), \(1,\) and \(2,\); pass three arrays"),
        ([0, 2], [1, 1], None, r"positions from 0 to 1 \(n_users=2\), got 0 to 2"),
        ([0, 1], [1, -1], None, r"0 or more \(0 = an unknown item\), got -1"),
        ([0, 1], [1, 1], [1.0, -2.0], "grades from 0 to 50, got -2.0; scale them"),
        ([0, 1], [1, 1], [float("nan"), 1.0], "grades from 0 to 50, got nan"),
        ([0, 1], [1, 1], [900.0, 1.0], "grades from 0 to 50, got 900.0"),
    ],
)
def test_wrong_triples_are_refused(users: list[int], items: list[int], gains: list[float], message: str) -> None:
    grades = None if gains is None else np.array(gains)
    with pytest.raises(DataError, match=message):
        Truth.of(ints(*users), ints(*items), grades, n_users=2)


def test_a_truth_of_yes_or_no_is_that_of_grades_of_one() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        size = int(generator.integers(0, 40))
        users, items = generator.integers(0, 6, size), generator.integers(0, 9, size)
        short, long = Truth.of(users, items, n_users=6), Truth.of(users, items, np.ones(size), n_users=6)
        assert short.offsets.tolist() == long.offsets.tolist()
        assert short.items.tolist() == long.items.tolist() and short.gains.tolist() == long.gains.tolist()


def test_a_truth_within_a_group_keeps_the_users_and_only_its_items() -> None:
    grades = np.array([1.0, 2, 3, 1, 2])
    truth = Truth.of(ints(0, 0, 1, 1, 1), ints(2, 3, 0, 2, 70), grades, n_users=3)
    group = truth.within(np.array([False, False, True, False]))
    assert group.offsets.tolist() == [0, 1, 2, 2] and group.items.tolist() == [2, 2] and group.gains.tolist() == [1, 1]
    outside = truth.within(np.array([True, False, False, False]))  # row 0 and row 70 are not in the catalogue
    assert outside.offsets.tolist() == [0, 0, 2, 2] and outside.items.tolist() == [0, 70]
