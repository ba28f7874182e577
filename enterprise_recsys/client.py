"""Client: the service's endpoints as typed Python calls, with clear errors and retries where those do no harm."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import quote, urlencode, urlsplit

from enterprise_recsys.errors import ConfigError, RecsysError

TIMEOUT_S = 5.0
RETRIES = 2
"""Further tries of a request that may be sent twice, when the service is busy or cannot be reached."""
LONGEST_WAIT_S = 5.0

PastItem = str | tuple[str, datetime | None]
"""An item of a history, or a pair of it and when it was taken (UTC if it has no zone)."""
Json = Mapping[str, object]


class ServiceError(RecsysError):
    """The service refused a request, failed, or could not be reached.

    Attributes:
        status: HTTP status; None = no answer.
        kind: last part of the problem's `type`, such as "invalid" or "unknown-item".
        hint: what would be right, in the service's words.
    """

    def __init__(self, message: str, *, status: int | None = None, kind: str = "", hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.status, self.kind, self.hint = status, kind, hint


@dataclass(frozen=True)
class Item:
    """One place of a list; `fields` holds what was asked for beside these, and `reasons`."""

    item_id: str
    score: float
    rank: int
    sources: list[str]
    propensity: float
    fields: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A list; its `recommendation_id` goes into the events that follow it. See docs/reference.md for the rest."""

    items: list[Item]
    recommendation_id: str
    model_version: str
    fallback_level: int
    took_ms: dict[str, float]
    user_id: str | None = None
    next_cursor: str | None = None
    unknown: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Kept:
    """What became of a batch of events.

    `hints` are of no type that is a success, so that their items stay in lists; `ignored` are names in contexts that
    the model can make nothing of.
    """

    stored: int
    duplicates: int
    erased: int
    hints: int = 0
    ignored: list[str] = field(default_factory=list)


class Client:
    """One connection to a service, kept open between calls; for one thread at a time.

    >>> client = Client("http://127.0.0.1:8000", key="a-key-of-sixteen-signs")  # doctest: +SKIP
    >>> answer = client.recommend("42", k=5, filter="price <= 15")  # doctest: +SKIP
    >>> client.events([{"user_id": "42", "item_id": answer.items[0].item_id}])  # doctest: +SKIP

    Requests that change nothing, and those that may come twice without harm (putting, deleting, events, which get an
    id here), are tried again RETRIES times when the service says that it is busy (503) or cannot be reached; a PATCH
    is sent once.

    Args:
        url: where the service answers, with the prefix of a proxy if there is one.
        key: sent as `X-API-Key`; None = none.
        timeout_s: of connecting and of each wait for an answer.
        retries: further tries.

    Raises:
        ConfigError: the URL is none of http or https.
    """

    def __init__(
        self, url: str, *, key: str | None = None, timeout_s: float = TIMEOUT_S, retries: int = RETRIES
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"url={url!r} is wrong; it should be as http://127.0.0.1:8000.")
        make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connection = make(parts.hostname, parts.port, timeout=timeout_s)
        self._prefix, self._where, self._retries = parts.path.rstrip("/"), f"{parts.scheme}://{parts.netloc}", retries
        self._headers = {"Content-Type": "application/json", **({"X-API-Key": key} if key is not None else {})}

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *of_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connection go; the next call opens another."""
        self._connection.close()

    # Lists -----------------------------------------------------------------------------------------------------------

    def recommend(
        self,
        user_id: str | None,
        k: int = 10,
        *,
        history: Sequence[PastItem] | None = None,
        user_features: Json | None = None,
        context: Json | None = None,
        filter: str | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        exclude_seen: bool | None = None,
        diversity: float | None = None,
        rules: Sequence[str] = (),
        reasons: bool = False,
        fields: Sequence[str] = (),
        surface: str = "home",
        cursor: str | None = None,
        exclude_served: bool = False,
    ) -> Answer:
        """A user's list; the arguments are those of `Recommender.recommend` and of `POST /v1/recommend`."""
        message = {
            **_asking(user_id, history, user_features, context, diversity),
            **_wanting(k, filter, include, exclude, exclude_seen, rules),
            "reasons": reasons,
            "fields": list(fields),
            "surface": surface,
            "cursor": cursor,
            "exclude_served": exclude_served,
        }
        return _answer(self._asked("POST", "/v1/recommend", message))

    def rank(
        self,
        user_id: str | None,
        items: Sequence[str],
        *,
        history: Sequence[PastItem] | None = None,
        user_features: Json | None = None,
        context: Json | None = None,
        diversity: float | None = None,
        fields: Sequence[str] = (),
    ) -> Answer:
        """Given items in the order that suits a user; `unknown` are those that the catalogue does not hold."""
        message = _asking(user_id, history, user_features, context, diversity)
        return _answer(self._asked("POST", "/v1/rank", {**message, "items": list(items), "fields": list(fields)}))

    def similar(self, item_id: str, k: int = 10, *, filter: str | None = None, fields: Sequence[str] = ()) -> Answer:
        """Items that resemble an item, most alike first."""
        message = {"item_id": item_id, "k": k, "filter": filter, "fields": list(fields)}
        return _answer(self._asked("POST", "/v1/similar", message))

    def popular(self, k: int = 10, *, filter: str | None = None, fields: Sequence[str] = ()) -> Answer:
        """What was taken most of all time, by anybody."""
        return _answer(self._asked("GET", "/v1/popular" + _query(k, filter, fields)))

    def trending(self, k: int = 10, *, days: int = 7, filter: str | None = None, fields: Sequence[str] = ()) -> Answer:
        """What was taken most in the last 1, 7 or 30 days, by anybody."""
        return _answer(self._asked("GET", "/v1/trending" + _query(k, filter, fields, days=days)))

    def explain(
        self,
        user_id: str | None,
        item_id: str,
        k: int = 10,
        *,
        history: Sequence[PastItem] | None = None,
        user_features: Json | None = None,
        context: Json | None = None,
        filter: str | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        exclude_seen: bool | None = None,
        diversity: float | None = None,
        rules: Sequence[str] = (),
    ) -> dict[str, object]:
        """Why an item is in the list of the same arguments, or why not; see `explaining.Explanation`."""
        message = {
            **_asking(user_id, history, user_features, context, diversity),
            **_wanting(k, filter, include, exclude, exclude_seen, rules),
            "item_id": item_id,
        }
        return self._asked("POST", "/v1/explain", message)

    # What is told ----------------------------------------------------------------------------------------------------

    def events(self, events: Sequence[Json]) -> Kept:
        """Tell what users did; one without an `event_id` gets one here, so that a repeated try counts once.

        Args:
            events: at most 1,000 of `user_id`, `item_id`, and what `POST /v1/events` takes besides.
        """
        named = [{"event_id": uuid.uuid4().hex, **event} for event in events]
        told = self._asked("POST", "/v1/events", {"events": named})
        counts = {name: _whole(told.get(name, 0)) for name in ("stored", "duplicates", "erased", "hints")}
        return Kept(**counts, ignored=_names(told.get("ignored")))

    def put_item(self, item_id: str, features: Json) -> None:
        """Hold an item with these features and no others; a new one can be recommended at once."""
        self._asked("PUT", f"/v1/items/{quote(item_id, safe='')}", {"features": dict(features)})

    def patch_item(self, item_id: str, features: Json) -> None:
        """Change some features of an item; None takes one away."""
        self._asked("PATCH", f"/v1/items/{quote(item_id, safe='')}", {"features": dict(features)})

    def delete_item(self, item_id: str) -> None:
        """Never show an item again, until it is put anew."""
        self._asked("DELETE", f"/v1/items/{quote(item_id, safe='')}")

    def put_user(self, user_id: str, features: Json) -> None:
        """Hold these features of a user and no others; what the user did stays."""
        self._asked("PUT", f"/v1/users/{quote(user_id, safe='')}", {"features": dict(features)})

    def patch_user(self, user_id: str, features: Json) -> None:
        """Change some features of a user; None takes one away."""
        self._asked("PATCH", f"/v1/users/{quote(user_id, safe='')}", {"features": dict(features)})

    def delete_user(self, user_id: str, *, erase: bool = False) -> dict[str, object]:
        """Take a user's features away; `erase`: all that is known, and the answer counts what was removed."""
        path = f"/v1/users/{quote(user_id, safe='')}"
        return self._asked("DELETE", f"{path}?erase=true" if erase else path)

    # The service itself ----------------------------------------------------------------------------------------------

    def model(self) -> dict[str, object]:
        """`model_version`, `items` and `users` of the artifact that answers."""
        return self._asked("GET", "/v1/model")

    def is_ready(self) -> bool:
        """Whether the service answers and has a model."""
        try:
            return self._asked("GET", "/health/ready", retries=0)["status"] == "ready"
        except ServiceError:
            return False

    def _asked(
        self, method: str, path: str, message: Json | None = None, retries: int | None = None
    ) -> dict[str, object]:
        """One call, tried again where that does no harm.

        Raises:
            ServiceError: as the class says.
        """
        body = None if message is None else json.dumps(message, allow_nan=False).encode()
        left = 0 if method == "PATCH" else self._retries if retries is None else retries
        wait = 0.05
        while True:
            try:
                status, headers, answer = self._sent(method, path, body)
                if status != 503 or not left:
                    return _read(status, answer)
                wait = min(float(headers.get("retry-after", wait)), LONGEST_WAIT_S)
            except (OSError, HTTPException) as error:
                self._connection.close()
                if not left:
                    reason = f"{type(error).__name__}: {error}"
                    raise ServiceError(f"{self._where} did not answer ({reason}).", kind="unreachable") from None
            time.sleep(wait)
            left, wait = left - 1, wait * 4

    def _sent(self, method: str, path: str, body: bytes | None) -> tuple[int, dict[str, str], bytes]:
        self._connection.request(method, self._prefix + path, body, self._headers)
        answer = self._connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, headers, answer.read()


def _asking(
    user_id: str | None,
    history: Sequence[PastItem] | None,
    user_features: Json | None,
    context: Json | None,
    diversity: float | None,
) -> dict[str, object]:
    return {
        "user_id": user_id,
        "history": None if history is None else [one if isinstance(one, str) else one[0] for one in history],
        "history_times": _times_of(history or ()),
        "user_features": None if user_features is None else dict(user_features),
        "context": None if context is None else dict(context),
        "diversity": diversity,
    }


def _times_of(history: Sequence[PastItem]) -> list[str | None] | None:
    """When each item was taken, if that is told of one of them."""
    moments = [None if isinstance(one, str) else one[1] for one in history]
    told = [None if one is None else (one if one.tzinfo else one.replace(tzinfo=UTC)).isoformat() for one in moments]
    return told if any(told) else None


def _wanting(
    k: int,
    filter: str | None,
    include: Sequence[str],
    exclude: Sequence[str],
    exclude_seen: bool | None,
    rules: Sequence[str],
) -> dict[str, object]:
    return {
        "k": k,
        "filter": filter,
        "include": list(include),
        "exclude": list(exclude),
        "exclude_seen": exclude_seen,
        "rules": list(rules),
    }


def _query(k: int, filter: str | None, fields: Sequence[str], *, days: int | None = None) -> str:
    told = [("k", str(k)), *(("fields", name) for name in fields)]
    told += [("filter", filter)] if filter is not None else []
    return "?" + urlencode(told + ([("days", str(days))] if days is not None else []))


def _read(status: int, body: bytes) -> dict[str, object]:
    """The answer's JSON.

    Raises:
        ServiceError: it is a problem, or no JSON.
    """
    try:
        told = json.loads(body)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ServiceError(
            "The answer is no JSON object; is this the service's address?", status=status, kind="strange"
        )
    if status >= 400:
        kind = str(told.get("type", "")).rpartition(":")[2]
        detail = str(told.get("detail", f"The service answered {status}."))
        raise ServiceError(detail, status=status, kind=kind, hint=str(told.get("hint", "")))
    return told


_OF_ITEM = ("item_id", "score", "rank", "sources", "propensity")


def _answer(told: Mapping[str, object]) -> Answer:
    items, took = told["items"], told["took_ms"]
    assert isinstance(items, list) and isinstance(took, dict)
    shown = [
        Item(
            one["item_id"],
            one["score"],
            one["rank"],
            one["sources"],
            one["propensity"],
            {name: value for name, value in one.items() if name not in _OF_ITEM},
        )
        for one in items
    ]
    user_id, cursor = told.get("user_id"), told.get("next_cursor")
    return Answer(
        shown,
        str(told["recommendation_id"]),
        str(told["model_version"]),
        _whole(told["fallback_level"]),
        took,
        None if user_id is None else str(user_id),
        None if cursor is None else str(cursor),
        _names(told.get("unknown")),
        _names(told.get("ignored")),
    )


def _names(value: object) -> list[str]:
    return list(value) if isinstance(value, list) else []


def _whole(value: object) -> int:
    assert isinstance(value, int)
    return value
