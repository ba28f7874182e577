"""What is kept of the items' statistics is what a fresh reading gives, to the bit, whatever happens between."""

import numpy as np
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.aggregates import of_items
from enterprise_recsys.data.live import State
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.worlds import make_world

DAY = 86_400_000_000


@pytest.mark.parametrize("recency", [False, True])
def test_kept_statistics_equal_fresh_ones_while_events_come_and_time_passes(recency: bool) -> None:
    log = make_world(users=40, items=60, days=60, events_per_user=30).interactions
    processor = DataProcessor(ModelConfig(recency=recency)).fit(log)
    state, generator = State(processor, log), np.random.default_rng(0)
    now = state.newest + 1
    for step in range(60):
        rows = generator.integers(0, 61, 20)
        times = np.full(20, now)
        fresh = processor.scale(of_items(state._item_statistics.read(rows, times)))
        kept = state._moving.read(rows, times)
        assert set(kept) == set(fresh)
        for name, column in fresh.items():
            assert np.array_equal(kept[name], column), (step, name)
        if step % 3 == 0:
            items = processor.items.of_rows(generator.integers(1, 61, 2)).to_list()
            state.update(["u", "v"], items, np.array([now, now]), np.array([4.0, np.nan], dtype=np.float32))
        # An hour, a second, exactly a day, or nothing: windows end at the moment, just after it, and not at all.
        now += [0, 1_000_000, 3_600_000_000, DAY, 1][step % 5]


def test_requests_of_different_moments_are_each_read_at_their_own() -> None:
    log = make_world(users=20, items=30, days=60, events_per_user=20).interactions
    processor = DataProcessor().fit(log)
    state = State(processor, log)
    rows, times = np.array([3, 3]), np.array([state.newest + 1, state.newest - 20 * DAY])
    fresh = processor.scale(of_items(state._item_statistics.read(rows, times)))
    assert all(np.array_equal(state._moving.read(rows, times)[name], column) for name, column in fresh.items())
