"""Where only buys are a success: a made shop in which people look at a thing and buy it three days later."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ModelConfig
from enterprise_recsys.answers import Recommendations
from enterprise_recsys.asking import Asked
from enterprise_recsys.changing import Changes
from enterprise_recsys.data.frames import to_interactions
from enterprise_recsys.data.splits import SPLITS, Split
from enterprise_recsys.examining.exam import Exam
from enterprise_recsys.explaining import explain
from enterprise_recsys.trainer import ProductionTrainer
from tests.conftest import SMALL

USERS, ITEMS, DAYS, LATER = 120, 60, 30, 3
LITTLE = {"candidates": 5, "trending_candidates": 5, "neighbour_candidates": 5, "follower_candidates": 5}


@pytest.fixture(scope="module")
def shop() -> Split:
    """Each day each user looks at something; seven times of ten they buy it three days later, unless they have it."""
    generator = np.random.default_rng(0)
    viewed = generator.integers(0, ITEMS, (USERS, DAYS))
    rows = []
    for user, day in np.ndindex(viewed.shape):
        item = viewed[user, day]
        rows.append((f"u{user}", f"i{item}", 86_400 * day + user, "view"))
        is_new = item not in viewed[user, :day]
        if is_new and day + LATER < DAYS and generator.random() < 0.7:
            rows.append((f"u{user}", f"i{item}", 86_400 * (day + LATER) + 1000 + user, "buy"))
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "event_type"], orient="row")
    return SPLITS["global_time"](to_interactions(frame.with_columns(pl.col("timestamp") + 86_400 * 11_000)))


@pytest.fixture(scope="module")
def fitted(shop: Split) -> ProductionTrainer:
    dials = {**SMALL, "positive_event_types": ["buy"], "epochs": 2, **LITTLE}
    return ProductionTrainer(ModelConfig(**dials), progress=False).fit(shop.train, shop.val)


def ids(answer: Recommendations) -> list[object]:
    return [one["item_id"] for one in answer]


def types_of(shop: Split, user: str, kind: str) -> set[str]:
    log = pl.concat([shop.train.events, shop.val.events])
    return set(log.filter((pl.col("user_id") == user) & (pl.col("event_type") == kind))["item_id"])


def test_what_was_viewed_is_asked_for_and_what_was_bought_is_not(fitted: ProductionTrainer, shop: Split) -> None:
    recommender = fitted.recommender
    exam = Exam(recommender.engine.processor, recommender.log, shop.test)
    wanted = recommender.engine.processor.items
    users = exam.user_ids.to_list()
    for place, user in enumerate(users[:40]):
        bought = shop.test.events.filter((pl.col("user_id") == user) & (pl.col("event_type") == "buy"))["item_id"]
        told = exam.truth.items[exam.truth.offsets[place] : exam.truth.offsets[place + 1]]
        assert set(wanted.of_rows(told)) == set(bought) - types_of(shop, user, "buy")
    # Nearly all of what is bought in the test was looked at before: as long as that was "seen", nothing could be found.
    figures = fitted.evaluate(shop.test)
    assert figures["two_stage/NDCG@10"] > 3 * figures["popularity/NDCG@10"]
    assert figures["two_stage/NDCG@10"] > 0.8 * figures["repeats/NDCG@10"] > 0


def test_lists_leave_out_what_was_bought_and_nothing_that_was_viewed(fitted: ProductionTrainer, shop: Split) -> None:
    for user in ("u1", "u2", "u3"):
        listed = set(ids(fitted.recommend(user, ITEMS)))
        bought = types_of(shop, user, "buy")
        assert not listed & bought and listed >= types_of(shop, user, "view") - bought
        assert set(ids(fitted.recommend(user, ITEMS, exclude_seen=False))) >= bought
    told = fitted.recommend("u1", 2, reasons=True)[0]["explanation"]
    assert isinstance(told, dict) and "looked at before" in told["features"]
    assert any("repeats" in told for user in range(20) for told in fitted.recommend(f"u{user}", 10).sources)


def test_a_view_that_comes_in_leaves_the_item_in_the_list_and_a_buy_takes_it_out(
    fitted: ProductionTrainer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("shop")
    fitted.save(folder)
    recommender = ProductionTrainer.load(folder).recommender
    changes = Changes(recommender)

    def happened(item: str, kind: str | None) -> None:
        types = None if kind is None else [kind]
        changes.events(["new"], [item], np.array([recommender.state.newest + 1]), np.full(1, np.nan), types)

    first = str(ids(recommender.recommend("new", 1))[0])
    for kind in ("view", "cart", None):
        happened(first, kind)
        assert first in ids(recommender.recommend("new", 10))
        assert explain(recommender, Asked(user_id="new"), first, ITEMS).status == "shown"
    happened(first, "buy")
    assert first not in ids(recommender.recommend("new", ITEMS))
    assert explain(recommender, Asked(user_id="new"), first).status == "seen"
    assert first in ids(recommender.recommend("new", ITEMS, exclude_seen=False))


def test_popular_is_what_is_bought_most(fitted: ProductionTrainer, shop: Split) -> None:
    log = pl.concat([shop.train.events, shop.val.events]).filter(pl.col("event_type") == "buy")
    counts = dict(log["item_id"].value_counts().iter_rows())
    told = fitted.recommender.popular_items(5)
    assert counts[told[0]["item_id"]] == max(counts.values())
    assert [counts[one] for one in ids(told)] == sorted(counts.values(), reverse=True)[:5]
