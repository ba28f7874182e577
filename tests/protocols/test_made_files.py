"""The loaders on small made files of the published forms, where every target can be told by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.errors import DataError
from enterprise_recsys.protocols.table import PROTOCOLS
from enterprise_recsys.protocols.tasks import Encoded, ListTask


def lists_of(task: object) -> ListTask:
    assert isinstance(task, ListTask)
    return task


def rows(frame: pl.DataFrame) -> list[tuple[str, str]]:
    return sorted(frame.select("user_id", "item_id").rows())


def test_leave_last_one_out_by_hand(tmp_path: Path) -> None:
    (tmp_path / "Video.txt").write_text("1 5\n1 6\n1 7\n1 8\n2 5\n2 6\n3 9\n3 5\n3 6\n")
    task = lists_of(PROTOCOLS["video-loo"].load(tmp_path, 0))
    assert rows(task.judge.targets) == [("1", "8"), ("3", "6")] and rows(task.choose.targets) == [
        ("1", "7"),
        ("3", "5"),
    ]
    # User 2 has two events: too few to be asked, and learnt from whole.
    learnt = [("1", "5"), ("1", "6"), ("2", "5"), ("2", "6"), ("3", "9")]
    assert rows(task.choose.log.events) == rows(task.judge.log.events) == learnt
    assert rows(task.judge.past) == [("1", "5"), ("1", "6"), ("1", "7"), ("3", "5"), ("3", "9")]
    assert rows(task.choose.past) == [("1", "5"), ("1", "6"), ("3", "9")]
    assert task.catalogue.to_list() == ["5", "6", "7", "8", "9"] and not task.has_times


def test_files_of_lists_are_train_and_test_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(
        "".join(f"{user} " + " ".join(str(i) for i in range(10)) + "\n" for user in range(3))
    )
    (tmp_path / "test.txt").write_text("0 10 11\n1\n2 12\n")
    task = lists_of(PROTOCOLS["lightgcn"].load(tmp_path, 0))
    assert rows(task.judge.targets) == [("0", "10"), ("0", "11"), ("2", "12")] and len(task.judge.log.events) == 30
    assert len(task.choose.log.events) == 27 and task.choose.targets["user_id"].to_list() == ["0", "1", "2"]
    assert rows(pl.concat([task.choose.log.events, task.choose.targets])) == rows(task.judge.log.events)


def test_each_row_of_frappe_is_a_question_in_its_context(tmp_path: Path) -> None:
    head = "user,item,cnt,daytime,weekday,isweekend,homework,weather,country,city\n"
    context = ",1,2,3,4,5,6,"
    (tmp_path / "train.csv").write_text(
        f"{head}1,5,0{context}7\n1,6,0{context}7\n2,5,0{context}7\n1,5,0{context}8\n2,6,0{context}7\n"
    )
    (tmp_path / "validation.csv").write_text(f"{head}2,6,0{context}7\n")
    (tmp_path / "test.csv").write_text(f"{head}2,9,0{context}8\n1,5,0{context}7\n1,6,0{context}8\n3,5,0{context}7\n")
    task = lists_of(PROTOCOLS["frappe-context"].load(tmp_path, 0))
    assert task.repeats and not task.has_times and task.catalogue.to_list() == ["5", "6", "9"]
    assert task.judge.owners.to_list() == ["1", "1", "2", "3"]
    assert task.judge.contexts["city"].to_list() == ["7", "8", "8", "7"] and "cnt" not in task.judge.contexts.columns
    encoded = Encoded.of(task.judge, task.catalogue)
    # Past: one's own rows of train, among which those of validation stand once; user 3 has none.
    pasts = [encoded.queries.history.part(place, place + 1).rows.tolist() for place in range(4)]
    assert pasts == [[1, 2, 1], [1, 2, 1], [1, 2], []] and encoded.owners.tolist() == [1, 1, 2, 3]
    assert encoded.queries.users is not None and encoded.queries.users.tolist() == [1, 1, 2, 0]
    assert encoded.truth.items.tolist() == [1, 2, 3, 1] and encoded.truth.counts.tolist() == [1, 1, 1, 1]
    assert len(task.choose.log.events) == 4 and task.choose.owners.to_list() == ["2"]


def test_a_file_of_another_size_is_not_the_published_one(tmp_path: Path) -> None:
    for name in ("train.txt", "test.txt"):
        (tmp_path / name).write_text("0 1 2\n")
    with pytest.raises(
        DataError, match=r"is not movielens1m_m1: train and test have \(2, 2\) rows, the published files"
    ):
        PROTOCOLS["movielens1m_m1"].load(tmp_path, 0)
    with pytest.raises(DataError, match="needs --data FOLDER with train.txt and test.txt"):
        PROTOCOLS["lightgcn"].load(None, 0)


def test_strong_generalisation_holds_whole_users_out(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    likes = [(f"u{user}", f"i{item}", 5) for user in range(40) for item in generator.permutation(60)[:20]]
    few = [("few", f"i{item}", 5) for item in range(4)] + [(f"u{user}", "bad", 3) for user in range(40)]
    frame = pl.DataFrame(likes + few, schema=["user_id", "item_id", "rating"], orient="row").with_row_index("timestamp")
    frame.write_csv(tmp_path / "log.csv")
    task = lists_of(PROTOCOLS["strong-generalisation"].load(tmp_path / "log.csv", 3))
    users = [set(trial.log.events["user_id"]) for trial in (task.choose, task.judge)]
    val, test = set(task.choose.asked), set(task.judge.asked)
    assert users[0] == users[1] and len(users[0]) == 32 and len(val) == len(test) == 4
    assert not val & test and not (val | test) & users[0] and "few" not in users[0] | val | test
    assert "bad" not in set(task.catalogue)
    for user in test:
        assert len(task.judge.past.filter(user_id=user)) == 16 and len(task.judge.targets.filter(user_id=user)) == 4
    plain = pl.DataFrame({"user_id": ["a"], "item_id": ["x"], "timestamp": [1]})
    plain.write_csv(tmp_path / "plain.csv")
    with pytest.raises(DataError, match="needs a log with ratings; plain.csv has none"):
        PROTOCOLS["strong-generalisation"].load(tmp_path / "plain.csv", 0)


def test_encoding_numbers_users_items_and_strangers(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("7 1 2\n8 2 3\n")
    (tmp_path / "test.txt").write_text("8 1 4\n9 2\n")
    task = lists_of(PROTOCOLS["lightgcn"].load(tmp_path, 0))
    encoded = Encoded.of(task.judge, task.catalogue.filter(task.catalogue != "4"))
    assert (encoded.n_users, encoded.n_items) == (3, 4)
    assert encoded.queries.users is not None and encoded.queries.users.tolist() == [2, 0]  # user 9 was not learnt from
    assert encoded.queries.history.offsets.tolist() == [0, 2, 2] and encoded.queries.history.rows.tolist() == [2, 3]
    assert encoded.truth.counts.tolist() == [2, 1]  # item 4 counts, and its row is past the catalogue's end
    assert encoded.truth.items.tolist()[0] == 1 and encoded.truth.items.tolist()[1] >= 4
    assert encoded.truth.items.tolist()[2] == 2
