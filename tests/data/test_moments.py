"""A past request is what it would have been then: the same numbers as from a log that ends just before it."""

from dataclasses import fields
from datetime import datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest

from enterprise_recsys.config import ModelConfig
from enterprise_recsys.data.aggregates import Statistics
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.live import State
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.worlds import World
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.records import Interactions, Ints


@pytest.fixture(scope="module")
def log(world: World) -> Interactions:
    return world.interactions


def pairs(rows: Ints) -> Candidates:
    return Candidates(
        rows, np.ones(rows.shape, np.float32), np.zeros((*rows.shape, 2), np.float32), np.zeros_like(rows)
    )


def at(log: Interactions, share: float) -> pl.DataFrame:
    """The events of one moment."""
    events = log.events.sort("timestamp", maintain_order=True)
    return events.filter(pl.col("timestamp") == events["timestamp"][int(share * len(events))])


@pytest.mark.parametrize("repeats", [False, True, "elsewhere"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.999])
def test_every_number_of_the_ranker_is_the_same_then_and_at_the_request(
    share: float, repeats: bool | str, log: Interactions
) -> None:
    processor = DataProcessor(ModelConfig(recency=True, repeats=repeats)).fit(log)
    moments = Moments(processor, log)
    now = at(log, share)
    moment = np.array([now["timestamp"].to_physical()[0]])
    state = State(processor, log.with_events(log.events.filter(pl.col("timestamp") < now["timestamp"][0])))
    rows = np.random.default_rng(0).integers(1, len(processor.items), (1, 50))
    for user in [*now["user_id"], log.events["user_id"][0]]:
        context = {"device": np.ones(1, dtype=np.int64)}
        then = moments.requests(moments.users.rows([user]), moment, context)
        asked = state.of_users(state.users.rows([user]), moment, context)
        for field in fields(Statistics):
            one, other = getattr(then.statistics, field.name), getattr(asked.statistics, field.name)
            assert np.array_equal(one, other, equal_nan=True), field.name
        assert then.history.tolist() == asked.history.tolist() and then.ages.tolist() == asked.ages.tolist()
        assert then.situations.keys() == ({"device"} if repeats else set())
        for name, column in then.situations.items():
            assert column.tolist() == asked.situations[name].tolist(), name
            assert ((column > 0) == (then.own > 0)).all(), name
        assert then.own.tolist() == asked.own.tolist()
        assert (then.own > 0).sum() >= (then.history > 0).sum() if repeats else not then.own.size
        assert then.times.tolist() == asked.times.tolist()
        assert then.seen.tolist() == asked.seen.tolist() and then.offsets.tolist() == asked.offsets.tolist()
        here = then.own[(then.own > 0) & (then.situations["device"] == 1)] if repeats == "elsewhere" else then.seen[:0]
        assert not repeats or then.seen.tolist() == here.tolist()
        items = processor.item_columns()
        told, live = moments.pair_columns(then, items, pairs(rows)), state.pair_columns(asked, items, pairs(rows))
        assert {"user_since_last_s", "user_age_s", "item_since_last_s"} <= set(told)
        for name, column in told.items():
            # Learning's table holds the user's columns in each row; a request holds them once.
            assert len(live[name]) in (1, len(column)) and (column == live[name]).all(), name


def test_how_long_a_user_was_away_grows_in_a_log_that_stands_still_and_the_items_age_does_not(
    log: Interactions,
) -> None:
    processor = DataProcessor(ModelConfig(recency=True)).fit(log)
    state = State(processor, log)
    user = log.events["user_id"][0]
    last = log.events.filter(pl.col("user_id") == user)["timestamp"].to_physical().max()
    assert isinstance(last, int)
    day = 86_400_000_000
    slots, rows = state.users.rows([user]), np.arange(1, 30)[None, :]
    soon, late = (state.of_users(slots, np.array([state.newest + days * day])) for days in (1, 8))
    for request, days in ((soon, 1), (late, 8)):
        assert request.statistics.since[0] == np.float32((state.newest + days * day - last) / 1e6)
    assert (soon.statistics.recent == late.statistics.recent).all() and soon.times == late.times
    items = processor.item_columns()
    one, other = (state.pair_columns(request, items, pairs(rows)) for request in (soon, late))
    assert np.array_equal(one["item_since_last_s"], other["item_since_last_s"])
    # In the end a pause is as long as the longest that was learnt from.
    years = state.pair_columns(state.of_users(slots, np.array([state.newest + 9_999 * day])), items, pairs(rows))
    feature = next(one for one in processor.of("statistic") if one.name == "user_since_last_s")
    assert feature.most is not None
    assert years["user_since_last_s"][0] == feature.scale(np.array([feature.most]))[0]
    assert feature.from_json(feature.to_json()) == feature


def test_a_history_is_in_the_order_of_time_and_of_the_source_within_a_moment() -> None:
    rows = [("u", "late", 30), ("u", "b", 20), ("v", "x", 20), ("u", "a", 20), ("u", "first", 10), ("v", "y", 40)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    log = to_interactions(frame.with_columns(pl.col("timestamp") + 10**9))
    processor = DataProcessor().fit(log)
    state, moments = State(processor, log), Moments(processor, log)
    now = np.array([(10**9 + 31) * 1_000_000])
    # v goes on at 40, which is nothing to u.
    for request in (
        state.of_users(state.users.rows(["u"]), now),
        moments.requests(moments.users.rows(["u"]), now, {}),
    ):
        told = [processor.items.id(row) for row in request.history[0] if row]
        assert told == ["first", "b", "a", "late"]
        assert request.ages[0, -5:].tolist() == [0, 21, 11, 11, 1]  # the first is a hole's
    # A clock that is behind the user's own last event is wrong: the request comes after all that is known, at 40.
    early = state.of_users(state.users.rows(["u"]), now - 5_000_000)
    assert early.ages[0, -5:].tolist() == [0, 30, 20, 20, 10]


def test_what_came_after_the_log_has_its_own_age_and_a_history_told_with_the_request_has_none() -> None:
    rows = [("u", "a", 10), ("u", "b", 20), ("v", "a", 30)]
    log = to_interactions(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"))
    processor = DataProcessor().fit(log)
    state = State(processor, log)
    state.update(["u", "u", "new"], ["a", "unheard of", "b"], np.array([40, 41, 42]) * 1_000_000, np.full(3, np.nan))
    request = state.of_users(state.users.rows(["u", "new", "v"]), np.full(3, 100_000_000))
    assert request.ages[:, -4:].tolist() == [[0, 90, 80, 60], [0, 0, 0, 58], [0, 0, 0, 70]]
    assert ((request.history > 0) == (request.ages > 0)).all()
    asked = state.of_one("u", 100_000_000, history=["a", "b"])
    assert (asked.history[0, -2:] > 0).all() and not asked.ages.any()


def test_the_context_of_what_came_after_the_log_is_what_was_told_of_it_and_that_of_a_told_history_unknown() -> None:
    rows = [("u", "a", 3_600, "home"), ("v", "b", 7_200, "work")]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "place"], orient="row")
    log = to_interactions(frame)
    state = State(DataProcessor(ModelConfig(repeats=True)).fit(log), log)
    home = int(state.processor.of("context")[0].encode(pl.Series(["home"]))[0])
    slots, now = state.users.rows(["u"]), np.array([10 * 86_400_000_000])
    assert state.of_users(slots, now).situations["place"].tolist() == [[home]]
    state.update(["u"], ["b"], np.array([2 * 86_400]) * 1_000_000, np.full(1, np.nan))
    assert state.of_users(slots, now).situations["place"].tolist() == [[home, 0]]
    at = np.array([3, 1, 4]) * 86_400_000_000
    contexts = [{"place": "home"}, {"place": "the moon"}, {"weather": "rain"}]
    state.update(["u"] * 3, ["a", "b", "a"], at, np.full(3, np.nan), None, contexts)
    # By time; nobody has heard of the moon, nor of the weather.
    assert state.of_users(slots, now).situations["place"].tolist() == [[home, 0, 0, home, 0]]
    assert state.of_users(slots, now).own.tolist() == [state.processor.items.rows(["a", "b", "b", "a", "a"]).tolist()]
    assert state.of_one("u", int(now[0])).situations["place"].any()
    assert not state.of_one("u", int(now[0]), history=["a", ("b", datetime(1970, 1, 2, 7))]).situations["place"].any()


def test_what_was_had_is_known_further_back_than_the_towers_see_but_not_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [("u", item, 10 * place) for place, item in enumerate("abcdb")] + [("v", "a", 5)]
    log = to_interactions(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"))
    processor = DataProcessor(ModelConfig(repeats=True, history_length=2)).fit(log)
    a, b, c, d = processor.items.rows(list("abcd"))
    now = np.array([100 * 1_000_000])
    for longest, own in ((1000, [a, b, c, d, b]), (3, [c, d, b])):
        for module in ("live", "moments"):
            monkeypatch.setattr(f"enterprise_recsys.data.{module}.LONGEST", longest)
        state, moments = State(processor, log), Moments(processor, log)
        asked = state.of_users(state.users.rows(["u"]), now)
        then = moments.requests(moments.users.rows(["u"]), now, {})
        assert asked.own.tolist() == then.own.tolist() == [own]
        assert asked.history.tolist() == then.history.tolist() == [[d, b]]
        state.update(["u"], ["a"], now, np.full(1, np.nan))
        later = state.of_users(state.users.rows(["u", "v"]), np.repeat(now + 1, 2)).own
        assert later.tolist() == [[*own, a][-longest:], [*[0] * (len(later[1]) - 1), a]]


def test_a_history_told_with_its_times_has_ages_and_what_lacks_one_is_taken_with_the_next() -> None:
    rows = [("u", "a", 10), ("u", "b", 20), ("v", "c", 30)]
    log = to_interactions(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"))
    state = State(DataProcessor().fit(log), log)
    moment = datetime(1970, 1, 1, 0, 1)  # a minute after the start, UTC if nothing is said
    told = ["c", ("a", moment), "unheard of", ("b", moment.replace(tzinfo=timezone(timedelta(hours=-1)))), ("a", None)]
    request = state.of_one(None, 5000 * 1_000_000, history=told)
    a, b, c = state.processor.items.rows(["a", "b", "c"])
    assert request.history[0, -4:].tolist() == [c, a, b, a]
    # b was taken an hour and a minute after the start: 3,660 s, and a after it with the request.
    assert request.ages[0, -5:].tolist() == [0, 4940, 4940, 1340, 0]
