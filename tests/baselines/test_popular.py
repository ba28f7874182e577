"""Counts, decayed counts and repeats, worked out by hand."""

import numpy as np
import pytest

from enterprise_recsys.baselines.popular import Popularity, RecentPopularity, Repeats
from enterprise_recsys.errors import ConfigError
from tests.baselines.worlds import asked, events_of

# Item 1 three times long ago (days 0, 0, 0), item 2 once at day 20, item 3 twice at day 10, item 4 once at day 5.
EVENTS = events_of([(1, 1), (2, 1), (3, 1), (4, 4), (1, 3), (2, 3), (3, 2)], [0, 0, 0, 5, 10, 10, 20])


def test_popularity_counts_successes() -> None:
    found = Popularity(EVENTS, 5, 6).candidates(asked([]), 5)
    assert found.rows[0].tolist() == [1, 3, 2, 4, 5] and found.scores[0].tolist() == [3, 2, 1, 1, 0]


@pytest.mark.parametrize(
    ("half_life_days", "window_days", "order"),
    [
        (float("inf"), float("inf"), [1, 3, 2, 4]),  # plain counts
        # Half life 10: item 1 3 * 0.25 = 0.75, item 2 1, item 3 2 * 0.5 = 1 (the tie goes to the larger count), item 4
        # 0.5^1.5 = 0.354
        (10.0, float("inf"), [3, 2, 1, 4]),
        # Half life 5: item 1 3/16, item 2 1, item 3 2/4, item 4 1/8
        (5.0, float("inf"), [2, 3, 1, 4]),
        # Only the last 15 days count: item 2 1, item 3 2, item 4 1 (age 15 is inside); item 1 follows
        (float("inf"), 15.0, [3, 2, 4, 1]),
        # Nothing but the newest day counts; the others follow by their count
        (float("inf"), 1.0, [2, 1, 3, 4]),
    ],
)
def test_recent_popularity_by_hand(half_life_days: float, window_days: float, order: list[int]) -> None:
    source = RecentPopularity(EVENTS, 5, 5, half_life_days=half_life_days, window_days=window_days)
    assert source.candidates(asked([]), 4).rows[0].tolist() == order


def test_items_whose_decayed_count_is_beyond_float32_keep_their_order() -> None:
    events = events_of([(1, 3), (1, 2), (1, 1)], [0, 1, 1000])  # 2^-1000 and 2^-999
    assert RecentPopularity(events, 2, 4, half_life_days=1.0).candidates(asked([]), 3).rows[0].tolist() == [1, 2, 3]


def test_repeats_give_the_often_and_lately_taken_first_and_nothing_else() -> None:
    source = Repeats(EVENTS, 5, 6, half_life_events=1.0)
    # Ages 4, 3, 2, 1, 0: item 1 at 4 and 2 = 1/16 + 1/4, item 2 at 3 and 1 = 1/8 + 1/2, item 5 at 0 = 1.
    found = source.candidates(asked([1, 2, 1, 2, 5], [], repeats=True), 4)
    assert found.rows.tolist() == [[5, 2, 1, 0], [0, 0, 0, 0]]
    assert np.allclose(found.scores[0, :3], [1.0, 0.625, 0.3125])
    assert source.candidates(asked([1, 2]), 2).rows.tolist() == [[0, 0]], "excluded by default"


def test_a_repeat_from_long_ago_is_still_given() -> None:
    history = [3] + [1] * 3000
    assert Repeats(EVENTS, 5, 6, half_life_events=1.0).candidates(asked(history, repeats=True), 2).rows.tolist() == [
        [1, 3]
    ]


def test_dials_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="half_life_days=0, window_days=inf: both are days over 0"):
        RecentPopularity(EVENTS, 5, 5, half_life_days=0)
    with pytest.raises(ConfigError, match="half_life_events=-1 is out of range"):
        Repeats(EVENTS, 5, 5, half_life_events=-1)
