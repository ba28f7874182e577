"""Names in the wild are recognised whatever their case, and never guessed when two would do."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from enterprise_recsys.data.aliases import ALIASES, meant, plain, renames
from enterprise_recsys.data.quarantine import Reading, admit
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import REQUIRED

LOG = ["user_id", "item_id", "timestamp"]


@pytest.mark.parametrize(
    "found",
    [
        ["UserId", "ItemId", "Timestamp"],  # Gorse
        ["USER_ID", "ITEM_ID", "TIMESTAMP"],  # AWS
        ["user_id:token", "item_id:token", "timestamp:float"],  # RecBole
        ["userID", "itemID", "timestamp"],  # recommenders
        ["user_id", "item_id", "datetime"],  # RecTools
        ["visitorid", "itemid", "timestamp"],  # RetailRocket
        ["userId", "movieId", "timestamp"],  # MovieLens
        ["reviewerID", "asin", "unixReviewTime"],  # Amazon
        ["user", "item", "time"],  # LibRecommender
        ["customer id", "product-id", "created.at"],
    ],
)
def test_the_columns_of_other_systems_are_understood(found: list[str]) -> None:
    got = renames(found, REQUIRED, {}, "log")
    assert [got.get(name, name) for name in found] == LOG


def test_no_name_means_two_columns() -> None:
    names = [plain(name) for names in ALIASES.values() for name in {plain(one) for one in names}]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["label", "value", "weight", "title", "id", "index", ""])
def test_names_that_could_mean_much_mean_nothing(name: str) -> None:
    assert meant(name) is None


def test_a_table_may_call_its_id_id_and_a_log_may_not() -> None:
    assert renames(["id", "title"], ("item_id",), {}, "items") == {"id": "item_id"}
    with pytest.raises(DataError, match="column 'item_id' is missing"):
        renames(["user_id", "id", "timestamp"], REQUIRED, {}, "log")


def test_the_users_word_goes_over_the_aliases_and_frees_them() -> None:
    found = ["user", "owner", "item", "time"]
    assert renames(found, REQUIRED, {"owner": "user_id"}, "log") == {
        "owner": "user_id",
        "item": "item_id",
        "time": "timestamp",
    }
    with pytest.raises(DataError, match="'user_id' is missing in log; .*could be 'user' or 'uid'"):
        renames(["uid", "user", "item", "time"], REQUIRED, {}, "log")
    assert renames(["uid", "user", "item", "time"], REQUIRED, {"uid": "user_id"}, "log")["uid"] == "user_id"


def test_a_log_without_times_is_told_what_would_be_right() -> None:
    with pytest.raises(DataError) as caught:
        renames(["user_id", "item_id", "rating"], REQUIRED, {}, "log.csv")
    assert str(caught.value) == (
        "column 'timestamp' is missing in log.csv; found: user_id, item_id, rating. Rename it (--column 'its "
        "name=timestamp'). A log without times whose rows stand in order of time: number them before it is cut, "
        "log['timestamp'] = range(1, len(log) + 1) (--row-order-as-time)."
    )


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (["sessionId", "item", "time"], "found: sessionId, item, time; it could be 'sessionId'. Rename it"),
        (
            ["user", "item", "purchase_date"],
            "purchase_date; it could be 'purchase_date'. Rename it .*'purchase_date=timestamp'\\)\\.$",
        ),
        (["user_age", "item", "time"], "found: user_age, item, time. Rename it"),
    ],
)
def test_a_name_that_may_be_meant_is_told_and_not_taken(found: list[str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        renames(found, REQUIRED, {}, "log")


def test_ambiguous_optional_columns_are_told_and_not_taken(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="enterprise_recsys"):
        assert renames([*LOG, "stars", "score"], REQUIRED, {}, "log") == {}
    assert caplog.messages == ["log: 'score' or 'stars' could be 'rating'; none is taken"]


def test_many_columns_are_named_in_part() -> None:
    with pytest.raises(DataError, match=r"found: c0, .*c29 and 70 more\."):
        renames([f"c{n}" for n in range(100)], REQUIRED, {}, "log")


def test_a_file_without_a_header_is_told_apart_from_one_with_other_names(tmp_path: Path) -> None:
    path = tmp_path / "UserBehavior.csv"
    path.write_text("1,2268318,2520377,pv,1511544070\n1,2333346,2520771,pv,1511561733\n")
    with pytest.raises(DataError, match="its first line looks like a row and not like names: put a line of names"):
        admit(str(path))
    path.write_text("1,2014-04-07T10:51:09.277Z,214536502,1\n2,2014-04-07T10:54:09.868Z,214536500,1\n")
    with pytest.raises(DataError, match="two columns are named '1'; its first line looks like a row"):
        admit(str(path))
    path.write_text("who,2023,2024\na,1,2\n")
    with pytest.raises(DataError, match="Rename it"):
        admit(str(path), reading=Reading(columns={"who": "user_id"}))


def test_what_was_found_goes_by_its_own_name_and_by_what_it_is_read_as() -> None:
    with pytest.raises(
        DataError, match=r"found: customer_id \(read as user_id\), article_id \(read as item_id\), price\."
    ):
        renames(["customer_id", "article_id", "price"], REQUIRED, {}, "log.csv")
    assert renames(["customer_id", "article_id", "t_dat"], REQUIRED, {}, "log.csv")["t_dat"] == "timestamp"
