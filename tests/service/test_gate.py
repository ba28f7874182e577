"""Closed by default: each route against each kind of caller; bodies are counted, whatever their header claims."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import cast

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.app import create_app
from enterprise_recsys.service.gate import PUBLIC, BodyLimit
from enterprise_recsys.service.settings import Settings
from tests.service.conftest import with_fake_changes

Check = Callable[[str, bytes, int], dict[str, object]]
Call = Callable[..., tuple[int, dict[str, str], bytes]]

KEY = "the-right-key-0123456789"
OUTSIDE = "http://203.0.113.7:8000"
LOOPBACK = "http://127.0.0.1:8000"
MEBIBYTE = 1 << 20


def routes_of(app: FastAPI) -> list[tuple[str, str]]:
    """Every (method, path) that the app answers, those of included routers too."""

    def walk(routes: Iterable[object]) -> Iterable[tuple[str, str]]:
        for route in routes:
            inner = getattr(route, "original_router", route)
            if hasattr(inner, "routes") and not hasattr(inner, "methods"):
                yield from walk(inner.routes)
            else:
                methods, path = inner.methods, inner.path  # type: ignore[attr-defined]
                path = path.replace("{user_id:id}", "42").replace("{item_id:id}", "i1")
                yield from ((method, path) for method in sorted(methods))

    return list(walk(app.routes))


def client_of(recommender: Recommender, settings: Settings, address: str = LOOPBACK) -> TestClient:
    return TestClient(with_fake_changes(create_app(settings, recommender)), base_url=address)


MESSAGES: dict[str, dict[str, object]] = {
    "/v1/similar": {"item_id": "i1"},
    "/v1/explain": {"item_id": "i1"},
    "/v1/rank": {"items": ["i1"]},
    "/v1/events": {"events": [{"user_id": "u", "item_id": "i1"}]},
    "/v1/items/i1": {"features": {}},
    "/v1/users/42": {"features": {}},
}
"""A message that each route takes, where an empty one is not enough."""


@pytest.fixture
def with_keys() -> Settings:
    return Settings.from_environment({"RECSYS_API_KEYS": f"an-older-key-0123456789,{KEY}"})


def test_the_walk_finds_every_route(app: FastAPI) -> None:
    assert {path for _, path in routes_of(app)} == {
        "/openapi.json",
        "/docs",
        "/docs/oauth2-redirect",
        "/recommend/42",
        "/v1/recommend",
        "/v1/explain",
        "/v1/similar",
        "/v1/rank",
        "/v1/popular",
        "/v1/trending",
        "/v1/events",
        "/v1/items/i1",
        "/v1/users/42",
        "/health/live",
        "/health/ready",
        "/v1/model",
        "/metrics",
    }


def test_the_public_paths_are_the_health_checks() -> None:
    assert {"/health/live", "/health/ready"} == PUBLIC


@pytest.mark.parametrize("address", [LOOPBACK, OUTSIDE])
def test_with_keys_every_route_but_health_needs_one(
    recommender: Recommender, with_keys: Settings, address: str
) -> None:
    client = client_of(recommender, with_keys, address)
    for method, path in routes_of(cast(FastAPI, client.app)):
        bare = client.request(method, path, json=MESSAGES.get(path, {}))
        keyed = client.request(method, path, json={}, headers={"X-API-Key": KEY})
        assert bare.status_code == (200 if path in PUBLIC else 401), path
        assert keyed.status_code != 401, path


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": KEY},
        {"x-api-key": "an-older-key-0123456789"},
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer   {KEY}"},
    ],
)
def test_each_key_opens_in_either_header(
    recommender: Recommender, with_keys: Settings, headers: dict[str, str]
) -> None:
    assert client_of(recommender, with_keys, OUTSIDE).get("/recommend/42", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": KEY + "x"},
        {"X-API-Key": "wrong", "Authorization": f"Bearer {KEY}"},
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": "Bearer"},
        {"Cookie": f"X-API-Key={KEY}"},
        {"X-Forwarded-For": "127.0.0.1", "Host": "localhost"},
    ],
)
def test_a_wrong_key_opens_nothing(
    recommender: Recommender, with_keys: Settings, is_problem: Check, headers: dict[str, str]
) -> None:
    answer = client_of(recommender, with_keys, OUTSIDE).get("/recommend/42", headers=headers)
    assert answer.status_code == 401
    problem = is_problem(answer.headers["content-type"], answer.content, 401)
    assert problem["detail"] == "The request carries no key that the service knows."
    assert problem["hint"] == "Send a key in the header `X-API-Key: ...` or `Authorization: Bearer ...`."
    assert answer.headers["www-authenticate"] == "Bearer"
    assert KEY[:-1] not in answer.text


def test_a_key_in_bytes_that_are_no_text_is_wrong_and_no_fault(
    recommender: Recommender, with_keys: Settings, call: Call
) -> None:
    app = create_app(with_keys, recommender)
    assert call(app, "/recommend/42", headers=[(b"x-api-key", b"\xff\x00\xfe")])[0] == 401


def test_without_keys_every_route_answers_on_loopback(recommender: Recommender) -> None:
    client = client_of(recommender, Settings())
    for method, path in routes_of(cast(FastAPI, client.app)):
        status = client.request(method, path, json=MESSAGES.get(path, {})).status_code
        assert status == (501 if path == "/metrics" and find_spec("prometheus_client") is None else 200), path


def test_without_keys_every_route_but_health_is_closed_elsewhere(recommender: Recommender, is_problem: Check) -> None:
    client = client_of(recommender, Settings(), OUTSIDE)
    for method, path in [*routes_of(cast(FastAPI, client.app)), ("GET", "/nowhere"), ("GET", "/health/live/../x")]:
        answer = client.request(method, path, json={})
        assert answer.status_code == (200 if path in PUBLIC else 403), path
    answer = client.get("/recommend/42", headers={"Host": "127.0.0.1", "X-Forwarded-For": "127.0.0.1"})
    problem = is_problem(answer.headers["content-type"], answer.content, 403)
    assert problem["detail"] == "The service has no keys, so it answers requests on its own machine only."
    assert "RECSYS_API_KEYS=..." in str(problem["hint"]) and "RECSYS_OPEN=1" in str(problem["hint"])


@pytest.mark.parametrize("server", [None, ("/run/service.sock", None), ("0.0.0.0", 8000), ("::ffff:10.0.0.1", 8000)])
def test_an_address_that_is_not_surely_loopback_is_closed(
    recommender: Recommender, call: Call, server: tuple[str, int | None] | None
) -> None:
    app = create_app(Settings(), recommender)
    assert call(app, "/recommend/42", server=server)[0] == 403


@pytest.mark.parametrize("path", ["/health/live\n", "/health/live/", "//health/live", "/health/./live", "/HEALTH/LIVE"])
def test_a_path_that_only_looks_public_is_closed(recommender: Recommender, call: Call, path: str) -> None:
    app = create_app(Settings(), recommender)
    assert call(app, path, server=("10.0.0.1", 80))[0] == 403


def test_open_answers_everybody(recommender: Recommender) -> None:
    assert client_of(recommender, Settings(is_open=True), OUTSIDE).get("/recommend/42").status_code == 200


def test_health_stays_public_behind_the_prefix_of_a_proxy(recommender: Recommender, with_keys: Settings) -> None:
    app = create_app(with_keys, recommender)
    client = TestClient(app, root_path="/api")
    assert client.get("/api/health/live").status_code == 200
    assert client.get("/api/recommend/42").status_code == 401


def test_a_websocket_is_closed_too(recommender: Recommender, with_keys: Settings) -> None:
    app = create_app(with_keys, recommender)

    @app.websocket("/stream")
    async def stream() -> None:  # pragma: no cover - the gate is to keep everybody out
        raise AssertionError

    with pytest.raises(WebSocketDisconnect) as caught, TestClient(app).websocket_connect("/stream"):
        pass
    assert caught.value.code == 1008


JSON = (b"content-type", b"application/json")


def padded(size: int) -> bytes:
    return b"{}".ljust(size)


def test_a_body_of_exactly_the_limit_passes(app: FastAPI, call: Call) -> None:
    length = (b"content-length", str(MEBIBYTE).encode())
    status, _, _ = call(app, "/v1/recommend", method="POST", headers=[JSON, length], chunks=[padded(MEBIBYTE)])
    assert status == 200


@pytest.mark.parametrize("claimed", [str(MEBIBYTE + 1), "9" * 18, "9" * 5000, "0" * 30 + str(MEBIBYTE + 1)])
def test_a_header_that_claims_too_much_is_answered_at_once(
    app: FastAPI, call: Call, is_problem: Check, claimed: str
) -> None:
    length = (b"content-length", claimed.encode())
    status, headers, body = call(app, "/v1/recommend", method="POST", headers=[JSON, length], chunks=[])
    assert status == 413
    problem = is_problem(headers["content-type"], body, 413)
    assert str(problem["detail"]).startswith("The body has ")
    assert "1048576 bytes" in str(problem["hint"])


@pytest.mark.parametrize("claimed", [None, b"2", b"-5", b"many", "²".encode("latin-1")])
def test_a_body_over_the_limit_is_counted_as_it_comes(
    app: FastAPI, call: Call, is_problem: Check, claimed: bytes | None
) -> None:
    sent = [JSON] + ([(b"content-length", claimed)] if claimed else [])
    chunks = [padded(MEBIBYTE), b" "]
    status, headers, body = call(app, "/v1/recommend", method="POST", headers=sent, chunks=chunks)
    assert status == 413
    assert is_problem(headers["content-type"], body, 413)["detail"] == "The body has more than 1048576 bytes."


def test_the_key_is_asked_for_before_the_body_is_read(
    recommender: Recommender, with_keys: Settings, call: Call
) -> None:
    app = create_app(with_keys, recommender)
    length = (b"content-length", b"999999999")
    status, _, body = call(app, "/v1/recommend", method="POST", headers=[JSON, length], chunks=[])
    assert status == 401
    assert json.loads(body)["type"].endswith("no-key")


@pytest.mark.parametrize("is_begun", [True, False])
def test_a_body_that_does_not_come_is_given_up(app: FastAPI, is_problem: Check, is_begun: bool) -> None:
    limited = BodyLimit(app.build_middleware_stack(), seconds=0.05)
    told: list[Message] = []
    sent: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}] if is_begun else []
    headers = [JSON, (b"content-length", b"2")]

    async def receive() -> Message:
        if sent:
            return sent.pop()
        await asyncio.sleep(60)
        raise AssertionError("waited to the end")

    async def send(message: Message) -> None:
        told.append(message)

    scope = {"type": "http", "method": "POST", "path": "/v1/recommend", "headers": headers, "query_string": b""}
    asyncio.run(limited({**scope, "app": app, "server": ("127.0.0.1", 8000)}, receive, send))
    start, body = told
    media_type = dict(start["headers"])[b"content-type"].decode()
    assert is_problem(media_type, body["body"], 408)["detail"] == "The body has not come whole within 0.05 seconds."
    assert dict(start["headers"])[b"connection"] == b"close"
