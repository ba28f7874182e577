"""Repeats: what a history says of its own items."""

import numpy as np

from enterprise_recsys.baselines.popular import Repeats
from enterprise_recsys.data import repeats
from enterprise_recsys.data.repeats import repeat_columns, taken_again, taken_here
from enterprise_recsys.records import Events, Queries, Ragged

HISTORY = np.array([[0, 3, 5, 3], [0, 0, 0, 7]])


def test_how_often_and_how_long_ago_by_hand() -> None:
    told = repeat_columns(HISTORY, np.array([[3, 5, 7, 0], [7, 3, 0, 0]]), {}, {})
    assert np.allclose(told["own_count"], [np.log(3), np.log(2), 0, 0, np.log(2), 0, 0, 0])
    # 3 is the newest event, 5 the one before it.
    assert np.allclose(told["own_age"], [1, 1 / np.sqrt(2), 0, 0, 1, 0, 0, 0])


def test_in_what_context_by_hand() -> None:
    past = {"place": np.array([[0, 1, 1, 2], [0, 0, 0, 0]]), "day": np.array([[0, 4, 4, 4], [0, 0, 0, 5]])}
    now = {"place": np.array([2, 0]), "day": np.array([4, 5])}
    told = repeat_columns(HISTORY, np.array([[3, 5, 7, 0], [7, 3, 0, 0]]), past, now)
    assert np.allclose(told["own_count"], [np.log(3), np.log(2), 0, 0, np.log(2), 0, 0, 0])
    # Item 3 was taken once at place 2 and twice on day 4; an unknown place agrees with nothing, itself included.
    assert np.allclose(told["own_in_place"], [np.log(2), 0, 0, 0, 0, 0, 0, 0])
    assert np.allclose(told["own_in_day"], [np.log(3), np.log(2), 0, 0, np.log(2), 0, 0, 0])
    assert np.allclose(told["own_alike"], [1, 0.5, 0, 0, 0.5, 0, 0, 0])


def test_columns_do_not_depend_on_how_many_are_looked_at_together() -> None:
    generator = np.random.default_rng(0)
    history, rows = generator.integers(0, 9, (20, 6)), generator.integers(0, 9, (20, 5))
    past, now = {"place": generator.integers(0, 3, history.shape)}, {"place": generator.integers(0, 3, 20)}
    together = repeat_columns(history, rows, past, now)
    parts = [
        repeat_columns(history[at], rows[at], {"place": past["place"][at]}, {"place": now["place"][at]})
        for at in np.split(np.arange(20), 20)
    ]
    apart = {name: np.concatenate([part[name] for part in parts]) for name in together}
    assert together.keys() == {*repeats.REPEATS, "own_in_place", "own_alike"}
    assert all(np.array_equal(together[name], apart[name]) for name in together)


def test_what_is_taken_again_is_what_the_baseline_of_this_name_says() -> None:
    generator = np.random.default_rng(1)
    history = generator.integers(0, 12, (30, 8))
    keys, sums = taken_again(history, 12)
    assert (np.diff(keys) > 0).all() and (sums > 0).all()
    past = [line[line > 0] for line in history]
    offsets = np.concatenate([[0], np.cumsum([len(line) for line in past])]).astype(np.int64)
    nothing = Ragged(np.zeros(31, dtype=np.int64), np.zeros(0, dtype=np.int64))
    events = Events(*[np.zeros(0, dtype=np.int64)] * 3, *[np.zeros(0, np.float32)] * 2, np.zeros(0, dtype=bool))
    # A history stands at the right end, so holes among its events make the same event older: the order stays.
    close = np.stack([np.pad(line, (8 - len(line), 0)) for line in past])
    keys, sums = taken_again(close, 12)
    said = Repeats(events, 1, 12).candidates(Queries(Ragged(offsets, np.concatenate(past)), exclude=nothing), 12)
    for place in range(30):
        mine = keys // 12 == place
        order = np.argsort(-sums[mine], kind="stable")
        held = said.rows[place] > 0
        assert np.allclose(said.scores[place][held], sums[mine][order])
        assert set(said.rows[place][held]) == set(keys[mine] % 12)


def test_what_was_taken_in_the_very_same_context_by_hand() -> None:
    history = np.array([[0, 5, 6, 5], [7, 7, 8, 9], [0, 0, 0, 3]])
    past = {
        "place": np.array([[0, 1, 2, 2], [1, 2, 0, 1], [0, 0, 0, 1]]),
        "day": np.array([[0, 1, 1, 1], [1, 1, 1, 2], [0, 0, 0, 2]]),
    }
    now = {"place": np.array([2, 1, 1]), "day": np.array([1, 1, 1])}
    offsets, rows = taken_here(history, past, now)
    assert offsets.tolist() == [0, 2, 3, 3] and rows.tolist() == [6, 5, 7]
    offsets, rows = taken_here(history, past, {"place": now["place"]})
    assert offsets.tolist() == [0, 0, 0, 0] and not len(rows), "a day that is not told is no day of before"
    unknown = {name: np.zeros_like(column) for name, column in now.items()}
    assert not len(taken_here(history, past, unknown)[1]), "nor is one that nobody knows"
