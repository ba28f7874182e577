"""Where things are taken again and again: a made world in which each user has two items of their own."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.answers import Recommendations
from enterprise_recsys.changing import Changes
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.splits import SPLITS, Split
from enterprise_recsys.errors import ConfigError, DataError
from enterprise_recsys.trainer import ProductionTrainer
from tests.conftest import SMALL

USERS, ITEMS, DAYS = 120, 40, 30
OWN = np.random.default_rng(0).permuted(np.tile(np.arange(ITEMS), (USERS, 1)), axis=1)[:, :2]


LITTLE = {"candidates": 5, "trending_candidates": 5, "neighbour_candidates": 5, "follower_candidates": 5}
"""Of a small catalogue, so that something is left for every source to bring."""


@pytest.fixture(scope="module")
def again() -> Split:
    """Each day each user takes something: four times of five one of their own two, else anything."""
    generator = np.random.default_rng(1)
    own = np.take_along_axis(OWN, generator.integers(0, 2, (USERS, DAYS)), axis=1)
    taken = np.where(generator.random(own.shape) < 0.8, own, generator.integers(0, ITEMS, own.shape))
    user, day = np.indices(own.shape)
    frame = pl.DataFrame(
        {
            "user_id": [f"u{one}" for one in user.ravel()],
            "item_id": [f"i{one}" for one in taken.ravel()],
            "timestamp": 86_400 * (day.ravel() + 11_000) + user.ravel(),
        }
    )
    return SPLITS["global_time"](to_interactions(frame))


@pytest.fixture(scope="module")
def fitted(again: Split) -> ProductionTrainer:
    dials = {**SMALL, "repeats": True, **LITTLE}
    return ProductionTrainer(ModelConfig(**dials), progress=False).fit(again.train, again.val)


def _ids(answer: Recommendations) -> set[object]:
    return {one["item_id"] for one in answer}


def _share_of_own(trainer: ProductionTrainer) -> float:
    lists = [_ids(trainer.recommend(f"u{user}", 2)) for user in range(USERS)]
    return float(np.mean([f"i{own}" in told for told, pair in zip(lists, OWN, strict=True) for own in pair]))


def test_a_list_begins_with_what_the_user_takes_again_and_again(fitted: ProductionTrainer, again: Split) -> None:
    assert _share_of_own(fitted) > 0.9
    figures = fitted.evaluate(again.test, k=2)
    # Its probabilities are of one visit, and what was taken is of the whole test.
    assert {"ranker/TakenShare", "ranker/AUC"} <= figures.keys()
    assert not {"ranker/MeanPrediction", "ranker/LogLoss", "ranker/ECE", "ranker/ECE_uncalibrated"} & figures.keys()
    assert figures["two_stage/NDCG@2"] > 0.9 * figures["repeats/NDCG@2"] > 2 * figures["popularity/NDCG@2"]


def test_a_request_can_leave_out_what_the_user_had(fitted: ProductionTrainer, again: Split) -> None:
    log = pl.concat([again.train.events, again.val.events])
    had = set(log.filter(pl.col("user_id") == "u3")["item_id"])
    assert _ids(fitted.recommend("u3", 2)) <= had
    assert not had & _ids(fitted.recommend("u3", 10, exclude_seen=True))
    assert not {"i1", "i2"} & _ids(fitted.recommend("u3", 2, history=["i1", "i2", "i1"], exclude_seen=True))


def test_where_a_candidate_comes_from_and_what_moved_it_are_told(fitted: ProductionTrainer) -> None:
    assert any("repeats" in told for user in range(USERS) for told in fitted.recommend(f"u{user}", 5).sources)
    answer = fitted.recommend("u3", 2, reasons=True)
    told = answer[0]["explanation"]
    assert isinstance(told, dict) and max(told["features"], key=told["features"].get) in ("taken before", "taste")


def test_elsewhere_what_was_taken_is_listed_and_not_in_the_same_place() -> None:
    generator = np.random.default_rng(2)
    user, item = np.indices((40, 8))
    place = generator.integers(0, 2, user.shape)  # each has each item of their own once, at home or at work
    frame = pl.DataFrame(
        {
            "user_id": [f"u{one}" for one in user.ravel()],
            "item_id": [f"i{(one + who) % 20}" for one, who in zip(item.ravel(), user.ravel(), strict=True)],
            "timestamp": 86_400 * (item.ravel() + 11_000) + user.ravel(),
            "place": np.where(place, "home", "work").ravel(),
        }
    )
    parts = SPLITS["global_time"](to_interactions(frame))
    dials = {**SMALL, "repeats": "elsewhere", **LITTLE}
    trainer = ProductionTrainer(ModelConfig(**{**dials, "epochs": 1}), progress=False).fit(parts.train, parts.val)
    mine = frame.filter(pl.col("user_id") == "u3").filter(pl.col("timestamp") < frame["timestamp"].quantile(0.7))
    here = {where: set(mine.filter(pl.col("place") == where)["item_id"]) for where in ("home", "work")}
    assert here["home"] and here["work"]
    at_home = _ids(trainer.recommend("u3", 20, context={"place": "home"}))
    assert not at_home & here["home"] and at_home >= here["work"]
    assert _ids(trainer.recommend("u3", 20)) >= here["home"] | here["work"], "nowhere is no place where they were taken"
    everything = trainer.recommend("u3", 20, context={"place": "home"}, exclude_seen=False)
    assert _ids(everything) >= here["home"] | here["work"]
    only = min(here["work"])
    now = np.array([trainer.recommender.state.newest + 1])
    Changes(trainer.recommender).events(["u3"], [only], now, np.full(1, np.nan), None, [{"place": "home"}])
    assert only not in _ids(trainer.recommend("u3", 20, context={"place": "home"})), "an event of just now counts too"
    new = _ids(trainer.recommend("u3", 20, context={"place": "home"}, exclude_seen=True))
    assert not new & (here["home"] | here["work"])


def test_elsewhere_asks_for_a_context(again: Split) -> None:
    trainer = ProductionTrainer(ModelConfig(**{**SMALL, "repeats": "elsewhere"}), progress=False)
    with pytest.raises(DataError, match="no column of the events is a category of their context; add one"):
        trainer.fit(again.train, again.val)
    with pytest.raises(ConfigError, match="repeats is 'elsewhere' and positive_event_types is set"):
        ModelConfig(repeats="elsewhere", positive_event_types="buy")


def test_without_the_dial_nothing_is_listed_twice(again: Split) -> None:
    trainer = ProductionTrainer(ModelConfig(**{**SMALL, "epochs": 2}), progress=False).fit(again.train, again.val)
    assert _share_of_own(trainer) < 0.05
    assert "repeats/NDCG@10" not in trainer.evaluate(again.test)
