"""What was shown stands among the candidates; what was not is no failure; and places are not mistaken for liking."""

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import DataError, ModelConfig, ProductionTrainer
from enterprise_recsys.data.impressions import UNSHOWN, Shown
from enterprise_recsys.data.showing import make_shown_world
from enterprise_recsys.engine.gathering import Candidates
from enterprise_recsys.engine.neighbours import Heard, Said
from enterprise_recsys.learning.shown import FURTHER, with_shown
from enterprise_recsys.learning.slates import Slates
from enterprise_recsys.ranking.ranker import Examples
from tests.conftest import SMALL


def test_what_was_shown_and_not_found_follows_the_candidates() -> None:
    vectors = np.array([[0, 0], [1, 0], [0, 1], [0.6, 0.8], [0.8, 0.6], [-1, 0]], dtype=np.float32)
    queries = np.array([[1, 0], [0, 1]], dtype=np.float32)
    rows = np.array([[1, 2], [3, 0]])
    found = Candidates(
        rows,
        np.array([[1.0, 0.0], [0.8, -np.inf]], dtype=np.float32),
        np.stack([rows, 10 * rows], axis=2) * 1.0,
        rows * 0,
    )
    # Request 0 was shown 2 (third), 4 (second), 3 (first) and 5, which it leaves out; request 1 nothing.
    shown = Shown(np.array([0, 0, 0, 0]), np.array([2, 4, 3, 5]), np.array([3, 2, 1, 4]))
    # Of item 4 neighbours say half of what they say of 5.
    near, soon = (Said(np.array([4, 5]), np.array([said, 2 * said], dtype=np.float32), 6) for said in (0.25, 0.5))
    said = Heard(near, soon)
    showing = with_shown(found, shown, np.array([0, 1, 1]), np.array([5]), queries, vectors, said)
    both = showing.found
    assert both.rows.shape == (2, 2 + FURTHER)
    assert both.rows[0, :5].tolist() == [1, 2, 3, 4, 0] and not both.rows[1, 1:].any()
    assert np.allclose(both.scores[0, :4], [1.0, 0.0, 0.6, 0.8]) and np.isneginf(both.scores[0, 4:]).all()
    assert both.said[0, :5].tolist() == [[1.0, 10.0], [2.0, 20.0], [0.0, 0.0], [0.5, 0.5], [0.0, 0.0]]
    assert showing.places[0, :5].tolist() == [UNSHOWN, 3, 1, 2, UNSHOWN]
    assert not showing.places[1].any(), "nothing is known of this list"


def test_no_more_than_there_is_room_for_is_added_and_the_first_places_come_first() -> None:
    vectors = np.ones((60, 1), dtype=np.float32)
    none = np.zeros((1, 1), dtype=np.int64)
    found = Candidates(none, none.astype(np.float32), np.zeros((1, 1, 2), dtype=np.float32), none)
    shown = Shown(np.zeros(50, dtype=np.int64), np.arange(1, 51), np.arange(50, 0, -1))
    nothing = np.zeros(0, dtype=np.int64)
    said = Heard(*[Said(nothing, nothing.astype(np.float32), 60)] * 2)
    showing = with_shown(found, shown, np.zeros(2, dtype=np.int64), nothing, vectors[:1], vectors, said)
    assert showing.found.rows[0, 1:].tolist() == list(range(50, 50 - FURTHER, -1))
    assert showing.places[0, 1:].tolist() == list(range(1, FURTHER + 1))


def test_places_go_with_their_lists() -> None:
    ones = np.ones(4, dtype=np.float32)
    lists = Slates(Examples({}, ones, ones, ones, 2, places=np.array([1, 2, 0, 3])), np.array([7, 8]))
    assert lists.take(np.array([1])).beside(lists).examples.places.tolist() == [0, 3, 1, 2, 0, 3]


def test_impressions_teach_and_are_no_events_of_users() -> None:
    events = make_shown_world(users=40, items=40, days=30, events_per_user=12).interactions.events
    cut = events["timestamp"].quantile(0.8)
    before, after = events.filter(pl.col("timestamp") < cut), events.filter(pl.col("timestamp") >= cut)
    config = ModelConfig(
        **{**SMALL, "impression_event_types": ["impression"], "history": "fold_in", "epochs": 1, "ranker_epochs": 1}
    )
    trainer = ProductionTrainer(config, progress=False).fit(before)
    assert set(trainer.recommender.log.events["event_type"]) == {"click"}
    clicked = after.filter(pl.col("event_type") == "click")
    found = trainer.evaluate(after, baselines=False)
    assert found == trainer.evaluate(clicked, baselines=False)
    clicks = ProductionTrainer(config.model_copy(update={"impression_event_types": None}), progress=False)
    clicks.fit(before.filter(pl.col("event_type") == "click").drop("position"))
    assert found["retrieval/NDCG@10"] == clicks.evaluate(clicked, baselines=False)["retrieval/NDCG@10"]
    masked = ProductionTrainer(config.model_copy(update={"unshown": "unlabelled"}), progress=False).fit(before)
    answers = [one.recommend(user_id="1", k=5) for one in (trainer, clicks, masked)]
    scores = [tuple(item["score"] for item in answer) for answer in answers]
    assert len(set(scores)) == 3
    with pytest.raises(
        DataError, match="names 'show', which no event of the log is of; they are of: click, impression"
    ):
        ProductionTrainer(config.model_copy(update={"impression_event_types": ("show",)}), progress=False).fit(before)
