"""The cuts of published protocols, by hand."""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.holdouts import (
    checksum_of_pairs,
    core,
    fresh,
    from_end,
    last_after,
    moment_at,
    ordered,
    share_of_each_user,
    without_repetition,
)
from enterprise_recsys.errors import ConfigError


def log(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    return to_interactions(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")).events


def items(events: pl.DataFrame) -> str:
    return "".join(events["item_id"])


def test_a_share_of_each_user_is_rounded_as_python_rounds() -> None:
    events = log(
        [
            (user, str(place), 0)
            for user, size in zip("abcdef", [1, 2, 3, 6, 10, 100], strict=True)
            for place in range(size)
        ]
    )
    kept = events.with_columns(share_of_each_user(events, 0.75, np.random.default_rng(0)).alias("kept"))
    counts = dict(kept.filter("kept")["user_id"].value_counts().iter_rows())
    assert counts == {"a": 1, "b": 2, "c": 2, "d": 4, "e": 8, "f": 75}  # 1.5 and 4.5 and 7.5 go to the even number
    again = share_of_each_user(events, 0.75, np.random.default_rng(0))
    assert again.equals(kept["kept"]) and not again.equals(share_of_each_user(events, 0.75, np.random.default_rng(1)))


def test_a_share_takes_each_event_equally_often() -> None:
    events = log([("a", str(place), 0) for place in range(8)])
    generator = np.random.default_rng(0)
    often = sum(share_of_each_user(events, 0.5, generator).to_numpy().astype(int) for _ in range(2000))
    assert (abs(often - 1000) < 110).all()  # 5 standard deviations


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=f"share={share} is out of range; it is over 0 and under 1"):
        share_of_each_user(log([("a", "x", 0)]), share, np.random.default_rng(0))


def test_the_core_is_peeled_until_all_have_enough() -> None:
    # c has one event, so it goes; then item z has one, so it goes; then b has one, so it goes; then x and y have one.
    chain = [("a", "x", 1), ("a", "y", 2), ("b", "x", 3), ("b", "z", 4), ("c", "z", 5)]
    square = [("d", "p", 1), ("d", "q", 2), ("e", "p", 3), ("e", "q", 4)]
    assert items(core(log(chain + square), 2)) == "pqpq"


def test_repetitions_one_after_the_other_are_dropped_within_a_user_only() -> None:
    events = ordered(log([("b", "x", 9), ("a", "x", 3), ("a", "y", 1), ("a", "x", 2), ("a", "y", 5), ("a", "y", 5)]))
    assert items(events) == "yxxyyx" and items(without_repetition(events)) == "yxyx"


def test_events_of_one_moment_keep_the_order_of_the_source() -> None:
    assert items(ordered(log([("a", "x", 1), ("a", "w", 1), ("a", "v", 0)]))) == "vxw"


def test_places_count_from_the_newest() -> None:
    assert from_end(ordered(log([("a", "x", 1), ("b", "y", 1), ("a", "z", 2)]))).to_list() == [1, 0, 0]


def test_last_after_a_moment_asks_the_users_active_after_it() -> None:
    rows = [("a", "p", 1), ("a", "q", 2), ("b", "r", 1), ("b", "s", 6), ("b", "t", 7), ("c", "u", 6), ("d", "v", 5)]
    events = ordered(log([*rows, ("d", "w", 8)]))
    moment = moment_at(events, 0.625)  # the 5th of 8 by time: 1 1 2 5 6 6 7 8
    past_all = moment_at(events, 0.5)
    assert past_all.to_physical()[0] // 1_000_000 == 5 and moment.to_physical()[0] // 1_000_000 == 6
    train, past, last = last_after(events, past_all)
    assert items(train) == "pqrv"
    assert items(past) == "rsv"  # s is after the moment and known when t is asked for; c had nothing before u
    assert items(last) == "tw"


def test_fresh_targets_are_those_not_had() -> None:
    targets, past = log([("a", "x", 5), ("a", "y", 5), ("b", "x", 5)]), log([("a", "x", 1), ("b", "z", 1)])
    assert fresh(targets, past).select("user_id", "item_id").rows() == [("a", "y"), ("b", "x")]


def test_the_checksum_is_of_the_sorted_pairs_and_nothing_else() -> None:
    first, second = log([("2", "x", 1), ("10", "y", 2)]), log([("10", "y", 8), ("2", "x", 9)])
    assert checksum_of_pairs(first) == checksum_of_pairs(second)
    assert checksum_of_pairs(first) == hashlib.sha256(b"10\ty\n2\tx\n").hexdigest()[:16]
