"""Filters, rules and diversity hold for what a trained model answers, and k is filled as far as they allow."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ConfigError, ModelConfig
from enterprise_recsys.asking import Asked
from enterprise_recsys.data.splits import Split
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.trainer import ProductionTrainer

STRANGER = "never seen"


@pytest.fixture(scope="module")
def recommender(trainer: ProductionTrainer) -> Recommender:
    return trainer.recommender


@pytest.fixture(scope="module")
def catalogue(recommender: Recommender) -> pl.DataFrame:
    return recommender.engine.processor.catalogue


def ruled(recommender: Recommender, *rules: dict[str, object], **dials: object) -> Recommender:
    """The same model with rules."""
    processor = recommender.engine.processor
    before = processor.config
    try:
        processor.config = ModelConfig(**{**before.model_dump(), "rules": list(rules), **dials})
        return Recommender(replace(recommender.engine), recommender.log)  # its quotas are read anew
    finally:
        processor.config = before


def ids(answer: list[dict[str, object]]) -> list[object]:
    return [item["item_id"] for item in answer]


@pytest.mark.parametrize("user", ["42", STRANGER])
def test_a_filter_fills_k_with_what_it_allows(recommender: Recommender, catalogue: pl.DataFrame, user: str) -> None:
    name = catalogue.columns[1]
    wanted = catalogue[name].drop_nulls()[0]
    value = wanted if catalogue[name].dtype.is_numeric() else f"'{wanted}'"
    allowed = set(catalogue.filter(pl.col(name) == wanted)["item_id"])
    answer = recommender.recommend(user, 500, filter=f"{name} = {value}", exclude_seen=False)
    assert set(ids(answer)) == allowed
    assert set(ids(recommender.recommend(user, 2, filter=f"`{name}` = {value}"))) <= allowed
    assert recommender.recommend(user, 5, filter=f"{name} is null and {name} is not null") == []


def test_included_items_are_there_seen_or_not_and_exclude_goes_over_them(recommender: Recommender) -> None:
    seen = recommender.state.histories
    slot = recommender.state.users.row("42")
    had = recommender.engine.processor.items.of_rows(seen.items[seen.starts[slot] : seen.starts[slot] + 1])[0]
    last = ids(recommender.recommend("42", 500))[-1]
    answer = recommender.recommend("42", 5, include=[had, last, "nowhere"], reasons=True)
    assert len(answer) == 5 and {had, last} <= set(ids(answer))
    assert next(item["reasons"] for item in answer if item["item_id"] == last) == ["include: asked for"]
    assert last not in ids(recommender.recommend("42", 5, include=[last], exclude=[last]))


def test_a_pin_stands_at_its_place_for_those_who_ask_for_it(recommender: Recommender) -> None:
    last = ids(recommender.recommend("42", 500))[-1]
    pinned = ruled(recommender, {"name": "promo", "kind": "pin", "items": [last], "place": 3})
    assert ids(pinned.recommend("42", 5)) == ids(recommender.recommend("42", 5))
    answer = pinned.recommend("42", 5, rules=["promo"], reasons=True)
    assert ids(answer)[2] == last and answer[2]["reasons"] == ["promo: pinned"]
    assert ids(pinned.recommend(STRANGER, 5, rules=["promo"]))[2] == last
    with pytest.raises(ConfigError, match="rule 'prom' is unknown; did you mean 'promo'"):
        pinned.recommend("42", 5, rules=["prom"])
    with pytest.raises(ConfigError, match="rule 'x' is unknown; the config has no rules"):
        recommender.recommend("42", rules=["x"])


@pytest.mark.parametrize("user", ["42", STRANGER])
def test_a_cap_is_kept_and_the_list_is_searched_on_until_it_is_full(
    recommender: Recommender, catalogue: pl.DataFrame, user: str
) -> None:
    # What the first search finds is all of one kind: only a second one finds the others.
    request = recommender.question(Asked(user_id=user, exclude_seen=False)).request
    stage = recommender.popular if user == STRANGER else recommender.retrieve
    first = recommender.engine.processor.items.of_rows(stage(request, 60).rows[0]).to_list()
    processor = recommender.engine.processor
    before, configured = processor.catalogue, processor.config
    processor.catalogue = catalogue.with_columns(
        item_group=pl.when(pl.col("item_id").is_in(first)).then(pl.lit("many")).otherwise(pl.col("item_id"))
    )
    try:
        rule = {"name": "two", "kind": "cap", "field": "group", "most": 2, "always": True}
        capped = ruled(recommender, rule)
        few = {"candidates": 20, "neighbour_candidates": 0, "trending_candidates": 0}
        processor.config = configured.model_copy(update=few)
        answer = capped.recommend(user, 6, exclude_seen=False)
        many = [item["item_id"] for item in answer if item["item_id"] in first]
        others = [item["item_id"] for item in answer if item["item_id"] not in first]
        # Each kind's own best: the two of the many, and the four that a filter finds among the others alone.
        assert many == ids(capped.recommend(user, 2, exclude_seen=False, filter="group = 'many'"))
        assert others == ids(capped.recommend(user, 4, exclude_seen=False, filter="group != 'many'"))
        lists = capped.recommend_many([user, "7"], 6, frame="polars")
        assert (lists.group_by("user_id").len()["len"] == 6).all()
    finally:
        processor.catalogue, processor.config = before, configured


def test_diversity_lowers_the_likeness_of_a_list_and_none_leaves_it(recommender: Recommender) -> None:
    def likeness(user: str, diversity: float | None) -> float:
        rows = recommender.engine.processor.items.rows(ids(recommender.recommend(user, 10, diversity=diversity)))
        vectors = recommender.engine.vectors[rows]
        return float((vectors @ vectors.T)[np.triu_indices(10, 1)].mean())

    for user in ("42", "7", "111", "240"):
        none, half, all_ = (likeness(user, dial) for dial in (0.0, 0.5, 1.0))
        assert none >= half >= all_ and none > all_ and none == likeness(user, None)
    with pytest.raises(ConfigError, match="diversity=1.5 is out of range; it should be from 0 to 1"):
        recommender.recommend("42", diversity=1.5)


def test_the_config_s_diversity_holds_for_every_list(recommender: Recommender) -> None:
    varied = ruled(recommender, diversity=0.7)
    assert ids(varied.recommend("42")) == ids(recommender.recommend("42", diversity=0.7))
    many = varied.recommend_many(["42"], frame="polars")
    assert many["item_id"].to_list() == ids(varied.recommend("42"))
    assert varied.recommend_many(["42"], diversity=0.0, frame="polars")["item_id"].to_list() == ids(
        recommender.recommend("42")
    )


def test_a_plain_list_is_what_it_was(recommender: Recommender) -> None:
    answer = recommender.recommend("42", 10)
    assert [item["score"] for item in answer] == sorted((item["score"] for item in answer), reverse=True)  # type: ignore[type-var]
    assert set(answer[0]) == {"item_id", "score", "rank"}


def test_a_given_list_is_ranked_and_unknown_ids_are_told(recommender: Recommender) -> None:
    order = ids(recommender.recommend("42", 50, exclude_seen=False))
    given = [order[9], "nowhere", order[2], order[5], order[2]]
    answer = recommender.rank("42", [str(item) for item in given])
    assert ids(answer) == [order[2], order[5], order[9]] and answer.unknown == ["nowhere"]
    assert answer.fallback_level == 0
    stranger = recommender.rank(STRANGER, [str(item) for item in given])
    assert stranger.fallback_level == 2 and set(ids(stranger)) == {order[2], order[5], order[9]}
    assert recommender.rank("42", []) == [] and recommender.rank("42", ["x"]).unknown == ["x"]


def test_popular_and_trending_count_all_time_and_the_last_days(recommender: Recommender) -> None:
    events = recommender.log.events
    ever = events["item_id"].value_counts(sort=True)
    popular = recommender.popular_items(3)
    assert popular[0]["score"] == 1.0 and ever.filter(pl.col("item_id") == popular[0]["item_id"])["count"][0] == (
        ever["count"].max()
    )
    for days in (1, 7, 30):
        cut = events["timestamp"].max() - pl.duration(days=days)  # type: ignore[operator]
        late = events.filter(pl.col("timestamp") >= cut)["item_id"].value_counts()
        counts = dict(late.iter_rows())
        found = ids(recommender.trending_items(5, days=days))
        assert [counts[item] for item in found] == sorted(counts.values(), reverse=True)[: len(found)]
    only = recommender.trending_items(5, filter=f"item_id = '{popular[1]['item_id']}'")
    assert ids(only) in ([popular[1]["item_id"]], [])
    with pytest.raises(ConfigError, match="days=2 is wrong; counted are the last 1, 7, 30"):
        recommender.trending_items(5, days=2)


def test_similar_items_keep_to_a_filter(recommender: Recommender) -> None:
    first = recommender.engine.processor.items.id(1)
    other = ids(recommender.similar_items(first, 5))[3]
    assert ids(recommender.similar_items(first, 5, filter=f"item_id in ['{other}', '{first}']")) == [other]


def test_a_rule_that_does_not_fit_the_items_is_refused_before_the_training(parts: Split) -> None:
    config = ModelConfig(rules=[{"name": "dear", "kind": "boost", "filter": "colour = 'red'", "factor": 2}], threads=1)
    told: list[object] = []
    with pytest.raises(ConfigError, match="rule 'dear': the filter is wrong at character 1, .* no field 'colour'"):
        ProductionTrainer(config, progress=told.append).fit(parts.train, parts.val)
    assert told == []
