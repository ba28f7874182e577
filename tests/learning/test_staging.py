"""Up to which catalogue the nearest of items are counted; slices that teach the ranker; when joint training asks."""

import numpy as np
import polars as pl
import pytest
import torch

from enterprise_recsys import ModelConfig
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.moments import Moments
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.learning import neighbouring, staging
from enterprise_recsys.learning.neighbouring import Nearness
from enterprise_recsys.learning.retrieving import chosen_retriever, of_variant
from enterprise_recsys.ranking.ranker import Ranker
from enterprise_recsys.records import Interactions
from enterprise_recsys.retrieval.history import one_variant


@pytest.mark.parametrize(("most", "are_counted"), [(3, True), (2, False)])
def test_a_catalogue_of_just_the_most_items_has_neighbours(
    monkeypatch: pytest.MonkeyPatch, most: int, are_counted: bool
) -> None:
    assert neighbouring._MOST_NEIGHBOURED == 100_000  # what the config's description promises
    monkeypatch.setattr(neighbouring, "_MOST_NEIGHBOURED", most)
    events = pl.DataFrame({"user_id": ["u", "u", "v", "v"], "item_id": ["a", "b", "b", "c"], "timestamp": [1, 2, 3, 4]})
    processor = DataProcessor(ModelConfig()).fit(log := to_interactions(events))
    found = neighbouring.nearest(processor.config, processor.dataset(log), Nearness())
    assert bool(len(found.said(processor.items.rows(["b"])[None]).keys)) == are_counted


def _days(events_a_day: list[int]) -> Interactions:
    """Users a to j in turn, one of five items each time."""
    days = [day for day, events in enumerate(events_a_day) for _ in range(events)]
    place = range(len(days))
    frame = pl.DataFrame(
        {
            "user_id": ["abcdefghij"[one % 10] for one in place],
            "item_id": [f"i{one * 7 % 5}" for one in place],
            "timestamp": [86_400 * (11_000 + day) + one for day, one in zip(days, place, strict=True)],
        }
    )
    return to_interactions(frame)


@pytest.mark.parametrize(
    ("events_a_day", "is_slice"),
    [
        ([10, 10, 10, 10], True),  # as many events as the last day, and twice as many before them
        ([10, 9, 10, 10], False),  # one too few
        ([40, 10], False),  # all that came before is shorter than a visit
    ],
)
def test_the_slice_before_the_last_is_answered_by_who_has_not_learnt_it(
    events_a_day: list[int], is_slice: bool
) -> None:
    log = _days(events_a_day)
    last = pl.col("timestamp") >= log.events["timestamp"].max() - pl.duration(hours=12)
    early, late = log.with_events(log.events.filter(~last)), log.with_events(log.events.filter(last))
    config = ModelConfig(history="mean", candidates=3, negatives=8, epochs=1, item_tower_dims=[8], user_tower_dims=[8])
    processor = DataProcessor(config).fit(log)
    trained = chosen_retriever(processor.limited_to(early), early, late, None, None)
    found = staging._earlier(processor, early, late, Moments(processor, log), trained, Nearness(), None, None)
    assert (found is not None) == is_slice
    if found is not None:
        # Ten users came once in the slice, which lies after two of the days; all their successes were in it.
        assert len(found.users) == 10
        assert np.nansum(found.examples.clicks) <= 10


@pytest.mark.parametrize(
    ("types", "horizon", "asked_at"), [(["buy"], "visit", 0), (["buy"], "next", 60), (None, "visit", 60)]
)
def test_joint_training_asks_before_the_views_that_lead_to_a_buy(types, horizon: str, asked_at: int) -> None:
    start = 86_400 * 11_000
    seconds = [start, start + 60, start + 10_000, start + 10_000]
    frame = pl.DataFrame(
        {
            "user_id": ["u", "u", "u", "v"],
            "item_id": ["a", "a", "b", "b"],
            "timestamp": seconds,
            "event_type": ["view", "buy", "buy", "buy"],
        }
    )
    dials = {"item_tower_dims": [8], "user_tower_dims": [8], "candidates": 3, "negatives": 8}
    config = ModelConfig(training="joint", history="mean", positive_event_types=types, horizon=horizon, **dials)
    log = to_interactions(frame)
    processor = DataProcessor(config).fit(log)
    retriever = of_variant(processor, one_variant(config, 4), processor.dataset(log))
    moments = Moments(processor, log)
    pair = staging._Joint(retriever, Ranker(processor, config, moments.events.ratings), moments)
    assert (pair._asked // 1_000_000).tolist() == [start, start + asked_at, *seconds[2:]]
    assert len(pair._examples(np.array([1]), torch.zeros(1, 8)).clicks) == 2
