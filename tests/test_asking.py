"""What a request tells is taken by its name, in full or short; what the model can make nothing of is told back."""

from __future__ import annotations

import pytest

from enterprise_recsys.asking import KINDS, Asked, taken
from enterprise_recsys.data.features import FEATURES
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.trainer import ProductionTrainer

STRANGER = "never seen"


@pytest.fixture(scope="module")
def recommender(trainer: ProductionTrainer) -> Recommender:
    return trainer.recommender


def test_short_names_are_as_good_as_full_ones(recommender: Recommender) -> None:
    processor = recommender.engine.processor
    assert taken({"age": 30, "user_country": "SE"}, "user", processor) == ({"user_age": 30, "user_country": "SE"}, [])
    full = recommender.recommend(STRANGER, 10, user_features={"user_age": 70, "user_country": "SE"})
    short = recommender.recommend(STRANGER, 10, user_features={"age": 70, "country": "SE"})
    other = recommender.recommend(STRANGER, 10, user_features={"age": 15, "country": "DE"})
    assert list(full) == list(short) != list(other)


def test_what_the_model_can_make_nothing_of_is_told_and_changes_nothing(recommender: Recommender) -> None:
    odd = {"shoe": 43, "user_age": "old", "age": 30, "segment": None}
    assert taken(odd, "user", recommender.engine.processor) == ({"user_segment": None}, ["shoe", "user_age", "age"])
    answer = recommender.recommend(STRANGER, 3, user_features={"shoe": 43}, context={"device": "tv", "weather": "fine"})
    assert (answer.ignored, answer.fallback_level) == (["shoe", "weather"], 2)
    assert recommender.recommend("42", 3).ignored == []


def test_every_kind_of_feature_says_what_it_takes() -> None:
    assert set(KINDS) | {"vector", "skip"} >= set(FEATURES)


def test_a_question_is_the_same_by_name_and_by_object(recommender: Recommender) -> None:
    asked = Asked(user_id="42", history=["i3", "i4"], exclude=["i5"], filter="price < 20")
    by_name = recommender.recommend("42", 5, history=["i3", "i4"], exclude=["i5"], filter="price < 20")
    assert list(recommender.answer(asked, 5)) == list(by_name)
    given = recommender.rank("42", ["i9", "i7"], history=["i3"])
    assert list(recommender.ranked(Asked(user_id="42", history=["i3"], exclude_seen=True), ["i9", "i7"])) == list(given)


def test_trending_items_are_brought_by_the_trend(recommender: Recommender) -> None:
    assert {one for each in recommender.trending_items(3, days=30).sources for one in each} == {"trending"}
    assert {one for each in recommender.popular_items(3).sources for one in each} == {"popular"}
