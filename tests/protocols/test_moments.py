"""Times for data that has none, and which rows came later."""

from datetime import UTC, datetime, timedelta

import polars as pl

from enterprise_recsys.protocols.contextual import questions
from enterprise_recsys.protocols.moments import beyond, timed
from enterprise_recsys.protocols.tasks import ListTask, Trial
from enterprise_recsys.records import Interactions

SAME = datetime(1970, 1, 1, tzinfo=UTC)


def _events(rows: list[tuple[str, str]]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    return frame.with_columns(timestamp=pl.lit(SAME).cast(pl.Datetime("us", "UTC")))


def test_of_equal_rows_as_many_are_known_as_there_were() -> None:
    before, later = _events([("u", "a"), ("u", "a"), ("u", "b")]), _events([("u", "a")] * 3 + [("u", "b"), ("v", "a")])
    assert beyond(before, later).to_list() == [False, False, True, False, True]


def test_parts_stand_one_after_the_other_and_a_users_events_keep_their_order() -> None:
    early, val = _events([("u", "a"), ("v", "b"), ("u", "c")]), _events([("u", "d"), ("v", "a")])
    test, both = _events([("u", "e"), ("v", "c")]), pl.concat([early, val])
    log = Interactions(early)
    task = ListTask(
        both["item_id"], Trial(log, early, val), Trial(log.with_events(both), both, test), "", has_times=False
    )
    told = timed(task)
    assert told.has_times and not task.has_times
    learnt = told.judge.log.events
    assert learnt["item_id"].to_list() == ["a", "b", "c", "d", "a"]
    own = learnt.filter(pl.col("user_id") == "u")["timestamp"].to_list()
    assert own[1] - own[0] == timedelta(microseconds=1) and own[2] - own[0] == timedelta(hours=2)
    # The same event has the same time wherever it stands.
    assert told.choose.log.events.equals(learnt[:3]) and told.judge.past.equals(learnt)
    assert told.choose.targets["timestamp"].to_list() == learnt["timestamp"][3:].to_list()
    assert told.judge.targets["timestamp"].min() == learnt["timestamp"].max() + timedelta(hours=2)


def test_questions_of_a_user_are_visits_of_their_own() -> None:
    train, val, test = (_events(rows) for rows in ([("u", "a"), ("v", "a")], [("u", "a"), ("u", "b")], [("u", "a")]))
    train, val, test = (part.with_columns(place=pl.lit("home")) for part in (train, val, test))
    log, both = Interactions(train), pl.concat([train, val])
    choose = questions(log, train, val, ["place"])
    judge = questions(log, both, test, ["place"])
    told = timed(ListTask(both["item_id"], choose, judge, "", has_times=False, repeats=True))
    learnt = told.judge.log.events
    assert learnt["item_id"].to_list() == ["a", "a", "a", "b"]
    late = learnt["timestamp"][2:].to_list()
    assert late[1] - late[0] == timedelta(minutes=31)
    assert told.choose.targets["timestamp"].to_list() == late
    assert told.judge.asked.to_list() == judge.asked.to_list()
