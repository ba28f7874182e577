"""Frames of every kind become the same Interactions, and what cannot be used is refused with its row."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from enterprise_recsys.data.frames import ALIASES, to_frame, to_interactions, to_polars
from enterprise_recsys.data.quarantine import Reading, admit
from enterprise_recsys.data.vocabulary import spelt
from enterprise_recsys.errors import DataError, MissingExtraError
from enterprise_recsys.records import DERIVED, TIME_TYPE, Interactions

NOON = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)
SECONDS = int(NOON.timestamp())
NO_PYARROW, NO_PANDAS = "pyarrow cannot be imported here", "pandas (extra `train`) is not installed"


@pytest.fixture
def pandas() -> ModuleType:
    """Pandas with a pyarrow that works beside it; pandas is optional."""
    pytest.importorskip("pyarrow", reason=NO_PYARROW, exc_type=ImportError)
    module: ModuleType = pytest.importorskip("pandas", reason=NO_PANDAS, exc_type=ImportError)
    return module


def log(**columns: object) -> pl.DataFrame:
    """Two events, with some columns replaced or added."""
    return pl.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "y"], "timestamp": [SECONDS, SECONDS + 1]} | columns)


def events(**columns: object) -> pl.DataFrame:
    return to_interactions(log(**columns), name="clicks.csv").events


def refusal(**columns: object) -> str:
    with pytest.raises(DataError) as caught:
        events(**columns)
    return str(caught.value)


def stamps(values: object) -> list[datetime]:
    return events(timestamp=values)["timestamp"].to_list()


# Kinds of frames -------------------------------------------------------------------------------------------------


def test_a_polars_log_becomes_canonical_events() -> None:
    got = to_interactions(log(rating=[4, 5], place=["home", "work"]), name="clicks.csv")
    assert got.events.columns == ["user_id", "item_id", "timestamp", "rating", "place"]
    assert got.events.dtypes == [pl.String, pl.String, TIME_TYPE, pl.Float64, pl.String]
    assert got.events.row(0) == ("a", "x", NOON, 4.0, "home")
    assert (got.users, got.items, got.name) == (None, None, "clicks.csv")


def test_a_lazy_frame_gives_the_same_as_an_eager_one() -> None:
    assert_frame_equal(to_interactions(log().lazy()).events, events())


def test_any_arrow_stream_gives_the_same_as_polars() -> None:
    class Stream:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return log(rating=[1.0, None]).__arrow_c_stream__(requested_schema)

    assert_frame_equal(to_interactions(Stream()).events, events(rating=[1.0, None]))


def test_a_pyarrow_table_gives_the_same_as_polars() -> None:
    pyarrow = pytest.importorskip("pyarrow", reason=NO_PYARROW, exc_type=ImportError)
    table = pyarrow.table(
        {"user_id": [1, 2], "item_id": ["x", "y"], "timestamp": [SECONDS] * 2, "item_tags": [["a"], []]}
    )
    same = log(user_id=[1, 2], timestamp=[SECONDS] * 2, item_tags=[["a"], []])
    assert_interactions_equal(to_interactions(table), to_interactions(same))


def test_a_pandas_frame_gives_the_same_as_polars_and_is_not_changed(pandas: ModuleType) -> None:
    import numpy as np

    frame = pandas.DataFrame(
        {
            "user_id": [1.0, 2.0],
            "item_id": pandas.Categorical(["x", "y"]),
            "timestamp": pandas.to_datetime([NOON, NOON]).tz_convert("Europe/Berlin"),
            "rating": [4.0, float("nan")],
            "event_type": ["view", None],
            "item_tags": [np.array(["a", "b"]), ["c"]],
            "user_age": pandas.array([30, None], dtype="Int64"),
            3: [1, 2],
        },
        index=[7, 9],
    )
    before = frame.copy(deep=True)
    same = log(
        user_id=[1, 2],
        timestamp=[NOON, NOON],
        rating=[4.0, None],
        event_type=["view", None],
        item_tags=[["a", "b"], ["c"]],
        user_age=[30, None],
        **{"3": [1, 2]},
    )
    assert_interactions_equal(to_interactions(frame), to_interactions(same))
    pandas.testing.assert_frame_equal(frame, before)


def test_a_pandas_column_of_mixed_types_is_refused_by_name(pandas: ModuleType) -> None:
    frame = pandas.DataFrame({"user_id": pandas.Series(["a", 1], dtype=object), "item_id": ["x", "y"]})
    with pytest.raises(
        DataError, match=r"column 'user_id' of clicks.csv cannot be read: .*Give all its values one type"
    ):
        to_polars(frame, "clicks.csv")


def test_two_pandas_columns_of_one_name_are_refused(pandas: ModuleType) -> None:
    frame = pandas.DataFrame([[1, 2, 3]], columns=["user_id", "item_id", "user_id"])
    with pytest.raises(
        DataError, match=r"log has two columns named 'user_id'; found: user_id, item_id, user_id. Rename"
    ):
        to_polars(frame, "log")


def test_a_pandas_frame_without_pyarrow_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    places = type("Places", (), {"__getitem__": lambda self, key: [1]})()
    frame = type("DataFrame", (), {"__module__": "pandas.core.frame", "columns": ["user_id"], "iloc": places})()

    def absent(*arguments: object, **named: object) -> pl.Series:
        raise ImportError("No module named 'pyarrow'")

    monkeypatch.setattr(pl, "Series", absent)
    with pytest.raises(MissingExtraError, match=r"need pandas and pyarrow \(No module named 'pyarrow'\); pip install"):
        to_polars(frame, "log")


def test_to_frame_without_pandas_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(self: pl.DataFrame) -> None:
        raise ImportError("No module named 'pandas'")

    monkeypatch.setattr(pl.DataFrame, "to_pandas", absent)
    with pytest.raises(MissingExtraError, match="pandas frames need pandas and pyarrow .*pip install pandas pyarrow"):
        to_frame(to_interactions(log()), pandas=True)


class Column:
    """One column; it has an Arrow stream, and is no table."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The stream of three numbers."""
        return pl.Series([1, 2, 3]).__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(("thing", "kind"), [([1, 2], "list"), (None, "NoneType"), (Column(), "Column")])
def test_what_is_no_frame_is_refused(thing: object, kind: str) -> None:
    with pytest.raises(DataError, match=f"log is a {kind}; give a pandas, polars or pyarrow data frame"):
        to_interactions(thing)


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(DataError, match="clicks.csv holds no rows; found columns: user_id, item_id, timestamp"):
        to_interactions(log().clear(), name="clicks.csv")
    with pytest.raises(DataError, match="found columns: none"):
        to_interactions(pl.DataFrame())


def test_the_callers_polars_frame_is_not_changed() -> None:
    frame = log(rating=[float("nan"), 1.0], user_age=[1, 2], hour=[1, 2])
    before = frame.clone()
    to_interactions(frame, columns={"item_id": "item_id"})
    assert_frame_equal(frame, before)


# Names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("canonical", "alias"), [(name, alias) for name in ALIASES for alias in ALIASES[name]])
def test_an_alias_is_read_as_the_canonical_name_and_logged(
    canonical: str, alias: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="enterprise_recsys"):
        full = log(rating=[1, 2], event_type=["view", "buy"])
        got = to_interactions(full.rename({canonical: alias}), name="clicks.csv")
    assert_frame_equal(got.events, events(rating=[1, 2], event_type=["view", "buy"]))
    assert caplog.messages == [f"clicks.csv: column {alias!r} is read as {canonical!r}"]


def test_an_alias_beside_the_canonical_name_stays_as_context() -> None:
    assert events(user=["p", "q"])["user"].to_list() == ["p", "q"]


def test_two_aliases_of_an_optional_column_stay_as_context() -> None:
    assert events(score=[1, 2], stars=[3, 4]).columns == ["user_id", "item_id", "timestamp", "score", "stars"]


@pytest.mark.parametrize("name", ["label", "value"])
def test_label_and_value_are_not_taken_for_a_rating(name: str) -> None:
    assert "rating" not in events(**{name: [1, 2]}).columns


def test_a_missing_column_is_named_with_what_was_found() -> None:
    with pytest.raises(DataError) as caught:
        to_interactions(log().rename({"user_id": "uid2", "item_id": "item", "timestamp": "ts"}), name="clicks.csv")
    assert str(caught.value) == (
        "column 'user_id' is missing in clicks.csv; found: uid2, item, ts. Rename it (--column 'its name=user_id')."
    )


def test_two_possible_aliases_are_not_guessed() -> None:
    with pytest.raises(DataError, match="'user_id' is missing in log; found: .*; it could be 'user' or 'uid'. Rename"):
        to_interactions(log(user=["a", "b"]).rename({"user_id": "uid"}))


def test_columns_renames_the_log_and_the_tables() -> None:
    users = pl.DataFrame({"who": ["a"], "age": [3]})
    got = to_interactions(log().rename({"user_id": "who"}), users, columns={"who": "user_id"})
    assert got.events["user_id"].to_list() == ["a", "b"]
    assert got.users is not None and got.users.rows() == [("a", 3)]


def test_columns_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(
        DataError, match="columns= renames 'wo', which log does not have; found: item_id, timestamp, user"
    ):
        to_interactions(log(), columns={"wo": "user_id"})


def test_columns_that_makes_a_name_twice_is_refused() -> None:
    with pytest.raises(DataError, match="columns= makes two columns named 'user_id' in log; found: .*, who. Drop one"):
        to_interactions(log(who=["a", "b"]), columns={"who": "user_id"})


def test_derived_columns_are_dropped_and_others_kept_in_canonical_order() -> None:
    made = {key: [1.0, 2.0] for key in DERIVED}
    got = events(country=["de", "fr"], weight=[1, 2], rating=[1, 2], **made)
    assert got.columns == ["user_id", "item_id", "timestamp", "rating", "weight", "country"]


# Ids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        ([42, 7], ["42", "7"]),
        ([42.0, 7.0], ["42", "7"]),
        ([Decimal("42"), Decimal("7")], ["42", "7"]),
        (["042", " 7 "], ["042", " 7 "]),
        (pl.Series(["a", "b"], dtype=pl.Categorical), ["a", "b"]),
        (pl.Series([2**63, 1], dtype=pl.UInt64), ["9223372036854775808", "1"]),
    ],
)
def test_ids_become_strings(values: object, ids: list[str]) -> None:
    assert events(user_id=values)["user_id"].to_list() == ids


@pytest.mark.parametrize("values", [["a", None], ["a", ""], [1.0, float("nan")], [None, None]])
def test_null_and_empty_ids_are_refused_with_count_and_row(values: list[object]) -> None:
    rows = "1 row of clicks.csv, first at row 2" if values[0] is not None else "2 rows of clicks.csv, first at row 1"
    assert refusal(item_id=values) == f"item_id is null or empty in {rows}; drop these rows or mend them."


@pytest.mark.parametrize("bad", [2.5, float("inf"), 2.0**53 + 2])
def test_floats_that_are_no_exact_whole_number_are_refused_as_ids(bad: float) -> None:
    message = refusal(user_id=[1.0, bad])
    assert message.startswith(f"user_id is no whole number in 1 row of clicks.csv, first at row 2: {bad!r}; right are")


def test_ids_of_another_type_are_refused() -> None:
    assert refusal(user_id=[True, False]).startswith("user_id of clicks.csv is of type Boolean; right are strings or")


def test_event_ids_are_text_and_may_be_missing() -> None:
    got = events(session_id=[7.0, None], event_type=["view", None])
    assert got.select("event_type", "session_id").rows() == [("view", "7"), (None, None)]


# Times -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1, 1_000, 1_000_000, 1_000_000_000])
def test_the_unit_of_whole_numbers_shows_in_their_size(factor: int) -> None:
    assert stamps([SECONDS * factor] * 2) == [NOON, NOON]
    assert stamps([str(SECONDS * factor)] * 2) == [NOON, NOON]


@pytest.mark.parametrize("factor", [1, 1_000, 1_000_000])
def test_the_unit_of_floats_shows_in_their_size(factor: int) -> None:
    half = timedelta(seconds=0.5)
    assert stamps([(SECONDS + 0.5) * factor] * 2) == [NOON + half, NOON + half]
    assert stamps([f"{SECONDS}.5", f"{SECONDS}"]) == [NOON + half, NOON]


def test_small_made_up_numbers_are_seconds() -> None:
    assert stamps([0, 1000]) == [datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, 0, 16, 40, tzinfo=UTC)]


def test_mixed_units_are_refused_with_counts() -> None:
    assert refusal(timestamp=[SECONDS, SECONDS * 1000]) == (
        "timestamp of clicks.csv does not tell one unit by the size of its values: 1 in seconds, 1 in milliseconds; "
        "give all in seconds."
    )


@pytest.mark.parametrize("bad", [float(SECONDS) * 1e9, float("inf")])
def test_floats_too_large_to_be_exact_are_refused_as_times(bad: float) -> None:
    message = refusal(timestamp=[float(SECONDS), bad])
    assert message.startswith("timestamp is a Float64 too large to be exact in 1 row of clicks.csv, first at row 2")


def test_single_precision_times_are_refused() -> None:
    assert "is a Float32 too large" in refusal(timestamp=pl.Series([SECONDS, SECONDS], dtype=pl.Float32))


def test_whole_numbers_beyond_nanoseconds_are_refused() -> None:
    assert "2 in no known unit" in refusal(timestamp=pl.Series([10**21, 10**21], dtype=pl.Int128))


def test_negative_numbers_are_refused_as_times() -> None:
    assert refusal(timestamp=[1, -5]) == (
        "timestamp is negative in 1 row of clicks.csv, first at row 2: -5; give times since 1970."
    )


def test_dates_written_as_numbers_are_not_taken_for_seconds() -> None:
    assert "looks like dates written YYYYMMDD: 20240501; give dates" in refusal(timestamp=[20240501, 20231231])
    assert stamps([20240500, 20240501])[0].year == 1970  # no such day: these are seconds


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_datetimes_of_any_unit_and_zone_become_utc_microseconds(unit: str) -> None:
    naive = pl.Series([NOON.replace(tzinfo=None)] * 2).cast(pl.Datetime(unit))  # type: ignore[arg-type]
    assert stamps(naive) == [NOON, NOON]
    zoned = naive.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")
    assert stamps(zoned) == [NOON, NOON]
    assert events(timestamp=zoned)["timestamp"].dtype == TIME_TYPE


def test_dates_are_their_first_moment_in_utc() -> None:
    assert stamps([date(2024, 5, 1)] * 2)[0] == datetime(2024, 5, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-01T12:30:00Z",
        "2024-05-01 12:30:00",
        "2024-05-01 12:30",
        "2024-05-01T12:30:00.000",
        "2024-05-01T12:30:00.000000999Z",
        "2024-05-01T14:30:00+02:00",
        "2024-05-01T07:00:00-0530",
        " 2024-05-01T12:30:00 +00:00 ",
    ],
)
def test_iso_strings_are_read_beside_each_other(text: str) -> None:
    assert stamps([text, "2024-05-01"]) == [NOON, datetime(2024, 5, 1, tzinfo=UTC)]


@given(
    st.lists(
        st.datetimes(
            datetime(1900, 1, 1),
            datetime(2100, 1, 1),
            timezones=st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes))),
        ),
        min_size=2,
        max_size=2,
    )
)
@settings(max_examples=50, deadline=None)
def test_iso_strings_mean_what_the_standard_library_writes(times: list[datetime]) -> None:
    assert stamps([moment.isoformat() for moment in times]) == times


@pytest.mark.parametrize("bad", ["yesterday", "2024-13-01", "2024-05-01T25:00", "2024-05-01T12:30:4567", "", "5"])
def test_a_string_that_is_no_time_is_refused_with_its_row(bad: str) -> None:
    row, example = (1, "2024-05-01") if bad == "5" else (2, bad)
    assert refusal(timestamp=["2024-05-01", bad]) == (
        f"timestamp cannot be read in 1 row of clicks.csv, first at row {row}: {example!r}; right is one form for the "
        "whole column: ISO 8601 such as 2024-05-01T12:30:00Z, or seconds since 1970."
    )


def test_null_times_are_refused() -> None:
    assert refusal(timestamp=[SECONDS, None]) == (
        "timestamp is null in 1 row of clicks.csv, first at row 2; drop these rows or mend them."
    )


def test_times_of_another_type_are_refused() -> None:
    assert refusal(timestamp=[True, False]).startswith("timestamp of clicks.csv is of type Boolean; right are times,")


# Ratings and weights ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "numbers"),
    [
        ([1, 5], [1.0, 5.0]),
        ([float("nan"), 2.5], [None, 2.5]),
        ([" 4", ""], [4.0, None]),
        (["nan", "1e1"], [None, 10.0]),
        ([None, None], [None, None]),
        ([Decimal("4.5"), None], [4.5, None]),
    ],
)
def test_ratings_become_numbers_and_nan_is_missing(values: object, numbers: list[float | None]) -> None:
    got = events(rating=values)["rating"]
    assert got.dtype == pl.Float64
    assert got.to_list() == numbers


@pytest.mark.parametrize(("bad", "shown"), [(float("inf"), "inf"), ("good", "'good'"), ("-inf", "'-inf'")])
def test_a_rating_that_is_no_finite_number_is_refused(bad: object, shown: str) -> None:
    assert refusal(rating=["1" if isinstance(bad, str) else 1.0, bad]) == (
        f"rating is no finite number in 1 row of clicks.csv, first at row 2: {shown}; "
        "right are numbers, or nothing where there is none."
    )


def test_a_rating_of_another_type_is_refused() -> None:
    assert refusal(rating=[[1], [2]]) == "rating of clicks.csv is of type List(Int64); right are numbers."


@pytest.mark.parametrize("bad", [-0.5, None, float("nan")])
def test_a_missing_or_negative_weight_is_refused(bad: float | None) -> None:
    assert refusal(weight=[1.0, bad]) == (
        "weight is missing or negative in 1 row of clicks.csv, first at row 2; right is 0 or more, 1 = one event."
    )


# Static features -------------------------------------------------------------------------------------------------


def test_static_columns_move_to_tables_with_the_last_known_value_in_time() -> None:
    frame = pl.DataFrame(
        {
            "user_id": ["a", "a", "b", "a"],
            "item_id": ["x", "x", "y", "x"],
            "timestamp": [30, 10, 5, 20],
            "user_city": ["Rome", "Oslo", None, "Bern"],
            "user_age": [None, 40, 50, 41],
            "item_tags": [None, ["old"], ["t"], ["new", "er"]],
        }
    )
    got = to_interactions(frame)
    assert got.events.columns == ["user_id", "item_id", "timestamp"]
    assert got.events["timestamp"].dt.epoch("s").to_list() == [30, 10, 5, 20]
    assert got.users is not None and got.users.rows() == [("b", None, 50), ("a", "Rome", 41)]
    assert got.items is not None and got.items.rows() == [("y", ["t"]), ("x", ["new", "er"])]
    assert got.items.schema["item_tags"] == pl.List(pl.String)


def test_of_two_values_at_one_time_the_later_row_counts() -> None:
    got = to_interactions(log(user_id=["a", "a"], timestamp=[5, 5], user_age=[1, 2]))
    assert got.users is not None and got.users.rows() == [("a", 2)]


def test_a_given_table_is_renamed_with_its_prefix_and_its_derived_names_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    items = pl.DataFrame({"title": ["X", "Z"], "movieId": ["x", "z"], "item_year": [1999, 2000], "popularity": [1, 2]})
    with caplog.at_level(logging.INFO, logger="enterprise_recsys"):
        got = to_interactions(log(), items=items)
    assert got.items is not None and got.items.columns == ["item_id", "item_title", "item_year"]
    assert got.items.rows() == [("x", "X", 1999), ("z", "Z", 2000)]
    assert caplog.messages[-1].startswith("the items of log: item_popularity dropped")


def test_a_given_table_wins_and_the_log_adds_what_only_it_knows() -> None:
    users = pl.DataFrame({"user_id": ["c", "a"], "age": [9, 30]})
    got = to_interactions(log(user_age=[1, 2], user_city=["Rome", "Oslo"]), users)
    assert got.users is not None
    assert got.users.rows() == [("c", 9, None), ("a", 30, "Rome"), ("b", None, "Oslo")]
    alone = to_interactions(log(user_age=[1, 2]), users)
    assert alone.users is not None and alone.users.rows() == [("c", 9), ("a", 30)]


def test_an_id_twice_in_a_table_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        to_interactions(log(), pl.DataFrame({"user_id": ["c", "a", "a"], "age": [1, 2, 3]}))
    assert str(caught.value) == (
        "user_id stands more than once in 2 rows of the users of log, first at row 2: 'a'; give one row for each id."
    )


def test_a_table_without_an_id_is_refused() -> None:
    with pytest.raises(DataError, match="column 'item_id' is missing in the items of log; found: title. Rename"):
        to_interactions(log(), items=pl.DataFrame({"title": ["X"]}))


def test_two_features_of_one_name_are_refused() -> None:
    with pytest.raises(
        DataError, match=r"two columns of the users of log .* named user_\*; found: user_id, age, user_age"
    ):
        to_interactions(log(), pl.DataFrame({"user_id": ["a"], "age": [1], "user_age": [2]}))


# And back --------------------------------------------------------------------------------------------------------


def full() -> Interactions:
    return to_interactions(
        log(
            timestamp=[SECONDS + 1, SECONDS],
            rating=[4.0, None],
            weight=[1.0, 2.0],
            event_type=["view", None],
            position=[1, None],
            user_age=[30, None],
            user_city=["Rome", None],
            item_tags=[["a", "b"], ["c"]],
            item_price=[1.5, None],
        )
    )


def assert_interactions_equal(got: Interactions, wanted: Interactions) -> None:
    assert_frame_equal(got.events, wanted.events)
    for mine, other, name in ((got.users, wanted.users, "user_id"), (got.items, wanted.items, "item_id")):
        assert (mine is None) == (other is None)
        if mine is not None and other is not None:
            assert_frame_equal(mine.sort(name), other.sort(name))


def test_a_polars_frame_and_back_gives_the_same() -> None:
    frame = to_frame(full(), pandas=False)
    assert frame["user_age"].to_list() == [30, None]
    assert_interactions_equal(to_interactions(frame), full())


def test_a_pandas_frame_and_back_gives_the_same(pandas: ModuleType) -> None:
    frame = to_frame(full(), pandas=True)
    assert isinstance(frame, pandas.DataFrame)
    assert str(frame["user_age"].dtype) == "Int64"
    assert_interactions_equal(to_interactions(frame), full())


def test_a_log_without_tables_goes_back_as_it_is() -> None:
    assert_frame_equal(to_frame(to_interactions(log()), pandas=False), events())


def test_text_ids_that_all_end_in_point_zero_are_whole_numbers(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": ["12800.0", "7.0", "7.0"], "item_id": ["1.0", "2", "3.0"], "timestamp": [1, 2, 3]})
    log = to_interactions(frame)
    assert log.events["user_id"].to_list() == ["12800", "7", "7"]
    assert log.events["item_id"].to_list() == ["1.0", "2", "3.0"], "one of them is written otherwise"
    frame.write_csv(tmp_path / "log.csv")
    for coded in (False, True):
        read = admit(str(tmp_path / "log.csv"), coded=coded).log.events
        assert read["user_id"].cast(pl.String).to_list() == ["12800", "7", "7"]
        assert read["item_id"].cast(pl.String).to_list() == ["1.0", "2", "3.0"]


def test_an_id_of_any_type_is_spelt_as_in_the_log() -> None:
    for outside, inside in ((42, "42"), (42.0, "42"), (np.float32(7.0), "7"), ("42.0", "42.0"), (0.5, "0.5")):
        assert spelt(outside) == inside


def test_what_programs_write_for_nobody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    frame = pl.DataFrame({"user_id": ["nan", "7", "nan"], "item_id": ["a", "b", "c"], "timestamp": [1, 2, 3]})
    with caplog.at_level("WARNING"):
        assert to_interactions(frame).events["user_id"].to_list() == ["nan", "7", "nan"]
    assert "user_id is 'nan' in 2 rows of log, first at row 1: one id like any other" in caplog.text


def test_times_as_c_programs_print_them_are_read(tmp_path: Path) -> None:
    times = ["Tue Apr 03 18:00:06 +0000 2012", "Tue Apr 03 20:00:06 +0200 2012"]
    frame = pl.DataFrame({"user_id": ["a", "b"], "item_id": ["x", "y"], "utc": times})
    frame.write_csv(tmp_path / "log.csv")
    wanted = [datetime(2012, 4, 3, 18, 0, 6, tzinfo=UTC)] * 2
    assert to_interactions(frame, columns={"utc": "timestamp"}).events["timestamp"].to_list() == wanted
    read = admit(str(tmp_path / "log.csv"), reading=Reading(columns={"utc": "timestamp"}))
    assert read.log.events["timestamp"].to_list() == wanted


def test_of_a_product_and_its_variant_the_product_is_the_item() -> None:
    frame = pl.DataFrame({"user_id": ["a"], "asin": ["v1"], "parent_asin": ["p"], "timestamp": [SECONDS]})
    log = to_interactions(frame)
    assert log.events["item_id"].to_list() == ["p"] and log.events["asin"].to_list() == ["v1"]
