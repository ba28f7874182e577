"""The journey on two workers: a stranger, a new item, an erasure; each seen by both processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from enterprise_recsys.trainer import ProductionTrainer

ROOT = Path(__file__).resolve().parents[2]
Call = Callable[..., dict[str, object]]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def call(port: int, method: str, path: str, message: object = None) -> dict[str, object]:
    body = None if message is None else json.dumps(message).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", body, {"content-type": "application/json"}, method=method
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: dict[str, object] = json.loads(answer.read())
    return found


def started(folder: Path, port: int, *options: str) -> subprocess.Popen[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RECSYS_")}
    command = [sys.executable, "-m", "enterprise_recsys", "serve", str(folder), "--port", str(port), *options]
    return subprocess.Popen(command, cwd=ROOT, env={**clean, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        try:
            call(port, "GET", "/health/ready")
            return
        except OSError:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            time.sleep(0.05)
    raise AssertionError("not ready in 30 s")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.communicate(timeout=20)


@pytest.fixture
def workers(trainer: ProductionTrainer, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Two server processes, each with a port of its own so that a test can choose, over one model and one store."""
    trainer.save(tmp_path)
    ports = free_port(), free_port()
    processes = [started(tmp_path, port) for port in ports]
    try:
        for process, port in zip(processes, ports, strict=True):
            wait_for(process, port)
        yield ports
    finally:
        for process in processes:
            stop(process)


def ids(port: int, user: str | None, k: int = 10) -> list[object]:
    items = call(port, "POST", "/v1/recommend", {"user_id": user, "k": k})["items"]
    assert isinstance(items, list)
    return [item["item_id"] for item in items]


def within(seconds: float, holds: Callable[[], bool]) -> float:
    """Wait until something holds; the seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.005)
    return time.monotonic() - began


@pytest.mark.slow
def test_the_journey(workers: tuple[int, int], trainer: ProductionTrainer, tmp_path: Path) -> None:
    one, other = workers
    # A new user does three things, and the next list changes: at once where they were told, soon on the other worker.
    before = ids(one, "canary-new")
    assert ids(other, "canary-new") == before
    liked = before[:3]
    events = [{"user_id": "canary-new", "item_id": item, "event_id": f"canary-{item}"} for item in liked]
    assert call(one, "POST", "/v1/events", {"events": events})["stored"] == 3
    after = ids(one, "canary-new")
    assert after != before and set(after).isdisjoint(liked)
    took = within(1.0, lambda: ids(other, "canary-new") == after)
    assert call(other, "POST", "/v1/events", {"events": events}) == {
        "stored": 0,
        "duplicates": 3,
        "erased": 0,
        "hints": 0,
        "ignored": [],
    }
    print(f"the other worker knew three events after {took:.3f} s")

    # A new item, known by its features alone, is in somebody's list within a second, on both workers.
    catalogue = trainer.recommender.engine.processor.catalogue
    popular = catalogue.row(trainer.recommender.engine.processor.items.row(str(before[0])) - 1, named=True)
    features = {name: value for name, value in popular.items() if name != "item_id"}
    call(other, "PUT", "/v1/items/brand-new", {"features": features})
    users = trainer.recommender.log.events["user_id"].unique().sort().to_list()[:60]
    for port in (other, one):
        took = within(1.0, lambda port=port: any("brand-new" in ids(port, user, 20) for user in users))  # type: ignore[misc]
        print(f"the new item was shown after {took:.3f} s")

    # The user is erased on one worker: gone from every file, and a stranger to both.
    told = call(one, "DELETE", "/v1/users/canary-new?erase=true")["erased"]
    assert isinstance(told, dict) and told["events"] == 3
    within(1.0, lambda: ids(other, "canary-new") == ids(one, "canary-new") == ids(one, None))
    time.sleep(0.5)  # an answer that the other worker had still to write
    assert call(one, "DELETE", "/v1/users/canary-new?erase=true")["user_id"] == "canary-new"  # those asked for above
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "store.sqlite" for path in files)
    assert [path.name for path in files if b"canary-" in path.read_bytes()] == []


@pytest.mark.slow
def test_serve_starts_two_workers_on_one_port(trainer: ProductionTrainer, tmp_path: Path) -> None:
    trainer.save(tmp_path)
    port = free_port()
    process = started(tmp_path, port, "--workers", "2")
    try:
        wait_for(process, port)
        before = ids(port, "new")
        events = [{"user_id": "new", "item_id": item} for item in before[:3]]
        call(port, "POST", "/v1/events", {"events": events})
        time.sleep(0.5)
        lists = {tuple(map(str, ids(port, "new"))) for _ in range(40)}  # a new connection each: both workers answer
        assert len(lists) == 1 and set(next(iter(lists))).isdisjoint(map(str, before[:3]))
    finally:
        stop(process)
    assert process.returncode in (0, -15)
