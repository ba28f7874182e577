"""Over HTTP: events change the next list, items come and go, pages do not repeat, an erased user is gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from enterprise_recsys.errors import BusyError, StoreError
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service import living as module
from enterprise_recsys.service.app import create_app
from enterprise_recsys.service.keeping import Keeping
from enterprise_recsys.service.living import Living
from enterprise_recsys.service.settings import Settings
from enterprise_recsys.state.interface import Row
from enterprise_recsys.state.sqlite import SqliteStore
from enterprise_recsys.trainer import ProductionTrainer

Json = dict[str, object]


@pytest.fixture(scope="module")
def saved(trainer: ProductionTrainer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    trainer.save(folder)
    return folder


def served(saved: Path, keeping: Keeping) -> TestClient:
    return TestClient(create_app(Settings(saved, is_open=True, keeping=keeping), Recommender.load(saved)))


@pytest.fixture
def client(saved: Path, tmp_path: Path) -> Iterator[TestClient]:
    with served(saved, Keeping(tmp_path / "live", "normal")) as made:
        yield made


def ids(client: TestClient, user: str | None, **message: object) -> list[str]:
    answer = client.post("/v1/recommend", json={"user_id": user, **message})
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def happened(client: TestClient, user: str, items: list[str], **further: object) -> Json:
    answer = client.post("/v1/events", json={"events": [{"user_id": user, "item_id": one, **further} for one in items]})
    assert answer.status_code == 200, answer.text
    body: Json = answer.json()
    return body


def test_three_events_change_the_next_list(client: TestClient) -> None:
    before = ids(client, "new")
    similar = client.post("/v1/similar", json={"item_id": before[0], "k": 2}).json()["items"]
    liked = [before[0], *(item["item_id"] for item in similar)]
    assert happened(client, "new", liked) == {"stored": 3, "duplicates": 0, "erased": 0, "hints": 0, "ignored": []}
    after = client.post("/v1/recommend", json={"user_id": "new"}).json()
    assert after["fallback_level"] == 1
    shown = [item["item_id"] for item in after["items"]]
    assert shown != before and set(shown).isdisjoint(liked)
    assert client.get("/recommend/new").headers["x-fallback-level"] == "1"


def test_the_context_of_events_is_kept_and_names_that_the_model_does_not_know_are_told(client: TestClient) -> None:
    context = {"device": "tv", "wether": "rain", "mood": None}
    answer = happened(client, "u", ["17", "18"], context=context)
    assert answer["stored"] == 2 and answer["ignored"] == ["wether"], "of the made world's events the device is known"
    (first, second) = client.app.state.living.store.changes(0)  # type: ignore[attr-defined]
    assert first.event.context == second.event.context == {"device": "tv", "wether": "rain"}
    wrong = client.post("/v1/events", json={"events": [{"user_id": "u", "item_id": "17", "context": {"a": {"b": 1}}}]})
    assert wrong.status_code == 422


def test_where_buys_are_the_success_a_view_leaves_the_item_in_the_list_and_a_buy_takes_it_out(
    saved: Path, tmp_path: Path
) -> None:
    recommender = Recommender.load(saved)
    processor = recommender.engine.processor
    processor.config = processor.config.model_copy(update={"positive_event_types": ("buy",)})
    settings = Settings(saved, is_open=True, keeping=Keeping(tmp_path / "live", "normal"))
    with TestClient(create_app(settings, recommender)) as client:
        item = ids(client, "new")[0]
        kept = {"stored": 1, "duplicates": 0, "erased": 0, "ignored": []}
        assert happened(client, "new", [item], event_type="view") == {**kept, "hints": 1}
        assert happened(client, "new", [item]) == {**kept, "hints": 1}  # of no type: a hint as well
        told = client.post("/v1/explain", json={"user_id": "new", "item_id": item}).json()
        assert item in ids(client, "new", k=100) and told["status"] != "seen" and told["fallback_level"] == 1
        assert happened(client, "new", [item], event_type="buy") == {**kept, "hints": 0, "ignored": []}
        assert item not in ids(client, "new", k=100)
        assert client.post("/v1/explain", json={"user_id": "new", "item_id": item}).json()["status"] == "seen"


def test_an_impression_is_kept_and_changes_no_list(saved: Path, tmp_path: Path) -> None:
    recommender = Recommender.load(saved)
    processor = recommender.engine.processor
    processor.config = processor.config.model_copy(update={"impression_event_types": ("impression",)})
    settings = Settings(saved, is_open=True, keeping=Keeping(tmp_path / "live", "normal"))
    with TestClient(create_app(settings, recommender)) as client:
        before = ids(client, "new")
        kept = {"stored": 2, "duplicates": 0, "erased": 0, "ignored": []}
        assert happened(client, "new", before[:2], event_type="impression") == {**kept, "hints": 2}
        assert ids(client, "new") == before
        told = client.post("/v1/recommend", json={"user_id": "new"}).json()
        assert told["fallback_level"] == 2, "nobody knows anything of who was merely shown something"
        assert len(client.app.state.living.store.changes(0)) == 2  # type: ignore[attr-defined]
        assert happened(client, "new", before[:2], event_type="click") == {**kept, "hints": 0}
        assert not set(before[:2]) & set(ids(client, "new"))


def test_an_event_sent_twice_counts_once(client: TestClient) -> None:
    assert happened(client, "new", ["17"], event_id="e1") == {
        "stored": 1,
        "duplicates": 0,
        "erased": 0,
        "hints": 0,
        "ignored": [],
    }
    assert happened(client, "new", ["17"], event_id="e1") == {
        "stored": 0,
        "duplicates": 1,
        "erased": 0,
        "hints": 0,
        "ignored": [],
    }
    living: Living = client.app.state.living  # type: ignore[attr-defined]
    assert living.recommender.state.of_one("new", 0).statistics.count.tolist() == [1.0]


def test_what_was_kept_is_known_after_a_restart(saved: Path, tmp_path: Path) -> None:
    keeping = Keeping(tmp_path / "live", "normal")
    with served(saved, keeping) as client:
        taken = ids(client, None, k=4)
        happened(client, "new", taken[:3])
        assert client.put("/v1/items/n1", json={"features": {"title": "Fresh"}}).status_code == 200
        assert client.delete(f"/v1/items/{taken[3]}").status_code == 200
        before = client.post("/v1/recommend", json={"user_id": "new", "k": 200}).json()["items"]
    with served(saved, keeping) as client:
        after = client.post("/v1/recommend", json={"user_id": "new", "k": 200}).json()["items"]
    assert [item["item_id"] for item in after] == [item["item_id"] for item in before]
    assert "n1" in [item["item_id"] for item in after]


def test_an_item_is_put_shown_changed_and_taken_away(client: TestClient) -> None:
    assert client.put("/v1/items/n1", json={"features": {"title": "Fresh"}}).json() == {"item_id": "n1"}
    everything = client.post("/v1/recommend", json={"k": 200, "fields": ["title"]}).json()["items"]
    assert {item["item_id"]: item["title"] for item in everything}["n1"] == "Fresh"
    assert client.patch("/v1/items/n1", json={"features": {"title": "Stale"}}).status_code == 200
    everything = client.post("/v1/recommend", json={"k": 200, "fields": ["title"]}).json()["items"]
    assert {item["item_id"]: item["title"] for item in everything}["n1"] == "Stale"
    assert client.delete("/v1/items/n1").status_code == 200
    assert "n1" not in ids(client, None, k=200)
    assert client.post("/v1/similar", json={"item_id": "n1"}).status_code == 404
    assert client.delete("/v1/items/unheard").status_code == 404


def test_a_users_features_are_put_and_taken_away(client: TestClient) -> None:
    living: Living = client.app.state.living  # type: ignore[attr-defined]
    name = living.recommender.engine.processor.of("user")[0].name
    value = living.recommender.engine.processor.of("user")[0].values[0]
    assert client.put("/v1/users/new", json={"features": {name: value}}).json() == {"user_id": "new"}
    assert client.post("/v1/recommend", json={"user_id": "new"}).json()["fallback_level"] == 1
    assert client.delete("/v1/users/new").json() == {"user_id": "new", "erased": None}
    assert client.post("/v1/recommend", json={"user_id": "new"}).json()["fallback_level"] == 2
    assert client.patch("/v1/users/new", json={"features": {name: value}}).status_code == 200
    assert client.post("/v1/recommend", json={"user_id": "new"}).json()["fallback_level"] == 1


def test_an_erased_user_is_gone_from_every_store(client: TestClient, tmp_path: Path) -> None:
    name = "canary-51c0"
    happened(client, name, ["17", "23"])
    ids(client, name)
    ids(client, "42")
    answer = client.delete(f"/v1/users/{name}?erase=true")
    assert answer.json() == {"user_id": name, "erased": {"events": 2, "slates": 1, "profiles": 0}}
    assert [path.name for path in tmp_path.rglob("*") if path.is_file() and name.encode() in path.read_bytes()] == []
    assert client.post("/v1/recommend", json={"user_id": name}).json()["fallback_level"] == 2
    old = "2020-01-01T00:00:00Z"
    assert happened(client, name, ["17"], timestamp=old) == {
        "stored": 0,
        "duplicates": 0,
        "erased": 1,
        "hints": 0,
        "ignored": [],
    }


def test_a_user_of_the_training_log_stays_erased_after_a_restart(saved: Path, tmp_path: Path) -> None:
    keeping = Keeping(tmp_path / "live", "normal")
    with served(saved, keeping) as client:
        user = str(client.app.state.living.recommender.log.events["user_id"][0])  # type: ignore[attr-defined]
        assert client.post("/v1/recommend", json={"user_id": user}).json()["fallback_level"] == 0
        client.delete(f"/v1/users/{user}?erase=true")
        assert client.post("/v1/recommend", json={"user_id": user}).json()["fallback_level"] == 2
    with served(saved, keeping) as client:
        assert client.post("/v1/recommend", json={"user_id": user}).json()["fallback_level"] == 2


def test_pages_hold_every_item_once(client: TestClient) -> None:
    shown: list[str] = []
    cursor = None
    for _ in range(20):
        body = client.post("/v1/recommend", json={"user_id": "42", "k": 13, "cursor": cursor}).json()
        assert [item["rank"] for item in body["items"]] == list(
            range(len(shown) + 1, len(shown) + 1 + len(body["items"]))
        )
        shown += [item["item_id"] for item in body["items"]]
        cursor = body["next_cursor"]
        if cursor is None:
            break
        happened(client, "42", [shown[-1]])  # what happens in between moves the order, and repeats nothing
    everything = ids(client, "42", k=200)
    assert len(shown) == len(set(shown)) and set(everything) <= set(shown)
    assert cursor is None


def test_pages_under_a_filter_hold_what_it_allows_once(client: TestClient) -> None:
    for item in ("new-1", "new-2", "new-3", "new-4", "new-5"):
        assert client.put(f"/v1/items/{item}", json={"features": {"title": "Fresh"}}).status_code == 200
    message = {"user_id": "42", "k": 2, "filter": "title = 'Fresh'", "include": ["new-4"], "reasons": True}
    found, cursor = [], None
    for length in (2, 2, 1):
        body = client.post("/v1/recommend", json={**message, "cursor": cursor}).json()
        assert [item["rank"] for item in body["items"]] == list(range(len(found) + 1, len(found) + length + 1))
        assert all("reasons" in item and item["propensity"] == 1.0 for item in body["items"])
        found += [item["item_id"] for item in body["items"]]
        cursor = body["next_cursor"]
    assert cursor is None and "new-4" in found[:2]
    assert sorted(found) == ["new-1", "new-2", "new-3", "new-4", "new-5"]
    assert client.delete("/v1/items/new-2").status_code == 200
    assert "new-2" not in ids(client, "42", k=5, filter="title = 'Fresh'", include=["new-2"])
    ranked = client.post("/v1/rank", json={"user_id": "42", "items": ["new-1", "new-2"]}).json()
    assert [item["item_id"] for item in ranked["items"]] == ["new-1"] and ranked["unknown"] == ["new-2"]


def test_a_cursor_of_another_user_is_refused(client: TestClient) -> None:
    cursor = client.post("/v1/recommend", json={"user_id": "42"}).json()["next_cursor"]
    answer = client.post("/v1/recommend", json={"user_id": "43", "cursor": cursor})
    assert answer.status_code == 422 and "begin again without one" in answer.json()["detail"]


def test_a_refresh_shows_what_was_not_just_shown(client: TestClient) -> None:
    first = ids(client, "42", exclude_served=True)
    second = ids(client, "42", exclude_served=True)
    time.sleep(2.5 * module.FOLLOW_S)  # now they are in the store, no longer in the buffer
    third = ids(client, "42", exclude_served=True)
    assert len({*first, *second, *third}) == 30
    assert ids(client, "42", surface="cart", exclude_served=True) == first


def test_every_answer_is_in_the_slate_log_as_it_was_shown(saved: Path, tmp_path: Path) -> None:
    keeping = Keeping(tmp_path / "live", "normal", explore_items=0.5, explore_positions=0.5)
    with served(saved, keeping) as client:
        body = client.post("/v1/recommend", json={"user_id": "42", "k": 20, "surface": "cart"}).json()
        simple = client.get("/recommend/42?k=3")
    assert "propensity" not in simple.json()["recommendations"][0]
    store = SqliteStore(tmp_path / "live")
    (_, slate), (_, other) = store.slates()
    store.close()
    assert (slate.recommendation_id, slate.user_id, slate.surface) == (body["recommendation_id"], "42", "cart")
    assert list(slate.items) == [item["item_id"] for item in body["items"]] and len(slate.items) == 20
    assert list(slate.propensities) == [item["propensity"] for item in body["items"]]
    assert list(slate.scores) == pytest.approx([item["score"] for item in body["items"]])
    assert 0 < min(slate.propensities) < 1
    assert (slate.fallback_level, slate.model_version, slate.first) == (0, body["model_version"], 1)
    assert other.recommendation_id == simple.headers["x-recommendation-id"] and other.surface == "home"


def test_workers_that_share_a_folder_learn_from_each_other(saved: Path, tmp_path: Path) -> None:
    keeping = Keeping(tmp_path / "live", "normal")
    with served(saved, keeping) as one, served(saved, keeping) as other:
        liked = ids(one, "new")[:3]
        happened(one, "new", liked)
        one.put("/v1/items/n1", json={"features": {"title": "Fresh"}})
        deadline = time.monotonic() + 5
        while ids(other, "new") != ids(one, "new") or "n1" not in ids(other, None, k=200):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert set(ids(other, "new")).isdisjoint(liked)
        assert ids(other, "42", k=200) == ids(one, "42", k=200)
        user = str(one.app.state.living.recommender.log.events["user_id"][0])  # type: ignore[attr-defined]
        other.delete(f"/v1/users/{user}?erase=true")
        while one.post("/v1/recommend", json={"user_id": user}).json()["fallback_level"] != 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_full_store_is_503_and_lists_go_on(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    store = client.app.state.living.store  # type: ignore[attr-defined]

    def busy(*_: object) -> None:
        raise BusyError("4 writes wait for the disk already.")

    monkeypatch.setattr(store, "append", busy)
    monkeypatch.setattr(store, "log", busy)
    answer = client.post("/v1/events", json={"events": [{"user_id": "u", "item_id": "17"}]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "urn:problem-type:recsys:busy"
    assert len(ids(client, "42")) == 10


def test_a_broken_store_is_503_without_its_path_and_lists_go_on(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = client.app.state.living.store  # type: ignore[attr-defined]

    def broken(*_: object) -> None:
        raise StoreError("/secret/place cannot be read.")

    for name in ("append", "changes", "served", "log"):
        monkeypatch.setattr(store, name, broken)
    with caplog.at_level(logging.ERROR):
        answer = client.post("/v1/events", json={"events": [{"user_id": "u", "item_id": "17"}]})
        assert answer.status_code == 503 and "secret" not in answer.text
        assert len(ids(client, "42", exclude_served=True)) == 10
    assert any("/secret/place" in record.getMessage() for record in caplog.records)


def test_a_slate_log_that_cannot_keep_up_gives_up_the_oldest(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BUFFERED", 3)
    keeping = Keeping()
    living = Living(Recommender.load(saved), keeping.opened(), keeping)
    from tests.state.test_contract import slate

    for name in "abcde":
        living.log(slate(name))
    living.flush()
    assert [one.recommendation_id for _, one in living.store.slates()] == ["c", "d", "e"] and living.lost == 2


def test_what_another_model_had_as_features_is_passed_over(
    saved: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(tmp_path, sync="normal")
    store.put("items", "odd", Row({"colour": "red"})).result()
    store.put("items", "fine", Row({"title": "Fine"})).result()
    living = Living(Recommender.load(saved), store, replace(Keeping(), folder=tmp_path))
    living.follow()
    assert living.changes.knows_item("fine") and not living.changes.knows_item("odd")
    assert "does not fit this model: feature 'colour' is unknown" in caplog.text
    living.close()
