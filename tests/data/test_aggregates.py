"""Two executors, one definition, and no look at the future."""

import os
from dataclasses import fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enterprise_recsys.data import kernels, ordering, past
from enterprise_recsys.data.aggregates import Running, Statistics, Timeline
from enterprise_recsys.data.past import of_past
from enterprise_recsys.data.splits import Split
from enterprise_recsys.records import WINDOWS_DAYS, Floats, Ints

HOUR = 3_600_000_000
REAL = Path(os.environ.get("RECSYS_DATA") or "../shared/data") / "ml-1m"


def assert_same(one: Statistics, other: Statistics) -> None:
    for field in fields(Statistics):
        assert np.array_equal(getattr(one, field.name), getattr(other, field.name), equal_nan=True), field.name


def replay(rows: Ints, times: Ints, ratings: Floats, *, together: bool = False) -> None:
    """Walk the events, moment after moment, through the request executor, and compare each with both log executors.

    Args:
        rows, times, ratings: [R] in order of time.
        together: moments that have no owner in common are read at once and then counted at once; owners know nothing of
            each other, so that each event still sees what it would have seen.
    """
    past, line = of_past(rows, times, ratings), Timeline(rows, times, ratings)
    assert_same(line.read(rows, times), past)
    state = Running(int(rows.max()) + 1)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(times)) + 1, [len(times)]])
    seen = []
    for begin, end in pairwise(apart(rows, edges) if together else edges.tolist()):
        now = slice(begin, end)
        seen.append(state.read(rows[now], times[now]))
        state.update(rows[now], ratings[now], times[now])
    joined = (np.concatenate([getattr(one, field.name) for one in seen]) for field in fields(Statistics))
    assert_same(Statistics(*joined), past)
    everyone = np.arange(1, int(rows.max()) + 1)
    later = np.full(len(everyone), times[-1] + 5 * HOUR)
    assert_same(state.read(everyone, later), line.read(everyone, later))


def apart(rows: Ints, edges: Ints) -> list[int]:
    """Those of the edges of moments that are needed so that no owner has two moments between two of them."""
    moment = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    order = np.argsort(rows, kind="stable")
    owner, when = rows[order], moment[order]
    before = np.full(len(rows), -1)
    again = (owner[1:] == owner[:-1]) & (when[1:] > when[:-1])
    before[order[1:][again]] = when[:-1][again]
    latest, start, needed = np.maximum.reduceat(before, edges[:-1]).tolist(), 0, [0]
    for place, one in enumerate(latest):
        if one >= start and place:
            start = place
            needed.append(int(edges[place]))
    return [*needed, int(edges[-1])]


def test_statistics_worked_out_by_hand() -> None:
    rows, times = np.array([1, 1, 2, 1]), np.array([10, 20, 20, 20])
    line = Timeline(rows, times, np.array([4.0, 2.0, np.nan, 3.0], dtype=np.float32))
    at = line.read(np.array([1, 1, 1, 2, 2, 3]), np.array([10, 20, 21, 20, 21, 99]))
    assert at.count.tolist() == [0, 1, 3, 0, 1, 0]  # events at the same moment do not see each other
    assert np.isnan(at.mean[[0, 3, 4, 5]]).all() and at.mean[1] == 4.0 and at.mean[2] == 3.0
    assert np.isclose(at.std[2], np.sqrt(2 / 3)) and at.std[1] == 0.0


def test_recent_events_worked_out_by_hand() -> None:
    assert WINDOWS_DAYS == (1, 7, 30)
    days = np.array([0, 5, 6, 6, 40]) * 24 * HOUR
    line = Timeline(np.array([1, 1, 1, 2, 1]), days, np.full(5, np.nan, dtype=np.float32))
    at = line.read(np.array([1, 1, 1, 2, 2]), np.array([6, 7, 40, 6, 7]) * 24 * HOUR)
    # A window holds its first moment and not its last: the event of day 6 is not seen on day 6, and is on day 7.
    assert at.recent.tolist() == [[1, 2, 2], [1, 3, 3], [0, 0, 0], [0, 0, 0], [1, 1, 1]]


def test_recency_worked_out_by_hand() -> None:
    seconds = np.array([10, 30, 30, 90]) * 1_000_000
    past = of_past(np.array([1, 1, 1, 1]), seconds, np.full(4, np.nan, dtype=np.float32))
    assert np.array_equal(past.since, np.array([np.nan, 20, 20, 60], np.float32), equal_nan=True)
    assert np.array_equal(past.age, np.array([np.nan, 20, 20, 80], np.float32), equal_nan=True)


@pytest.mark.parametrize("stars", ["stars", "reals"])
@pytest.mark.parametrize("unit", [1, 1_000_000])
def test_all_executors_agree_to_the_bit(stars: str, unit: int) -> None:
    generator = np.random.default_rng(0)
    rows, times = generator.integers(1, 30, 1_500), np.sort(generator.integers(0, 900, 1_500)) * HOUR
    times = times + generator.integers(0, 50, 1_500).cumsum() * unit
    drawn = generator.integers(1, 11, 1_500) / 2 if stars == "stars" else generator.normal(3, 1.1, 1_500)
    replay(rows, times, np.where(generator.random(1_500) < 0.3, np.nan, drawn).astype(np.float32))


def test_times_too_long_and_fine_for_one_number_with_the_owner_agree_too() -> None:
    generator = np.random.default_rng(3)
    times = np.sort(generator.integers(0, 1 << 51, 1000))  # 71 years in microseconds
    rows = generator.integers(1, 1 << 12, 1000)
    assert ordering.Keys(times, int(rows.max()) + 1)._moments is not None
    replay(rows, times, generator.integers(1, 6, 1000).astype(np.float32))


def test_the_size_of_a_block_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(2)
    rows, times = generator.zipf(1.5, 5000) % 300, np.sort(generator.integers(0, 10**9, 5000)) * 1_000_000
    ratings = generator.normal(3, 1, 5000).astype(np.float32)
    whole = of_past(rows, times, ratings)
    monkeypatch.setattr(past, "_BLOCK", 100)
    assert_same(of_past(rows, times, ratings), whole)


@pytest.mark.parametrize("unit", [1, 1_000_000])
@pytest.mark.parametrize("rising", [True, False])
def test_the_loops_give_the_bits_of_the_numpy_form(unit: int, rising: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    times = generator.integers(0, 400, 2_500) * HOUR + generator.integers(0, 3, 2_500) * unit
    times = np.sort(times) if rising else times
    rows = (generator.zipf(1.4, 2_500) % 200).astype(np.uint32)
    ratings = np.where(generator.random(2_500) < 0.2, np.nan, generator.normal(3, 1, 2_500)).astype(np.float32)
    expected = of_past(rows, times, ratings)
    monkeypatch.setattr(past, "_BLOCK", 300)
    monkeypatch.setattr(kernels, "pay", lambda rows: True)
    monkeypatch.setattr(kernels, "compiled", lambda loop: loop)  # as ordinary Python, with or without Numba
    assert_same(of_past(rows, times, ratings), expected)


def test_compiled_loops_give_the_bits_of_the_numpy_form(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="the extra `scale` is not installed")
    generator = np.random.default_rng(6)
    times = generator.integers(0, 10**8, 50_000) * 1_000_000
    rows = (generator.zipf(1.3, 50_000) % 3_000).astype(np.uint32)
    ratings = generator.normal(3, 1, 50_000).astype(np.float32)
    expected = of_past(rows, times, ratings)
    monkeypatch.setattr(kernels, "LEAST_ROWS", 0)
    assert_same(of_past(rows, times, ratings), expected)


def test_where_nothing_can_be_kept_loops_are_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    numba = pytest.importorskip("numba", reason="the extra `scale` is not installed")

    def njit(nogil: bool, cache: bool = False):
        if cache:
            raise RuntimeError("cannot cache function 'count': no locator available")
        return lambda loop: loop

    monkeypatch.setattr(numba, "njit", njit)
    kernels._compiled.cache_clear()
    assert kernels.compiled(kernels.count) is kernels.count
    kernels._compiled.cache_clear()


def test_a_merged_log_is_held_once_and_not_twice() -> None:
    rows, times = np.full(9000, 1), np.arange(9000)
    users, items = Running(2), Running(2)
    for state in (users, items):
        state.update(rows, np.full(9000, np.nan), times)
    assert users._settled.times is times and items._settled.times is times
    assert len(users._fresh.rows) == 0 and users._fresh.rows.base is None is users._fresh.times.base
    users.update(np.array([1, 0]), np.array([np.nan, np.nan]), np.array([9000, 9001]))
    read = users.read(np.array([1]), np.array([9001]))
    assert read.count.tolist() == [9001] and read.recent.tolist() == [[9001] * 3] and times[-1] == 8999


def test_an_empty_log_has_no_past() -> None:
    nothing = np.zeros(0, np.int64)
    assert len(of_past(nothing, nothing, nothing.astype(np.float32)).count) == 0
    read = Timeline(nothing, nothing, nothing.astype(np.float32)).read(np.array([1]), np.array([5]))
    assert read.count.tolist() == [0] and np.isnan([read.mean[0], read.since[0], read.age[0]]).all()


events = st.lists(
    st.tuples(
        st.integers(1, 4), st.integers(0, 40), st.sampled_from([None, 0.5, 1.0, 4.0, 0.1, 3.3, 1e6]), st.integers()
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(events, st.randoms())
def test_any_order_of_the_rows_gives_each_event_the_same_statistics(log: list, chance) -> None:
    def told(shuffled: list) -> list:
        times = np.array([moment for _, moment, _, _ in shuffled]) * 10 * HOUR
        rows = np.array([row for row, _, _, _ in shuffled])
        ratings = np.array([np.nan if rating is None else rating for _, _, rating, _ in shuffled], np.float32)
        past = of_past(rows, times, ratings)
        numbers = [past.count, *past.recent.T, past.since, past.age, past.mean, past.std]
        return [tuple(f"{one[place]:.5g}" for one in numbers) for place in range(len(shuffled))]

    shuffled = list(range(len(log)))
    chance.shuffle(shuffled)
    before, after = told(log), told([log[place] for place in shuffled])
    assert [before[place] for place in shuffled] == after


@settings(max_examples=60, deadline=None)
@given(events)
def test_any_log_is_replayed_to_the_bit(log: list) -> None:
    log = sorted(log, key=lambda event: event[1])
    ratings = np.array([np.nan if rating is None else rating for _, _, rating, _ in log], np.float32)
    replay(np.array([event[0] for event in log]), np.array([event[1] for event in log]) * 10 * HOUR, ratings)


def test_real_events_replayed_through_both_executors_agree(parts: Split) -> None:
    from enterprise_recsys.data.processor import DataProcessor

    events = DataProcessor().fit(parts.train).events(parts.train)
    some = slice(0, 1_500)
    replay(events.users[some], events.times[some], events.ratings[some])
    replay(events.items, events.times, events.ratings, together=True)


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="MovieLens 1M is not in RECSYS_DATA")
def test_movielens_1m_replayed_agrees_to_the_bit() -> None:
    """Every event of a million through all three executors; about five minutes of processor time."""
    from enterprise_recsys.data.processor import DataProcessor
    from enterprise_recsys.data.sources import read

    log = read("ml-1m")
    events = DataProcessor().fit(log).events(log)
    assert (np.diff(events.times) == 0).mean() > 0.1  # ties are tried
    for rows in (events.users, events.items):
        replay(rows, events.times, events.ratings, together=True)


def test_a_naive_mean_leaks_and_ours_does_not() -> None:
    # Ratings are coins: nothing in the past can tell them, but a mean that holds the row's own rating can.
    generator = np.random.default_rng(1)
    rows, times = generator.integers(1, 2000, 6000), np.arange(6000)
    ratings = generator.integers(0, 2, 6000).astype(np.float32)
    naive = (np.bincount(rows, ratings) / np.maximum(np.bincount(rows), 1))[rows]
    ours = of_past(rows, times, ratings).mean
    known = ~np.isnan(ours)
    assert np.corrcoef(naive, ratings)[0, 1] > 0.4
    assert abs(np.corrcoef(ours[known], ratings[known])[0, 1]) < 0.06
