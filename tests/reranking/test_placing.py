"""Pins stand where they are put, caps are kept, what is asked for is there, and the rest keeps its order."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enterprise_recsys.records import Ranked
from enterprise_recsys.reranking.placing import Limit, Places, codes_of, placed, used_up

# Rows 1..6; their values: a a b a b (none)
CODES = codes_of(pl.Series(["a", "a", "b", "a", "b", None]))


def shown(places: Places, k: int, candidates: tuple[int, ...] = (1, 2, 3, 4, 5, 6)) -> list[int]:
    rows = np.array([candidates])
    found = placed(Ranked(rows, -np.arange(rows.shape[1], dtype=np.float32)[None, :]), places, k).rows[0].tolist()
    return list(found)


def test_a_value_is_numbered_and_a_missing_one_is_none() -> None:
    assert CODES[:, 0].tolist() == [0, 1, 1, 2, 1, 2, 0]
    several = codes_of(pl.Series([["x", "y"], [], None, ["y", "y", "z"]]))
    assert several.tolist() == [[0, 0], [1, 2], [0, 0], [0, 0], [2, 3]]


@pytest.mark.parametrize(
    ("places", "k", "rows"),
    [
        (Places(), 3, [1, 2, 3]),
        (Places([Limit(CODES, 1)]), 4, [1, 3, 6, 0]),
        (Places([Limit(CODES, 2)]), 4, [1, 2, 3, 5]),
        (Places(pins={1: 5}), 3, [5, 1, 2]),
        (Places(pins={2: 5, 3: 4}), 4, [1, 5, 4, 2]),
        (Places(pins={4: 5}), 3, [1, 2, 3]),
        (Places(pins={1: 99}), 3, [1, 2, 3]),
        (Places(included=[6, 5]), 3, [1, 5, 6]),
        (Places(included=[2]), 3, [1, 2, 3]),
        (Places(included=[6, 5, 4, 3]), 3, [3, 4, 5]),
        (Places([Limit(CODES, 1)], {1: 4}), 4, [4, 3, 6, 0]),
        (Places([Limit(CODES, 1)], {1: 4}, [2]), 4, [4, 2, 3, 6]),
        (Places(pins={1: 3}, included=[6]), 2, [3, 6]),
    ],
)
def test_a_list_by_hand(places: Places, k: int, rows: list[int]) -> None:
    assert shown(places, k) == rows


def test_of_several_values_each_counts() -> None:
    genres = codes_of(pl.Series([["x", "y"], ["y"], ["x"], ["z"]]))
    assert shown(Places([Limit(genres, 1)]), 4, (1, 2, 3, 4)) == [1, 4, 0, 0]


def test_what_is_used_up_may_not_join() -> None:
    assert used_up(np.array([1, 3, 0]), [Limit(CODES, 1)], 7).tolist() == [False] + [True] * 5 + [False]
    assert used_up(np.array([1, 3, 0]), [Limit(CODES, 2)], 7).tolist() == [False] * 7


@settings(max_examples=200, deadline=None)
@given(
    st.permutations(range(1, 7)),
    st.integers(1, 6),
    st.integers(1, 3),
    st.dictionaries(st.integers(1, 6), st.integers(1, 7), max_size=2),
    st.lists(st.integers(1, 7), max_size=2),
)
def test_no_item_comes_twice_and_the_rest_keeps_its_order(
    order: list[int], k: int, most: int, pins: dict[int, int], included: list[int]
) -> None:
    pins = {place: row for place, row in pins.items() if list(pins.values()).count(row) == 1}
    found = [row for row in shown(Places([Limit(CODES, most)], pins, included), k, tuple(order)) if row]
    special = {*pins.values(), *included}
    assert len(found) == len(set(found)) <= k
    rest = [row for row in found if row not in special]
    assert rest == [row for row in order if row in rest]
    counts = np.bincount(CODES[rest, 0], minlength=3)[1:] if rest else np.zeros(2)
    assert (counts <= most).all()
