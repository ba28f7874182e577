"""Somebody else's lists: frames, files and functions, and every way they can be wrong."""

from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from enterprise_recsys.errors import DataError
from enterprise_recsys.examining.listed import ListFrame, lists_of, read_lists


def test_a_rank_of_1_and_the_highest_score_come_first() -> None:
    ranked = pl.DataFrame({"user_id": [1, 1, 2], "item_id": ["b", "a", "c"], "rank": [2, 1, 1]})
    assert ListFrame(ranked)(["1", "2", "3"], 2) == [["a", "b"], ["c"], []]
    scored = pd.DataFrame({"user_id": ["1", "1", "1"], "item_id": ["b", "a", "c"], "score": [0.5, 0.9, 0.5]})
    assert ListFrame(scored)(["1"], 2) == [["a", "b"]]
    assert ListFrame(scored).user_ids == ["1"] and ListFrame(scored).item_ids == {"a", "b", "c"}


def test_ids_of_a_csv_are_text_as_they_stand(tmp_path: Path) -> None:
    (tmp_path / "lists.csv").write_text("user_id,item_id,rank\n007,0012,1\n007,12,2\n")
    assert read_lists(tmp_path / "lists.csv")(["007", "7"], 5) == [["0012", "12"], []]
    pl.DataFrame({"user_id": [7], "item_id": [12], "score": [1.0]}).write_parquet(tmp_path / "lists.parquet")
    assert read_lists(tmp_path / "lists.parquet")(["7"], 5) == [["12"]]


def test_a_function_stays_as_it_is_and_a_frame_becomes_one() -> None:
    def best(users, k):
        return [["a"]] * len(users)

    assert lists_of(best, "best") is best
    assert lists_of(pl.DataFrame({"user_id": ["1"], "item_id": ["a"], "rank": [1]}), "file")(["1"], 3) == [["a"]]
    with pytest.raises(DataError, match="mine is a int; it should be a function"):
        lists_of(3, "mine")


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        ({"user": ["1"], "item_id": ["a"], "rank": [1]}, "in columns user, item_id, rank; they should be user_id"),
        ({"user_id": ["1"], "item_id": ["a"]}, "rank \\(1 = best\\) or score"),
        ({"user_id": [], "item_id": [], "rank": []}, "holds no list: it has columns and no row"),
        ({"user_id": ["1"], "item_id": ["a"], "rank": ["first"]}, "'rank' holds String, it should hold numbers"),
        ({"user_id": ["1", None], "item_id": ["a", "b"], "rank": [1, 2]}, "'user_id' is empty in 1 rows"),
    ],
)
def test_a_frame_that_holds_no_lists_is_refused(frame: dict, told: str) -> None:
    with pytest.raises(DataError, match=told):
        ListFrame(pl.DataFrame(frame), "mine.csv")


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(DataError, match="empty.csv is empty; it should hold user_id"):
        read_lists(tmp_path / "empty.csv")
    (tmp_path / "no.parquet").write_bytes(b"no parquet at all")
    with pytest.raises(DataError, match="no.parquet cannot be read as lists"):
        read_lists(tmp_path / "no.parquet")
