"""A column of ones and zeros is read as clicks and impressions, and never as one success among others."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from enterprise_recsys import DataError, ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.impressions import without_impressions
from enterprise_recsys.data.quarantine import Reading, admit
from enterprise_recsys.data.showing import make_shown_world

TYPES = ["click", "impression", "impression"]


def log(**columns: list[object]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["u"] * 3, "item_id": ["a", "b", "c"], "timestamp": [1, 2, 3], **columns})


def types(frame: pl.DataFrame | pd.DataFrame, **dials: Any) -> list[str] | None:
    events = to_interactions(frame, **dials).events
    return events["event_type"].to_list() if "event_type" in events.columns else None


@pytest.mark.parametrize("name", ["click", "clicked", "is_click", "isClicked", "label", "label:float", "Target"])
@pytest.mark.parametrize("values", [[1, 0, 0], [1.0, 0.0, 0.0], [True, False, False], ["1", "0", "0"]])
def test_ones_and_zeros_become_types_of_events(name: str, values: list[object]) -> None:
    events = to_interactions(log(**{name: values})).events
    assert events["event_type"].to_list() == TYPES and name not in events.columns


def test_where_nothing_was_taken_nothing_counts_as_a_success() -> None:
    shown = to_interactions(log(label=[0, 0, 0]))
    with pytest.raises(DataError, match="all 3 events of log are impressions, .* or with 0 where a click"):
        without_impressions(ModelConfig(), shown)


def test_words_and_pandas_do_too() -> None:
    assert types(log(label=["True", "false", "False"])) == TYPES
    assert types(log(label=[True, False, False]).to_pandas()) == TYPES


def test_the_callers_own_name_goes_over_the_names_known() -> None:
    frame = log(bought=[1, 0, 0], label=[0, 1, 1])
    found = to_interactions(frame, columns={"bought": "click"})
    assert found.events["event_type"].to_list() == TYPES


@pytest.mark.parametrize(
    "columns",
    [
        {"label": ["Sony", "EMI", "EMI"]},
        {"click": [3, 0, 1]},
        {"label": [None, None, None]},
        {"label": [[1], [0], [0]]},
        {"label": [1, 0, 0], "click": [0, 1, 0]},
    ],
)
def test_what_is_no_such_column_stays_as_it_is(columns: dict[str, list[object]]) -> None:
    found = to_interactions(log(**columns)).events
    assert "event_type" not in found.columns and set(columns) <= set(found.columns)


def test_event_types_of_the_log_itself_stand() -> None:
    assert types(log(label=[1, 0, 0], event_type=["view", "view", "buy"])) == ["view", "view", "buy"]


def test_where_a_zero_is_rated_the_ratings_say_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "enterprise_recsys")
    found = to_interactions(log(label=[1, 0, 0], rating=[5.0, 2.0, None])).events
    assert "event_type" not in found.columns and "label" not in found.columns
    assert "'label' is left out, since rows with 0 are rated; positive_rating says which" in caplog.text
    assert types(log(label=[1, 0, 0], rating=[5.0, None, None])) == TYPES


@pytest.mark.parametrize(
    ("columns", "names", "words"),
    [
        ({"y": [1, 0, 7]}, {"y": "click"}, r"click holds 7 in 1 row of log, first at row 3; right is 1 \(taken\) or 0"),
        ({"y": [None] * 3}, {"y": "click"}, r"click of log is empty; right is 1 \(taken\) or 0"),
        ({"y": [1, 0, 0], "event": ["a"] * 3}, {"y": "click"}, r"has 'event_type' and a column named as 'click'"),
        ({"label": [1, None, 0]}, {}, r"whether an item was taken is missing in 1 row of log, first at row 2"),
    ],
)
def test_what_cannot_be_meant_is_refused(columns: dict[str, list[object]], names: dict[str, str], words: str) -> None:
    with pytest.raises(DataError, match=words):
        to_interactions(log(**columns), columns=names)


def test_the_reader_of_a_file_is_told_and_a_gap_is_set_aside() -> None:
    many = pl.concat([log(label=[1, 0, 0]).with_columns(pl.col("timestamp") + 3 * n) for n in range(200)])
    gap = many.with_columns(label=pl.when(pl.int_range(pl.len()) != 4).then("label"))
    admitted = admit(gap)
    assert admitted.sifted.told == ("log: 'label' is read as what was taken: 200 clicks, 399 shown and not taken",)
    assert admitted.sifted.counts()[0][:3] == ("event type missing", 1, 5)
    assert admitted.log.events["event_type"].value_counts(sort=True).rows() == [("impression", 399), ("click", 200)]
    named = admit(many.rename({"label": "y"}), reading=Reading(columns={"y": "click"}))
    assert named.log.events.equals(admit(many).log.events)


def test_a_file_says_what_stands_in_it_where_a_row_is_set_aside(tmp_path: Path) -> None:
    lines = "\n".join(f"u{n},a,{1_600_000_000 + n},{n % 2}" for n in range(300))
    (tmp_path / "log.csv").write_text(f"user,item,time,label\n{lines}\nu9,b,1600009999,\n")
    sifted = admit(str(tmp_path / "log.csv")).sifted
    assert sifted.told[-1] == "log.csv: 'label' is read as what was taken: 150 clicks, 150 shown and not taken"
    ((reason, count, line, text),) = sifted.counts()
    assert (reason, count, line) == ("event type missing", 1, 302) and '"label":null' in text


def test_a_made_world_comes_out_the_same_by_types_and_by_ones_and_zeros() -> None:
    events = make_shown_world(users=20, items=20, days=10, events_per_user=6).interactions.events
    binary = events.with_columns(click=(pl.col("event_type") == "click").cast(pl.Int8)).drop("event_type")
    assert to_interactions(binary).events.equals(events)
