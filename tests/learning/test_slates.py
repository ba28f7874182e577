"""Visits, the lists at them, and how an order of them is judged."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.joining import joined, later_places
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.engine.neighbours import Related
from enterprise_recsys.learning.retrieving import _next, chosen_retriever
from enterprise_recsys.learning.slates import Slates, _labels, slates, visits
from enterprise_recsys.ranking.ranker import Examples
from enterprise_recsys.records import Events

MINUTE = 60_000_000


def _events(users: list[int], minutes: list[int]) -> Events:
    n = len(users)
    nothing, ones = np.full(n, np.nan, dtype=np.float32), np.ones(n, dtype=np.float32)
    times = np.array(minutes) * MINUTE
    return Events(np.array(users), np.ones(n, dtype=np.int64), times, nothing, ones, np.ones(n, dtype=bool))


def test_a_visit_opens_with_the_first_event_and_after_half_an_hour_of_silence() -> None:
    events = _events([1, 2, 1, 1, 2, 1], [0, 5, 30, 61, 61, 62])
    found = visits(events, np.arange(6), np.random.default_rng(0))
    # User 1: minute 0 and, 31 minutes after minute 30, minute 61. User 2: minutes 5 and 61.
    assert found.tolist() == [0, 1, 3, 4]


def test_only_the_places_asked_for_are_looked_at() -> None:
    events = _events([1, 1, 1], [0, 5, 10])
    assert visits(events, np.array([1, 2]), np.random.default_rng(0)).tolist() == [1]
    assert visits(events, np.array([], dtype=np.int64), np.random.default_rng(0)).tolist() == []


def test_a_user_of_many_visits_keeps_the_first_and_three_drawn_ones() -> None:
    events = _events([1] * 20, list(range(0, 2000, 100)))
    drawn = [tuple(visits(events, np.arange(20), np.random.default_rng(seed))) for seed in range(8)]
    assert all(len(one) == 4 and one[0] == 0 for one in drawn) and len(set(drawn)) > 1


def test_any_moment_may_be_drawn_where_the_next_event_is_wanted() -> None:
    events = _events([1] * 3 + [2] * 20, list(range(23)))
    drawn = [visits(events, np.arange(23), np.random.default_rng(seed), aim="next", most=12) for seed in range(8)]
    assert all(one.tolist()[:3] == [0, 1, 2] and len(one) == 3 + 9 for one in drawn)
    assert len({tuple(one) for one in drawn}) > 1
    few = visits(events, np.arange(23), np.random.default_rng(0), aim="next")
    assert len(few) == 3 + 4, "four of a user where no room is told, as where validation asks"


@pytest.mark.parametrize(
    ("aim", "most", "lists"),
    [("later", 100, 4 + 4), ("visit", 100, 4 + 20), ("visit", 14, 4 + 10), ("visit", 13, 4 + 9), ("visit", 5, 4 + 4)],
)
def test_users_of_many_visits_give_more_lists_where_there_is_room(aim: str, most: int, lists: int) -> None:
    events = _events([1] * 4 + [2] * 20, list(range(0, 2400, 100)))
    found = visits(events, np.arange(24), np.random.default_rng(0), aim=aim, most=most)
    assert len(found) == lists and found.tolist()[:4] == [0, 1, 2, 3], "of user 1 all, the others are of user 2"


@pytest.mark.parametrize(("aim", "expected"), [("later", [0, 3, 4]), ("visit", [3, 4]), ("next", [5, 6, 7])])
def test_a_visit_opens_with_a_view_and_is_asked_for_if_a_success_follows(aim: str, expected: list[int]) -> None:
    # User 1 looks at minute 0, comes again at 100 to look (3) and buy (5), and looks once more at 200 (8).
    # User 2 looks at 100 (4), buys at 110 and 111 (6, 7); user 3 only looks.
    events = _events([1, 3, 3, 1, 2, 1, 2, 2, 1], [0, 1, 90, 100, 100, 105, 110, 111, 200])
    bought = np.isin(np.arange(9), [5, 6, 7])
    found = visits(replace(events, relevant=bought), np.arange(9), np.random.default_rng(0), aim=aim)
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("horizon", "expected"),
    [
        ("later", [1, 1, 1]),  # all that the user takes in the slice
        ("visit", [1, 1, 0]),  # c comes an hour later
        ("next", [1, 0, 0]),
    ],
)
def test_a_list_is_judged_by_what_lies_within_its_horizon(horizon: str, expected: list[int]) -> None:
    rows = [("u", "d", 0), ("v", "c", 1), ("u", "a", 200), ("u", "b", 210), ("u", "c", 270)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    log = to_interactions(frame.with_columns(pl.col("timestamp") * 60 + 10**9))
    processor = DataProcessor(ModelConfig(horizon=horizon)).fit(log)
    found = processor.items.rows(["a", "b", "c"])[None, :]
    clicks, _, _ = _labels(Moments(processor, log), np.array([2, 3, 4]), np.array([2]), found)
    assert clicks.tolist() == expected


@pytest.mark.parametrize("horizon", ["later", "visit"])
def test_what_was_taken_before_the_moment_alone_is_no_hit(horizon: str) -> None:
    # One visit; the list is asked for at b, when a was taken and will not be, and c was and will be again.
    rows = [("u", "a", 0, 1.0), ("u", "c", 1, 2.0), ("u", "b", 5, 3.0), ("u", "c", 9, 4.0)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "rating"], orient="row")
    log = to_interactions(frame.with_columns(pl.col("timestamp") * 60 + 10**9))
    processor = DataProcessor(ModelConfig(repeats=True, horizon=horizon, positive_rating=None)).fit(log)
    found = processor.items.rows(["a", "b", "c"])[None, :]
    clicks, ratings, _ = _labels(Moments(processor, log), np.arange(4), np.array([2]), found)
    assert clicks.tolist() == [0, 1, 1]
    assert np.isnan(ratings[0]) and ratings.tolist()[1:] == [3.0, 4.0]


_TASKS = {"buy": {"event_types": ["buy", "order"]}, "watch": {"column": "seconds", "is_log": False}}


def _of_tasks(horizon: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Rows of candidates a, b, c, d, e and an empty place, and their labels when the list is asked for at minute 1."""
    rows = [
        ("u", "e", 0, "buy", 9.0),  # before the moment
        ("u", "a", 1, "view", None),
        ("u", "a", 2, "click", 5.0),
        ("u", "a", 3, "order", 7.0),
        ("u", "b", 4, "click", None),
        ("u", "d", 5, None, 3.0),
        ("u", "b", 90, "buy", 60.0),  # another visit
        ("v", "c", 95, "buy", 1.0),  # another user
    ]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "event_type", "seconds"], orient="row")
    log = to_interactions(frame.with_columns(pl.col("timestamp") * 60 + 10**9))
    processor = DataProcessor(ModelConfig(horizon=horizon, positive_event_types=["click"], tasks=_TASKS)).fit(log)
    found = processor.items.rows(["a", "b", "c", "d", "e", "nothing"])[None, :]
    return found, *_labels(Moments(processor, log), np.arange(1, 8), np.array([1]), found)


@pytest.mark.parametrize(("horizon", "bought", "watched"), [("later", 1.0, 60.0), ("visit", 0.0, np.nan)])
def test_a_task_is_labelled_by_what_follows_within_the_horizon_and_masked_where_nothing_is_known(
    horizon: str, bought: float, watched: float
) -> None:
    _, _, _, tasks = _of_tasks(horizon)
    # c was bought by another user, d had one event of no known type, e was bought before the moment.
    assert np.array_equal(tasks["buy"], [1.0, bought, 0.0, np.nan, 0.0, np.nan], equal_nan=True)
    assert np.array_equal(tasks["watch"], [5.0, watched, np.nan, 3.0, np.nan, np.nan], equal_nan=True)


def test_a_click_counts_though_the_item_was_viewed_before_it() -> None:
    _, clicks, _, _ = _of_tasks("later")
    assert np.array_equal(clicks, [1.0, 1.0, 0.0, 0.0, 0.0, np.nan], equal_nan=True)


def test_what_is_taken_again_is_asked_for_visit_by_visit_unless_told_otherwise() -> None:
    assert [ModelConfig().aim, ModelConfig(repeats=True).aim] == ["later", "visit"]
    assert ModelConfig(repeats=True, horizon="later").aim == "later"


def _slates() -> Slates:
    clicks = np.array([0, 1, 0, 0, 0, 0, 1, np.nan, 1], dtype=np.float32)
    columns = {"retrieval_score": np.arange(9, dtype=np.float32)}
    nothing = np.full(9, np.nan, dtype=np.float32)
    tasks = {"buy": np.arange(9, dtype=np.float32)}
    return Slates(Examples(columns, clicks, nothing, np.ones(9, dtype=np.float32), 3, tasks), np.array([7, 8, 9]))


def test_an_order_of_candidates_is_judged_by_hand() -> None:
    scores = np.array([3, 2, 1, 1, 1, 1, 1, 9, 5], dtype=np.float32)
    found = _slates().ndcg(scores)
    second = 1 / np.log2(3)
    assert np.isclose(found[0], second)  # its one success stands second
    assert np.isnan(found[1])  # nothing was taken
    assert np.isclose(found[2], (second + 0.5) / (1 + second))  # places 2 and 3 of two successes


def test_an_order_is_judged_by_a_task_as_well() -> None:
    tasks = {"buy": np.array([0, 0, 1, np.nan, 0, 0, 0, 1, 0], dtype=np.float32)}
    lists = Slates(replace(_slates().examples, tasks=tasks), _slates().users)
    found = lists.ndcg(np.array([3, 2, 1, 1, 1, 1, 1, 9, 5], dtype=np.float32), task="buy")
    assert np.isclose(found[0], 0.5) and np.isnan(found[1]) and np.isclose(found[2], 1.0)


def test_some_lists_are_taken_whole() -> None:
    part = _slates().take(np.array([True, False, True]))
    assert part.users.tolist() == [7, 9] and part.examples.depth == 3
    assert part.examples.columns["retrieval_score"].tolist() == [0, 1, 2, 6, 7, 8]
    assert part.examples.tasks["buy"].tolist() == [0, 1, 2, 6, 7, 8]


def test_lists_are_put_beside_one_another() -> None:
    both = _slates().take(np.array([0])).beside(_slates())
    assert both.users.tolist() == [7, 7, 8, 9] and len(both.examples) == 12
    assert both.examples.columns["retrieval_score"].tolist() == [0, 1, 2, *range(9)]
    assert both.examples.tasks["buy"].tolist() == [0, 1, 2, *range(9)]
    assert np.array_equal(both.examples.clicks[3:], _slates().examples.clicks, equal_nan=True)


def test_lists_are_asked_for_the_later_events_alone_where_the_parts_overlap_in_time() -> None:
    """Each user's last event is set aside: what others took after the first of these has been learnt."""
    rows = [(f"u{user}", f"i{(user + step) % 7}", 1000 * user + 10 * step) for user in range(6) for step in range(5)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    frame = frame.with_columns(pl.col("timestamp") + 10**9)
    is_last = pl.col("timestamp") == pl.col("timestamp").max().over("user_id")
    early, late = to_interactions(frame.filter(~is_last)), to_interactions(frame.filter(is_last))
    dials = {"item_tower_dims": [8], "user_tower_dims": [8], "candidates": 7, "epochs": 1, "horizon": "next"}
    processor = DataProcessor(ModelConfig(history="fold_in", **dials)).fit(both := joined(early, late))
    limited = processor.limited_to(early)
    trained = chosen_retriever(limited, early, late, None, None)
    moments = Moments(processor, both)
    found = slates(limited, moments, trained.retriever, Related.none(len(processor.items)), later_places(early, late))
    assert sorted(found.users.tolist()) == sorted(moments.users.rows([f"u{user}" for user in range(6)]).tolist())
    hits = found.examples.clicks.reshape(6, -1)
    assert (np.nansum(hits, axis=1) == 1).all()  # the one item that was set aside
    requests, truth = _next(limited, early, late)
    assert len(requests.times) == len(truth.items) == 6
