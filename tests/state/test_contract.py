"""Every store keeps the same promises: once each, in order, at once, and gone when erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from enterprise_recsys.state.interface import Appended, Event, Row, Slate, Store, digest_of
from enterprise_recsys.state.memory import MemoryStore
from enterprise_recsys.state.sqlite import SqliteStore

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: MemoryStore(),
    "sqlite": lambda folder: SqliteStore(folder, sync="normal"),
}


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made = STORES[request.param](tmp_path)
    yield made
    made.close()


def event(number: int, user: str = "u", *, answer: str | None = None, time: int | None = None) -> Event:
    at = number if time is None else time
    context = {"device": "tv", "ages": ["7", "9"], "hot": True, "degrees": 21.5} if number % 2 else {}
    return Event(f"e{number}", user, f"i{number}", at, "click", 4.5, "s", answer, 2 if answer else None, context)


def slate(name: str, user: str | None = "u", *, time: int = 100, items: tuple[str, ...] = ("a", "b")) -> Slate:
    return Slate(name, user, "home", time, "v1", 1, 1, items, (0.5, 0.25), (1.0, 0.1))


def test_events_come_back_in_order_and_as_they_were(store: Store) -> None:
    assert store.append([event(3), event(1)]).result() == Appended(2, 0, 0)
    assert store.append([event(2)]).result() == Appended(1, 0, 0)
    found = store.changes(0)
    assert [one.event for one in found] == [event(3), event(1), event(2)]
    assert [one.kind for one in found] == ["event"] * 3
    assert found[0].sequence < found[1].sequence < found[2].sequence
    assert [one.event for one in store.changes(found[1].sequence)] == [event(2)]
    assert store.changes(found[2].sequence) == [] and store.changes(10**9) == []


def test_the_same_event_is_stored_once_however_often_it_comes(store: Store) -> None:
    assert store.append([event(1), event(1), event(2)]).result() == Appended(2, 1, 0)
    for _ in range(10):
        assert store.append([event(1), event(2)]).result() == Appended(0, 2, 0)
    assert [one.key for one in store.changes(0)] == ["e1", "e2"]


def test_an_empty_batch_is_nothing(store: Store) -> None:
    assert store.append([]).result() == Appended(0, 0, 0)
    assert store.log([]).result() == 0
    assert store.changes(0) == [] and store.slates() == []


def test_changes_are_paged(store: Store) -> None:
    store.append([event(number) for number in range(1, 8)]).result()
    first = store.changes(0, limit=3)
    second = store.changes(first[-1].sequence, limit=3)
    third = store.changes(second[-1].sequence, limit=3)
    assert [one.key for part in (first, second, third) for one in part] == [f"e{number}" for number in range(1, 8)]


def test_a_row_is_put_patched_and_taken_away(store: Store) -> None:
    assert store.row("items", "i") is None
    store.put("items", "i", Row({"title": "A", "year": 1999, "tags": ["x", "y"]})).result()
    store.patch("items", "i", {"year": None, "price": 2.5}).result()
    assert store.row("items", "i") == Row({"title": "A", "year": None, "tags": ["x", "y"], "price": 2.5}, True)
    store.patch("items", "new", {"year": 1}).result()
    assert store.row("items", "new") == Row({"year": 1}, whole=False)
    store.put("items", "i", Row(is_gone=True)).result()
    assert store.row("items", "i") == Row(is_gone=True)
    store.patch("items", "i", {"year": 2}).result()
    assert store.row("items", "i") == Row({"year": 2}, whole=True)
    assert store.row("users", "i") is None


def test_a_row_that_changed_twice_is_one_change_as_it_is_now(store: Store) -> None:
    store.put("items", "i", Row({"n": 1})).result()
    store.append([event(1)]).result()
    store.put("users", "u", Row({"age": 3})).result()
    store.put("items", "i", Row({"n": 2})).result()
    found = store.changes(0)
    assert [(one.kind, one.key) for one in found] == [("event", "e1"), ("users", "u"), ("items", "i")]
    assert found[2].row == Row({"n": 2})


def test_answers_come_back_as_they_were_and_join_their_events(store: Store) -> None:
    store.log([slate("r1"), slate("r2", None)]).result()
    store.append([event(1, answer="r1"), event(2), event(3, answer="r9"), event(4, answer="r1")]).result()
    found = store.slates()
    assert [one for _, one in found] == [slate("r1"), slate("r2", None)]
    assert [one for _, one in store.slates(found[0][0])] == [slate("r2", None)]
    assert store.events_of(["r1", "r2"]) == [event(1, answer="r1"), event(4, answer="r1")]


def test_what_was_served_of_late_is_remembered_by_surface(store: Store) -> None:
    store.log([slate("r1", time=10, items=("a",)), slate("r2", time=20, items=("c", "b")), slate("r3", "v")]).result()
    assert store.served("u", "home", 0) == ["a", "b", "c"]
    assert store.served("u", "home", 11) == ["b", "c"]
    assert store.served("u", "cart", 0) == [] and store.served("w", "home", 0) == []


def test_old_answers_are_pruned(store: Store) -> None:
    store.log([slate("r1", time=10), slate("r2", time=20)]).result()
    assert store.prune(20).result() == 1
    assert [one.recommendation_id for _, one in store.slates()] == ["r2"]


def test_an_erased_user_is_gone_and_does_not_come_back_by_late_events(store: Store) -> None:
    store.append([event(1), event(2, "v"), event(3)]).result()
    store.put("users", "u", Row({"age": 3})).result()
    store.log([slate("r1"), slate("r2", "v")]).result()
    before = store.changes(0)[-1].sequence
    erased = store.erase("u", 100).result()
    assert (erased.events, erased.slates, erased.profiles, erased.time) == (2, 1, 1, 100)
    assert [one.key for one in store.changes(0) if one.kind == "event"] == ["e2"]
    assert store.row("users", "u") is None and store.served("u", "home", 0) == []
    assert [one.user_id for _, one in store.slates()] == ["v"]
    (told,) = store.changes(before)
    assert (told.kind, told.key, told.time) == ("erased", digest_of("u", store.secret), 100)
    # A replay of the old log, an answer that another worker had not written yet, and then the user, come back.
    assert store.append([event(1), event(5, time=100), event(6, time=101)]).result() == Appended(1, 0, 2)
    assert store.log([slate("r3", time=99), slate("r4", time=101)]).result() == 1
    assert [one.key for one in store.changes(0) if one.kind == "event"] == ["e2", "e6"]


def test_an_unknown_user_may_be_erased_too(store: Store) -> None:
    erased = store.erase("nobody", 5).result()
    assert (erased.events, erased.slates, erased.profiles) == (0, 0, 0)


def test_the_secret_is_32_bytes_and_its_own(store: Store, tmp_path: Path) -> None:
    assert len(store.secret) == 32 and store.secret != MemoryStore().secret


@pytest.mark.parametrize("text", ["é 用户 🙂", "'; DROP TABLE events; --", "a\u2028b", "%_\\", " "])
def test_any_text_is_an_id(store: Store, text: str) -> None:
    store.append([Event(text, text, text, 1, text, None, text, text, 1)]).result()
    store.put("items", text, Row({text: text})).result()
    store.log([slate(text, text, items=(text, "b"))]).result()
    assert store.changes(0)[0].event == Event(text, text, text, 1, text, None, text, text, 1)
    assert store.row("items", text) == Row({text: text})
    assert len(store.events_of([text])) == 1 and text in store.served(text, "home", 0)
    assert store.erase(text, 1000).result().events == 1
