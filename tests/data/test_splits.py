"""A split holds every event once, cuts where it says, and has a checksum that names it."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.splits import (
    SPLITS,
    Split,
    checksum,
    given,
    global_time,
    k_core,
    leave_last,
    leave_last_k,
    random,
    random_per_user,
    rolling,
    time_quantile,
)
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.records import Interactions

REAL = Path(os.environ.get("RECSYS_DATA") or "../shared/data") / "ml-1m"


def log(times: list[int], users: list[str] | None = None) -> Interactions:
    """Events whose item tells their source row, with tables of users and items."""
    rows = len(times)
    frame = {"user_id": users or ["a"] * rows, "item_id": [f"i{row}" for row in range(rows)], "timestamp": times}
    return to_interactions(pl.DataFrame(frame), items=pl.DataFrame({"item_id": ["i0"], "item_price": [1.0]}))


def rows(part: Interactions) -> list[int]:
    return [int(item[1:]) for item in part.events["item_id"]]


@pytest.mark.parametrize("name", sorted(SPLITS))
def test_every_split_holds_each_event_once_in_source_order_with_the_same_tables(name: str) -> None:
    whole = log([(37 * step) % 101 for step in range(100)], [f"u{step % 7}" for step in range(100)])
    split = SPLITS[name](whole)
    assert isinstance(split, Split)
    parts = [split.train, split.val, split.test]
    assert sorted(row for part in parts for row in rows(part)) == list(range(100))
    for part in parts:
        assert rows(part) == sorted(rows(part))
        assert part.items is whole.items and part.name == whole.name
        assert_frame_equal(part.events, whole.events[rows(part)])
    again = SPLITS[name](whole)
    assert [rows(part) for part in (again.train, again.val, again.test)] == [rows(part) for part in parts]


def test_global_time_cuts_at_the_share_of_events() -> None:
    split = global_time(log([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]))
    assert (rows(split.train), rows(split.val), rows(split.test)) == ([2, 3, 4, 5, 6, 7, 8, 9], [1], [0])


def test_equal_timestamps_stay_with_the_earlier_part() -> None:
    # Of ten, the 5th (q = 0.5) has time 4; the 6th has it too and follows. The 8th (q = 0.8) has time 7 alone.
    split = global_time(log([0, 1, 2, 3, 4, 4, 6, 7, 8, 8]), train=0.5, val=0.3)
    assert (rows(split.train), rows(split.val), rows(split.test)) == ([0, 1, 2, 3, 4, 5], [6, 7], [8, 9])


def test_shares_whose_sum_is_a_hair_short_still_cut_at_the_event_that_is_meant() -> None:
    assert 0.7 + 0.1 < 0.8
    split = global_time(log(list(range(10))), train=0.7, val=0.1)
    assert [len(part.events) for part in (split.train, split.val, split.test)] == [7, 1, 2]


def test_leave_last_takes_each_users_newest_two_by_time_then_row() -> None:
    #            row: 0    1    2    3    4    5    6    7
    split = leave_last(log([5, 3, 5, 1, 5, 2, 9, 1], ["a", "a", "a", "b", "a", "b", "c", "b"]))
    assert (rows(split.train), rows(split.val), rows(split.test)) == ([0, 1, 3, 6], [2, 7], [4, 5])


def test_random_draws_exact_shares_that_the_seed_decides() -> None:
    whole = log(list(range(100)))
    split, other = random(whole, seed=1), random(whole, seed=2)
    assert [len(part.events) for part in (split.train, split.val, split.test)] == [80, 10, 10]
    assert rows(split.test) != rows(other.test)
    assert rows(split.test) == rows(random(whole, seed=1).test)


@pytest.mark.parametrize("cut", [global_time, random])
@pytest.mark.parametrize(
    ("train", "val", "left"), [(0.9, 0.2, "-0.1"), (0.0, 0.1, "0.9"), (0.9, 0.1, "0"), (0.5, 0.0, "0.5")]
)
def test_shares_that_leave_nothing_for_a_part_are_refused(cut: object, train: float, val: float, left: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cut(log([1, 2, 3]), train=train, val=val)  # type: ignore[operator]
    assert str(caught.value).startswith(f"train={train}, val={val} leave ")
    assert str(caught.value).endswith("for test; each of the three shares must be over 0.")
    assert float(str(caught.value).split(" leave ")[1].split()[0]) == pytest.approx(float(left), abs=1e-9)


def test_a_part_that_comes_out_empty_is_refused_with_counts() -> None:
    with pytest.raises(DataError) as caught:
        global_time(log([7] * 12))
    assert str(caught.value) == (
        "the split 'global_time' leaves val and test of log empty: 12 events became train 12, val 0, test 0; "
        "give more events or other shares, or finer timestamps."
    )
    with pytest.raises(DataError, match="leaves train and val of log empty: 1 events became train 0, val 0, test 1"):
        global_time(log([7]))
    with pytest.raises(
        DataError, match="'leave_last' leaves val and test of log empty: .* give users of 3 events or more"
    ):
        leave_last(log([1, 2, 3], ["a", "b", "b"]))
    with pytest.raises(
        DataError, match="'random' leaves val of log empty: 3 events became train 2, val 0, test 1; give"
    ):
        random(log([1, 2, 3]))


def test_the_checksum_is_the_sha256_of_the_sorted_events() -> None:
    got = checksum(to_interactions(pl.DataFrame({"user_id": ["b", "a"], "item_id": ["x", "é"], "timestamp": [2, 1]})))
    assert got == hashlib.sha256("a\té\t1000000\nb\tx\t2000000\n".encode()).hexdigest()[:16]


def test_the_checksum_ignores_order_and_context_and_sees_every_event() -> None:
    whole = log([1, 2, 3])
    turned = whole.with_events(whole.events.reverse().with_columns(place=pl.lit("home")))
    assert checksum(turned) == checksum(whole)
    assert checksum(whole.with_events(whole.events.head(2))) != checksum(whole)


def test_a_quantile_of_time_judges_by_known_users_only() -> None:
    #  time:     0    1    2    3    4    5    6    7    8    9
    users = ["a", "a", "b", "a", "a", "b", "a", "b", "a", "c"]
    split = time_quantile(log(list(range(10)), users), train=0.6, val=0.2)
    assert (rows(split.train), rows(split.val), rows(split.test)) == ([0, 1, 2, 3, 4, 5], [6, 7], [8])
    with pytest.raises(DataError, match="leaves val and test of log empty: .* give a smaller least than 5"):
        time_quantile(log(list(range(10)), users), train=0.6, val=0.2, least=5)


def test_leave_last_k_takes_each_users_newest_by_time_then_row() -> None:
    split = leave_last_k(log([5, 4, 3, 2, 1, 0, 0, 1], ["a"] * 6 + ["b"] * 2), k=2)
    assert (rows(split.train), rows(split.val), rows(split.test)) == ([4, 5, 6, 7], [2, 3], [0, 1])
    with pytest.raises(ConfigError, match="k=0 is wrong"):
        leave_last_k(log([1, 2, 3]), k=0)


def test_random_per_user_gives_every_user_with_three_events_a_place_in_each_part() -> None:
    whole = log(list(range(43)), ["a"] * 20 + ["b"] * 3 + ["c"] * 18 + ["d"] * 2)
    split = random_per_user(whole, seed=1)
    counts = [dict(part.events["user_id"].value_counts().iter_rows()) for part in (split.train, split.val, split.test)]
    assert counts == [{"a": 16, "b": 1, "c": 16, "d": 2}, {"a": 2, "b": 1, "c": 1}, {"a": 2, "b": 1, "c": 1}]
    assert rows(split.test) != rows(random_per_user(whole, seed=2).test)


def test_a_rolling_split_has_a_test_after_each_date_and_sees_nothing_later() -> None:
    day = timedelta(days=1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    frame = {"user_id": ["a"] * 10, "item_id": [f"i{row}" for row in range(10)]}
    whole = to_interactions(pl.DataFrame({**frame, "timestamp": [start + row * day for row in range(10)]}))
    first, second = rolling(whole, [start + 4 * day, start + 6 * day])
    assert (rows(first.train), rows(first.val), rows(first.test)) == ([0, 1], [2, 3], [4, 5])
    assert (rows(second.train), rows(second.val), rows(second.test)) == ([0, 1, 2, 3], [4, 5], [6, 7])
    (one,) = rolling(whole, [datetime(2026, 1, 9)], span=day)
    assert (rows(one.val), rows(one.test)) == ([7], [8])
    for dates, span in (([], day), ([start, start], day), ([start], None), ([start], -day)):
        with pytest.raises(ConfigError, match=r"must rise|span=.* is wrong"):
            rolling(whole, dates, span=span)


def test_a_given_split_is_taken_as_it_is_told() -> None:
    whole = log([1, 2, 3, 4])
    told = {name: pl.Series([row == place for row in range(4)]) for place, name in enumerate(("train", "val", "test"))}
    split = given(told, whole)
    assert (rows(split.train), rows(split.val), rows(split.test)) == ([0], [1], [2])
    with pytest.raises(DataError, match="1 events of log are in two of the given parts"):
        given({**told, "val": told["train"]}, whole)
    with pytest.raises(DataError, match="the given split has no part 'val'; told are: train, test"):
        given({"train": told["train"], "test": told["test"]}, whole)


def test_a_core_is_what_is_left_when_nothing_has_too_few() -> None:
    frame = pl.DataFrame(
        {"user_id": list("aabbccd"), "item_id": list("xyxyxzz"), "timestamp": range(7)}  # d falls, then z, then c
    )
    core = k_core(to_interactions(frame), k=2)
    assert core.events["user_id"].to_list() == list("aabb")
    with pytest.raises(DataError, match="no user and item of log have 9 events each; give a smaller k"):
        k_core(to_interactions(frame), k=9)


@pytest.mark.skipif(not REAL.is_dir(), reason="MovieLens 1M is not in RECSYS_DATA")
def test_movielens_1m_is_cut_at_the_published_moments() -> None:
    from enterprise_recsys.data.sources import read

    split = global_time(read("ml-1m"))
    seconds = [part.events["timestamp"].dt.epoch("s") for part in (split.train, split.val, split.test)]
    assert [len(part) for part in seconds] == [800_168, 100_020, 100_021]
    assert next((part.min(), part.max()) for part in seconds)[1] == 975768738  # held out: timestamp > 975768738
    assert seconds[1].min() > 975768738 and seconds[1].max() < 978133414  # type: ignore[operator]
    assert seconds[2].min() == 978133414
