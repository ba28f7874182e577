"""Published sets and formats are read as their authors wrote them, from small made copies of the same form."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from enterprise_recsys.data.published import TEST_BEGINS
from enterprise_recsys.data.sources import SOURCES, read
from enterprise_recsys.errors import DataError

REAL = Path(os.environ.get("RECSYS_DATA") or "../shared/data")


def real(place: str) -> str:
    if not (REAL / place).exists():
        pytest.skip(f"{place} is not in RECSYS_DATA")
    return str(REAL / place)


def rows(data: str) -> list[tuple[object, ...]]:
    return read(data).events.drop("timestamp").rows()


def seconds(data: str) -> list[int]:
    return read(data).events["timestamp"].dt.epoch("s").to_list()


# MovieLens --------------------------------------------------------------------------------------------------------


def test_ml_10m_is_read_in_utf_8(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_text("1::122::4.5::838985046\n2::185::5::838983525\n")
    (tmp_path / "movies.dat").write_text("122::Boomerang (1992)::Comedy|Romance\n185::Café (1995)::Action\n")
    got = read(f"ml-10m:{tmp_path}")
    assert got.events.drop("timestamp").rows() == [("1", "122", 4.5), ("2", "185", 5.0)]
    assert got.items is not None and got.items.rows()[1] == ("185", "Café (1995)", ["Action"], 1995)
    assert got.users is None


@pytest.mark.parametrize("name", ["ml-20m", "ml-25m", "ml-32m", "ml-latest", "ml-latest-small"])
def test_the_newer_movielens_sets_have_one_form(name: str, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n")
    (tmp_path / "movies.csv").write_text('movieId,title,genres\n2,"Jumanji, The (1995)",Adventure|Children\n')
    got = read(f"{name}:{tmp_path}")
    assert got.name == name
    assert got.events.drop("timestamp").rows() == [("1", "2", 3.5)]
    assert got.items is not None
    assert got.items.rows() == [("2", "Jumanji, The (1995)", ["Adventure", "Children"], 1995)]


# Books and goods --------------------------------------------------------------------------------------------------


def test_goodbooks_take_the_order_of_rows_for_time_and_leave_the_average_rating_out(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user_id,book_id,rating\n1,258,5\n2,4081,4\n")
    (tmp_path / "books.csv").write_text(
        "book_id,goodreads_book_id,authors,original_publication_year,title,language_code,average_rating\n"
        '258,9,"Ann Lee, Bo Ray",2001.0,Hats,eng,4.1\n4081,8,Cy,-720.0,Odes,,3.9\n'
    )
    got = read(f"goodbooks-10k:{tmp_path}")
    assert got.events["timestamp"].dt.epoch("s").to_list() == [1, 2]
    assert got.items is not None
    assert got.items.select("item_id", "item_title", "item_authors", "item_year", "item_language").rows() == [
        ("258", "Hats", ["Ann Lee", "Bo Ray"], 2001.0, "eng"),
        ("4081", "Odes", ["Cy"], -720.0, None),
    ]
    assert len(got.items.columns) == 5  # an average over the whole log would give the label away


def test_amazon_ratings_of_2018_have_no_header(tmp_path: Path) -> None:
    path = tmp_path / "Video_Games.csv"
    path.write_text("0439381673,A21ROB4YDOZA5P,1.0,1402272000\n0700026657,A3TNZ2Q5E7HTHD,5.0,1399680000\n")
    assert rows(f"amazon:{path}") == [("A21ROB4YDOZA5P", "0439381673", 1.0), ("A3TNZ2Q5E7HTHD", "0700026657", 5.0)]
    assert seconds(f"amazon:{path}") == [1402272000, 1399680000]


def test_amazon_ratings_of_2023_have_a_header_milliseconds_and_parents(tmp_path: Path) -> None:
    path = tmp_path / "Video_Games.csv.gz"
    path.write_bytes(
        gzip.compress(b"user_id,parent_asin,rating,timestamp,history\nAGKA,B07,5.0,1609459200123,B01 B02\n")
    )
    assert rows(f"amazon:{path}") == [("AGKA", "B07", 5.0)]
    assert seconds(f"amazon:{path}") == [1609459200]


def test_amazon_reviews_of_both_years_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        '{"overall": 4.0, "verified": true, "reviewerID": "A1", "asin": "05", "unixReviewTime": 1402272000}\n'
    )
    (tmp_path / "b.jsonl").write_text(
        '{"rating": 5.0, "title": "x", "asin": "C1", "parent_asin": "C0", "user_id": "U", "timestamp": 1609459200123, '
        '"verified_purchase": false}\n'
    )
    assert rows(f"amazon:{tmp_path / 'a.jsonl'}") == [("A1", "05", 4.0, True)]
    assert rows(f"amazon:{tmp_path / 'b.jsonl'}") == [("U", "C0", 5.0, False)]


def test_what_is_no_amazon_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item\n1,2\n")
    with pytest.raises(DataError, match="has the columns user, item; right are user_id, parent_asin, rating"):
        read(f"amazon:{tmp_path / 'log.csv'}")
    (tmp_path / "log.jsonl").write_text('{"user": 1}\n')
    with pytest.raises(DataError, match="has no field 'user_id'; found: user. Right is a file of Amazon reviews"):
        read(f"amazon:{tmp_path / 'log.jsonl'}")


# Formats of papers ------------------------------------------------------------------------------------------------


def test_a_sasrec_file_gives_each_event_its_place_in_its_users_history(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("1 10\n1 11\n2 10\n1 12\n")
    assert rows(f"sasrec:{tmp_path / 'log.txt'}") == [("1", "10"), ("1", "11"), ("2", "10"), ("1", "12")]
    assert seconds(f"sasrec:{tmp_path / 'log.txt'}") == [1, 2, 1, 3]


def test_a_lightgcn_folder_keeps_its_two_parts_apart_in_time(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 5 6 7\n1 5\n2\n")
    (tmp_path / "test.txt").write_text("0 8 9\n")
    events = read(f"lightgcn:{tmp_path}").events
    assert events["user_id"].to_list() == ["0", "0", "0", "1", "0", "0"]
    assert events["item_id"].to_list() == ["5", "6", "7", "5", "8", "9"]
    assert events["timestamp"].dt.epoch("s").to_list() == [1, 2, 3, 1, TEST_BEGINS + 1, TEST_BEGINS + 2]


def test_files_of_another_form_are_refused(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("1 10 5\n")
    with pytest.raises(DataError, match="log.txt cannot be read: .*; right is 2 columns with ' ' between"):
        read(f"sasrec:{tmp_path / 'log.txt'}")
    with pytest.raises(DataError, match="train.txt does not exist; right is a folder with train.txt and test.txt"):
        read(f"lightgcn:{tmp_path}")
    (tmp_path / "train.txt").write_text("0\t5\n")
    with pytest.raises(DataError, match="train.txt cannot be read; right is a line `user item item ...`"):
        read(f"lightgcn:{tmp_path}")


@pytest.mark.parametrize("name", ["amazon", "sasrec", "lightgcn"])
def test_a_format_needs_a_path(name: str) -> None:
    with pytest.raises(DataError, match=f"the source '{name}' needs a path and got none; .*{name}:"):
        read(name)


# Every source -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "world"])
def test_every_source_refuses_a_place_where_nothing_is(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone"):
        read(f"{name}:{tmp_path / 'gone'}")


def test_the_real_sasrec_file_has_its_published_counts() -> None:
    events = read(f"sasrec:{real('sasrec/ml-1m.txt')}").events
    assert (events.height, events["user_id"].n_unique(), events["item_id"].n_unique()) == (999611, 6040, 3416)


def test_the_real_leaderboard_files_have_their_published_counts() -> None:
    events = read(f"lightgcn:{real('movielens1m_m1')}").events
    is_test = events["timestamp"].dt.epoch("s") > TEST_BEGINS
    assert ((~is_test).sum(), is_test.sum(), events["user_id"].n_unique()) == (796244, 99455, 6022)
