"""Ids as numbers beside a table of names: the names are those that strings would have been."""

import polars as pl
import pytest

from enterprise_recsys.data import coding
from enterprise_recsys.data.quarantine import admit
from enterprise_recsys.records import ITEM_ID, USER_ID

BIG = (1 << 63) - 1


@pytest.mark.parametrize(
    ("ids", "kind", "names"),
    [
        ([5, -3, 10**12, 5], pl.Int64, ["5", "-3", "1000000000000", "5"]),
        ([-128, 127, 0, -128], pl.Int8, ["-128", "127", "0", "-128"]),
        ([255, 250, 255, 251], pl.UInt8, ["255", "250", "255", "251"]),
        ([2 * BIG, 2 * BIG - 1, 7, 7], pl.UInt64, [str(2 * BIG), str(2 * BIG - 1), "7", "7"]),
        ([2 * BIG, 2 * BIG - 1, 2 * BIG, 2 * BIG], pl.UInt64, [str(2 * BIG), str(2 * BIG - 1)] + [str(2 * BIG)] * 2),
        ([7.0, 1e12, -2.0, 7.0], pl.Float64, ["7", "1000000000000", "-2", "7"]),
        (["b", "a", "é", "b"], pl.String, ["b", "a", "é", "b"]),
        (["b", "a", "é", "b"], pl.Categorical, ["b", "a", "é", "b"]),
    ],
)
def test_any_type_of_id_keeps_its_name(ids: list[object], kind: pl.DataType, names: list[str]) -> None:
    column = pl.Series(ids, dtype=kind)
    frame = coding.coded(pl.DataFrame({USER_ID: column, ITEM_ID: column.reverse()}))
    assert frame[USER_ID].cast(pl.String).to_list() == names
    assert frame[ITEM_ID].cast(pl.String).to_list() == names[::-1]
    distinct = len(set(names))
    assert sorted(coding.names_of(frame[USER_ID])) == sorted(set(names))
    assert sorted(set(coding.numbers_of(frame[USER_ID]).tolist())) == list(range(distinct))
    assert sorted(set(coding.numbers_of(column).tolist())) == list(range(distinct))


def test_ids_that_are_left_out_leave_no_gap_in_the_numbers() -> None:
    column = pl.Series(["x", "y", "z"], dtype=pl.Categorical)[[0, 2]]
    frame = coding.coded(pl.DataFrame({USER_ID: column, ITEM_ID: column}))
    assert coding.names_of(frame[USER_ID]).to_list() == ["x", "z"]
    assert coding.numbers_of(frame[USER_ID]).tolist() == [0, 1]


def test_a_coded_log_is_the_log_with_strings_but_for_its_ids() -> None:
    frame = pl.DataFrame({"user": [3, 1, 3] * 9, "item": ["a", "b", "c"] * 9, "time": range(10**9, 10**9 + 27)})
    plain, small = admit(frame).log, admit(frame, coded=True).log
    assert isinstance(small.events[USER_ID].dtype, pl.Enum)
    assert coding.named(small).events.equals(plain.events)


def test_events_and_first_times_are_counted_as_a_group_by_does() -> None:
    rows = 500
    frame = coding.coded(
        pl.DataFrame(
            {
                "user_id": [place * 7 % 41 for place in range(rows)],
                "item_id": ["x"] * rows,
                "timestamp": [10**15 + (place * 37) % 991 for place in range(rows)],
            }
        )
    ).with_columns(pl.col("timestamp").cast(pl.Datetime("us", "UTC")))
    expected = frame.group_by(pl.col(USER_ID).cast(pl.String).alias("id")).agg(
        count=pl.len(), first=pl.col("timestamp").min()
    )
    assert coding.counted(frame[USER_ID], frame["timestamp"]).sort("id").equals(expected.sort("id"))
