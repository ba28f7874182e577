"""What the store in a file acknowledges survives kill -9; damage and full queues are said; erased bytes are gone."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from enterprise_recsys.errors import BusyError, StoreError
from enterprise_recsys.state.interface import Row
from enterprise_recsys.state.schema import SCHEMA_VERSION
from enterprise_recsys.state.sqlite import SqliteStore
from tests.state.test_contract import event, slate

ROOT = Path(__file__).resolve().parents[2]

WRITES = """
import itertools, sys
from enterprise_recsys.state.interface import Event
from enterprise_recsys.state.sqlite import SqliteStore
store, name = SqliteStore(sys.argv[1], sync="full"), sys.argv[2]
for begin in itertools.count(0, 3):
    batch = [Event(f"{name}-{n}", f"user-{n}", "i", n + 1) for n in range(begin, begin + 3)]
    stored = store.append(batch).result().stored
    print(begin, stored, flush=True)
"""


def test_only_the_owner_may_read_what_people_did(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.append([event(1)]).result()
    readable = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    store.close()
    assert len(readable) >= 3 and set(readable.values()) == {0}


def test_what_was_kept_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "deep" / "folder")
    secret = store.secret
    store.append([event(1)]).result()
    store.close()
    again = SqliteStore(tmp_path / "deep" / "folder")
    assert [one.event for one in again.changes(0)] == [event(1)] and again.secret == secret
    again.close()


@pytest.mark.parametrize("seed", range(3))
def test_nothing_acknowledged_is_lost_or_stored_twice_by_kill_9(tmp_path: Path, seed: int) -> None:
    written = [
        subprocess.Popen(
            [sys.executable, "-c", WRITES, str(tmp_path), f"w{worker}"], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        for worker in range(2)
    ]
    acknowledged = []
    for worker, process in enumerate(written):
        assert process.stdout is not None
        acknowledged.append(process.stdout.readline())
        assert acknowledged[-1] == "0 3\n", worker
    time.sleep(0.05 + 0.07 * seed)
    for process in written:
        os.kill(process.pid, signal.SIGKILL)
    lines = [first + process.communicate()[0] for first, process in zip(acknowledged, written, strict=True)]
    store = SqliteStore(tmp_path)
    changes, found, after = store.changes(0), [], 0
    while changes:
        found += [one.key for one in changes]
        after = changes[-1].sequence
        changes = store.changes(after)
    assert len(found) == len(set(found))
    for worker, text in enumerate(lines):
        batches = [int(line.split()[0]) for line in text.splitlines()]
        assert {f"w{worker}-{begin + n}" for begin in batches for n in range(3)} <= set(found)
        # Of the batch that was under way, all or nothing.
        own = sum(key.startswith(f"w{worker}-") for key in found)
        assert own % 3 == 0 and own - 3 * len(batches) in (0, 3)
    assert store.append([event(1)]).result().stored == 1
    store.close()


def test_several_may_open_a_new_folder_at_the_same_moment(tmp_path: Path) -> None:
    for attempt in range(20):
        together = threading.Barrier(4)

        def opened(folder: Path, together: threading.Barrier = together) -> bytes:
            together.wait()
            store = SqliteStore(folder)
            store.close()
            return store.secret

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(opened, [tmp_path / str(attempt)] * 4))) == 1


def test_a_full_queue_refuses_and_goes_on_afterwards(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, sync="normal", most_waiting=4)
    waits, may_go = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        waits.set()
        may_go.wait(10)

    held = store._writer.submit(hold)
    assert waits.wait(10)
    waiting = [store.append([event(number)]) for number in range(4)]
    with pytest.raises(BusyError, match="4 writes wait for the disk already; send fewer at a time"):
        store.append([event(9)])
    may_go.set()
    assert [one.result().stored for one in waiting] == [1] * 4 and held.result() is None
    assert store.append([event(9)]).result().stored == 1
    store.close()


def test_a_job_that_fails_is_undone_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, sync="normal")

    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM events")
        raise ValueError("on purpose")

    futures: list[Future[object]] = [store.append([event(1)]), store._writer.submit(fails), store.append([event(2)])]  # type: ignore[list-item]
    with pytest.raises(ValueError, match="on purpose"):
        futures[1].result()
    futures[2].result()
    assert [one.key for one in store.changes(0)] == ["e1", "e2"]
    store.close()


def test_a_commit_that_fails_acknowledges_none_of_its_jobs(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, sync="normal")

    def is_full(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    waits, may_go = threading.Event(), threading.Event()

    def hold(connection: sqlite3.Connection) -> None:
        waits.set()
        may_go.wait(10)

    held = store._writer.submit(hold)
    assert waits.wait(10)
    together = [store.append([event(1)]), store._writer.submit(is_full)]
    may_go.set()
    held.result()
    for future in together:
        with pytest.raises(StoreError, match="could not write: database or disk is full. Nothing of this was kept"):
            future.result()
    assert store.changes(0) == []
    assert store.append([event(1)]).result().stored == 1
    store.close()


def test_a_closed_store_writes_what_waits_and_then_no_more(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, sync="normal")
    waiting = [store.append([event(number)]) for number in range(50)]
    store.close()
    assert all(one.result().stored == 1 for one in waiting)
    with pytest.raises(StoreError, match="the store is closed"):
        store.append([event(99)])
    store.close()


def test_two_stores_on_one_folder_follow_each_other(tmp_path: Path) -> None:
    one, other = SqliteStore(tmp_path, sync="normal"), SqliteStore(tmp_path, sync="normal")
    for number in range(20):
        (one if number % 2 else other).append([event(number)]).result()
    assert [change.key for change in one.changes(0)] == [f"e{number}" for number in range(20)]
    assert one.changes(0) == other.changes(0)
    assert one.append([event(3)]).result().duplicates == 1
    one.close()
    other.close()


def test_the_bytes_of_an_erased_user_are_in_no_file(tmp_path: Path) -> None:
    store, other = SqliteStore(tmp_path, sync="normal"), SqliteStore(tmp_path, sync="normal")
    name = "canary-7f3a"
    for number in range(300):
        store.append([event(number, name), event(1000 + number, "other")]).result()
        store.log([slate(f"r{number}", name)]).result()
    store.put("users", name, Row({"name": name})).result()
    assert any(name.encode() in path.read_bytes() for path in tmp_path.iterdir())
    assert store.erase(name, 10_000).result().events == 300
    assert [path.name for path in tmp_path.iterdir() if name.encode() in path.read_bytes()] == []
    assert len(other.changes(0)) == 301
    store.close()
    other.close()


def test_a_file_that_is_no_store_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.sqlite").write_bytes(b"this is no database at all" * 400)
    with pytest.raises(StoreError, match="cannot be opened as a store: file is not a database"):
        SqliteStore(tmp_path)


def test_a_damaged_store_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, sync="normal")
    store.append([event(number) for number in range(2000)]).result()
    store.close()
    data = bytearray((tmp_path / "store.sqlite").read_bytes())
    data[4096:40960] = bytes(36864)
    (tmp_path / "store.sqlite").write_bytes(bytes(data))
    with pytest.raises(StoreError, match="is damaged"):
        SqliteStore(tmp_path)


def test_a_store_of_version_1_is_brought_up_to_date_and_loses_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.append([event(1), event(2)]).result()
    store.close()
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.executescript("ALTER TABLE events DROP COLUMN context; PRAGMA user_version = 1;")
    connection.close()
    for _ in range(2):
        store = SqliteStore(tmp_path)
        assert [one.event for one in store.changes(0)] == [replace(event(one), context={}) for one in (1, 2)]
        store.close()
    store = SqliteStore(tmp_path)
    store.append([event(3)]).result()
    assert store.changes(2)[0].event == event(3) and event(3).context
    store.close()


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    SqliteStore(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "store.sqlite")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(StoreError, match=f"has schema version {SCHEMA_VERSION + 1}.*upgrade enterprise_recsys"):
        SqliteStore(tmp_path)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot hold a store"):
        SqliteStore(tmp_path / "file" / "inside")
