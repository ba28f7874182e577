"""A recommender with known answers, and ways to call the service without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Message, Scope

from enterprise_recsys.asking import Asked
from enterprise_recsys.errors import ConfigError, UnknownItemError
from enterprise_recsys.explaining import Explanation, explain
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.app import create_app
from enterprise_recsys.service.settings import Settings

CATALOGUE = ("i1", "i2", "i3", "i4", "i5")


class FakeAnswers(list[dict[str, object]]):
    """What a recommender gives: a list that carries how it was made."""

    def __init__(self, items: list[dict[str, object]], fallback_level: int, model_version: str) -> None:
        super().__init__(items)
        self.fallback_level = fallback_level
        self.unknown: list[str] = []
        self.ignored: list[str] = []
        self.sources = [["two_tower"] for _ in items]
        self.took_ms = {"retrieve": 0.5, "total": 0.75}
        self.model_version = model_version


class FakeRecommender:
    """Knows the user "42" and five items, and keeps what it was asked."""

    def __init__(self) -> None:
        self.model_version = "v7"
        self.n_items = len(CATALOGUE)
        self.n_users = 1
        self.calls: list[dict[str, object]] = []

    def recommend(self, user_id: str | None, k: int = 10, *, fields: Sequence[str] = ()) -> FakeAnswers:
        """The same for a user of whom nothing else is told."""
        return self.answer(Asked(user_id=user_id), k, fields=fields)

    def answer(self, asked: Asked, k: int, *, reasons: bool = False, fields: Sequence[str] = ()) -> FakeAnswers:
        """The catalogue in order, without what is excluded."""
        self.calls.append({**vars(asked), "k": k, "reasons": reasons, "fields": fields})
        if asked.user_id == "breaks":
            raise RuntimeError("secret inside")
        if asked.filter is not None and "colour" in asked.filter:
            raise ConfigError("the filter is wrong at character 1, 'colour': the items have no field 'colour'.")
        level = 0 if asked.user_id == "42" else 1 if asked.history or asked.user_features else 2
        return self._list([item for item in CATALOGUE if item not in asked.exclude][:k], level, fields)

    def ranked(self, asked: Asked, items: Sequence[str], *, fields: Sequence[str] = ()) -> FakeAnswers:
        """The items that are known, in the order of the catalogue."""
        self.calls.append({**vars(asked), "items": items, "fields": fields})
        found = self._list([item for item in CATALOGUE if item in items], 0, fields)
        found.unknown = [item for item in items if item not in CATALOGUE]
        return found

    def popular_items(self, k: int = 10, **told: object) -> FakeAnswers:
        """The catalogue in order."""
        self.calls.append({"k": k, **told})
        return self._list(CATALOGUE[:k], 2, cast(Sequence[str], told["fields"]))

    trending_items = popular_items

    def similar_items(
        self, item_id: str, k: int = 10, *, filter: str | None = None, fields: Sequence[str] = ()
    ) -> FakeAnswers:
        """All other items in order."""
        if item_id not in CATALOGUE:
            raise UnknownItemError(f"item {item_id!r} is not in the catalogue of {self.n_items} items.")
        return self._list([item for item in CATALOGUE if item != item_id][:k], 0, fields)

    def _list(self, found: Sequence[str], level: int, fields: Sequence[str]) -> FakeAnswers:
        if set(fields) - {"title"}:
            raise ConfigError(f"fields={list(fields)} is not all known; known: title.")
        items: list[dict[str, object]] = [
            {"item_id": item, "score": 1 / rank, "rank": rank, **{field: item.upper() for field in fields}}
            for rank, item in enumerate(found, start=1)
        ]
        return FakeAnswers(items, level, self.model_version)


class FakeChanges:
    """Takes everything and knows the catalogue; what changes a real recommender is tested in tests/test_changing.py."""

    def events(self, *told: object) -> None: ...

    def hints(self, event_types: object) -> int:
        return 0

    def unknown_context(self, contexts: object) -> list[str]:
        return []

    def items(self, items: object, *, whole: object) -> None: ...

    def drop(self, item_ids: object) -> None: ...

    def user(self, user_id: str, features: object, *, whole: bool) -> None: ...

    def forget(self, user_id: str) -> bool:
        return True

    def check_item(self, item_id: str, features: Mapping[str, object]) -> None:
        if set(features) - {"title"}:
            raise ConfigError("feature is unknown; known: title.")

    def check_user(self, user_id: str, features: Mapping[str, object]) -> None:
        if set(features) - {"age"}:
            raise ConfigError("feature is unknown; known: age.")

    def knows_item(self, item_id: str) -> bool:
        return item_id in CATALOGUE


def with_fake_changes(app: FastAPI) -> FastAPI:
    app.state.living.changes = FakeChanges()
    return app


@pytest.fixture(autouse=True)
def explained(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake recommender's lists are explained by what was asked; real ones as ever."""

    def told(recommender: object, asked: Asked, item_id: str, k: int = 10) -> Explanation:
        if not isinstance(recommender, FakeRecommender):
            return explain(cast(Recommender, recommender), asked, item_id, k)
        plain = Asked(user_id=None)
        named = {name: value for name, value in vars(asked).items() if name != "user_id"}
        said = {name: value for name, value in named.items() if value not in (getattr(plain, name), [])}
        return Explanation(item_id, "excluded", f"told of { {**said, 'k': k} }", 0, recommender.model_version)

    monkeypatch.setattr("enterprise_recsys.service.explain.explain", told)


@pytest.fixture
def fake() -> FakeRecommender:
    """A fresh recommender with known answers."""
    return FakeRecommender()


@pytest.fixture
def recommender(fake: FakeRecommender) -> Recommender:
    """The same, as the service knows it."""
    return cast(Recommender, fake)


@pytest.fixture
def calls(fake: FakeRecommender) -> list[dict[str, object]]:
    """What the recommender was asked, call by call."""
    return fake.calls


@pytest.fixture
def app(recommender: Recommender) -> FastAPI:
    """The service that answers everybody, so that a test may look at one thing only."""
    return with_fake_changes(create_app(Settings(is_open=True), recommender))


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """A client that gets the 500 a real one would get, instead of the exception."""
    return TestClient(app, raise_server_exceptions=False)


@pytest.fixture
def call() -> Callable[..., tuple[int, dict[str, str], bytes]]:
    """Send one request as raw ASGI, so that a test can send what no client library would."""

    def send_raw(
        app: FastAPI,
        path: str,
        *,
        method: str = "GET",
        headers: Sequence[tuple[bytes, bytes]] = (),
        chunks: Sequence[bytes] = (b"",),
        server: tuple[str, int | None] | None = ("127.0.0.1", 8000),
    ) -> tuple[int, dict[str, str], bytes]:
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": list(headers),
            "client": ("203.0.113.9", 50000),
            "server": server,
        }
        waiting = [
            {"type": "http.request", "body": chunk, "more_body": place < len(chunks)}
            for place, chunk in enumerate(chunks, start=1)
        ]
        sent: list[Message] = []

        async def receive() -> Message:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:])

    return send_raw


@pytest.fixture
def is_problem() -> Callable[[str, bytes, int], dict[str, object]]:
    """Check that an answer is problem JSON with exactly its five members, and give them."""

    def check(media_type: str, body: bytes, status: int) -> dict[str, object]:
        assert media_type == "application/problem+json"
        content = json.loads(body)
        assert set(content) == {"type", "title", "status", "detail", "hint"}
        assert content["status"] == status
        assert content["type"].startswith("urn:problem-type:recsys:")
        assert all(content[name] for name in content)
        return cast(dict[str, object], content)

    return check
