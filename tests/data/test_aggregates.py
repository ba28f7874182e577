"""Two executors, one definition, and no look at the future."""

import numpy as np

from enterprise_recsys.data.aggregates import Running, Timeline
from enterprise_recsys.data.splits import Split
from enterprise_recsys.records import WINDOWS_DAYS

HOUR = 3_600_000_000


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


def test_the_log_executor_and_the_request_executor_agree_to_the_bit() -> None:
    generator = np.random.default_rng(0)
    rows, times = generator.integers(1, 30, 20_000), np.sort(generator.integers(0, 900, 20_000)) * HOUR
    ratings = np.where(generator.random(20_000) < 0.3, np.nan, generator.normal(3, 1.1, 20_000)).astype(np.float32)
    line, state = Timeline(rows, times, ratings), Running(30)
    for moment in np.unique(times):
        now = times == moment
        read, expected = state.read(rows[now], times[now]), line.read(rows[now], times[now])
        for name in ("count", "mean", "std", "recent"):
            assert np.array_equal(getattr(read, name), getattr(expected, name), equal_nan=True)
        state.update(rows[now], ratings[now], times[now])


def test_real_events_replayed_through_both_executors_agree(parts: Split) -> None:
    from enterprise_recsys.data.processor import DataProcessor

    events = DataProcessor().fit(parts.train).events(parts.train)
    line, state = Timeline(events.users, events.times, events.ratings), Running(events.users.max() + 1)
    state.update(events.users, events.ratings, events.times)
    users = np.unique(events.users)
    end = np.full(len(users), events.times[-1] + 1)
    last, now = line.read(users, end), state.read(users, end)
    assert np.array_equal(last.count, now.count) and np.array_equal(last.mean, now.mean, equal_nan=True)
    assert np.array_equal(last.std, now.std, equal_nan=True) and np.array_equal(last.recent, now.recent)


def test_a_naive_mean_leaks_and_ours_does_not() -> None:
    # Ratings are coins: nothing in the past can tell them, but a mean that holds the row's own rating can.
    generator = np.random.default_rng(1)
    rows, times = generator.integers(1, 2000, 6000), np.arange(6000)
    ratings = generator.integers(0, 2, 6000).astype(np.float32)
    naive = (np.bincount(rows, ratings) / np.maximum(np.bincount(rows), 1))[rows]
    ours = Timeline(rows, times, ratings).read(rows, times).mean
    known = ~np.isnan(ours)
    assert np.corrcoef(naive, ratings)[0, 1] > 0.4
    assert abs(np.corrcoef(ours[known], ratings[known])[0, 1]) < 0.06
