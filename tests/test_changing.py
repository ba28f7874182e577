"""Events, items and users change the next answer at once; what is forgotten is gone."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from enterprise_recsys import ArtifactError, ConfigError, ModelConfig
from enterprise_recsys.changing import Changes
from enterprise_recsys.data.live import State
from enterprise_recsys.data.processor import DataProcessor
from enterprise_recsys.data.splits import Split
from enterprise_recsys.data.vocabulary import Vocabulary
from enterprise_recsys.engine.gathering import SOURCES
from enterprise_recsys.errors import UnknownItemError
from enterprise_recsys.recommender import FROM_REQUEST, POPULAR, Recommender
from enterprise_recsys.records import ITEM_ID
from enterprise_recsys.trainer import ProductionTrainer

DAY = 86_400_000_000


@pytest.fixture
def changes(trainer: ProductionTrainer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Changes]:
    """A recommender of its own, read from disk, so that the shared one stays as it was trained."""
    folder = tmp_path_factory.mktemp("saved")
    trainer.save(folder)
    yield Changes(Recommender.load(folder))


def ids(answer: list[dict[str, object]]) -> list[object]:
    return [item["item_id"] for item in answer]


def happened(changes: Changes, user: str, items: list[str], *, begin: int = 1) -> None:
    newest = changes.recommender.state.newest
    times = np.array([newest + begin + place for place in range(len(items))])
    changes.events([user] * len(items), items, times, np.full(len(items), np.nan))


def test_events_make_a_stranger_known_and_are_left_out_of_the_next_list(changes: Changes) -> None:
    recommender = changes.recommender
    before = recommender.recommend("stranger", 10)
    assert before.fallback_level == POPULAR
    liked = [str(item) for item in ids(recommender.similar_items(str(ids(before)[0]), 3))]
    happened(changes, "stranger", liked)
    after = recommender.recommend("stranger", 10)
    assert after.fallback_level == FROM_REQUEST and ids(after) != ids(before)
    assert set(ids(after)).isdisjoint(liked)
    assert set(liked) & set(ids(recommender.recommend("stranger", 120, exclude_seen=False)))
    assert ids(recommender.recommend_many(["stranger"], 10, frame="polars").to_dicts()) == ids(after)


def test_the_same_list_as_from_a_history_that_comes_with_the_request(changes: Changes) -> None:
    items = [str(item) for item in ids(changes.recommender.recommend(None, 4))]
    happened(changes, "stranger", items)
    told = changes.recommender.state.of_one(None, 0, history=items)
    known = changes.recommender.state.of_one("stranger", 0)
    assert (told.history == known.history).all()
    assert told.seen.tolist() == known.seen.tolist()
    assert told.statistics.count.tolist() == known.statistics.count.tolist() == [4.0]


@pytest.mark.parametrize("length", [7, 1000])
def test_a_state_that_took_events_is_a_state_made_from_the_whole_log(parts: Split, length: int) -> None:
    log = parts.train
    processor = DataProcessor(ModelConfig(history_length=length)).fit(log)
    ordered = log.events.sort("timestamp", maintain_order=True)
    cut = len(ordered) * 2 // 3
    whole, state = State(processor, log), State(processor, log.with_events(ordered[:cut]))
    rest = ordered[cut:]
    for begin in range(0, len(rest), 97):
        part = rest[begin : begin + 97]
        ratings = part["rating"] if "rating" in part.columns else pl.Series([None] * len(part), dtype=pl.Float64)
        state.update(
            part["user_id"].to_list(),
            part["item_id"].to_list(),
            part["timestamp"].to_physical().to_numpy(),
            ratings.fill_null(np.nan).to_numpy().astype(np.float32),
        )
    users = whole.users.ids.to_list()
    times = np.full(len(users), whole.newest + DAY)
    one, other = whole.of_users(whole.users.rows(users), times), state.of_users(state.users.rows(users), times)
    width = one.history.shape[1]
    assert (one.history == other.history[:, -width:]).all() and (one.ages == other.ages[:, -width:]).all()
    assert not other.history[:, :-width].any(), "no more than empty places"
    assert (one.history > 0).sum(axis=1).max() == min(log.events["user_id"].value_counts()["count"].max(), length)
    assert (one.offsets == other.offsets).all()
    assert (one.seen == other.seen).all() and (one.times == other.times).all()
    for name in ("count", "mean", "std", "recent"):
        assert np.array_equal(getattr(one.statistics, name), getattr(other.statistics, name), equal_nan=True), name
    assert all(np.array_equal(one.columns[name], other.columns[name]) for name in one.columns)
    assert (whole.item_counts == state.item_counts).all()


def test_a_late_event_takes_its_place_in_the_history_by_time(changes: Changes) -> None:
    first, second, third = (str(item) for item in ids(changes.recommender.recommend(None, 3)))
    newest = changes.recommender.state.newest
    for item, time in ((third, newest + 30), (first, newest + 10), (second, newest + 20)):
        changes.events(["stranger"], [item], np.array([time]), np.array([np.nan]))
    rows = changes.recommender.state.of_one("stranger", newest).history[0, -3:]
    assert changes.recommender.engine.processor.items.of_rows(rows).to_list() == [first, second, third]
    assert changes.recommender.state.newest == newest + 30


def test_after_a_long_pause_one_event_does_not_empty_what_was_taken_of_late(changes: Changes) -> None:
    state = changes.recommender.state
    item = state.processor.items.row(str(ids(changes.recommender.recommend(None, 1))[0]))
    now = state.newest + 900 * DAY
    before = state._item_statistics.read(np.array([item]), state.overlay.now(np.array([now])))
    changes.events(["stranger"], [state.processor.items.id(item)], np.array([now]), np.array([np.nan]))
    after = state._item_statistics.read(np.array([item]), state.overlay.now(np.array([now + DAY // 2])))
    assert before.recent[0, 2] > 1 and after.recent[0, 2] == before.recent[0, 2] + 1


def test_popular_items_follow_the_events(changes: Changes) -> None:
    item = str(ids(changes.recommender.recommend(None, 120))[-1])
    for number in range(5):
        happened(changes, f"fan-{number}", [item] * 400)
    assert ids(changes.recommender.recommend(None, 1)) == [item]


def test_a_new_item_gets_the_vector_that_its_features_deserve(changes: Changes, trainer: ProductionTrainer) -> None:
    recommender = changes.recommender
    catalogue = recommender.engine.processor.catalogue
    twin = catalogue.row(4, named=True)
    changes.items({"new": {name: twin[name] for name in catalogue.columns if name != ITEM_ID}}, whole={"new": True})
    engine = recommender.engine
    row = engine.processor.items.row("new")
    assert (
        row == 121 and recommender.n_items == 121 and engine.processor.catalogue.row(120, named=True)[ITEM_ID] == "new"
    )
    # Its own vector is that of the twin with its id hidden, as the item tower of the training framework gives it.
    columns = {name: column[[5]] for name, column in trainer.recommender.item_columns.items()}
    columns[ITEM_ID] = np.array([0])
    assert np.allclose(engine.item_encoder.encode(columns)[0], engine.vectors[row], atol=1e-6)
    assert str(twin[ITEM_ID]) in ids(recommender.similar_items("new", 20))
    everyone = recommender.recommend_many(recommender.log.events["user_id"].unique().to_list(), 50, frame="polars")
    assert "new" in everyone["item_id"].to_list()


def test_a_new_item_may_be_taken_and_its_statistics_count(changes: Changes) -> None:
    changes.items({"new": {}}, whole={"new": True})
    happened(changes, "stranger", ["new", str(ids(changes.recommender.recommend(None, 1))[0])])
    answer = changes.recommender.recommend("stranger", 121)
    assert "new" not in ids(answer) and len(answer) == 119
    row = changes.recommender.engine.processor.items.row("new")
    assert changes.recommender.state.item_counts[row] == 1
    request = changes.recommender.state.of_one("stranger", 0)
    assert row in request.seen and row not in request.history  # the towers have never heard of it
    assert row not in changes.recommender.state.of_one(None, 0, history=["new"]).history


def test_the_item_encoder_agrees_with_the_vectors_of_training(trainer: ProductionTrainer) -> None:
    engine = trainer.recommender.engine
    found = engine.item_encoder.encode(trainer.recommender.item_columns)
    assert np.allclose(found[1:], engine.vectors[1:], atol=1e-6)


def test_an_item_is_patched_over_what_the_catalogue_says(changes: Changes) -> None:
    catalogue = changes.recommender.engine.processor.catalogue
    old = catalogue.row(2, named=True)
    changes.items({old[ITEM_ID]: {"title": "Another"}}, whole={old[ITEM_ID]: False})
    fields = [name for name in catalogue.columns if name != ITEM_ID]
    found = next(
        one for one in changes.recommender.recommend(None, 120, fields=fields) if one["item_id"] == old[ITEM_ID]
    )
    for name in fields:
        assert found[name.removeprefix("item_")] == ("Another" if name == "item_title" else old[name])
    assert catalogue.row(2, named=True) == old  # who holds the older catalogue sees it as it was


def test_a_dropped_item_is_never_shown_until_it_is_put_again(changes: Changes) -> None:
    recommender = changes.recommender
    item = str(ids(recommender.recommend(None, 1))[0])
    user = str(recommender.log.events["user_id"][0])
    held = changes.recommender.n_items
    changes.drop([item, "unheard of"])
    assert changes.recommender.n_items == held - 1
    for answer in (recommender.recommend(None, 120), recommender.recommend(user, 120, exclude_seen=False)):
        assert len(answer) == 119 and item not in ids(answer)
    assert item not in ids(recommender.similar_items(str(ids(recommender.recommend(None, 1))[0]), 119))
    with pytest.raises(UnknownItemError):
        recommender.similar_items(item)
    everyone = recommender.log.events["user_id"].unique().sort().to_list()
    assert item not in recommender.recommend_many(everyone, 120, frame="polars")["item_id"].to_list()
    history = [str(one) for one in ids(recommender.recommend(None, 3))]
    assert len(recommender.recommend(None, 120, history=history)) == 116
    assert len(recommender.recommend(None, 120, history=history, exclude_seen=False)) == 119
    assert recommender.state.of_one(None, 0, history=history).statistics.count.tolist() == [3.0]
    changes.items({item: {}}, whole={item: False})
    assert item in ids(recommender.recommend(None, 120))
    assert item in ids(recommender.recommend(user, 120, exclude_seen=False))


def test_filters_see_items_that_were_put_as_they_are_now(changes: Changes) -> None:
    recommender = changes.recommender
    user = str(recommender.log.events["user_id"][0])
    first, second = (str(item) for item in recommender.engine.processor.catalogue[ITEM_ID][:2])
    assert recommender.recommend(user, 5, filter="title = 'Fresh'") == []
    changes.items({"new": {"title": "Fresh"}, first: {"title": "Fresh"}}, whole={"new": True, first: False})
    for answer in (
        recommender.recommend(user, 5, filter="title = 'Fresh'", exclude_seen=False),
        recommender.recommend(None, 5, filter="title = 'Fresh'"),
        recommender.similar_items(second, 5, filter="title = 'Fresh'"),
    ):
        assert set(ids(answer)) == {"new", first}
    many = recommender.recommend_many(["stranger", user], 120, filter="title != 'Fresh'", frame="polars")
    assert not {"new", first} & set(many["item_id"])
    assert len(recommender.recommend(user, 200, filter="not (title = 'Fresh')", exclude_seen=False)) == 119
    changes.items({"new": {"title": "Stale"}}, whole={"new": False})
    assert ids(recommender.recommend(user, 5, filter="title = 'Fresh'", exclude_seen=False)) == [first]


def test_a_dropped_item_comes_by_no_way(changes: Changes) -> None:
    recommender = changes.recommender
    user = str(recommender.log.events["user_id"][0])
    best = [str(item) for item in ids(recommender.popular_items(6))]
    changes.items({"new": {}}, whole={"new": True})
    happened(changes, "fan", ["new"] * 900)  # everybody's newest favourite, before it is taken away
    assert ids(recommender.popular_items(1)) == ids(recommender.trending_items(1)) == ["new"]
    changes.drop(["new", best[0]])
    away = {"new", best[0]}
    for answer in (
        recommender.popular_items(200),
        recommender.trending_items(200, days=30),
        recommender.recommend(user, 200, exclude_seen=False, include=["new", best[0], best[1]]),
        recommender.recommend(None, 200, include=["new", best[0]]),
        recommender.recommend(user, 200, exclude_seen=False, filter="title is null or title is not null"),
        recommender.recommend(None, 5, diversity=0.9),
        recommender.rank(user, ["new", best[0], best[1], best[2]]),
        recommender.rank(None, ["new", best[0], best[1], best[2]]),
    ):
        assert answer and not away & set(ids(answer))
    assert recommender.rank(user, ["new", best[1], "nowhere"]).unknown == ["new", "nowhere"]
    users = recommender.state.users.rows(recommender.log.events["user_id"].unique().to_list())
    requests = recommender.state.of_users(users, np.full(len(users), recommender.state.newest + 1))
    rows = recommender.engine.processor.items.rows(list(away))
    for found in (recommender.candidates(requests, 10), recommender.retrieve(requests, 50)):
        assert not np.isin(found.rows, rows).any()


def test_a_new_item_that_is_taken_of_late_is_a_candidate_of_those_who_would_not_find_it(changes: Changes) -> None:
    recommender = changes.recommender
    changes.items({"new": {}}, whole={"new": True})
    happened(changes, "fan", ["new"] * 900)
    row = recommender.engine.processor.items.row("new")
    users = recommender.state.users.rows(recommender.log.events["user_id"].unique().to_list())
    requests = recommender.state.of_users(users, np.full(len(users), recommender.state.newest + 1))
    found = recommender.finder.gather(requests, 10)
    assert (found.rows == row).any(axis=1).all()
    assert set(found.sources[found.rows == row].tolist()) <= {SOURCES.index("two_tower"), SOURCES.index("trending")}
    assert not found.said[found.rows == row].any()


def test_rules_hold_for_items_that_came_later(trainer: ProductionTrainer) -> None:
    rules = [
        {"name": "promo", "kind": "pin", "items": ["new"]},
        {"name": "fresh", "kind": "only", "filter": "title = 'Fresh'"},
        {"name": "one", "kind": "cap", "field": "title", "most": 1},
        {"name": "up", "kind": "boost", "filter": "title = 'Fresh'", "plus": 10.0},
    ]
    processor = copy(trainer.recommender.engine.processor)
    processor.items, processor.users = Vocabulary(processor.items.ids), Vocabulary(processor.users.ids)
    processor.config = ModelConfig(**{**processor.config.model_dump(), "rules": rules})
    changes = Changes(Recommender(replace(trainer.recommender.engine, processor=processor), trainer.recommender.log))
    recommender = changes.recommender
    user = str(recommender.log.events["user_id"][0])
    assert "new" not in ids(recommender.recommend(user, 5, rules=["promo"]))
    changes.items({one: {"title": "Fresh"} for one in ("new", "newer")}, whole={"new": True, "newer": True})
    assert ids(recommender.recommend(user, 5, rules=["promo"]))[0] == "new"
    assert ids(recommender.recommend(None, 5, rules=["promo"]))[0] == "new"
    assert set(ids(recommender.recommend(user, 5, rules=["fresh"]))) == {"new", "newer"}
    assert len(recommender.recommend(user, 5, rules=["fresh", "one"])) == 1
    assert set(ids(recommender.recommend(user, 130, rules=["up"]))[:2]) == {"new", "newer"}
    changes.drop(["new"])
    assert "new" not in ids(recommender.recommend(user, 5, rules=["promo"]))
    assert ids(recommender.recommend(None, 5, rules=["fresh"])) == ["newer"]


def test_features_of_a_user_are_laid_over_those_on_record(changes: Changes) -> None:
    recommender, state = changes.recommender, changes.recommender.state
    table = recommender.log.users
    assert table is not None
    names = [name for name in table.columns if name != "user_id"]
    user, other = str(table["user_id"][0]), table.row(1, named=True)
    told = {name: other[name] for name in names}
    changes.user("stranger", told, whole=True)
    slots = np.array([state.users.row("stranger"), state.users.row(str(other["user_id"]))])
    columns = state.of_users(slots, np.array([0, 0])).columns
    for feature in state.processor.of("user"):
        assert np.array_equal(columns[feature.name][0], columns[feature.name][1])
    changes.user(user, {}, whole=False)
    kept = state.of_users(np.array([state.users.row(user)]), np.array([0])).columns
    changes.user(user, {}, whole=True)
    empty = state.of_users(np.array([state.users.row(user)]), np.array([0])).columns
    assert any(not np.array_equal(kept[feature.name], empty[feature.name]) for feature in state.processor.of("user"))
    assert kept["user_id"] == empty["user_id"] > 0


def test_a_forgotten_user_is_a_stranger_in_every_part(changes: Changes) -> None:
    recommender = changes.recommender
    user = str(recommender.log.events["user_id"][0])
    happened(changes, user, [str(ids(recommender.recommend(None, 1))[0])])
    assert changes.forget(user) is True
    answer = recommender.recommend(user, 10)
    assert answer.fallback_level == POPULAR and ids(answer) == ids(recommender.recommend(None, 10))
    assert user not in recommender.log.events["user_id"].to_list()
    assert user not in recommender.state.users.ids.to_list()
    assert user not in recommender.engine.processor.users.ids.to_list()
    assert changes.forget(user) is False
    happened(changes, user, [str(ids(recommender.recommend(None, 1))[0])])
    assert len(recommender.state.of_one(user, 0).seen) == 1


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"colour": "red"}, "feature 'colour' is unknown; known: item_"),
        ({"item_id": "x"}, "feature 'item_id' is unknown"),
        ({"title": 3}, "feature 'item_title' is wrong: it should be a text, and a int was told"),
        ({"title": "a", "item_title": "b"}, "feature 'item_title' is told twice"),
    ],
)
def test_a_wrong_feature_of_an_item_is_refused(changes: Changes, features: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        changes.check_item("new", features)


def test_a_wrong_feature_of_a_user_is_refused(changes: Changes) -> None:
    with pytest.raises(ConfigError, match="feature 'colour' is unknown; known: user_"):
        changes.check_user("u", {"colour": "red"})


def test_a_changed_recommender_is_not_saved_as_if_it_were_trained(changes: Changes, tmp_path) -> None:
    changes.items({"new": {}}, whole={"new": True})
    with pytest.raises(ArtifactError, match="1 items were put and 0 vectors of the trained"):
        changes.recommender.save(tmp_path)
