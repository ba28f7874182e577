"""Hostile values at the routes that keep something: each is refused with 4xx problem JSON, none is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

Check = Callable[[str, bytes, int], dict[str, object]]

JSON = "application/json"
GOOD = b'"user_id": "u", "item_id": "i"'


def one(further: bytes) -> bytes:
    """A batch of one event with a further field."""
    return b'{"events": [{' + GOOD + b", " + further + b"}]}"


REFUSED_EVENTS = {
    "nothing": b"",
    "null": b"null",
    "no events": b"{}",
    "an empty batch": b'{"events": []}',
    "a bare list": b"[{" + GOOD + b"}]",
    "an object as events": b'{"events": {' + GOOD + b"}}",
    "null as an event": b'{"events": [null]}',
    "1001 events": b'{"events": [' + b",".join([b"{" + GOOD + b"}"] * 1001) + b"]}",
    "over a megabyte": b'{"events": [{' + GOOD + b', "event_id": "' + b"a" * 1_100_000 + b'"}]}',
    "deep lists": b'{"events": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "deep objects": b'{"events": [' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"]}",
    "no user": b'{"events": [{"item_id": "i"}]}',
    "no item": b'{"events": [{"user_id": "u"}]}',
    "user empty": b'{"events": [{"user_id": "", "item_id": "i"}]}',
    "user number": b'{"events": [{"user_id": 42, "item_id": "i"}]}',
    "user null": b'{"events": [{"user_id": null, "item_id": "i"}]}',
    "user NUL": b'{"events": [{"user_id": "a\\u0000", "item_id": "i"}]}',
    "user CRLF": b'{"events": [{"user_id": "a\\r\\nx", "item_id": "i"}]}',
    "user surrogate": b'{"events": [{"user_id": "\\ud800", "item_id": "i"}]}',
    "item of 513 signs": b'{"events": [{"user_id": "u", "item_id": "' + b"i" * 513 + b'"}]}',
    "item escape": b'{"events": [{"user_id": "u", "item_id": "\\u001b[31m"}]}',
    "the second event wrong": b'{"events": [{' + GOOD + b'}, {"user_id": "u"}]}',
    "rating NaN": one(b'"rating": NaN'),
    "rating Infinity": one(b'"rating": -Infinity'),
    "rating 1e999": one(b'"rating": 1e999'),
    "rating 1e31": one(b'"rating": 1e31'),
    "rating a text": one(b'"rating": "5"'),
    "rating true": one(b'"rating": true'),
    "rating of 4000 digits": one(b'"rating": ' + b"9" * 4000),
    "rating of 5000 digits": one(b'"rating": ' + b"9" * 5000),
    "position 0": one(b'"position": 0'),
    "position -1": one(b'"position": -1'),
    "position 2^63": one(b'"position": 9223372036854775808'),
    "position 1.0": one(b'"position": 1.5'),
    "position a text": one(b'"position": "1"'),
    "timestamp 2^70": one(b'"timestamp": 1180591620717411303424'),
    "timestamp a number": one(b'"timestamp": 1700000000'),
    "timestamp NaN": one(b'"timestamp": NaN'),
    "timestamp -5": one(b'"timestamp": -5'),
    "timestamp empty": one(b'"timestamp": ""'),
    "timestamp a word": one(b'"timestamp": "yesterday"'),
    "timestamp before 1970": one(b'"timestamp": "1969-12-31T23:59:59Z"'),
    "timestamp year 1": one(b'"timestamp": "0001-01-01T00:00:00+23:59"'),
    "timestamp year 9999": one(b'"timestamp": "9999-12-31T23:59:59-23:59"'),
    "timestamp tomorrow": one(b'"timestamp": "2200-01-01T00:00:00Z"'),
    "timestamp surrogate": one(b'"timestamp": "\\ud800"'),
    "timestamp of 1 000 signs": one(b'"timestamp": "' + b"2" * 1000 + b'"'),
    "event_id CRLF": one(b'"event_id": "a\\nb"'),
    "event_id a list": one(b'"event_id": ["a"]'),
    "event_type empty": one(b'"event_type": ""'),
    "event_type null": one(b'"event_type": null'),
    "recommendation_id surrogate": one(b'"recommendation_id": "\\udfff"'),
    "session_id an object": one(b'"session_id": {}'),
    "unknown field": one(b'"admin": true'),
    "__proto__": one(b'"__proto__": {}'),
}


@pytest.mark.parametrize("name", REFUSED_EVENTS)
def test_hostile_events_are_refused_whole(app: FastAPI, client: TestClient, is_problem: Check, name: str) -> None:
    answer = client.post("/v1/events", content=REFUSED_EVENTS[name], headers={"content-type": JSON})
    assert answer.status_code in (400, 413, 422), answer.text
    is_problem(answer.headers["content-type"], answer.content, answer.status_code)
    assert len(answer.content) < 2000
    assert app.state.living.store.changes(0) == []


REFUSED_FEATURES = {
    "nothing": b"",
    "null": b"null",
    "no features": b"{}",
    "a list": b'{"features": []}',
    "NaN": b'{"features": {"title": NaN}}',
    "1e999": b'{"features": {"title": 1e999}}',
    "an object": b'{"features": {"title": {"a": 1}}}',
    "a list of lists": b'{"features": {"title": [["a"]]}}',
    "NUL in a value": b'{"features": {"title": "a\\u0000b"}}',
    "CRLF in a name": b'{"features": {"a\\r\\nb": 1}}',
    "surrogate": b'{"features": {"title": "\\ud800"}}',
    "deep": b'{"features": {"title": ' + b"[" * 10_000 + b"]" * 10_000 + b"}}",
    "101 features": b'{"features": {' + b",".join(b'"f%d": 1' % n for n in range(101)) + b"}}",
    "unknown feature": b'{"features": {"colour": "red"}}',
    "__class__": b'{"features": {"__class__": "x"}}',
    "unknown field": b'{"features": {}, "admin": true}',
    "the id again": b'{"features": {}, "item_id": "x"}',
}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("path", ["/v1/items/i1", "/v1/users/u1"])
@pytest.mark.parametrize("name", REFUSED_FEATURES)
def test_hostile_features_are_refused(
    app: FastAPI, client: TestClient, is_problem: Check, method: str, path: str, name: str
) -> None:
    answer = client.request(method, path, content=REFUSED_FEATURES[name], headers={"content-type": JSON})
    assert answer.status_code in (400, 422), answer.text
    is_problem(answer.headers["content-type"], answer.content, answer.status_code)
    assert app.state.living.store.changes(0) == []


@pytest.mark.parametrize("path", ["/v1/items", "/v1/users"])
@pytest.mark.parametrize("name", ["%00", "a%0d%0aX-Forged:%201", "%1b%5b31m", "%c2%85", "u" * 513])
def test_a_hostile_id_in_the_path_is_refused(client: TestClient, is_problem: Check, path: str, name: str) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        answer = client.request(method, f"{path}/{name}", json={"features": {}})
        assert answer.status_code == 422
        is_problem(answer.headers["content-type"], answer.content, 422)
        assert "x-forged" not in answer.headers


@pytest.mark.parametrize("query", ["erase=", "erase=maybe", "erase=2", "erase=%00", "x=1", "erase=true&x=1"])
def test_a_hostile_query_never_erases(app: FastAPI, client: TestClient, is_problem: Check, query: str) -> None:
    answer = client.delete(f"/v1/users/u1?{query}")
    assert answer.status_code == 422
    is_problem(answer.headers["content-type"], answer.content, 422)
    assert app.state.living.store.changes(0) == []


@pytest.mark.parametrize(
    "message",
    [
        b'{"cursor": ""}',
        b'{"cursor": "AAAA"}',
        b'{"cursor": 5}',
        b'{"cursor": "\\ud800"}',
        b'{"cursor": "' + b"A" * 32_769 + b'"}',
        b'{"surface": ""}',
        b'{"surface": null}',
        b'{"surface": "a\\nb"}',
        b'{"exclude_served": 1}',
    ],
)
def test_a_hostile_page_is_refused(client: TestClient, is_problem: Check, message: bytes) -> None:
    answer = client.post("/v1/recommend", content=message, headers={"content-type": JSON})
    assert answer.status_code == 422
    is_problem(answer.headers["content-type"], answer.content, 422)


def test_a_thousand_events_fit(client: TestClient) -> None:
    events = [
        {"user_id": f"u{n}", "item_id": "i1", "rating": 5, "timestamp": "2020-01-01T12:00:00+02:00"}
        for n in range(1000)
    ]
    answer = client.post("/v1/events", json={"events": events})
    assert answer.json() == {"stored": 1000, "duplicates": 0, "erased": 0, "hints": 0, "ignored": []}
    assert client.app.state.living.store.changes(0)[0].event.time == 1_577_872_800_000_000  # type: ignore[attr-defined]
