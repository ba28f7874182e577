"""The files of published protocols are read as they are, and a file of another kind is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from enterprise_recsys.data.protocol_files import chains, frappe, last_fm, lists, located, sequences
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import Interactions

REAL = Path(os.environ.get("RECSYS_DATA") or "../shared/data")


def pairs(log: Interactions) -> list[tuple[str, str]]:
    return log.events.select("user_id", "item_id").rows()


def seconds(log: Interactions) -> list[int]:
    return [value // 1_000_000 for value in log.events["timestamp"].to_physical()]


def test_a_sequence_file_keeps_its_order_as_places(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("1 9\n1 3\n2 3\n2 9\n1 5\n")
    log = sequences(tmp_path / "x.txt")
    assert pairs(log) == [("1", "9"), ("1", "3"), ("2", "3"), ("2", "9"), ("1", "5")]
    assert seconds(log) == [0, 1, 0, 1, 2] and log.name == "x.txt"


def test_a_file_of_lists_gives_a_pair_an_item(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("0 2968 228 \n1\n2 5\n")
    log = lists(tmp_path / "train.txt")
    assert pairs(log) == [("0", "2968"), ("0", "228"), ("2", "5")] and seconds(log) == [0, 0, 0]


def test_a_file_of_chains_keeps_their_order_and_finds_the_attributes_beside_it(tmp_path: Path) -> None:
    (tmp_path / "Toys.txt").write_text("1 9 3 9\n2 3 5\n")
    log = chains(tmp_path / "Toys.txt")
    assert pairs(log) == [("1", "9"), ("1", "3"), ("1", "9"), ("2", "3"), ("2", "5")]
    assert seconds(log) == [0, 1, 2, 0, 1] and log.items is None
    (tmp_path / "Toys_item2attributes.json").write_text('{"3": [7, 1, 7], "9": []}')
    items = chains(tmp_path / "Toys.txt").items
    assert items is not None and items.rows() == [("3", ["1", "7"]), ("9", [])]


@pytest.mark.parametrize("text", ["", "[1]", '{"3": 7}'])
def test_attributes_that_are_no_lists_by_item_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "Toys.txt").write_text("1 9 3 9\n")
    (tmp_path / "Toys_item2attributes.json").write_text(text)
    with pytest.raises(DataError, match=r"Toys_item2attributes.json cannot be read: .*; right is an object of lists"):
        chains(tmp_path / "Toys.txt")


def test_last_fm_brings_the_plays_as_weights(tmp_path: Path) -> None:
    (tmp_path / "user_artists.dat").write_text("userID\tartistID\tweight\n2\t51\t13883\n2\t52\t7\n")
    log = last_fm(tmp_path / "user_artists.dat")
    assert pairs(log) == [("2", "51"), ("2", "52")] and log.events["weight"].to_list() == [13883.0, 7.0]


@pytest.mark.parametrize("text", ["1 2\n3 x\n", "1 2 3\n", "1\n2\n", "user,item\n1,2\n", ""])
def test_a_file_that_is_no_sequence_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(DataError, match=r"x.txt .*right are 2 whole numbers a line"):
        sequences(tmp_path / "x.txt")


@pytest.mark.parametrize(("text", "got"), [("0 1\n1 a\n", "1 a"), ("u 4\n", "u 4"), ("", "no user with an item")])
def test_a_file_that_holds_no_lists_is_refused(text: str, got: str, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(DataError, match=f"holds '{got}'; right are lines of whole numbers"):
        lists(tmp_path / "x.txt")


def test_another_table_than_last_fm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.dat").write_text("a\tb\n1\t2\n")
    with pytest.raises(DataError, match="has the columns a, b; right are userID, artistID, weight"):
        last_fm(tmp_path / "x.dat")


def test_a_part_of_frappe_keeps_the_context_and_leaves_the_count_out(tmp_path: Path) -> None:
    head = "user,item,cnt,daytime,weekday,isweekend,homework,weather,country,city"
    (tmp_path / "x.csv").write_text(f"{head}\n3,7,-1.5,2,9,14,17,19,97,100\n")
    events = frappe(tmp_path / "x.csv").events
    assert events.drop("timestamp").row(0, named=True) == {
        "user_id": "3",
        "item_id": "7",
        "daytime": "2",
        "weekday": "9",
        "isweekend": "14",
        "homework": "17",
        "weather": "19",
        "country": "97",
        "city": "100",
    }
    (tmp_path / "x.csv").write_text("user,item\n1,2\n")
    with pytest.raises(DataError, match="has the columns user, item; right are user, item, cnt, daytime"):
        frappe(tmp_path / "x.csv")


def test_what_is_not_there_is_named_with_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"b.txt not found in .*set; put the files of set there, or set RECSYS_DATA"):
        located("set", ["b.txt"])
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "b.txt").touch()
    assert located("set", ["b.txt"]) == tmp_path / "set"
    assert located("other", ["b.txt"], tmp_path / "set") == tmp_path / "set"


@pytest.mark.parametrize(
    ("file", "read", "rows", "users", "items"),
    [
        ("sasrec/ml-1m.txt", sequences, 999_611, 6_040, 3_416),
        ("sasrec/Video.txt", sequences, 287_107, 31_013, 23_715),
        ("movielens1m_m1/train.txt", lists, 796_244, 6_022, 3_043),
        ("hetrec-lastfm-2k/user_artists.dat", last_fm, 92_834, 1_892, 17_632),
        ("frappe-context/train.csv", frappe, 75_773, 585, 3_626),
    ],
)
def test_the_real_files_have_the_published_counts(file: str, read, rows: int, users: int, items: int) -> None:
    if not (REAL / file).is_file():
        pytest.skip(f"{file} is not in RECSYS_DATA")
    events = read(REAL / file).events
    assert (len(events), events["user_id"].n_unique(), events["item_id"].n_unique()) == (rows, users, items)
