"""Store: the one interface of what is known besides the model, and the records that go through it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

Table = Literal["items", "users"]


@dataclass(frozen=True)
class Event:
    """Something that a user did with an item.

    Attributes:
        event_id: names the event; one that was stored already is not stored again.
        user_id, item_id: outside ids.
        time: microseconds since 1970 UTC.
        event_type: click, buy, rating ...
        rating: in the log's own unit; None = none.
        session_id: visit.
        recommendation_id: the answer that it follows.
        position: place in that answer, from 1.
        context: what was told of the moment (device, place ...), by name.
    """

    event_id: str
    user_id: str
    item_id: str
    time: int
    event_type: str = "interaction"
    rating: float | None = None
    session_id: str | None = None
    recommendation_id: str | None = None
    position: int | None = None
    context: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Slate:
    """One answer as it was shown.

    Attributes:
        recommendation_id: names the answer; later events carry it.
        user_id: None = nobody was named.
        surface: where it was shown.
        time: microseconds since 1970 UTC.
        model_version, fallback_level: of the answer.
        first: position of its first item, 1 on the first page.
        items: [K] ids in the order shown.
        scores: [K].
        propensities: [K] the chance, before the draw, that this item would stand at this place; in (0, 1].
        sources: [K] what brought each item (`two_tower` ...); "" = a rule or the request itself. () = not told.
    """

    recommendation_id: str
    user_id: str | None
    surface: str
    time: int
    model_version: str
    fallback_level: int
    first: int
    items: tuple[str, ...]
    scores: tuple[float, ...]
    propensities: tuple[float, ...]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """What was told of one item or user.

    Attributes:
        features: by name; None = missing.
        whole: they stand in place of all that the training log says, else over it.
        is_gone: an item that was taken away, a user whose features were.
    """

    features: Mapping[str, object] = field(default_factory=dict)
    whole: bool = True
    is_gone: bool = False

    def patched(self, features: Mapping[str, object]) -> Row:
        """With some features told anew; null takes a feature away (RFC 7396)."""
        if self.is_gone:
            return Row(dict(features), True)
        return Row({**self.features, **features}, self.whole)


@dataclass(frozen=True)
class Change:
    """One line of the change log.

    Attributes:
        sequence: grows by every change; a follower asks for what came after the last one it has seen.
        kind: "event", "items", "users", or "erased".
        key: the event's id, the item's or user's id; of an erased user only `digest_of(user_id)`.
        event: of an event.
        row: of an item or a user, as it is now.
        time: of an erasure, microseconds.
    """

    sequence: int
    kind: str
    key: str
    event: Event | None = None
    row: Row | None = None
    time: int = 0


@dataclass(frozen=True)
class Appended:
    """What became of a batch: stored, known before, or refused because the user was erased after the event."""

    stored: int
    duplicates: int
    erased: int


@dataclass(frozen=True)
class Erased:
    """What an erasure removed, in rows, and when (microseconds since 1970 UTC)."""

    events: int
    slates: int
    profiles: int
    time: int


class Store(Protocol):
    """What is known besides the model.

    Writes give a future, done when the change is as durable as the store is; they may be called from any thread.

    Raises (the write, or its future):
        BusyError: too many writes wait.
        StoreError: the store cannot keep it.
    """

    @property
    def secret(self) -> bytes:
        """32 random bytes, the same for everybody who opens the store."""

    def append(self, events: Sequence[Event]) -> Future[Appended]:
        """Add events; one whose `event_id` is known is left out, also within the batch."""

    def put(self, table: Table, key: str, row: Row) -> Future[None]:
        """Hold a row in place of what was told before."""

    def patch(self, table: Table, key: str, features: Mapping[str, object]) -> Future[None]:
        """Change some features of a row, which is made if absent."""

    def row(self, table: Table, key: str) -> Row | None:
        """What was told of an item or a user; None = nothing."""

    def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """The next changes, in order; an item that changed twice comes once, as it is now."""

    def log(self, slates: Sequence[Slate]) -> Future[int]:
        """Add answers to the slate log; how many were kept (not those of a user erased since)."""

    def slates(self, after: int = 0, limit: int = 1000) -> list[tuple[int, Slate]]:
        """The next answers of the slate log by sequence, oldest first."""

    def events_of(self, recommendation_ids: Sequence[str]) -> list[Event]:
        """The events that follow some answers, in the order stored."""

    def served(self, user_id: str, surface: str, since: int) -> list[str]:
        """Items shown to a user on a surface since a moment (microseconds)."""

    def erase(self, user_id: str, time: int) -> Future[Erased]:
        """Remove all rows of a user; events and answers of up to `time` that arrive later are refused."""

    def prune(self, before: int) -> Future[int]:
        """Remove answers older than a moment (microseconds) from the slate log; how many."""

    def close(self) -> None:
        """Finish what was begun, and stop."""


def digest_of(user_id: str, secret: bytes) -> str:
    """A user's name in the list of erasures, which must not keep the name itself: a keyed hash, 32 hex digits."""
    return hashlib.blake2b(user_id.encode(), digest_size=16, key=secret).hexdigest()
