"""Each endpoint passes on what it was told, once, and answers in its promised shape."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import FastAPI
from starlette.routing import Route
from starlette.testclient import TestClient

from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.events import router as events
from enterprise_recsys.service.explain import router as explain
from enterprise_recsys.service.health import router as health
from enterprise_recsys.service.items import router as items
from enterprise_recsys.service.routes import router

Check = Callable[[str, bytes, int], dict[str, object]]
STAGES = {"retrieve": 0.5, "total": 0.75}
LOGGED = {"sources": ["two_tower"], "propensity": 1.0}
FIRST_TWO = [{"item_id": "i1", "score": 1.0, "rank": 1}, {"item_id": "i2", "score": 0.5, "rank": 2}]


def test_the_simple_route_answers_in_exactly_the_promised_shape(client: TestClient) -> None:
    answer = client.get("/recommend/42?k=2")
    assert answer.status_code == 200
    assert answer.json() == {"user_id": "42", "recommendations": FIRST_TWO}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-fallback-level"] == "0"
    assert answer.headers["x-model-version"] == "v7"
    assert answer.headers["cache-control"] == "no-store"


def test_the_simple_route_wants_ten_unless_told(client: TestClient, calls: list[dict[str, object]]) -> None:
    client.get("/recommend/42")
    assert calls[0]["k"] == 10


def test_the_simple_route_shows_fields_that_are_asked_for(client: TestClient) -> None:
    answer = client.get("/recommend/42?k=1&fields=title")
    assert answer.json()["recommendations"] == [{"item_id": "i1", "score": 1.0, "rank": 1, "title": "I1"}]


def test_an_id_in_the_path_may_hold_any_printable_sign(client: TestClient) -> None:
    assert client.get("/recommend/%F0%9F%99%82%20%22%3C%25").json()["user_id"] == '🙂 "<%'


def test_an_unknown_user_gets_popular_items_and_a_header_that_says_so(client: TestClient) -> None:
    assert client.get("/recommend/stranger").headers["x-fallback-level"] == "2"


def test_more_than_the_catalogue_holds_gives_the_catalogue(client: TestClient) -> None:
    assert len(client.get("/recommend/42?k=1000").json()["recommendations"]) == 5


def test_a_version_that_is_no_header_text_is_made_one(client: TestClient, recommender: Recommender) -> None:
    recommender.model_version = "v\r\nX-Forged: 1 é"
    answer = client.get("/recommend/42")
    assert answer.headers["x-model-version"] == "v??X-Forged:?1??"
    assert "x-forged" not in answer.headers


def test_recommend_passes_on_every_field(client: TestClient, calls: list[dict[str, object]]) -> None:
    message = {
        "user_id": "u",
        "k": 3,
        "history": ["i2", "i9"],
        "user_features": {"age": 30, "unknown": None},
        "context": {"device": "phone", "tags": ["a", "b"]},
        "filter": "year >= 1990",
        "include": ["i3"],
        "exclude": ["i1"],
        "exclude_seen": False,
        "diversity": 0.3,
        "rules": ["promo"],
        "reasons": True,
        "fields": ["title"],
    }
    answer = client.post("/v1/recommend", json=message)
    assert answer.status_code == 200
    assert calls == [{**message, "user_features": {"age": 30}, "exclude": ("i1",)}]
    body = answer.json()
    assert body.pop("took_ms") == STAGES
    assert len(body.pop("recommendation_id")) == 24 and body.pop("next_cursor")
    assert body == {
        "user_id": "u",
        "items": [
            {"item_id": "i2", "score": 1.0, "rank": 1, "title": "I2", **LOGGED},
            {"item_id": "i3", "score": 0.5, "rank": 2, "title": "I3", **LOGGED},
            {"item_id": "i4", "score": 1 / 3, "rank": 3, "title": "I4", **LOGGED},
        ],
        "fallback_level": 1,
        "model_version": "v7",
        "ignored": [],
    }
    assert answer.headers["cache-control"] == "no-store"


def test_the_times_of_a_history_are_passed_on_beside_its_items(
    client: TestClient, calls: list[dict[str, object]]
) -> None:
    message = {"history": ["i2", "i9"], "history_times": ["2026-03-01T12:00:00+01:00", None]}
    assert client.post("/v1/recommend", json=message).status_code == 200
    assert calls[0]["history"] == [("i2", datetime(2026, 3, 1, 11, tzinfo=UTC)), ("i9", None)]


def test_recommend_needs_nothing(client: TestClient) -> None:
    body = client.post("/v1/recommend", json={}).json()
    assert (body["user_id"], body["fallback_level"], len(body["items"])) == (None, 2, 5)


def test_similar_gives_the_others(client: TestClient) -> None:
    body = client.post("/v1/similar", json={"item_id": "i1", "k": 1, "fields": ["title"]}).json()
    assert body.pop("took_ms") == STAGES
    assert len(body.pop("recommendation_id")) == 24
    assert body == {
        "item_id": "i1",
        "fallback_level": 0,
        "items": [{"item_id": "i2", "score": 1.0, "rank": 1, "title": "I2", **LOGGED}],
        "model_version": "v7",
    }


def test_rank_orders_the_given_items_and_tells_the_unknown_ones(
    client: TestClient, calls: list[dict[str, object]]
) -> None:
    message = {"user_id": "42", "items": ["i2", "zz", "i1"], "history": ["i5"], "context": {"device": "tv"}}
    body = client.post("/v1/rank", json={**message, "diversity": 0.5, "user_features": {"age": 3}}).json()
    assert body.pop("took_ms") == STAGES
    assert len(body.pop("recommendation_id")) == 24
    assert body == {
        "user_id": "42",
        "fallback_level": 0,
        "model_version": "v7",
        "items": [{**item, **LOGGED} for item in FIRST_TWO],
        "ignored": [],
        "unknown": ["zz"],
    }
    (call,) = calls
    assert call == {**call, **message, "diversity": 0.5, "user_features": {"age": 3}, "fields": []}


def test_popular_and_trending_pass_on_the_query(client: TestClient, calls: list[dict[str, object]]) -> None:
    body = client.get("/v1/popular?k=2&filter=year%20%3E%3D%201990&fields=title").json()
    assert [item["item_id"] for item in body["items"]] == ["i1", "i2"] and set(body) == {
        "recommendation_id",
        "items",
        "fallback_level",
        "model_version",
        "took_ms",
    }
    found = client.get("/v1/trending?k=2&days=30").json()["items"]
    assert found == [{**item, **LOGGED} for item in FIRST_TWO]
    client.get("/v1/trending")
    assert calls == [
        {"k": 2, "filter": "year >= 1990", "fields": ["title"]},
        {"k": 2, "days": 30, "filter": None, "fields": []},
        {"k": 10, "days": 7, "filter": None, "fields": []},
    ]


def test_trending_counts_certain_days_only(client: TestClient, is_problem: Check) -> None:
    for days in ("2", "x", "7.0", "-1", "٧"):
        answer = client.get(f"/v1/trending?days={days}")
        told = is_problem(answer.headers["content-type"], answer.content, 422)
        assert "query.days: input should be 1, 7 or 30" in str(told["detail"])


def test_a_wrong_filter_is_a_problem_with_an_example_as_its_hint(client: TestClient, is_problem: Check) -> None:
    answer = client.post("/v1/recommend", json={"filter": "colour = 'red'"})
    told = is_problem(answer.headers["content-type"], answer.content, 422)
    assert told["detail"] == "the filter is wrong at character 1, 'colour': the items have no field 'colour'."
    assert "genres contains 'Drama'" in str(told["hint"])


def test_explain_passes_on_the_message_and_tells_all_that_is_known(client: TestClient) -> None:
    body = client.post("/v1/explain", json={"user_id": "42", "item_id": "i1", "k": 3, "exclude": ["i1"]}).json()
    assert body == {
        "item_id": "i1",
        "status": "excluded",
        "sentence": "told of {'exclude': ('i1',), 'k': 3}",
        "fallback_level": 0,
        "model_version": "v7",
        "rank": None,
        "sources": [],
        "nearest": None,
        "ranked": None,
        "score": None,
        "needed": None,
        "reasons": [],
    }


def test_an_id_with_a_slash_is_one_id(client: TestClient, calls: list[dict[str, object]]) -> None:
    assert client.get("/recommend/a%2Fb?k=1").json()["user_id"] == "a/b"
    assert client.get("/recommend/a/b?k=1").json()["user_id"] == "a/b"
    assert client.put("/v1/items/films%2F7", json={"features": {}}).json() == {"item_id": "films/7"}
    assert client.delete("/v1/users/x%2Fy").json() == {"user_id": "x/y", "erased": None}


def test_the_model_is_told(client: TestClient) -> None:
    assert client.get("/v1/model").json() == {"model_version": "v7", "items": 5, "users": 1}


def test_live_and_ready(client: TestClient) -> None:
    assert client.get("/health/live").json() == {"status": "live"}
    assert client.head("/health/live").status_code == client.head("/health/ready").status_code == 200
    assert client.get("/health/ready").json() == {"status": "ready"}


def test_openapi_lists_the_endpoints_their_answers_and_the_keys(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/recommend/{user_id}",
        "/v1/recommend",
        "/v1/rank",
        "/v1/popular",
        "/v1/trending",
        "/v1/similar",
        "/v1/events",
        "/v1/items/{item_id}",
        "/v1/users/{user_id}",
        "/v1/explain",
        "/v1/model",
        "/metrics",
        "/health/live",
        "/health/ready",
    }
    answers = schema["paths"]["/v1/recommend"]["post"]["responses"]
    assert answers["200"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/RecommendAnswer"}
    assert set(answers) == {"200", "400", "401", "403", "408", "413", "422", "500", "503"}
    assert set(answers["422"]["content"]) == {"application/problem+json"}
    assert schema["components"]["securitySchemes"].keys() == {"key", "bearer"}
    assert [parameter["name"] for parameter in schema["paths"]["/recommend/{user_id}"]["get"]["parameters"]] == [
        "user_id",
        "k",
        "fields",
    ]


def test_the_docs_page_is_there(client: TestClient) -> None:
    answer = client.get("/docs")
    assert answer.status_code == 200
    assert "swagger" in answer.text


def test_every_endpoint_runs_in_the_event_loop() -> None:
    routers = (router, explain, events, items, health)
    endpoints = [route.endpoint for one in routers for route in one.routes if isinstance(route, Route)]
    assert len(endpoints) == 20
    assert all(inspect.iscoroutinefunction(endpoint) for endpoint in endpoints)


def test_every_list_stands_in_the_slate_log_with_its_surface(client: TestClient, app: FastAPI) -> None:
    answers = [
        client.post("/v1/recommend", json={"user_id": "42", "k": 2, "surface": "cart"}),
        client.post("/v1/rank", json={"user_id": "42", "items": ["i2", "i1"]}),
        client.get("/v1/popular?k=2"),
        client.get("/v1/trending?k=2"),
        client.post("/v1/similar", json={"item_id": "i3", "k": 2}),
        client.get("/recommend/42?k=2"),
    ]
    living = app.state.living
    living.flush()
    logged = [slate for _, slate in living.store.slates()]
    assert [slate.surface for slate in logged] == ["cart", "rank", "popular", "trending", "similar:i3", "home"]
    assert all(slate.items == ("i1", "i2") and slate.sources == ("two_tower",) * 2 for slate in logged)
    names = [one.json().get("recommendation_id", one.headers.get("x-recommendation-id")) for one in answers]
    assert names == [slate.recommendation_id for slate in logged]
