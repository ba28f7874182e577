"""The short way answers exactly as the framework does, and takes nothing that is out of the ordinary."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from enterprise_recsys.errors import BusyError
from enterprise_recsys.service.direct import Direct
from enterprise_recsys.service.routes import DIRECT, router
from tests.service.test_hostile import REFUSED_BODIES

Call = Callable[..., tuple[int, dict[str, str], bytes]]
SHORT, LONG = "application/json", "application/json; charset=utf-8"  # only the plain form is taken

TAKEN_BODIES = {
    "nothing told": b"{}",
    "all told": json.dumps(
        {
            "user_id": "42",
            "history": ["i1", "é🙂"],
            "user_features": {"age": 30, "tags": ["a", "b"], "is_new": True, "size": 1.5, "none": None},
            "context": {"device": "phone", "big": 10**22},
            "k": 3,
            "filter": "year >= 1990",
            "include": ["i2"],
            "exclude": ["i3"],
            "exclude_seen": False,
            "diversity": 0,
            "rules": ["promo"],
            "reasons": True,
            "fields": ["title"],
            "surface": "page",
        }
    ).encode(),
    "duplicate keys": b'{"k": 1, "k": 2}',
    "escapes": b'{"user_id": "\\u0061\\ud83d\\ude42\\/"}',
    "white space": b' \n\t{ "k" :\r 2 } ',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"k": 2}'.encode("utf-16"),
    "diversity 1": b'{"diversity": 1}',
    "a number of 400 digits in context": b'{"context": {"a": ' + b"9" * 400 + b"}}",
    "2^64 in context": b'{"context": {"a": 18446744073709551616}}',
    "null for a feature": b'{"user_features": {"age": null}}',
    "a float for k": b'{"k": 10.0}',
}


@pytest.mark.parametrize("name", [*TAKEN_BODIES, *REFUSED_BODIES])
def test_both_ways_give_the_same_answer_and_ask_the_same(
    client: TestClient, calls: list[dict[str, object]], name: str
) -> None:
    told, asked = [], []
    for media_type in (SHORT, LONG):
        calls.clear()
        body = {**TAKEN_BODIES, **REFUSED_BODIES}[name]
        answer = client.post("/v1/recommend", content=body, headers={"content-type": media_type})
        content = answer.json()
        content.pop("recommendation_id", None)
        told.append((answer.status_code, answer.headers, content))
        asked.append(repr(calls[-1:]))  # with types: 1 is not 1.0; what the endpoint refuses is asked twice
    assert told[0] == told[1] and asked[0] == asked[1]


def test_a_plain_message_never_reaches_the_framework(app: FastAPI, call: Call) -> None:
    assert _statuses(app, call, b'{"k": 2}') == (200, [])


def test_every_path_of_the_table_is_a_route_that_takes_this_message() -> None:
    routes = {route.path: route for route in router.routes if hasattr(route, "body_field")}
    for path, shape in DIRECT.items():
        assert routes[path].methods == {"POST"}
        assert routes[path].body_field is not None and routes[path].body_field.field_info.annotation is shape


@pytest.mark.parametrize(
    ("method", "path", "headers", "chunks"),
    [
        ("POST", "/v1/recommend", [(b"content-type", b"application/json")], [b"{}"]),
        ("POST", "/v1/recommend", [(b"content-type", b"text/plain"), (b"content-length", b"2")], [b"{}"]),
        ("POST", "/v1/recommend", [(b"content-type", b"application/json"), (b"content-length", b"2")], [b"{", b"}"]),
        ("POST", "/v1/recommend", [(b"content-type", b"application/json"), (b"content-length", b"2")], [b"{{"]),
        ("POST", "/v1/events", [(b"content-type", b"application/json"), (b"content-length", b"2")], [b"{}"]),
        ("PUT", "/v1/recommend", [(b"content-type", b"application/json"), (b"content-length", b"2")], [b"{}"]),
    ],
)
def test_what_is_out_of_the_ordinary_is_handed_on_as_it_came(
    app: FastAPI, call: Call, method: str, path: str, headers: list[tuple[bytes, bytes]], chunks: list[bytes]
) -> None:
    reached: list[bytes] = []
    layer = Direct(_listening(reached), router, DIRECT)
    status, _, body = call(_with_app(layer, app), path, method=method, headers=headers, chunks=chunks)
    assert (status, body, reached) == (299, b"handed on", [b"".join(chunks)])


def test_an_endpoint_that_refuses_is_told_of_by_the_framework(
    client: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise BusyError("too much at once")

    monkeypatch.setattr(app.state.living.recommender, "answer", busy)
    answer = client.post("/v1/recommend", json={})
    assert (answer.status_code, answer.json()["detail"]) == (503, "too much at once")


def _statuses(app: FastAPI, call: Call, body: bytes) -> tuple[int, list[bytes]]:
    reached: list[bytes] = []
    layer = Direct(_listening(reached), router, DIRECT)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return call(_with_app(layer, app), "/v1/recommend", method="POST", headers=headers, chunks=[body])[0], reached


def _listening(reached: list[bytes]) -> Callable[[Scope, Receive, Send], object]:
    """An app that keeps the bodies that it is handed."""

    async def listen(scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        reached.append(body)
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"handed on"})

    return listen


def _with_app(layer: Direct, app: FastAPI) -> Callable[[Scope, Receive, Send], object]:
    """The layer, as it stands inside an app."""

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        await layer({**scope, "app": app}, receive, send)

    return inside
