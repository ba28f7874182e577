"""What a user has had: by events of the positive types alone, whatever their rating; in learning as in requests."""

import re

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.having import left_out, means_having, with_positive_rating
from enterprise_recsys.data.live import State
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.errors import DataError
from enterprise_recsys.records import Interactions

BUYS = ModelConfig(positive_event_types=["buy"])
ROWS = [
    ("u", "a", 10, "view", None),
    ("u", "b", 20, "view", None),
    ("v", "b", 20, "buy", 2.0),
    ("u", "b", 30, "buy", 5.0),
    ("u", "c", 40, None, None),
    ("u", "d", 50, "buy", 1.0),
    ("u", "a", 60, "cart", None),
]


def log() -> Interactions:
    columns = ["user_id", "item_id", "timestamp", "event_type", "rating"]
    frame = pl.DataFrame(ROWS, schema=columns, orient="row")
    return to_interactions(frame.with_columns(pl.col("timestamp") + 10**9))


def named(processor: DataProcessor, rows: np.ndarray) -> list[str | None]:
    return [processor.items.id(row) for row in rows]


def test_views_and_carts_are_hints_where_buys_are_the_success() -> None:
    assert means_having(BUYS, ["view", "buy", None, "BUY"]).tolist() == [False, True, False, False]
    assert means_having(ModelConfig(), ["view", None]).all()
    events = DataProcessor(BUYS).fit(log()).events(log())
    assert events.had is not None
    assert events.had.tolist() == events.relevant.tolist() == [False, False, True, True, False, True, False]


def test_a_low_rating_is_no_success_and_the_item_was_had_none_the_less() -> None:
    events = DataProcessor(ModelConfig(positive_rating=4.0)).fit(log()).events(log())
    assert (
        events.had is not None and events.had.all() and events.relevant.tolist() == [False] * 3 + [True] + [False] * 3
    )
    both = ModelConfig(positive_rating=4.0, positive_event_types=["buy"])
    events = DataProcessor(both).fit(log()).events(log()).take(np.array([2, 3, 4]))
    assert events.had is not None
    assert events.had.tolist() == [True, True, False] and events.relevant.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("ratings", "given", "found"),
    [
        ([1.0, 0.0, None], None, 1.0),
        ([1.0, -1.0, None], None, 1.0),
        ([1.0, 0.0, None], -1.0, -1.0),
        ([1.0, 1.0, None], None, None),
        ([1.0, 0.0, 2.0], None, None),
        ([0.5, 0.0, 1.0], None, None),
        ([None, None, None], None, None),
    ],
)
def test_ratings_of_yes_and_no_say_what_a_success_is(
    ratings: list[float | None], given: float | None, found: float | None
) -> None:
    events = pl.DataFrame({"rating": pl.Series(ratings, dtype=pl.Float64)})
    assert with_positive_rating(ModelConfig(positive_rating=given), events).positive_rating == found
    assert with_positive_rating(ModelConfig(), events.drop("rating")) == ModelConfig()


@pytest.mark.parametrize("kind", ["log", "live"])
def test_histories_hold_every_event_and_what_is_left_out_only_what_was_had(kind: str) -> None:
    processor = DataProcessor(BUYS).fit(log())
    begun = log().with_events(log().events.head(0)) if kind == "live" else log()
    state = State(processor, begun)
    if kind == "live":
        events = log().events
        nothing = np.full(len(events), np.nan, dtype=np.float32)
        times = events["timestamp"].to_physical().to_numpy()
        state.update(
            events["user_id"].to_list(), events["item_id"].to_list(), times, nothing, events["event_type"].to_list()
        )
    request = state.of_users(state.users.rows(["u", "v", "nobody"]), np.full(3, (10**9 + 99) * 1_000_000))
    assert named(processor, request.history[0][-6:]) == ["a", "b", "b", "c", "d", "a"]
    assert request.offsets.tolist() == [0, 2, 3, 3] and named(processor, request.seen) == ["b", "d", "b"]
    # What is popular is what was bought: b twice, d once; a and c were only looked at.
    assert state.item_counts[processor.items.rows(["a", "b", "c", "d"])].tolist() == [0, 2, 0, 1]
    alone = state.of_one("u", (10**9 + 99) * 1_000_000)
    assert named(processor, alone.seen) == ["b", "d"]


def test_further_events_of_no_type_are_hints_as_they_are_in_a_log() -> None:
    processor = DataProcessor(BUYS).fit(log())
    state = State(processor, log())
    state.update(["v", "v"], ["c", "d"], np.array([10**9 + 70] * 2) * 1_000_000, np.full(2, np.nan, dtype=np.float32))
    assert named(processor, state.of_one("v", (10**9 + 99) * 1_000_000).seen) == ["b"]
    assert named(processor, state.past(state.users.rows(["v"]))[1]) == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("config", "user", "left_out"),
    [(BUYS, None, []), (BUYS, "v", ["b"]), (ModelConfig(), None, ["a", "d"]), (ModelConfig(), "v", ["a", "d"])],
)
def test_a_history_that_a_request_tells_is_of_hints_where_types_say_what_having_is(config, user, left_out) -> None:
    state = State(DataProcessor(config).fit(log()), log())
    asked = state.of_one(user, (10**9 + 99) * 1_000_000, history=["a", "d"])
    assert named(state.processor, asked.history[0][-2:]) == ["a", "d"]
    assert named(state.processor, asked.seen) == left_out
    further = state.of_one(user, (10**9 + 99) * 1_000_000, history=["a", "d"], exclude=["c"])
    assert named(state.processor, further.seen) == [*left_out, "c"]


@pytest.mark.parametrize(
    "config", [BUYS, ModelConfig(positive_rating=4.0), ModelConfig(positive_event_types=["view", "cart"])]
)
def test_what_was_left_out_then_is_what_would_be_left_out_now(config: ModelConfig) -> None:
    processor = DataProcessor(config).fit(log())
    moments = Moments(processor, log())
    for second in (5, 10, 20, 30, 31, 55, 60, 99):
        now = np.array([(10**9 + second) * 1_000_000])
        before = log().with_events(log().events.filter(pl.col("timestamp").to_physical() < now[0]))
        state = State(processor, before)
        for user in ("u", "v"):
            then = moments.requests(moments.users.rows([user]), now, {})
            asked = state.of_users(state.users.rows([user]), now)
            assert then.seen.tolist() == asked.seen.tolist() and then.offsets.tolist() == asked.offsets.tolist()
            assert then.history.tolist() == asked.history.tolist()


def test_what_is_taken_again_is_left_out_of_no_list() -> None:
    offsets, rows = left_out(np.array([0, 2, 3]), np.array([4, 5, 6]), repeats=True)
    assert offsets.tolist() == [0, 0, 0] and not len(rows)
    assert left_out(np.array([0, 2]), np.array([4, 5]), repeats=False)[1].tolist() == [4, 5]


def test_a_misspelt_type_is_refused_with_those_that_there_are() -> None:
    wrong = ModelConfig(positive_event_types=["buy", "purchase"])
    expected = "positive_event_types names 'purchase', which no event of the log is of; they are of: buy, cart, view."
    with pytest.raises(DataError, match=re.escape(expected)):
        DataProcessor(wrong).fit(log())


def test_a_log_without_types_is_refused_where_types_are_asked_for() -> None:
    plain = log().with_events(log().events.drop("event_type"))
    with pytest.raises(
        DataError, match=re.escape("positive_event_types is ['buy'] and the log has no column 'event_type'")
    ):
        DataProcessor(BUYS).fit(plain)
