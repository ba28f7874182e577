"""What events say of tasks, and logs that cannot teach them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ConfigError, DataError, ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.labels import labels_of
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.tasks import Task

FRAME = pl.DataFrame(
    {
        "user_id": ["u", "u", "v", "v"],
        "item_id": ["a", "b", "a", "c"],
        "timestamp": [10**9 + 60 * place for place in range(4)],
        "event_type": ["click", "buy", "like", None],
        "seconds": [0.0, float("nan"), None, np.expm1(2.0)],
        "device": ["tv", "tv", "app", "app"],
    }
)
LOG = to_interactions(FRAME)


def fitted(tasks: dict[str, object], **dials: object) -> DataProcessor:
    return DataProcessor(ModelConfig(tasks=tasks, **dials)).fit(LOG)


def test_an_event_is_a_yes_a_no_or_nothing() -> None:
    tasks = {"liked": Task(event_types=("buy", "like")), "watch": Task(column="seconds")}
    told = labels_of(tasks, LOG.events)
    assert np.array_equal(told["liked"], [0, 1, 1, np.nan], equal_nan=True)
    assert np.allclose(told["watch"], [0, np.nan, np.nan, 2.0], equal_nan=True)
    plain = labels_of({"watch": Task(column="seconds", is_log=False)}, LOG.events)["watch"]
    assert np.allclose(plain, [0, np.nan, np.nan, np.expm1(2.0)], equal_nan=True)


def test_a_later_log_without_the_column_says_nothing() -> None:
    events = fitted({"watch": {"column": "seconds"}, "buy": {"event_types": ["buy"]}}).events(
        to_interactions(FRAME.drop("seconds", "event_type"))
    )
    assert all(np.isnan(labels).all() and len(labels) == 4 for labels in events.tasks.values())
    assert events.take(np.array([1, 2])).tasks["buy"].shape == (2,)


def test_events_keep_their_labels_in_the_order_of_time() -> None:
    processor = fitted({"buy": {"event_types": ["buy"]}})
    events = processor.events(to_interactions(FRAME[::-1]))
    assert np.array_equal(events.tasks["buy"], [0, 1, 0, np.nan], equal_nan=True)


def test_what_a_task_learns_is_no_feature_of_the_moment() -> None:
    names = [feature.name for feature in fitted({"watch": {"column": "seconds"}}).of("context")]
    assert names == ["device"]
    assert "seconds" in [feature.name for feature in fitted({}).of("context")]


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (
            {"event_types": ["purchase"]},
            "event type 'purchase', which the log does not hold; it holds: buy, click, like",
        ),
        ({"column": "second"}, "the column 'second', which the events do not have; they have: .*seconds"),
        ({"column": "device"}, "'device', which is stored as String; it should hold numbers"),
    ],
)
def test_a_log_that_cannot_teach_a_task_is_refused(task: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=f"the task 'mine' .*{words}"):
        fitted({"mine": task})


def test_a_log_without_types_or_numbers_is_refused() -> None:
    with pytest.raises(DataError, match="'mine' asks for event types and the log has no column 'event_type'; add it"):
        DataProcessor(ModelConfig(tasks={"mine": {"event_types": ["buy"]}})).fit(FRAME.drop("event_type"))
    empty = FRAME.with_columns(seconds=pl.lit(None, pl.Float64))
    with pytest.raises(DataError, match="'seconds', which is empty; it should hold some numbers"):
        DataProcessor(ModelConfig(tasks={"mine": {"column": "seconds"}})).fit(empty)


def test_a_logarithm_of_less_than_nothing_is_refused() -> None:
    frame = FRAME.with_columns(seconds=pl.Series([-3.0, 1.0, 2.0, 4.0]))
    with pytest.raises(DataError, match=r"holds -3.0; it should be at least 0 everywhere, or set is_log to false"):
        DataProcessor(ModelConfig(tasks={"mine": {"column": "seconds"}})).fit(frame)
    plain = ModelConfig(tasks={"mine": {"column": "seconds", "is_log": False}})
    assert DataProcessor(plain).fit(frame).events(to_interactions(frame)).tasks["mine"].tolist() == [-3, 1, 2, 4]


def test_what_is_learnt_cannot_be_a_feature_too() -> None:
    with pytest.raises(
        ConfigError, match="'mine' learns the column 'rating', which has a meaning of its own; .* another"
    ):
        fitted({"mine": {"column": "rating"}})
    with pytest.raises(ConfigError, match="'seconds' is what the task 'mine' learns and has a kind in feature_kinds"):
        fitted({"mine": {"column": "seconds"}}, feature_kinds={"seconds": "number"})
