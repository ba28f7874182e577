"""Rows that cannot be used are set aside with line and reason, and none is ever lost."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enterprise_recsys.data.quarantine import Admitted, Reading, admit
from enterprise_recsys.data.rows import ROW_FAULTS
from enterprise_recsys.errors import DataError

SECONDS = 1_700_000_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def log(**columns: object) -> pl.DataFrame:
    """Four good events, with columns replaced or added."""
    return pl.DataFrame(
        {"user_id": list("abab"), "item_id": list("xyzw"), "timestamp": [SECONDS + n for n in range(4)]} | columns
    )


def admitted(frame: object, **reading: object) -> Admitted:
    return admit(frame, reading=Reading(**{"most_bad": 1.0, **reading}), now=NOW)  # type: ignore[arg-type]


def aside(frame: object, **reading: object) -> list[tuple[int, str]]:
    return admitted(frame, **reading).sifted.aside.select("line", "reason").rows()


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_every_row_fault_marks_nothing_in_a_good_log(name: str) -> None:
    frame = log(rating=[1.0, 2.0, None, 4.0], weight=[1, 2, 3, 4], event_type=list("vvvb"))
    assert not any(mask.any() for mask in ROW_FAULTS[name](frame, NOW).values())


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"user_id": ["a", None, "a", "b"]}, "user id missing"),
        ({"user_id": ["a", "nan", "a", "b"]}, "user id missing"),
        ({"item_id": ["a", r"\N", "a", "b"]}, "item id missing"),
        ({"item_id": ["x", " ", "z", "w"]}, "item id missing"),
        ({"item_id": [1.0, 2.5, 3.0, 4.0]}, "item id is no whole number"),
        ({"item_id": ["x", "y\x07", "z", "w"]}, "item id with a control character"),
        ({"timestamp": [SECONDS, None, SECONDS, SECONDS + 1]}, "time missing"),
        ({"timestamp": [SECONDS, -1, SECONDS, SECONDS + 1]}, "time before 1970"),
        ({"timestamp": [SECONDS, 0, SECONDS, SECONDS + 1]}, "time is zero"),
        ({"timestamp": [float(SECONDS), float("inf"), SECONDS, SECONDS]}, "time not finite"),
        ({"timestamp": [SECONDS, 4_000_000_000, SECONDS, SECONDS]}, "time in the future"),
        ({"timestamp": ["2024-01-01", "2124-01-01", "2024-01-02", "2024-01-03"]}, "time in the future"),
        ({"timestamp": ["2024-01-01", "soon", "2024-01-02", "2024-01-03"]}, "time unreadable"),
        ({"timestamp": [datetime(2024, 1, 1), datetime(2124, 1, 1), datetime(2024, 1, 2), None]}, "time in the future"),
        ({"rating": ["4", "four", "", "2"]}, "rating is no number"),
        ({"rating": [4.0, float("inf"), None, 2.0]}, "rating not finite"),
        ({"weight": [4.0, None, 1.0, 2.0]}, "weight missing"),
        ({"weight": [4.0, -1.0, 1.0, 2.0]}, "weight below 0"),
        ({"weight": ["4", "x", "1", "2"]}, "weight is no number"),
        ({"event_type": ["v", None, "v", "v"]}, "event type missing"),
    ],
)
def test_a_row_that_cannot_be_used_is_set_aside_for_its_reason(columns: dict[str, object], reason: str) -> None:
    got = aside(log(**columns))
    assert got[0] == (2, reason)


def test_only_what_lies_past_now_is_the_future() -> None:
    edge = int(NOW.timestamp())
    assert aside(log(timestamp=[edge - 1, edge, edge + 1, edge])) == [(3, "time in the future")]


def test_small_made_up_times_are_no_zeros() -> None:
    assert aside(log(timestamp=[0, 1, 2, 3])) == []


def test_the_first_reason_of_a_row_counts() -> None:
    assert aside(log(user_id=["a", None, "a", "b"], rating=[1.0, float("inf"), 2.0, 3.0])) == [(2, "user id missing")]


def test_the_same_row_again_is_set_aside_and_a_row_that_differs_in_one_column_is_not() -> None:
    frame = pl.concat([log(place=list("pqrs")), log(place=list("pqrt"))])
    assert aside(frame) == [(row, "the same row again") for row in (5, 6, 7)]


def test_lists_are_compared_too() -> None:
    frame = pl.concat([log(item_tags=[["a"], ["b"], [], None])] * 2)
    assert len(aside(frame)) == 4


def test_an_event_id_that_was_seen_is_set_aside() -> None:
    assert aside(log(event_id=["e1", "e2", "e1", None])) == [(3, "event_id seen before")]


def test_repetitions_do_not_count_as_bad() -> None:
    twice = pl.concat([log(), log()])
    assert len(admit(twice, now=NOW).log.events) == 4  # half of the rows, and no more than 1 % may be bad


def test_too_many_bad_rows_refuse_the_log_with_their_reasons() -> None:
    frame = log(user_id=["a", None, "", "b"], rating=["1", "2", "3", "four"])
    with pytest.raises(DataError) as caught:
        admit(frame, reading=Reading(most_bad=0.5), now=NOW)
    message = str(caught.value)
    assert message.startswith("3 of 4 rows of log (75.0%) cannot be used, and at most 50.0% may be: user id missing: 2")
    assert "user id missing: 2, first at line 2: user_id = null; rating is no number: 1, first at line 4: " in message
    assert 'rating = "four"' in message and "allow more with recsys prepare --max-bad" in message


def test_a_log_without_a_usable_row_is_refused() -> None:
    with pytest.raises(DataError, match="4 of 4 rows of log"):
        admitted(log(user_id=[None] * 4))


def test_a_mix_of_units_is_refused_with_its_counts() -> None:
    with pytest.raises(DataError, match="3 in seconds, 1 in milliseconds; give all in seconds"):
        admitted(log(timestamp=[SECONDS, SECONDS, SECONDS, SECONDS * 1000]))


def test_names_that_the_log_lacks_are_refused() -> None:
    with pytest.raises(DataError, match="columns= renames 'owner', which log does not have; found: .*--column"):
        admitted(log(), columns={"owner": "user_id"})


def test_the_order_of_rows_stands_in_for_times_only_where_there_are_none() -> None:
    frame = log().drop("timestamp")
    assert admitted(frame, row_order_as_time=True).log.events["timestamp"].dt.epoch("s").to_list() == [1, 2, 3, 4]
    with pytest.raises(DataError, match="row_order_as_time is set and log has the column 'timestamp', which says the"):
        admitted(log(), row_order_as_time=True)


def test_how_columns_were_understood_is_told(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("uid;movieId;ts\na;x;1700000000\n")
    assert admit(str(tmp_path / "log.csv")).sifted.told == (
        "log.csv: fields are separated by ';'",
        "log.csv: 'uid' is read as 'user_id'",
        "log.csv: 'movieId' is read as 'item_id'",
        "log.csv: 'ts' is read as 'timestamp'",
    )


def test_tables_beside_the_log_are_joined_by_the_same_names(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id,title\nx,X\n")
    (tmp_path / "users.csv").write_text("customer,age\na,30\n")
    got = admit(log(), users=tmp_path / "users.csv", items=tmp_path / "items.csv", now=NOW).log
    assert got.users is not None and got.users.rows() == [("a", 30)]
    assert got.items is not None and got.items.rows() == [("x", "X")]


TYPES: dict[str, pl.Series] = {
    "bytes": pl.Series([b"\xff\x00"] * 4),
    "bytes in lists": pl.Series([[b"\xff"]] * 4),
    "decimals": pl.Series([Decimal("1.5")] * 4),
    "durations": pl.Series([timedelta(seconds=1)] * 4),
    "times of day": pl.Series([time(1, 2)] * 4),
    "dates": pl.Series([date(2024, 1, 1)] * 4),
    "arrays": pl.Series([[1.0, 2.0]] * 4, dtype=pl.Array(pl.Float32, 2)),
    "structs": pl.Series([{"a": 1, "b": [1]}] * 4),
    "categories": pl.Series(["a"] * 4, dtype=pl.Categorical),
    "large whole numbers": pl.Series([2**100] * 4, dtype=pl.Int128),
    "nothing": pl.Series([None] * 4),
    "lists of lists": pl.Series([[[1]]] * 4),
}


@pytest.mark.parametrize("kind", TYPES)
def test_a_column_of_any_type_can_stand_beside_rows_that_are_set_aside(kind: str) -> None:
    frame = log(user_id=["a", None, "a", "b"]).with_columns(TYPES[kind].alias("thing"))
    assert aside(pl.concat([frame, frame.tail(1)])) == [(2, "user id missing"), (5, "the same row again")]


VALUES = st.sampled_from(["a", "b", "", None, "c\n", "1700000000", "1700000001", "0", "-3", "soon", "inf", "9" * 12])


@given(rows=st.lists(st.tuples(VALUES, VALUES, VALUES, VALUES), min_size=1, max_size=12))
@settings(max_examples=80, deadline=None)
def test_rows_in_are_rows_used_and_rows_set_aside_whatever_stands_in_them(
    rows: list[tuple[str | None, ...]],
) -> None:
    frame = pl.DataFrame(
        rows, schema=dict.fromkeys(["user_id", "item_id", "timestamp", "rating"], pl.String), orient="row"
    )
    try:
        got = admitted(frame)
    except DataError:
        return
    assert len(got.log.events) + len(got.sifted.aside) == len(rows) == got.sifted.rows_in
    used, set_aside = got.sifted.lines.to_list(), got.sifted.aside["line"].to_list()
    assert sorted(used + set_aside) == list(range(1, len(rows) + 1))
