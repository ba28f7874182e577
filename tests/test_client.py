"""The client against the real service over a real socket: typed answers, clear errors, retries that do no harm."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import uvicorn

from enterprise_recsys.client import Client, ServiceError
from enterprise_recsys.errors import ConfigError
from enterprise_recsys.recommender import Recommender
from enterprise_recsys.service.app import create_app
from enterprise_recsys.service.settings import Settings
from enterprise_recsys.trainer import ProductionTrainer

KEY = "a-key-of-sixteen-signs"


@pytest.fixture(scope="module")
def url(trainer: ProductionTrainer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("saved")
    trainer.save(folder)
    recommender = Recommender.load(folder)  # items will be put, and the shared one must stay as it was trained
    settings = Settings.from_environment({"RECSYS_API_KEYS": KEY})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(settings, recommender), port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, key=KEY) as one:
        yield one


def test_a_list_comes_typed_and_its_pages_follow(client: Client) -> None:
    first = client.recommend("42", 3, fields=["category"], reasons=True)
    assert [item.rank for item in first.items] == [1, 2, 3] and first.user_id == "42"
    assert set(first.items[0].fields) == {"category", "reasons", "explanation"} and first.items[0].sources
    assert first.fallback_level == 0 and first.took_ms["total"] > 0 and len(first.recommendation_id) == 24
    second = client.recommend("42", 3, cursor=first.next_cursor)
    assert not {item.item_id for item in first.items} & {item.item_id for item in second.items}
    assert second.items[0].rank == 4


def test_every_list_has_its_method(client: Client) -> None:
    best = client.recommend("42", 3).items
    ids = [item.item_id for item in best]
    ranked = client.rank("42", [*reversed(ids), "nowhere"])
    assert [item.item_id for item in ranked.items] == ids and ranked.unknown == ["nowhere"]
    assert client.recommend("42", user_features={"shoe": 43}).ignored == ["shoe"]
    assert ids[0] not in [item.item_id for item in client.similar(ids[0], 4).items]
    only = client.popular(5, filter=f"item_id = '{ids[1]}'", fields=["category", "brand"])
    assert [item.item_id for item in only.items] == [ids[1]] and set(only.items[0].fields) == {"category", "brand"}
    assert client.trending(3, days=30).fallback_level == 2
    assert client.explain("42", ids[2], 3)["rank"] == 3
    assert client.explain("42", ids[2], 2)["status"] == "outranked"
    assert client.model()["items"] == 120 and client.is_ready()


def test_what_is_told_changes_the_next_list_and_a_repeated_event_counts_once(client: Client) -> None:
    ids = [item.item_id for item in client.recommend("a/new user?", 3).items]
    events = [{"user_id": "a/new user?", "item_id": one, "event_id": f"e-{one}"} for one in ids]
    assert client.events(events).stored == 3 and client.events(events).duplicates == 3
    after = client.recommend("a/new user?", 3)
    assert after.fallback_level == 1 and not {item.item_id for item in after.items} & set(ids)
    client.put_user("a/new user?", {"country": "DE"})
    client.patch_user("a/new user?", {"country": None})
    erased = client.delete_user("a/new user?", erase=True)["erased"]
    assert erased["events"] == 3  # type: ignore[index]
    assert client.recommend("a/new user?", 3).fallback_level == 2


def test_items_are_put_changed_and_taken_away(client: Client) -> None:
    client.put_item("new/one", {"category": "drama"})
    client.patch_item("new/one", {"category": "comedy"})
    assert [item.item_id for item in client.rank("42", ["new/one"]).items] == ["new/one"]
    client.delete_item("new/one")
    assert client.rank("42", ["new/one"]).unknown == ["new/one"]
    client.delete_user("42")


@pytest.mark.parametrize(
    ("ask", "status", "kind", "words"),
    [
        (lambda client: client.recommend("42", 0), 422, "invalid", "k: input should be greater than or equal to 1"),
        (lambda client: client.similar("nowhere"), 404, "unknown-item", "nowhere"),
        (lambda client: client.recommend("42", filter="colour = 1"), 422, "invalid", "no field 'colour'"),
        (lambda client: client.delete_item("nowhere"), 404, "unknown-item", "does not hold"),
    ],
)
def test_a_refusal_says_what_the_service_said(client: Client, ask, status: int, kind: str, words: str) -> None:
    with pytest.raises(ServiceError, match=words) as told:
        ask(client)
    assert (told.value.status, told.value.kind) == (status, kind) and told.value.hint


def test_a_wrong_key_and_a_wrong_address_are_told(url: str) -> None:
    with pytest.raises(ServiceError, match="no key that the service knows") as told:
        Client(url).recommend("42")
    assert told.value.status == 401
    with pytest.raises(ConfigError, match=r"url='ftp://x' is wrong; it should be as http://127.0.0.1:8000"):
        Client("ftp://x")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = Client(f"http://127.0.0.1:{closed.getsockname()[1]}", retries=0)
        with pytest.raises(ServiceError, match=r"did not answer \(ConnectionRefusedError") as gone:
            nobody.popular()
        assert gone.value.kind == "unreachable" and not nobody.is_ready()


class Busy(BaseHTTPRequestHandler):
    """Answers 503 twice, then 200, and counts."""

    seen: list[tuple[str, bytes]]

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.command, body))
        late = len(self.seen) < 3
        told = {"type": "urn:x:busy", "detail": "Busy.", "hint": "Later."} if late else {"status": "ready"}
        told |= {"stored": 1, "duplicates": 0, "erased": 0}
        content = json.dumps(told).encode()
        self.send_response(503 if late else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, *told: object) -> None: ...


@pytest.fixture
def busy() -> Iterator[tuple[Client, list[tuple[str, bytes]]]]:
    seen: list[tuple[str, bytes]] = []
    server = HTTPServer(("127.0.0.1", 0), type("Counting", (Busy,), {"seen": seen}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield Client(f"http://127.0.0.1:{server.server_port}"), seen
    server.shutdown()
    server.server_close()


def test_a_history_with_times_is_sent_as_items_and_times(busy: tuple[Client, list[tuple[str, bytes]]]) -> None:
    client, seen = busy
    with contextlib.suppress(KeyError):  # what answers here has no list
        client.rank("u", ["i1"], history=["i2", ("i3", datetime(2026, 3, 1, 12)), ("i4", None)])
    told = json.loads(seen[-1][1])
    assert told["history"] == ["i2", "i3", "i4"]
    assert told["history_times"] == [None, "2026-03-01T12:00:00+00:00", None]
    with contextlib.suppress(KeyError):
        client.rank("u", ["i1"], history=["i2"])
    assert json.loads(seen[-1][1])["history_times"] is None


def test_a_busy_service_is_asked_again_with_the_same_event(busy: tuple[Client, list[tuple[str, bytes]]]) -> None:
    client, seen = busy
    assert client.events([{"user_id": "u", "item_id": "i"}]).stored == 1
    assert len(seen) == 3 and len({body for _, body in seen}) == 1, "the same event_id each time"
    assert json.loads(seen[0][1])["events"][0]["event_id"]


def test_a_patch_is_never_sent_twice(busy: tuple[Client, list[tuple[str, bytes]]]) -> None:
    client, seen = busy
    with pytest.raises(ServiceError, match=r"Busy\. Later\."):
        client.patch_item("i", {"price": 1})
    assert [method for method, _ in seen] == ["PATCH"]


def test_an_answer_that_is_no_json_is_told(busy: tuple[Client, list[tuple[str, bytes]]]) -> None:
    from enterprise_recsys import client

    for body in (b"<html>", b"[1]"):
        with pytest.raises(ServiceError, match="is this the service's address"):
            client._read(200, body)
